import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { openEventStore } from '../src/eventstore/open.ts';
import type { EventStore, NewEvent } from '../src/eventstore/port.ts';
import { AT_ONCE, pageView } from './eventstore.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const ROUNDS = 7;
const ROUND_MS = 400;
/** Events of the stream for reads, and of each append that fills it. */
const STREAM = { events: 10_000, each: 500 };
const AIM = 0.9;

/** The measured calls: through the port, and the same through the client alone. */
interface Side {
  append(stream: string, event: NewEvent, revision: number): Promise<unknown>;
  /** @returns the number of events */
  readStream(stream: string): Promise<number>;
  readAll(limit: number): Promise<number>;
  /** Catches up with all streams of a prefix, and leaves. */
  catchUp(prefix: string, count: number): Promise<number>;
}

const ours = (store: EventStore): Side => ({
  append: (stream, event, revision) =>
    store.append(stream, [event], revision < 0 ? 'no-stream' : revision),
  readStream: async (stream) => (await store.readStream(stream, { limit: STREAM.events })).length,
  readAll: async (limit) => (await store.readAll({ limit })).length,
  catchUp: async (prefix, count) => {
    let seen = 0;
    const { signal } = new AbortController();
    for await (const { events } of store.subscribe({ prefixes: [prefix], signal })) {
      seen += events.length;
      if (seen >= count) break;
    }
    return seen;
  },
});

const bare = (client: EventStoreDBClient): Side => {
  /** Collects the events, as the port does. */
  const count = async (events: AsyncIterable<unknown>, limit = Number.POSITIVE_INFINITY) => {
    const seen: unknown[] = [];
    for await (const event of events) if (seen.push(event) >= limit) break;
    return seen.length;
  };
  return {
    append: (stream, { id, type, data, ...metadata }, revision) =>
      client.appendToStream(stream, jsonEvent({ id, type, data, metadata }), {
        expectedRevision: revision < 0 ? 'no_stream' : BigInt(revision),
      }),
    readStream: (stream) => count(client.readStream(stream, { maxCount: STREAM.events })),
    readAll: (limit) => count(client.readAll({ maxCount: limit })),
    catchUp: (prefix, events) =>
      count(
        client.subscribeToAll({
          filter: { filterOn: 'streamName', prefixes: [prefix], checkpointInterval: 1 },
        }),
        events,
      ),
  };
};

let streams = 0;
const run = `bench${Date.now()}`;

/** @returns appends a second. Each of several writers waits for its answer before its next append. */
const appends = async (side: Side, atOnce: number): Promise<number> => {
  const start = performance.now();
  let count = 0;
  const writer = async (stream: string): Promise<void> => {
    for (let revision = -1; performance.now() - start < ROUND_MS; revision += 1) {
      await side.append(stream, pageView(count), revision);
      count += 1;
    }
  };
  await Promise.all(
    Array.from({ length: atOnce }, () => {
      streams += 1;
      return writer(`${run}-w.${streams}`);
    }),
  );
  return (count / (performance.now() - start)) * 1000;
};

const perSecond = async (work: () => Promise<number>): Promise<number> => {
  const start = performance.now();
  const count = await work();
  return (count / (performance.now() - start)) * 1000;
};

/** Measures both sides alternately. Another side begins each round, and the first round is the warm-up. */
const compare = async (
  name: string,
  unit: string,
  round: (side: Side) => Promise<number>,
  sides: { ours: Side; bare: Side },
): Promise<Row> => {
  const rounds: Round[] = [];
  for (let i = 0; i <= ROUNDS; i += 1) {
    const first = i % 2 === 0 ? await round(sides.bare) : undefined;
    const value = await round(sides.ours);
    rounds.push({ value, reference: first ?? (await round(sides.bare)) });
  }
  rounds.shift();
  return {
    name: `EventStoreDB: ${name}`,
    unit,
    ...mediansOf(rounds),
    aim: AIM,
    better: 'higher',
  };
};

/** The adapter compared with the client alone, on the server at EVENTSTOREDB_URL. The events stay there. */
export const benchEsdb = async (): Promise<Row[]> => {
  const url = process.env.EVENTSTOREDB_URL;
  if (url === undefined) {
    console.log('EventStoreDB is left out: EVENTSTOREDB_URL names no server');
    return [];
  }
  const store = await openEventStore(url);
  const client = EventStoreDBClient.connectionString(url);
  const sides = { ours: ours(store), bare: bare(client) };
  const rows: Row[] = [];
  const { events, each } = STREAM;
  const stream = `${run}-r.1`;
  for (let n = 0; n < events; n += each) {
    const batch = Array.from({ length: each }, (_, i) => pageView(n + i));
    await store.append(stream, batch, n === 0 ? 'no-stream' : n - 1);
  }
  const reads = {
    'read a stream': (side: Side) => perSecond(() => side.readStream(stream)),
    'read the log': (side: Side) => perSecond(() => side.readAll(events)),
    'catch up': (side: Side) => perSecond(() => side.catchUp(`${run}-r.`, events)),
  };
  for (const [name, round] of Object.entries(reads)) {
    rows.push(await compare(name, 'events/s', round, sides));
  }
  for (const atOnce of AT_ONCE) {
    rows.push(
      await compare(
        `appends, ${atOnce} at once`,
        'appends/s',
        (side) => appends(side, atOnce),
        sides,
      ),
    );
  }
  await store.close();
  await client.dispose();
  return rows;
};
