/** A backup is taken while the service runs, and then restored. The history is back, and no effect happens again. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');

const head = async () =>
  (await service.call('GET', '/debug/events?direction=backwards&limit=1')).body.items[0];

async function chat(visitor: string): Promise<void> {
  await acme.view(visitor, { page: `https://a.test/${visitor}`, nick: `V${visitor}` });
  await acme.ask('POST', `/visitors/${visitor}/chats`, {
    chatId: `c${visitor}`,
    department: 'sales',
    message: { id: `m${visitor}`, body: `Hello from ${visitor}` },
  });
  await acme.callback('message.delivered', ({ messageId }) => messageId === `m${visitor}`);
}

it('restores the history, repeats no effect, and goes on', {
  timeout: 90_000,
}, async () => {
  await acme.register('olga', { name: 'Olga' });
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await chat('1');
  await olga.sendAndAck(acme.visitorJid('1'), 'Hello 1');
  await acme.callback('chat.message', (data) => data.visitor === '1');
  await world.idle();

  const backup = join(service.dir, 'backup');
  const result = await service.cli('backup', backup);
  expect(result, result.output).toMatchObject({ code: 0 });
  const { position } = await head();
  expect(result.output).toContain(position);

  // This chat comes after the backup, so it is lost.
  await chat('2');
  await world.idle();
  expect((await service.cli('restore', '--force', backup)).output).toMatch(/a service runs on/);
  await service.kill();
  const callbacks = acme.lhc.requests.length;
  const messages = olga.messages.length;

  const restored = await service.cli('restore', '--force', backup);
  expect(restored, restored.output).toMatchObject({ code: 0 });
  // No file that is folded from the log may stay, whatever its name is.
  const kept = readdirSync(service.dataDir).filter((name) => !name.startsWith('before-restore-'));
  expect(kept.toSorted()).toEqual([
    'events.db',
    'events.db.lock',
    'process.lock',
    'service-secret',
  ]);
  expect(readdirSync(service.dataDir).some((name) => name.startsWith('before-restore-'))).toBe(
    true,
  );

  await service.start();
  await acme.ask('GET', `/visitors?minPosition=${position}`);
  await world.idle();
  await olga.acknowledged();
  const { items } = await acme.ask('GET', '/visitors/1/messages');
  expect(items.map(({ body }: { body: string }) => body)).toEqual(['Hello from 1', 'Hello 1']);
  expect((await acme.call('GET', '/visitors/2')).status).toBe(404);
  // No effect of the log is repeated. The effects of lost events are not undone.
  const again = acme.lhc.requests.slice(callbacks).map(({ callback }) => callback?.type);
  expect(
    again.filter(
      (type) =>
        type !== 'operator.alive' && type !== 'operator.online' && type !== 'operator.offline',
    ),
  ).toEqual([]);
  expect(olga.messages).toHaveLength(messages);

  await acme.ask('POST', '/visitors/1/messages', { id: 'later', body: 'Still there?' });
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'later');
  await olga.sendAndAck(acme.visitorJid('1'), 'Here I am');
  await acme.callback('chat.message', (data) => data.message.body === 'Here I am');
  // A visitor whose history was lost can return.
  await acme.view('2', { page: 'https://a.test/2', nick: 'V2' });
  await world.idle();
  expect(await world.accounts('xmpp.test')).toContain('visitor.2');
});
