/** The service on a copy of its log carries out what was pending, and repeats no effect. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const double = await startEventStoreDouble();
afterAll(() => double.close());
const { service } = world;
const acme = world.tenant('acme');
const { lhc } = acme;

const viewAndTimeOut = async (visitor: string): Promise<void> => {
  await acme.view(visitor, { page: 'https://a.test/ü' });
  await acme.ask('POST', `/visitors/${visitor}/timeout`);
};
const bodies = (visitor: string): string[] => [1, 2, 3].map((n) => `${visitor} says ${n} 👋`);
const chats = async (visitor: string): Promise<void> => {
  await acme.ask('POST', `/visitors/${visitor}/chats`, {
    chatId: `c${visitor}`,
    department: 'sales',
  });
  for (const [n, body] of bodies(visitor).entries()) {
    await acme.ask('POST', `/visitors/${visitor}/messages`, { id: `${visitor}-${n}`, body });
  }
};
/** Stops the service, and starts it with a copy of its log, the secret and an empty DATA_DIR. */
const moveTo = async (name: string, to: string): Promise<void> => {
  const { DATA_DIR: old = '', EVENT_STORE = `sqlite:${join(old, 'events.db')}` } = service.settings;
  const SERVICE_SECRET =
    service.settings.SERVICE_SECRET ?? (await readFile(join(old, 'service-secret'), 'utf8')).trim();
  const refused = await service.cli('migrate', EVENT_STORE, to);
  expect(refused).toMatchObject({ code: 1, output: expect.stringMatching(/has a writer|in use/) });
  await service.stop();
  // After an orderly end there is no need to wait.
  const { code, output } = await service.cli('migrate', EVENT_STORE, to);
  expect({ code, output }).toMatchObject({ code: 0 });
  const DATA_DIR = join(service.dir, name);
  Object.assign(service.settings, { DATA_DIR, EVENT_STORE: to, SERVICE_SECRET });
  await service.start();
};
const timedOut = (from: number): string[] =>
  lhc.requests
    .slice(from)
    .flatMap(({ callback, answered }) =>
      callback?.type === 'visitor.timed_out' && answered === 200 && 'visitor' in callback.data
        ? [String(callback.data.visitor)]
        : [],
    );

it.each([
  ['to another file', 'a', `sqlite:${join(service.dir, 'a.db')}`],
  ['to EventStoreDB', 'b', double.url],
  ['and back', 'c', `sqlite:${join(service.dir, 'c.db')}`],
])(
  '%s',
  async (_way, run, to) => {
    const already = timedOut(0).length;
    if (run === 'a') await acme.register('olga');
    const olga = await acme.connect('olga');
    await acme.operatorIs('olga', 'available');
    await chats(`${run}1`);
    await acme.callback('message.delivered', ({ messageId }) => messageId === `${run}1-2`);
    for (const visitor of [`${run}d1`, `${run}d2`, `${run}d3`]) await viewAndTimeOut(visitor);
    await waitFor(() => timedOut(0).length === already + 3, { what: 'three callbacks' });

    const pending = [`${run}p1`, `${run}p2`, `${run}p3`];
    await lhc.stop();
    await olga.disconnect();
    await acme.operatorIs('olga', 'offline');
    for (const visitor of pending) await viewAndTimeOut(visitor);
    await chats(`${run}2`);
    const requestsBefore = lhc.requests.length;
    const ids = new Set(lhc.requests.map(({ headers }) => headers['webhook-id']));

    await moveTo(`data-${run}`, to);
    await lhc.start();
    const again = await acme.connect('olga');
    await again.waitFor(() => again.messages.length >= 3, 'the messages of the second visitor');
    await acme.callback('message.delivered', ({ messageId }) => messageId === `${run}2-2`);
    await waitFor(() => timedOut(requestsBefore).length >= 3, {
      what: 'the other three callbacks',
    });
    // A repeated effect would come before these later ones.
    await viewAndTimeOut(`${run}z`);
    await waitFor(() => timedOut(requestsBefore).includes(`${run}z`));

    expect(again.messages.map(({ body }) => body)).toEqual(bodies(`${run}2`));
    expect(again.messages[0]?.lines).toMatch(new RegExp(`^New chat #c${run}2`));
    expect(timedOut(requestsBefore).sort()).toEqual([...pending, `${run}z`]);
    const since = lhc.requests
      .slice(requestsBefore)
      .map(({ headers }) => headers['webhook-id'] ?? '');
    expect(new Set(since).size).toBe(since.length);
    expect(since.filter((id) => ids.has(id))).toEqual([]);
    for (const visitor of [`${run}1`, `${run}2`]) {
      await acme.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'visitor' });
    }
    await again.disconnect();
  },
  120_000,
);
