/** A log in memory for tests of src/replay: a reader, and nothing else. */
import type { Fact, StoredFact } from '../../src/actors/machine/decider.ts';
import type { EventStore, Position, RecordedEvent } from '../../src/eventstore/port.ts';
import { readGolden } from '../actors/golden.ts';

type Part = Pick<Fact, 'type' | 'data'> & { readonly at?: number } & Partial<StoredFact>;

const START = Date.UTC(2026, 0, 1);

/** An event of the log. Its position is the number of the event in the whole log. */
export const recorded = (
  stream: string,
  fact: Part,
  revision: number,
  n: number,
): RecordedEvent => ({
  id: `${stream}-${revision}`,
  schemaVersion: 1,
  personal: null,
  ...fact,
  stream,
  revision: fact.revision ?? revision,
  position: `memory:${n}` as Position, // of this log
  metadata: {
    tenant: 'acme',
    at: fact.at ?? START + revision * 1000,
    commandId: `auto:${n}`,
    correlationId: 'c',
    causationId: 'c',
    machine: 'visitor/1',
    ...(fact.metadata as object | undefined), // a recorded fact has its own
  },
});

export interface MemoryLog extends Pick<EventStore, 'readStream' | 'readAll' | 'parsePosition'> {
  readonly events: readonly RecordedEvent[];
  /** Events that readers have got so far. */
  read: number;
}

/** A log of these streams, one after the other. */
export function memoryLog(streams: Readonly<Record<string, readonly Part[]>>): MemoryLog {
  let n = 0;
  const events = Object.entries(streams).flatMap(([stream, facts]) =>
    facts.map((fact, revision) => recorded(stream, fact, revision, n++)),
  );
  return interleaved(events);
}

/** A log of these events, in this order. */
export function interleaved(events: readonly RecordedEvent[]): MemoryLog {
  const number = (position: Position): number => Number(position.split(':')[1]);
  const log: MemoryLog = {
    events,
    read: 0,
    parsePosition: (text) => text as Position, // of this log
    readStream: async (stream, { from, direction = 'forwards', limit = 1000 } = {}) => {
      const own = events.filter((event) => event.stream === stream);
      const page =
        direction === 'forwards'
          ? own.filter(({ revision }) => revision >= (from ?? 0)).slice(0, limit)
          : own
              .filter(({ revision }) => revision <= (from ?? Number.POSITIVE_INFINITY))
              .toReversed()
              .slice(0, limit);
      log.read += page.length;
      return page;
    },
    readAll: async ({ after, prefixes, limit = 1000 } = {}) => {
      const page = events
        .filter(({ position }) => after === undefined || number(position) > number(after))
        .filter(({ stream }) => prefixes?.some((each) => stream.startsWith(each)) ?? true)
        .slice(0, limit);
      log.read += page.length;
      return page;
    },
  };
  return log;
}

/** The facts of a recorded history (test/actors/golden). */
export const history = (name: string): readonly StoredFact[] =>
  (readGolden(`history-${name}`) as { facts: readonly StoredFact[] }).facts; // test/actors/histories.test.ts writes it
