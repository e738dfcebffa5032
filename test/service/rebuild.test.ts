/** Read models and pending work are caches. After a deletion they are rebuilt with the same content and without any effect. */
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { hashRows } from '../projections/hash.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');

/** The files of the read models: one, except at the moment when a new file replaces the old one. */
const builds = (): string[] =>
  readdirSync(service.dataDir).filter((name) => /^projections\.db\.\d+$/.test(name));

function hashes(): Record<string, string> {
  const [file = '', ...others] = builds();
  expect(others).toEqual([]);
  return hashRows(join(service.dataDir, file));
}

/** The rows of all tables of pending work. */
function pendingWork(): string {
  const db = new DatabaseSync(join(service.dataDir, 'work.db'), { readOnly: true });
  try {
    const tables = [
      'lane_work',
      'deadlines',
      'desired_visitors',
      'chats_of_visitors',
      'chats_of_operators',
    ];
    return JSON.stringify(tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all()));
  } finally {
    db.close();
  }
}

const remove = async (...names: string[]): Promise<void> => {
  for (const name of names) {
    for (const suffix of ['', '-wal', '-shm']) {
      await rm(join(service.dataDir, name + suffix), { force: true });
    }
  }
};
/** What LHC was told of facts. That an operator is alive follows from the time, and each process says it once a minute. */
const callbacks = () =>
  acme.lhc.requests.filter(({ callback }) => callback?.type !== 'operator.alive');

const head = async () =>
  (await service.call('GET', '/debug/events?direction=backwards&limit=1')).body.items[0];
it('are built again with equal rows, and cause no callback, no message and no fact', async () => {
  await acme.register('olga', { name: 'Olga' });
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  for (const visitor of ['1', '2', '3']) {
    await acme.view(visitor, { page: `https://a.test/${visitor}`, nick: `V${visitor}` });
    await acme.ask('POST', `/visitors/${visitor}/chats`, {
      chatId: `c${visitor}`,
      department: 'sales',
      message: { id: `m${visitor}`, body: `Hello from ${visitor}` },
    });
    await acme.callback('message.delivered', ({ messageId }) => messageId === `m${visitor}`);
    await olga.sendAndAck(acme.visitorJid(visitor), `Hello ${visitor}`);
    await acme.callback('chat.message', (data) => data.visitor === visitor);
  }
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await acme.ask('DELETE', '/visitors/2');
  await acme.ask('POST', '/visitors/4/chats', { chatId: 'c4', department: 'nobody' });
  await acme.callback('visitor.cleaned_up');
  await world.idle();
  await service.stop();
  const before = { hashes: hashes(), work: pendingWork() };
  const { visitors, messages, operators, chats } = before.hashes;
  expect(new Set([visitors, messages, operators, chats]).size).toBe(4);

  // A start without a deletion changes nothing. The next start is compared with this one.
  await service.start();
  await world.idle();
  const known = {
    head: (await head()).position,
    callbacks: callbacks().length,
    messages: olga.messages.length,
  };
  await service.stop();
  expect(hashes()).toEqual(before.hashes);

  await remove(...builds(), 'work.db', 'snapshots.db');
  await service.start();
  const { position } = await head();
  await acme.ask('GET', `/visitors?minPosition=${position}`);
  await world.idle();
  await olga.acknowledged();
  expect(position).toBe(known.head);
  expect((await head()).position).toBe(known.head);
  expect(callbacks()).toHaveLength(known.callbacks);
  expect(olga.messages).toHaveLength(known.messages);
  // Visitors who were removed long ago are forgotten when ejabberd has been compared with the log.
  await waitFor(() => pendingWork() === before.work, { what: 'the same pending work' });
  await service.stop();
  expect(hashes()).toEqual(before.hashes);
  expect(pendingWork()).toBe(before.work);

  // A rebuild beside the current rows, while the service answers queries.
  await service.start();
  const rows = async () => (await service.call('GET', '/debug/projections')).body;
  await waitFor(async () => (await rows()).shown?.complete, { what: 'the rows' });
  const { number } = (await rows()).shown;
  expect((await service.call('POST', '/debug/projections/rebuild')).status).toBe(202);
  await waitFor(
    async () => {
      const chats = await acme.call('GET', '/chats');
      expect([chats.status, chats.body.items?.length]).toEqual([200, 4]);
      return (await rows()).shown.number > number;
    },
    { what: 'the new rows' },
  );
  await waitFor(() => builds().length === 1, { what: 'the old rows to be deleted' });
  await service.stop();
  expect(hashes()).toEqual(before.hashes);

  // The service continues from there.
  await service.start();
  await acme.ask('POST', '/visitors/3/messages', { id: 'later', body: 'Still there?' });
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'later');
});
