/** Faults between the adapter and its server, caused with the double. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NotLeaderError } from '@eventstore/db-client';
import { describe, expect, test } from 'vitest';
import { unavailable } from '../../../src/eventstore/esdb/failure.ts';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import { parseEsdbUrl } from '../../../src/eventstore/esdb/url.ts';
import { openEventStore } from '../../../src/eventstore/open.ts';
import {
  type EventStore,
  MAX_APPEND_BYTES,
  type RecordedEvent,
  type SubscribeOptions,
} from '../../../src/eventstore/port.ts';
import { openCounts, rowsOf } from '../../fold/counts.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { waitFor } from '../../support/wait.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';
import { onDouble } from './on-double.ts';

const TIMING = { tryMs: 500, totalMs: 2000 };

let server: EventStoreDouble;
let store: EventStore;
const closing = onDouble(TIMING, (ownServer, ownStore) => {
  server = ownServer;
  store = ownStore;
});

const numbersTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Writers that append one event after the other, each to its own stream. The log must have each event once. */
const write = async (prefix: string, writers: number, each: number): Promise<void> => {
  const one = async (stream: string): Promise<void> => {
    for (let i = 0; i < each; i += 1) {
      await store.append(stream, [event(i)], i === 0 ? 'no-stream' : i - 1);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, i) => one(`${prefix}${i}`)));
};
const expectWritten = async (prefix: string, writers: number, each: number): Promise<void> => {
  for (let i = 0; i < writers; i += 1) {
    expect(numbers(await store.readStream(`${prefix}${i}`))).toEqual(numbersTo(each));
  }
};

const collect = (options: Omit<SubscribeOptions, 'signal'>) => {
  const controller = new AbortController();
  const seen: RecordedEvent[] = [];
  const ended = (async () => {
    for await (const batch of store.subscribe({ ...options, signal: controller.signal })) {
      seen.push(...batch.events);
    }
  })();
  closing.unshift(async () => {
    controller.abort();
    await ended;
  });
  return seen;
};

test('a read waits as long as an append while the server is away, for example for the election of a leader', async () => {
  const stream = `${uniquePrefix()}a`;
  await store.append(stream, events(0, 2), 'no-stream');
  await server.stop();
  const reading = store.readStream(stream);
  const searching = store.readAll({ prefixes: [stream], limit: 10 });
  await delay(TIMING.totalMs * 0.6);
  await server.start();
  expect(await reading).toHaveLength(3);
  expect(await searching).toHaveLength(3);
});

test('while a leader is elected, nobody is told to name nodes that are named', () => {
  // Its constructor takes what the server sends.
  const error: Error = Object.create(NotLeaderError.prototype);
  const about = { kind: 'read', stream: 'a' } as const;
  expect(unavailable(error, about).message).toContain('name all nodes in EVENT_STORE');
  expect(unavailable(error, { ...about, namesAll: true }).message).toMatch(/elect a leader/);
  const named = (url: string) => parseEsdbUrl(url).namesAll;
  expect(named('esdb://a.test,b.test')).toBe(true);
  expect(named('esdb+discover://cluster.test')).toBe(true);
  expect(named('esdb://a.test')).toBe(false);
});

