import { describe, expect, test } from 'vitest';
import type { Position, ReadAllOptions, RecordedEvent } from '../../../src/eventstore/port.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

export const reads = (context: Context): void => {
  describe('reading a stream', () => {
    test('a missing stream is empty', async () => {
      const stream = `${uniquePrefix()}a`;
      expect(await context.store.readStream(stream)).toEqual([]);
      expect(await context.store.readStream(stream, { direction: 'backwards' })).toEqual([]);
    });

    test('reads from a revision, in both directions, with a limit', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 9), 'no-stream');
      const read = async (options: Parameters<typeof store.readStream>[1]) =>
        numbers(await store.readStream(stream, options));
      expect(await read({})).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(await read({ from: 7 })).toEqual([7, 8, 9]);
      expect(await read({ from: 3, limit: 2 })).toEqual([3, 4]);
      expect(await read({ from: 10 })).toEqual([]);
      expect(await read({ direction: 'backwards', limit: 3 })).toEqual([9, 8, 7]);
      expect(await read({ direction: 'backwards', from: 2 })).toEqual([2, 1, 0]);
      expect(await read({ direction: 'backwards', from: 2, limit: 1 })).toEqual([2]);
      expect(await read({ direction: 'backwards', from: 99, limit: 1 })).toEqual([9]);
    });

    test('reads 1,000 events by default', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 1004), 'no-stream');
      expect(await store.readStream(stream)).toHaveLength(1000);
    });

    test.each([0, -1, 1.5, Number.NaN])('a limit of %d is refused', async (limit) => {
      await expect(context.store.readStream('a-b', { limit })).rejects.toMatchObject({
        code: 'invalid',
      });
      await expect(context.store.readAll({ limit })).rejects.toMatchObject({ code: 'invalid' });
    });
  });

  describe('reading the whole log', () => {
    /** Three kinds of streams of one test, with interleaved appends. */
    const filled = async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      for (let n = 0; n < 30; n += 1) {
        await store.append(`${prefix}${'abc'[n % 3]}.${n % 2}`, [event(n)], 'any');
      }
      return { store, prefix };
    };
    const numbersTo = (to: number, matches: (n: number) => boolean): number[] =>
      Array.from({ length: to }, (_, n) => n).filter(matches);

    /** Reads page by page until a page is empty. */
    const pages = async (options: ReadAllOptions): Promise<RecordedEvent[]> => {
      const all: RecordedEvent[] = [];
      let after: Position | undefined = options.after;
      for (;;) {
        const page = await context.store.readAll({ ...options, ...(after && { after }) });
        const last = page.at(-1);
        if (last === undefined) return all;
        all.push(...page);
        after = last.position;
      }
    };

    test('returns pages in order of position, in both directions', async () => {
      const { prefix } = await filled();
      const forwards = await pages({ prefixes: [prefix], limit: 7 });
      expect(numbers(forwards)).toEqual(numbersTo(30, () => true));
      const backwards = await pages({ prefixes: [prefix], limit: 7, direction: 'backwards' });
      expect(backwards).toEqual(forwards.toReversed());
    });

    test('filters by one or several prefixes', async () => {
      const { store, prefix } = await filled();
      const b = await store.readAll({ prefixes: [`${prefix}b.`] });
      expect(numbers(b)).toEqual(numbersTo(30, (n) => n % 3 === 1));
      const two = await store.readAll({
        prefixes: [`${prefix}c.`, `${prefix}a.1`],
        direction: 'backwards',
      });
      expect(numbers(two)).toEqual(
        numbersTo(30, (n) => n % 3 === 2 || (n % 3 === 0 && n % 2 === 1)).reverse(),
      );
      expect(await store.readAll({ prefixes: [`${prefix}d`] })).toEqual([]);
      expect(await store.readAll({ prefixes: [] })).toEqual([]);
    });

    test('begins after a position, exclusive, in both directions', async () => {
      const { store, prefix } = await filled();
      const all = await store.readAll({ prefixes: [prefix] });
      const after = all[9]?.position;
      if (after === undefined) throw new Error('30 events were written');
      expect(await store.readAll({ prefixes: [prefix], after })).toEqual(all.slice(10));
      expect(await store.readAll({ prefixes: [prefix], after, direction: 'backwards' })).toEqual(
        all.slice(0, 9).reverse(),
      );
    });

    test('returns every stream without prefixes', async () => {
      const { store, prefix } = await filled();
      const mine = await store.readAll({ prefixes: [prefix] });
      const first = mine[0];
      if (first === undefined) throw new Error('30 events were written');
      const rest = await store.readAll({ after: first.position, limit: 5000 });
      expect(rest.filter(({ stream }) => stream.startsWith(prefix))).toEqual(mine.slice(1));
    });
  });
};
