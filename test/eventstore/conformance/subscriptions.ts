import { describe, expect, test } from 'vitest';
import type {
  EventStore,
  Position,
  RecordedEvent,
  SubscribeOptions,
} from '../../../src/eventstore/port.ts';
import { waitFor } from '../../support/wait.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

/** A subscriber that collects its batches. */
const collect = (store: EventStore, options: Omit<SubscribeOptions, 'signal'>) => {
  const controller = new AbortController();
  const seen: RecordedEvent[] = [];
  const state: { through: Position | undefined; live: boolean; batches: number } = {
    through: undefined,
    live: false,
    batches: 0,
  };
  const ended = (async () => {
    for await (const batch of store.subscribe({ ...options, signal: controller.signal })) {
      seen.push(...batch.events);
      state.through = batch.through;
      state.live = batch.live;
      state.batches += 1;
    }
  })();
  return {
    seen,
    state,
    until: (n: number) =>
      waitFor(() => seen.length >= n, {
        what: () => `${n} events, ${seen.length} came`,
        deadlineMs: 60_000,
      }),
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
};

export const subscriptions = (context: Context): void => {
  describe('subscribing', () => {
    test('catches up, goes live, and ends on abort', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      await store.append(`${prefix}a`, events(0, 2), 'no-stream');
      const subscriber = collect(store, { prefixes: [prefix] });
      await waitFor(() => subscriber.state.live, { what: 'the end of the log' });
      expect(numbers(subscriber.seen)).toEqual([0, 1, 2]);
      await store.append(`${prefix}b`, events(3, 4), 'no-stream');
      await subscriber.until(5);
      expect(numbers(subscriber.seen)).toEqual([0, 1, 2, 3, 4]);
      expect(subscriber.seen).toEqual(await store.readAll({ prefixes: [prefix] }));
      await subscriber.stop();
      await store.append(`${prefix}b`, [event(5)], 1);
      expect(subscriber.seen).toHaveLength(5);
    });

    test('compares prefixes by characters, without regard to culture or patterns', async () => {
      const { store } = context;
      const prefix = `${uniquePrefix()}v.(a|b)+[c]{1}?^$*\\#é😀 `;
      // These combine with the character before, or are invisible. By a collation the name would not have the prefix.
      const names = ['x', '\u0301x', '\u200dx', '\u00adx'].map((rest) => prefix + rest);
      for (const [n, name] of names.entries()) await store.append(name, [event(n)], 'no-stream');
      await store.append(prefix.replace('v.', 'vv'), [event(4)], 'no-stream');
      const subscriber = collect(store, { prefixes: ['none', prefix] });
      await waitFor(() => subscriber.state.live, { what: 'the end of the log' });
      await subscriber.stop();
      expect(numbers(subscriber.seen)).toEqual([0, 1, 2, 3]);
      expect(numbers(await store.readAll({ prefixes: [prefix] }))).toEqual([0, 1, 2, 3]);
    });

    test('has no gap and no repeat while writers write', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const writers = 8;
      const each = 150;
      const write = async (writer: number): Promise<void> => {
        for (let i = 0; i < each; i += 1) {
          await store.append(`${prefix}${writer}`, [event(i)], i === 0 ? 'no-stream' : i - 1);
        }
      };
      const writing = Promise.all(Array.from({ length: writers }, (_, i) => write(i)));
      // They join at different moments, some with small batches.
      const subscribers = [collect(store, { prefixes: [prefix] })];
      for (const joins of [0.2, 0.5, 0.8]) {
        await subscribers[0]?.until(writers * each * joins);
        subscribers.push(collect(store, { prefixes: [prefix], batch: 7 }));
        subscribers.push(collect(store, { prefixes: [`${prefix}3`] }));
      }
      await writing;
      const all = await store.readAll({ prefixes: [prefix], limit: 5000 });
      expect(all).toHaveLength(writers * each);
      for (const [i, subscriber] of subscribers.entries()) {
        const filtered = i > 0 && i % 2 === 0;
        const expected = filtered ? all.filter(({ stream }) => stream === `${prefix}3`) : all;
        await subscriber.until(expected.length);
        await subscriber.stop();
        expect(subscriber.seen.map(({ position }) => position)).toEqual(
          expected.map(({ position }) => position),
        );
      }
    });

    test('resumes after a position, exclusive', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const { position } = await store.append(`${prefix}a`, events(0, 4), 'no-stream');
      await store.append(`${prefix}a`, events(5, 6), 4);
      const subscriber = collect(store, { prefixes: [prefix], after: position });
      await subscriber.until(2);
      await subscriber.stop();
      expect(numbers(subscriber.seen)).toEqual([5, 6]);
    });

    test('through moves while no event matches, and a subscription can resume from it', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const first = await store.append(`${prefix}a.1`, [event(0)], 'no-stream');
      const subscriber = collect(store, { prefixes: [`${prefix}a.`] });
      await subscriber.until(1);
      // A store may move it only sometimes (EventStoreDB: every few dozen events).
      let last = first.position;
      await waitFor(
        async () => {
          last = (await store.append(`${prefix}b.1`, events(0, 49), 'any')).position;
          const { through } = subscriber.state;
          return through !== undefined && store.compare(through, first.position) > 0;
        },
        { what: 'the checkpoint to move' },
      );
      await subscriber.stop();
      expect(numbers(subscriber.seen)).toEqual([0]);
      const { through } = subscriber.state;
      if (through === undefined) throw new Error('a batch has come');
      expect(store.compare(through, last)).toBeLessThanOrEqual(0);

      await store.append(`${prefix}a.1`, [event(1)], 0);
      const next = collect(store, { prefixes: [`${prefix}a.`], after: through });
      await next.until(1);
      await next.stop();
      expect(numbers(next.seen)).toEqual([1]);
    });

    test('is exact when it stops and resumes again and again', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const total = 400;
      const writing = (async () => {
        for (let n = 0; n < total; n += 4) {
          await store.append(`${prefix}${n % 3}`, events(n, n + 3), 'any');
        }
      })();
      const seen: RecordedEvent[] = [];
      let after: Position | undefined;
      while (seen.length < total) {
        const controller = new AbortController();
        for await (const batch of store.subscribe({
          after,
          prefixes: [prefix],
          batch: 16,
          signal: controller.signal,
        })) {
          seen.push(...batch.events);
          after = batch.through;
          if (batch.events.length > 0) controller.abort();
        }
      }
      await writing;
      expect(numbers(seen)).toEqual(Array.from({ length: total }, (_, n) => n));
    });

    test('serves many subscribers, and a slow one delays nobody', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const subscribers = Array.from({ length: 20 }, () => collect(store, { prefixes: [prefix] }));
      const controller = new AbortController();
      const slow = store
        .subscribe({ prefixes: [prefix], signal: controller.signal, batch: 100 })
        [Symbol.asyncIterator]();
      const first = await slow.next();
      expect(first.done).toBe(false);

      const total = 1500;
      for (let n = 0; n < total; n += 50) {
        await store.append(`${prefix}a`, events(n, n + 49), n === 0 ? 'no-stream' : n - 1);
      }
      for (const subscriber of subscribers) await subscriber.until(total);
      await Promise.all(subscribers.map((subscriber) => subscriber.stop()));

      const late: RecordedEvent[] = first.done ? [] : [...first.value.events];
      while (late.length < total) {
        const { value, done } = await slow.next();
        if (done) break;
        expect(value.events.length).toBeLessThanOrEqual(100);
        late.push(...value.events);
      }
      controller.abort();
      expect((await slow.next()).done).toBe(true);
      for (const { seen } of [...subscribers, { seen: late }]) {
        expect(numbers(seen)).toEqual(Array.from({ length: total }, (_, n) => n));
      }
    });

    test('yields nothing if it was aborted before it began', async () => {
      const subscription = context.store.subscribe({ signal: AbortSignal.abort() });
      expect((await subscription[Symbol.asyncIterator]().next()).done).toBe(true);
    });

    test('ends when the caller leaves the loop', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      await store.append(`${prefix}a`, [event(0)], 'no-stream');
      const { signal } = new AbortController();
      for await (const batch of store.subscribe({ prefixes: [prefix], signal })) {
        if (batch.events.length > 0) break;
      }
    });
  });
};