describe('an append', () => {
  test('is repeated if its answer was lost, and written once', async () => {
    const stream = `${uniquePrefix()}a`;
    server.faults.loseAnswers(2);
    const { revision, position } = await store.append(stream, events(0, 2), 'no-stream');
    expect(revision).toBe(2);
    server.faults.loseAnswers();
    expect((await store.append(stream, [event(3)], 2)).revision).toBe(3);
    const recorded = await store.readStream(stream);
    expect(numbers(recorded)).toEqual(numbersTo(4));
    expect(recorded[2]?.position).toBe(position);
  });

  test('with any revision is not repeated: its outcome is unknown', async () => {
    const stream = `${uniquePrefix()}a`;
    server.faults.loseAnswers();
    await expect(store.append(stream, [event(0)], 'any')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/unknown.*read the stream first/),
    });
    expect(await store.readStream(stream)).toHaveLength(1);
  });

  test('survives a kill and a restart of the server', async () => {
    const prefix = uniquePrefix();
    const writing = write(prefix, 16, 40);
    for (let i = 0; i < 3; i += 1) {
      await delay(30);
      await server.stop();
      await delay(50);
      await server.start();
    }
    await writing;
    await expectWritten(prefix, 16, 40);
  });

  test('fails in time on a frozen server, and can be repeated', async () => {
    const prefix = uniquePrefix();
    const sent = events(0, 1);
    server.faults.freeze(true);
    const appends = Array.from({ length: 50 }, (_, i) =>
      store.append(
        `${prefix}${i}`,
        sent.map((one) => ({ ...one })),
        'no-stream',
      ),
    );
    const start = performance.now();
    for (const { status, ...rest } of await Promise.allSettled(appends)) {
      expect({ status, ...rest }).toMatchObject({
        status: 'rejected',
        reason: { code: 'unavailable', message: expect.stringContaining('no answer within') },
      });
    }
    expect(performance.now() - start).toBeLessThan(TIMING.totalMs + 2 * TIMING.tryMs + 1000);
    await expect(store.check()).rejects.toMatchObject({ code: 'unavailable' });
    server.faults.freeze(false);
    for (let i = 0; i < 50; i += 1) {
      expect((await store.append(`${prefix}${i}`, sent, 'no-stream')).revision).toBe(1);
      expect(await store.readStream(`${prefix}${i}`)).toHaveLength(2);
    }
    await store.check();
  });

  test('goes to the leader; without a leader the error says what to do', async () => {
    const leader = await startEventStoreDouble();
    closing.push(() => leader.close());
    const stream = `${uniquePrefix()}a`;
    server.faults.notLeader({ host: '127.0.0.1', port: leader.port });
    await store.append(stream, [event(0)], 'no-stream');
    const there = await openEventStore(leader.url);
    closing.unshift(() => there.close());
    expect(await there.readStream(stream)).toHaveLength(1);
    expect(leader.port).not.toBe(server.port);

    leader.faults.notLeader({ host: '127.0.0.1', port: server.port });
    await expect(store.append(stream, [event(1)], 0)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('name all nodes in EVENT_STORE (esdb://HOST1,HOST2'),
    });
  });

  test('names the missing right if it is denied', async () => {
    server.faults.denyAccess(true);
    const stream = `${uniquePrefix()}a`;
    const refusal = {
      code: 'refused',
      message: expect.stringMatching(/right to write .*EVENT_STORE/),
    };
    await expect(store.append(stream, [event(0)], 'any')).rejects.toMatchObject(refusal);
    await expect(store.readStream(stream)).rejects.toMatchObject({ code: 'refused' });
    server.faults.denyAccess(false);
    await store.append(stream, [event(0)], 'no-stream');
  });

  test('is refused before it is sent if it is too large by the server’s measure, and other appends succeed', async () => {
    const prefix = uniquePrefix();
    // The server counts types twice: this append is within our limit as JSON, and past the server's.
    const long = event(0, { type: 'x'.repeat(512), data: { text: '' } });
    const text = 'x'.repeat(MAX_APPEND_BYTES - Buffer.byteLength(JSON.stringify(long)));
    const writing = write(prefix, 8, 20);
    for (let i = 0; i < 10; i += 1) {
      await expect(
        store.append(`${prefix}large`, [{ ...long, data: { ...long.data, text } }], 'any'),
      ).rejects.toMatchObject({ code: 'too-large' });
    }
    await writing;
    await expectWritten(prefix, 8, 20);
  });

  test('succeeds while other stores of the process open and close', async () => {
    const prefix = uniquePrefix();
    const writing = write(prefix, 8, 100);
    for (let i = 0; i < 5; i += 1) {
      const other = await openEventStore(server.url);
      const pending = other.append(`${prefix}other${i}`, [event(0)], 'no-stream');
      await other.close();
      expect((await pending).revision).toBe(0);
    }
    await writing;
    await expectWritten(prefix, 8, 100);
  });
});

test('a deletion finds that another store has just begun the stream again', async () => {
  // For 140 ms nobody finds the stream.
  const slow = await startEventStoreDouble({ now: () => Date.now() / 20 });
  const [one, other] = await Promise.all([1, 2].map(() => openEsdbEventStore(slow.url)));
  if (!one || !other) throw new Error('two stores were opened');
  closing.unshift(one.close, other.close, slow.close);
  await one.append('a-b', [event(0)], 'no-stream');
  await one.deleteStream('a-b');
  await other.append('a-b', [event(1)], 'no-stream');
  await expect(one.deleteStream('a-b', { expected: 0 })).rejects.toMatchObject({ actual: 1 });
  expect(numbers(await other.readStream('a-b'))).toEqual([1]);
});

