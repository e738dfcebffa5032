/** What the log says of ejabberd and the event store, without a service: their calls alone. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { EVENT_STORE } from '../../src/eventstore/port.ts';
import { observedStore, toldOutages } from '../../src/service/outages.ts';
import { createEjabberdAdmin } from '../../src/xmpp/admin/admin.ts';
import { newId, openRig } from '../support/rig.ts';

function watch(part: string) {
  let now = 0;
  const lines: unknown[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const logger = pino({ base: null, timestamp: false }, { write });
  const observe = toldOutages(part, logger, () => now);
  const passes = (ms: number) => {
    now += ms;
  };
  return { lines, observe, passes, monotonic: () => now };
}

it('ejabberd that cannot be reached, and its return; a refusal is no outage', async () => {
  const { lines, observe, passes } = watch('ejabberd');
  let status = 403;
  const server = createServer((_, response) => {
    response.writeHead(status).end('"ejabberd 24.12 is running"');
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const url = `http://127.0.0.1:${port}/api`;
  const admin = createEjabberdAdmin({ url, user: 'api@xmpp.test', password: 'a secret', observe });
  await expect(admin.version()).rejects.toThrow();
  passes(60_000);
  await expect(admin.version()).rejects.toThrow();
  expect(lines).toEqual([]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  for (let n = 0; n < 3; n++) {
    await expect(admin.version()).rejects.toMatchObject({ code: 'unavailable' });
    passes(20_000);
  }
  status = 200;
  await listen(port);
  for (let n = 0; n < 3; n++) expect(await admin.version()).toBe('24.12');
  server.closeAllConnections();
  server.close();
  expect(lines).toEqual([
    {
      level: 40,
      part: 'ejabberd',
      reason: expect.stringContaining('cannot be reached'),
      msg: 'a part is away',
    },
    { level: 30, part: 'ejabberd', forSeconds: 60, msg: 'a part is back' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('a secret');
});

it('the event store that is away, and its return; a busy one is not away', async () => {
  const { lines, observe, passes, monotonic } = watch(EVENT_STORE);
  const rig = await openRig();
  let failure: AppError | null = null;
  const unless = async <T>(call: () => Promise<T>): Promise<T> => {
    if (failure) throw failure;
    return call();
  };
  const { store, wasAway } = observedStore(
    {
      ...rig.store,
      append: (...args) => unless(() => rig.store.append(...args)),
      check: () => unless(() => rig.store.check()),
    },
    observe,
    monotonic,
  );
  const append = () => store.append(`visitor-acme.${newId()}`, [], 'any');
  const failAll = async (error: AppError) => {
    failure = error;
    for (let n = 0; n < 3; n++) {
      await expect(store.check()).rejects.toThrow();
      await expect(append()).rejects.toThrow();
      passes(5_000);
    }
    failure = null;
  };
  await failAll(new AppError('overloaded', 'too many appends wait', { part: EVENT_STORE }));
  await store.check();
  await failAll(new AppError('unavailable', 'an actor is not there'));
  await store.check();
  expect(lines).toEqual([]);
  expect(wasAway(3_600_000)).toBe(false);
  await failAll(new AppError('unavailable', 'no leader', { part: EVENT_STORE }));
  expect([wasAway(4_999), wasAway(5_000)]).toEqual([false, true]); // the last call was 5 s ago
  await store.check();
  await store.check();
  expect(lines).toEqual([
    { level: 40, part: EVENT_STORE, reason: 'no leader', msg: 'a part is away' },
    { level: 30, part: EVENT_STORE, forSeconds: 15, msg: 'a part is back' },
  ]);
  await rig.close();
});
