/**
 * The event store is away for longer than a lease and the wait for a next owner, with two processes. No process is declared
 * gone, no visitor leaves, and work continues.
 */
import { afterAll, expect, it } from 'vitest';
import { LEASE_MS } from '../../src/runtime/leases/partitions.ts';
import { watchAbsences } from '../support/absences.ts';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { callTo, type Service } from '../support/service.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

/** A lease, the wait for a next owner, and some more. */
const RELEASE_MS = 5_000;
const OUTAGE_MS = LEASE_MS + RELEASE_MS + 5_000;
const store = await startEventStoreDouble();
afterAll(() => store.close());
const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  processes: 2,
  environment: {
    EVENT_STORE: store.url,
    XMPP_CHAT_TIMES: JSON.stringify({ releaseMs: RELEASE_MS }),
    SERVICE_SECRET: 'a-secret-of-the-tests-for-every-process',
  },
});
const acme = world.tenant('acme');

async function owned(service: Service): Promise<number> {
  const { body } = await callTo(service.url)('GET', '/metrics');
  return Number(/^xmpp_chat_partitions_owned (\d+)$/m.exec(String(body))?.[1]);
}
const shares = async () => (await Promise.all(world.processes.map(owned))).join();
const untilShares = (expected: string) =>
  waitFor(async () => (await shares()) === expected, { what: `shares of ${expected}` });

it('commands fail with a reason, visitors stay online, no message is lost and no lease expires', async () => {
  await untilShares('8,8');
  await acme.register('olga');
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await acme.view('1', { page: 'https://shop.test/', nick: 'Anna' });
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales' });
  const jid = acme.visitorJid('1');
  await olga.waitFor(() => olga.presences.get(jid)?.available, 'the contact');
  await acme.callback('chat.assigned');
  const absences = watchAbsences(olga, [jid], world.processes);

  await store.stop();
  const stoppedAt = performance.now();
  const failing = acme.call('POST', '/visitors/1/messages', { id: 'lost', body: 'never stored' });
  olga.send(jid, 'said while the store is away', 'answer');
  await untilShares('0,0');
  const ready = await Promise.all(world.processes.map(({ url }) => callTo(url)('GET', '/readyz')));
  for (const { status, body } of ready) {
    expect(status).toBe(503);
    expect(JSON.stringify(body)).toMatch(/EventStoreDB/);
  }
  expect(await failing).toMatchObject({
    status: 503,
    body: { code: expect.stringMatching(/^(unavailable|timeout)$/) },
  });
  // This waits for the time, because no effect shows it.
  await waitFor(() => performance.now() - stoppedAt > OUTAGE_MS, {
    what: 'the time of the outage',
    deadlineMs: 2 * OUTAGE_MS,
  });

  await store.start();
  await untilShares('8,8');
  await waitFor(
    async () =>
      (await acme.call('POST', '/visitors/1/messages', { id: 'm1', body: 'again' })).status === 202,
    { what: 'a command to be accepted' },
  );
  await olga.waitFor(() => olga.messages.some(({ id }) => id === 'm1'), 'the message');
  const { data } = await acme.callback('chat.message', ({ message }) => message.id === 'answer');
  expect(data.message.body).toBe('said while the store is away');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm1');
  expect(olga.messages.filter(({ id }) => id === 'm1')).toHaveLength(1);

  for (const process of world.processes) {
    const lines = process.logs().split('\n');
    const told = lines.filter((line) => line.includes('"part":"the event store"'));
    expect(told).toEqual([
      expect.stringContaining('a part is away'),
      expect.stringMatching(/"forSeconds":\d+,"msg":"a part is back"/),
    ]);
  }
  expect([...absences.end()]).toEqual([]);
  const { body } = await world.service.call('GET', '/debug/streams/lease-partitions?limit=500');
  const types = body.items.map(({ type }: { type: string }) => type);
  expect(types).toContain('LeaseRenewed');
  expect(types).not.toContain('LeaseExpired');
  await olga.disconnect();
});