describe('a subscription', () => {
  test('applies each event once and in order, although it is dropped again and again', async () => {
    const folder = temporaryFolder('esdb-fold');
    const prefix = uniquePrefix();
    const streams = 10;
    const each = 1000;
    const { db, fold } = openCounts(join(folder, 'rows.db'), store);
    const controller = new AbortController();
    const running = fold.run(controller.signal);
    closing.unshift(async () => {
      controller.abort();
      await running;
      db.close();
      rmSync(folder, { recursive: true });
    });
    const seen = collect({ prefixes: [prefix] });

    let drops = 0;
    const dropping = (async () => {
      for (let next = 400; drops < 20; drops += 1, next += 450) {
        await waitFor(() => seen.length >= next, { what: 'progress' });
        if (drops % 2 === 0) server.faults.dropSubscriptions();
        else server.dropConnections();
      }
    })();
    for (let n = 0; n < each; n += 20) {
      const batch = async (stream: number) =>
        store.append(`${prefix}${stream}`, events(n, n + 19), n === 0 ? 'no-stream' : n - 1);
      await Promise.all(Array.from({ length: streams }, (_, i) => batch(i)));
    }
    await waitFor(() => seen.length >= streams * each, { what: 'the events' });
    await dropping;
    const head = await store.head();
    if (head === null) throw new Error('events were written');
    await fold.waitFor(head, 5000);
    const all = await store.readAll({ prefixes: [prefix], limit: 20_000 });
    expect(seen.map(({ position }) => position)).toEqual(all.map(({ position }) => position));
    expect(rowsOf(db)).toHaveLength(streams);
    for (const row of rowsOf(db)) expect(row).toMatchObject({ n: each });
  });

  test('yields no event from before its start, although the server sends some', async () => {
    const prefix = uniquePrefix();
    const { position } = await store.append(`${prefix}a`, events(0, 9), 'no-stream');
    await store.append(`${prefix}a`, events(10, 19), 9);
    server.faults.sendAgain(7);
    const seen = collect({ prefixes: [prefix], after: position });
    await waitFor(() => numbers(seen).includes(19), { what: 'the last' });
    expect(numbers(seen)).toEqual(numbersTo(20).slice(10));
  });

  test('reaches the end of the log although no event matches', async () => {
    const prefix = uniquePrefix();
    await store.append(`${prefix}a.1`, [event(0)], 'no-stream');
    const controller = new AbortController();
    closing.unshift(async () => controller.abort());
    let through: string | undefined;
    void (async () => {
      for await (const batch of store.subscribe({
        prefixes: [`${prefix}a.`],
        signal: controller.signal,
      })) {
        ({ through } = batch);
      }
    })();
    for (let n = 1; n <= 3; n += 1) {
      await store.append(`${prefix}b.${n}`, [event(n)], 'no-stream');
      // It passes the store's own events as well.
      await store.truncateBefore(`${prefix}a.1`, n);
      const head = await store.head();
      await waitFor(() => through === head, { deadlineMs: 2000, what: 'the end of the log' });
    }
  });

  test('of another store can read a stream that began again, as soon as it has the event', async () => {
    const other = await openEsdbEventStore(server.url);
    closing.unshift(() => other.close());
    await store.append('a-b', [event(0)], 'no-stream');
    await store.deleteStream('a-b');
    const stop = new AbortController();
    for await (const batch of other.subscribe({ signal: stop.signal })) {
      if (batch.events.some(({ revision }) => revision === 1)) break;
      if (batch.live) await store.append('a-b', [event(1)], 'no-stream');
    }
    stop.abort();
    expect(numbers(await other.readStream('a-b'))).toEqual([1]);
  });

  test('of a slow consumer resumes where it was', async () => {
    const prefix = uniquePrefix();
    const total = 3000;
    const { signal } = new AbortController();
    const seen: unknown[] = [];
    const subscription = store
      .subscribe({ prefixes: [prefix], signal, batch: 100 })
      [Symbol.asyncIterator]();
    await subscription.next();
    for (let n = 0; n < total; n += 100) {
      await store.append(`${prefix}a`, events(n, n + 99), n === 0 ? 'no-stream' : n - 1);
    }
    server.faults.dropSubscriptions();
    while (seen.length < total) {
      const { value, done } = await subscription.next();
      if (done) break;
      expect(value.events.length).toBeLessThanOrEqual(100);
      seen.push(...numbers(value.events));
      await delay(1);
    }
    await subscription.return?.();
    expect(seen).toEqual(numbersTo(total));
  });

  test('survives a frozen server, and one that is away for a while', async () => {
    const prefix = uniquePrefix();
    const seen = collect({ prefixes: [prefix] });
    await store.append(`${prefix}a`, [event(0)], 'no-stream');
    await waitFor(() => seen.length === 1);
    server.faults.freeze(true);
    const frozen = store.append(`${prefix}a`, [event(1)], 0);
    await delay(2 * TIMING.tryMs);
    server.faults.freeze(false);
    await frozen;
    await waitFor(() => seen.length === 2);
    await server.stop();
    await delay(300);
    await server.start();
    await store.append(`${prefix}a`, [event(2)], 1);
    await waitFor(() => seen.length === 3);
    expect(numbers(seen)).toEqual([0, 1, 2]);
  });
});

