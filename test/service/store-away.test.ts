/** The event store is away for longer than a lease, with two processes: no process is declared gone, and all goes on. */
import { afterAll, expect, it } from 'vitest';
import { watchAbsences } from '../support/absences.ts';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { callTo, type Service } from '../support/service.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const LEASE_MS = 8_000;
const store = await startEventStoreDouble();
afterAll(() => store.close());
const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  processes: 2,
  environment: {
    EVENT_STORE: store.url,
    SERVICE_SECRET: 'a-secret-of-the-tests-for-every-process',
  },
});
const acme = world.tenant('acme');

async function owned(service: Service): Promise<number> {
  const { body } = await callTo(service.url)('GET', '/metrics');
  return Number(/^xmpp_chat_partitions_owned (\d+)$/m.exec(String(body))?.[1]);
}
const shares = async () => (await Promise.all(world.processes.map(owned))).join();
const until = (wanted: string) =>
  waitFor(async () => (await shares()) === wanted, { deadlineMs: 20_000, what: wanted });

it('commands fail with a reason, visitors stay online, and nothing is lost or handed over', async () => {
  await until('8,8');
  await acme.register('olga');
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await acme.view('1', { page: 'https://shop.test/', nick: 'Anna' });
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales' });
  const jid = acme.visitorJid('1');
  await olga.waitFor(() => olga.presences.get(jid)?.available, 10_000, 'the contact');
  await acme.callback('chat.assigned');
  const absences = watchAbsences(olga, [jid]);

  await store.stop();
  const gone = Date.now();
  const failing = acme.call('POST', '/visitors/1/messages', { id: 'lost', body: 'nobody hears' });
  olga.send(jid, 'said while the store is away', 'answer');
  await until('0,0');
  const ready = await Promise.all(world.processes.map(({ url }) => callTo(url)('GET', '/readyz')));
  for (const { status, body } of ready) {
    expect(status).toBe(503);
    expect(JSON.stringify(body)).toMatch(/EventStoreDB/);
  }
  expect(await failing).toMatchObject({
    status: 503,
    body: { code: expect.stringMatching(/^(unavailable|timeout)$/) },
  });
  // There is no condition to wait for: the time has to pass.
  await waitFor(() => Date.now() - gone > LEASE_MS * 1.5, {
    deadlineMs: LEASE_MS * 2,
    what: 'the time of a lease',
  });

  await store.start();
  await until('8,8');
  await waitFor(
    async () =>
      (await acme.call('POST', '/visitors/1/messages', { id: 'm1', body: 'again' })).status === 202,
    { deadlineMs: 30_000, what: 'a command to be taken' },
  );
  await olga.waitFor(() => olga.messages.some(({ id }) => id === 'm1'), 15_000, 'the message');
  const { data } = await acme.callback(
    'chat.message',
    ({ message }) => message.id === 'answer',
    30_000,
  );
  expect(data.message.body).toBe('said while the store is away');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm1');
  expect(olga.messages.filter(({ id }) => id === 'm1')).toHaveLength(1);

  const { longest } = absences.end();
  expect(Math.max(0, ...longest.values())).toBe(0);
  const { body } = await world.service.call('GET', '/debug/streams/lease-partitions?limit=500');
  const types = body.items.map(({ type }: { type: string }) => type);
  expect(types).toContain('LeaseRenewed');
  expect(types).not.toContain('LeaseExpired');
  await olga.disconnect();
}, 120_000);
