/** The service on a copy of its log performs what was pending, and nothing that was done. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');
const { lhc } = acme;

const comesAndGoes = async (visitor: string): Promise<void> => {
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
/** Stops the service, copies its log along, and starts it with nothing but the copy and the secret. */
const moveTo = async (name: string, hops: readonly string[]): Promise<void> => {
  await service.stop();
  const { DATA_DIR: old = '', EVENT_STORE = `sqlite:${join(old, 'events.db')}` } = service.settings;
  const DATA_DIR = join(service.dir, name);
  await mkdir(DATA_DIR);
  await copyFile(join(old, 'service-secret'), join(DATA_DIR, 'service-secret'));
  const end = `sqlite:${join(DATA_DIR, 'log.db')}`;
  let from = EVENT_STORE;
  for (const to of [...hops, end]) {
    const { code, output } = await service.cli('migrate', from, to);
    expect({ code, output }).toMatchObject({ code: 0 });
    from = to;
  }
  Object.assign(service.settings, { DATA_DIR, EVENT_STORE: end });
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

it('on SQLite', async () => {
  await acme.register('olga');
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await chats('1');
  await acme.callback('message.delivered', ({ messageId }) => messageId === '1-2');
  for (const visitor of ['d1', 'd2', 'd3']) await comesAndGoes(visitor);
  await waitFor(() => timedOut(0).length === 3, { what: 'LHC to be told of three' });

  await lhc.stop();
  await olga.disconnect();
  await acme.operatorIs('olga', 'offline');
  for (const visitor of ['p1', 'p2', 'p3']) await comesAndGoes(visitor);
  await chats('2');
  const told = lhc.requests.length;
  const ids = new Set(lhc.requests.map(({ headers }) => headers['webhook-id']));

  await moveTo('copy', []);
  await lhc.start();
  const again = await acme.connect('olga');
  await again.waitFor(() => again.messages.length >= 3, 20_000, 'what the second visitor says');
  await acme.callback('message.delivered', ({ messageId }) => messageId === '2-2', 20_000);
  await waitFor(() => timedOut(told).length >= 3, { deadlineMs: 20_000, what: 'the other three' });
  // A later effect of every kind is behind whatever would have been repeated.
  await comesAndGoes('last');
  await waitFor(() => timedOut(told).includes('last'), { deadlineMs: 20_000 });

  expect(again.messages.map(({ body }) => body)).toEqual(bodies('2'));
  expect(timedOut(told).sort()).toEqual(['last', 'p1', 'p2', 'p3']);
  const since = lhc.requests.slice(told).map(({ headers }) => headers['webhook-id'] ?? '');
  expect(new Set(since).size).toBe(since.length);
  expect(since.filter((id) => ids.has(id))).toEqual([]);
  await again.disconnect();
}, 120_000);