describe('opening and closing', () => {
  test('opening waits for a server that is away, and the error names it without the password', async () => {
    await server.stop();
    const url = `esdb://ada:s3cret@127.0.0.1:${server.port}?tls=false`;
    const failed = await openEsdbEventStore(url, { openMs: 300 }).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`127.0.0.1:${server.port}`),
    });
    expect(JSON.stringify([failed, String(failed)])).not.toContain('s3cret');
    const opening = openEsdbEventStore(url);
    await delay(200);
    await server.start();
    const opened = await opening;
    expect(opened.id).toBe(store.id);
    await opened.close();
  });

  test.each([
    'esdb://',
    'esdb:/x',
    'esdb://ada:s3cret@127.0.0.1:port',
    'esdb://ada:s3cret@127.0.0.1:2113?tls=maybe',
    'esdb://ada:s3cret@127.0.0.1:2113?nonsense',
    'esdb://ada:s3cret@127.0.0.1:2113?tlsCAFile=/s3cret/missing.pem',
  ])('%j is refused', async (url) => {
    const failed = await openEventStore(url).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('EVENT_STORE'),
    });
    expect(String(failed)).not.toContain('s3cret');
  });

  test('a read-only store writes nothing, and needs an existing log', async () => {
    await store.append('a-b', [event(0)], 'no-stream');
    const reader = await openEventStore(server.url, { readOnly: true });
    expect(await reader.readStream('a-b')).toHaveLength(1);
    const refused = { code: 'refused' };
    await expect(reader.append('a-b', [event(1)], 0)).rejects.toMatchObject(refused);
    await expect(reader.deleteStream('a-b')).rejects.toMatchObject(refused);
    await expect(reader.truncateBefore('a-b', 1)).rejects.toMatchObject(refused);
    await reader.close();
    const empty = await startEventStoreDouble();
    closing.push(() => empty.close());
    await expect(openEventStore(empty.url, { readOnly: true })).rejects.toMatchObject({
      code: 'invalid',
    });
  });

  test('several stores that open a new log at once agree on its id', async () => {
    const fresh = await startEventStoreDouble();
    closing.push(() => fresh.close());
    const stores = await Promise.all(Array.from({ length: 5 }, () => openEventStore(fresh.url)));
    expect(new Set(stores.map(({ id }) => id)).size).toBe(1);
    await Promise.all(stores.map((one) => one.close()));
  });

  test('after closing, subscriptions end and everything else is unavailable', async () => {
    const { signal } = new AbortController();
    const subscription = store.subscribe({ signal })[Symbol.asyncIterator]();
    await subscription.next();
    const appended = store.append('a-b', [event(0)], 'no-stream');
    await Promise.all([store.close(), store.close()]);
    expect((await appended).revision).toBe(0);
    while (!(await subscription.next()).done);
    const unavailable = { code: 'unavailable' };
    await expect(store.append('a-b', [event(1)], 0)).rejects.toMatchObject(unavailable);
    await expect(store.readStream('a-b')).rejects.toMatchObject(unavailable);
    await expect(store.head()).rejects.toMatchObject(unavailable);
    await expect(store.check()).rejects.toMatchObject(unavailable);
    await expect(store.deleteStream('a-b')).rejects.toMatchObject(unavailable);
  });
});
