/**
 * A migration to EventStoreDB and back keeps content, order and digest. The test double gets 10,000 events. A real,
 * empty server gets 50,000 when EVENTSTOREDB_EMPTY_URL names it, e.g. esdb://127.0.0.1:2113?tls=false.
 */
import { EventStoreDBClient } from '@eventstore/db-client';
import { expect, onTestFinished, test } from 'vitest';
import { openEventStore } from '../../../src/eventstore/open.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { waitFor } from '../../support/wait.ts';
import { event, events } from '../events.ts';
import { fillRealistic } from './realistic.ts';
import { contents, everything, folderOfTest, run, storeIn } from './stores.ts';

const realUrl = process.env.EVENTSTOREDB_EMPTY_URL;

const double = async (): Promise<EventStoreDouble> => {
  const started = await startEventStoreDouble();
  onTestFinished(() => started.close());
  return started;
};
const open = async (url: string): Promise<EventStore> => {
  const store = await openEventStore(url, { appendOnce: true });
  onTestFinished(() => store.close());
  return store;
};

test('from SQLite to EventStoreDB and back', async () => {
  const folder = folderOfTest();
  const source = await storeIn(folder, 'a.db');
  const { deleted, cut } = await fillRealistic(source, { count: realUrl ? 50_000 : 10_000 });
  expect(deleted.length).toBeGreaterThan(10);
  const middle = await open(realUrl ?? (await double()).url);
  const there = await run(source, middle);
  for (const stream of deleted.slice(0, 10)) expect(await middle.readStream(stream)).toEqual([]);
  for (const [stream, before] of [...cut].slice(0, 10)) {
    expect((await middle.readStream(stream, { limit: 1 }))[0]?.revision).toBe(before);
  }
  const end = await storeIn(folder, 'b.db');
  const back = await run(middle, end);
  expect(back).toEqual(there);
  // EventStoreDB's log still shows placeholders. They were not copied.
  await waitFor(async () => (await everything(end)).length === back.events);
  const wanted = (await contents(source)).filter(
    (one) => !(one as { stream: string }).stream.startsWith('lease-'),
  );
  await waitFor(async () => (await everything(source)).length >= wanted.length);
  expect(await contents(end)).toEqual(wanted);
}, 240_000);

test('does not copy events that EventStoreDB has deleted or truncated but still shows in its log', async () => {
  const { url } = await double();
  const source = await open(url);
  await source.append('key-acme.buried', [event(0)], 'no-stream');
  await source.append('key-acme.erased', [event(1)], 'no-stream');
  await source.append('key-acme.again', [event(2)], 'no-stream');
  await source.append('visitor-acme.cut', events(3, 9), 'no-stream');
  await source.append('visitor-acme.whole', events(10, 12), 'no-stream');
  await source.deleteStream('key-acme.erased');
  await source.deleteStream('key-acme.again');
  await source.append('key-acme.again', [event(13)], 'no-stream');
  await source.truncateBefore('visitor-acme.cut', 4);
  // Tombstones are set by hand only.
  const client = EventStoreDBClient.connectionString(url);
  await client.tombstoneStream('key-acme.buried');
  await client.dispose();
  expect(await everything(source)).toHaveLength(14);

  const target = await storeIn(folderOfTest(), 'b.db');
  const { digest } = await run(source, target);
  await waitFor(async () => (await everything(target)).length === 7, { what: 'placeholders gone' });
  const left = (await everything(target)).map(({ stream, revision, data }) => [
    stream,
    revision,
    data.n,
  ]);
  expect(left).toEqual([
    ['visitor-acme.cut', 4, 7],
    ['visitor-acme.cut', 5, 8],
    ['visitor-acme.cut', 6, 9],
    ['visitor-acme.whole', 0, 10],
    ['visitor-acme.whole', 1, 11],
    ['visitor-acme.whole', 2, 12],
    ['key-acme.again', 1, 13],
  ]);
  const back = await open((await double()).url);
  expect((await run(target, back)).digest).toBe(digest);
});

test('goes on in order while the server is killed again and again', async () => {
  const source = await storeIn(folderOfTest(), 'a.db');
  await fillRealistic(source, { count: 3_000 });
  const server = await double();
  const target = await open(server.url);
  let kills = 0;
  const killing: Promise<void>[] = [];
  const kill = async (): Promise<void> => {
    await server.stop();
    await server.start();
  };
  await run(source, target, {
    onProgress: (phase, done) => {
      if (phase !== 'copying' || done < (kills + 1) * 400 || kills === 5) return;
      kills += 1;
      killing.push(kill());
    },
  });
  await Promise.all(killing);
  expect(kills).toBe(5);
});
