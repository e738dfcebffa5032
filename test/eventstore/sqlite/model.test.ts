/** Random operations on the log, compared with a simple model in memory. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import {
  type EventStore,
  type ExpectedRevision,
  type NewEvent,
  WrongExpectedRevision,
} from '../../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../../src/eventstore/sqlite/store.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { event } from '../events.ts';

const folder = temporaryFolder('eventstore-model');
afterAll(() => rmSync(folder, { recursive: true }));

interface ModelStream {
  base: number;
  first: number;
  ids: string[];
}

/** `ids` has every id that was ever appended. A deletion moves `base`, a truncation moves `first`. */
const createModel = () => {
  const streams = new Map<string, ModelStream>();
  const log: { stream: string; id: string; revision: number }[] = [];
  const of = (name: string): ModelStream => {
    const found = streams.get(name) ?? { base: 0, first: 0, ids: [] };
    streams.set(name, found);
    return found;
  };
  const append = (name: string, ids: string[], expected: ExpectedRevision): number | 'conflict' => {
    const stream = of(name);
    const exists = stream.ids.length > stream.base;
    const actual = exists ? stream.ids.length - 1 : null;
    const start =
      expected === 'no-stream'
        ? stream.base
        : typeof expected === 'number'
          ? expected + 1
          : stream.ids.indexOf(ids[0] ?? '');
    const kept = start >= Math.max(stream.first, stream.base);
    const there = stream.ids.slice(start, start + ids.length);
    if (
      exists &&
      kept &&
      start + ids.length <= stream.ids.length &&
      String(there) === String(ids)
    ) {
      return start + ids.length - 1;
    }
    const fits =
      expected === 'any' ||
      (expected === 'exists' && exists) ||
      actual === (expected === 'no-stream' ? null : expected);
    if (!fits) return 'conflict';
    for (const id of ids) log.push({ stream: name, id, revision: stream.ids.push(id) - 1 });
    return stream.ids.length - 1;
  };
  return { streams, log, of, append };
};

type Model = ReturnType<typeof createModel>;

/** Excludes an id that the log has in another place: the port promises nothing about that. */
type Operation =
  | { kind: 'append'; stream: string; count: number; expected: ExpectedRevision | 'right' }
  | { kind: 'repeat'; nth: number; cut: number }
  | { kind: 'delete'; stream: string }
  | { kind: 'truncate'; stream: string; revision: number };

const stream = fc.constantFrom('a', 'b', 'c');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      stream,
      count: fc.integer({ min: 1, max: 4 }),
      expected: fc.oneof(
        { weight: 4, arbitrary: fc.constant('right' as const) },
        {
          weight: 1,
          arbitrary: fc.constantFrom('any' as const, 'no-stream' as const, 'exists' as const),
        },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 12 }) },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('repeat' as const), nth: fc.nat(20), cut: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), stream }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), stream, revision: fc.nat(12) }),
  },
);

interface Append {
  readonly stream: string;
  readonly events: NewEvent[];
  readonly expected: ExpectedRevision;
}

const appendToBoth = async (store: EventStore, model: Model, append: Append): Promise<void> => {
  const { stream: name, events, expected } = append;
  const outcome = model.append(
    name,
    events.map(({ id }) => id),
    expected,
  );
  const got = await store.append(name, events, expected).then(
    ({ revision }) => revision,
    (error: unknown) => {
      if (error instanceof WrongExpectedRevision) return 'conflict';
      throw error;
    },
  );
  expect(got).toBe(outcome);
};

const perform = async (
  store: EventStore,
  model: Model,
  appends: Append[],
  one: Operation,
): Promise<void> => {
  switch (one.kind) {
    case 'append': {
      const { ids, base } = model.of(one.stream);
      const right = ids.length > base ? ids.length - 1 : 'no-stream';
      const next: Append = {
        stream: one.stream,
        events: Array.from({ length: one.count }, (_, n) => event(n)),
        expected: one.expected === 'right' ? right : one.expected,
      };
      appends.push(next);
      return appendToBoth(store, model, next);
    }
    case 'repeat': {
      const before = appends[one.nth % Math.max(appends.length, 1)];
      const exact = before && before.expected !== 'any' && before.expected !== 'exists';
      // If part of a repeat was written before and the rest would be new, it is not the same append.
      const known = new Set(model.log.map(({ id }) => id));
      if (!before || !exact || !before.events.every(({ id }) => known.has(id))) return;
      const { base, ids } = model.of(before.stream);
      if (ids.length <= base && before.expected === 'no-stream') return;
      if (before.expected === ids.length - 1) return;
      const events = before.events.slice(0, Math.max(1, before.events.length - one.cut));
      return appendToBoth(store, model, { ...before, events });
    }
    case 'delete': {
      await store.deleteStream(one.stream);
      const found = model.of(one.stream);
      found.base = found.ids.length;
      found.first = found.ids.length;
      return;
    }
    case 'truncate': {
      await store.truncateBefore(one.stream, one.revision);
      const found = model.of(one.stream);
      found.first = Math.max(found.first, Math.min(one.revision, found.ids.length));
    }
  }
};

test('the log behaves like the model', async () => {
  const path = join(folder, 'events.db');
  let store = await openSqliteEventStore(path);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
      runs += 1;
      const prefix = `run${runs}-`;
      const model = createModel();
      const appends: Append[] = [];
      for (const one of operations) {
        const named = 'stream' in one ? { ...one, stream: prefix + one.stream } : one;
        await perform(store, model, appends, named);
      }
      if (runs % 10 === 0) {
        await store.close();
        store = await openSqliteEventStore(path);
      }
      for (const [name, { first, ids }] of model.streams) {
        const recorded = await store.readStream(name);
        expect(recorded.map(({ id }) => id)).toEqual(ids.slice(first));
        expect(recorded.map(({ revision }) => revision)).toEqual(ids.map((_, i) => i).slice(first));
      }
      // The file may still have hidden events.
      const visible = <T extends { stream: string; revision: number }>(all: readonly T[]): T[] =>
        all.filter((one) => one.revision >= model.of(one.stream).first);
      const all = await store.readAll({ prefixes: [prefix] });
      expect(visible(all).map(({ id }) => id)).toEqual(visible(model.log).map(({ id }) => id));
    }),
    { numRuns: 80, seed: 20261122 },
  );
  await store.close();
});
