import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import type { EventStore, RecordedEvent } from '../../src/eventstore/port.ts';
import {
  backwards,
  eventAt,
  firstEvent,
  lastEvent,
  lastInLog,
  logBackwards,
  nextInLog,
  SCAN_EVENTS,
  scanLog,
} from '../../src/eventstore/reading.ts';
import { temporaryFolder } from '../support/folder.ts';
import { events, numbers } from './events.ts';

const EVENTS = 600;

const folder = temporaryFolder('reading');
const store = await openEventStore(`sqlite:${join(folder, 'events.db')}`);
await store.append('v-long', events(0, EVENTS - 1), 'no-stream');
await store.append('v-cut', events(0, 9), 'no-stream');
await store.truncateBefore('v-cut', 4);
const { position } = await store.append('v-last', events(0, 1), 'no-stream');
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const all = async (reading: AsyncIterable<RecordedEvent>): Promise<unknown[]> =>
  numbers(await Array.fromAsync(reading));
const down = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from - i);

describe('one event', () => {
  test('is the first or the last of a stream, after a truncation too', async () => {
    expect(await firstEvent(store, 'v-cut')).toMatchObject({ revision: 4 });
    expect(await lastEvent(store, 'v-cut')).toMatchObject({ revision: 9 });
    expect(await firstEvent(store, 'v-none')).toBeNull();
    expect(await lastEvent(store, 'v-none')).toBeNull();
  });

  test('is the event at a revision, never another one', async () => {
    expect(await eventAt(store, 'v-cut', 4)).toMatchObject({ revision: 4 });
    expect(await eventAt(store, 'v-cut', 3)).toBeNull();
    expect(await eventAt(store, 'v-cut', 10)).toBeNull();
    expect(await eventAt(store, 'v-cut', -1)).toBeNull();
  });

  test('is the last of the log, or the next after a position', async () => {
    expect(await lastInLog(store)).toMatchObject({ stream: 'v-last', revision: 1, position });
    expect(await nextInLog(store, null)).toMatchObject({ stream: 'v-long', revision: 0 });
    expect(await nextInLog(store, position)).toBeNull();
  });
});

describe('backwards', () => {
  test('reads a stream to its beginning, page by page', async () => {
    expect(await all(backwards(store, 'v-long'))).toEqual(down(EVENTS - 1, EVENTS));
    expect(await all(backwards(store, 'v-cut'))).toEqual(down(9, 6));
    expect(await all(backwards(store, 'v-none'))).toEqual([]);
  });

  test('begins at a revision, and ends after a number of events', async () => {
    expect(await all(backwards(store, 'v-long', { from: 2 }))).toEqual([2, 1, 0]);
    expect(await all(backwards(store, 'v-long', { from: -1 }))).toEqual([]);
    expect(await all(backwards(store, 'v-long', { most: 251 }))).toEqual(down(EVENTS - 1, 251));
  });

  test('reads no further than the caller iterates', async () => {
    let reads = 0;
    const counted: Pick<EventStore, 'readStream'> = {
      readStream: (stream, options) => {
        reads += 1;
        return store.readStream(stream, options);
      },
    };
    for await (const { revision } of backwards(counted, 'v-long')) if (revision < 500) break;
    expect(reads).toBe(1);
  });

  test('reads the whole log as well', async () => {
    expect(await all(logBackwards(store, 4))).toEqual([1, 0, 9, 8]);
    expect(await all(logBackwards(store, 10_000))).toHaveLength(EVENTS + 6 + 2);
  });
});

describe('a scan of the log', () => {
  test('finds what matches, and says how far it looked', async () => {
    const of = (stream: string) => (event: RecordedEvent) => event.stream === stream;
    const found = await scanLog(store, { limit: 2, matches: of('v-cut') });
    expect(found.events.map(({ revision }) => revision)).toEqual([4, 5]);
    expect(found.through).toEqual(found.events.at(-1));
    expect(found.isAtEnd).toBe(false);
    const after = found.through?.position ?? expect.unreachable();
    const rest = await scanLog(store, { limit: 100, after, matches: of('v-cut') });
    expect(rest.events.map(({ revision }) => revision)).toEqual([6, 7, 8, 9]);
    expect(rest.isAtEnd).toBe(true);
    expect(rest.through?.stream).toBe('v-last');
    const back = await scanLog(store, {
      limit: 1,
      direction: 'backwards',
      matches: of('v-long'),
    });
    expect(back.events[0]?.revision).toBe(EVENTS - 1);
  });

  test('looks at a bounded part of a long log', async () => {
    let reads = 0;
    const endless = {
      readAll: async ({ limit = 0 } = {}) => {
        reads += 1;
        const [one] = await store.readAll({ limit: 1 });
        return Array.from({ length: limit }, () => one ?? expect.unreachable());
      },
    };
    const found = await scanLog(endless, { limit: 10, matches: () => false });
    expect(found).toMatchObject({ events: [], isAtEnd: false });
    expect(reads).toBeLessThanOrEqual(SCAN_EVENTS / 500);
  });
});
