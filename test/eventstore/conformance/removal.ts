import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

export const removal = (context: Context): void => {
  describe('deleting a stream', () => {
    test('the stream is missing, and other streams are not', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      await store.append(`${prefix}a`, events(0, 4), 'no-stream');
      await store.append(`${prefix}b`, [event(5)], 'no-stream');
      await store.deleteStream(`${prefix}a`);
      expect(await store.readStream(`${prefix}a`)).toEqual([]);
      expect(await store.readStream(`${prefix}a`, { direction: 'backwards' })).toEqual([]);
      expect(numbers(await store.readStream(`${prefix}b`))).toEqual([5]);
      const again = await context.reopen();
      expect(await again.readStream(`${prefix}a`)).toEqual([]);
    });

    test('a writer that expects its old revision is refused', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 4), 'no-stream');
      await store.deleteStream(stream);
      await expect(store.append(stream, [event(5)], 3)).rejects.toMatchObject({
        name: 'WrongExpectedRevision',
      });
      await expect(store.append(stream, [event(5)], 'exists')).rejects.toMatchObject({
        name: 'WrongExpectedRevision',
      });
    });

    test('the stream can begin again', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 4), 'no-stream');
      await store.deleteStream(stream);
      const sent = events(5, 6);
      const result = await store.append(stream, sent, 'no-stream');
      expect(numbers(await store.readStream(stream))).toEqual([5, 6]);
      expect(await store.append(stream, sent, 'no-stream')).toEqual(result);
      expect((await store.append(stream, [event(7)], result.revision)).revision).toBe(
        result.revision + 1,
      );
    });

    test('whoever sees an event of a stream that began again can read the stream', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const head = await store.head();
      const found: unknown[][] = [];
      const stop = new AbortController();
      const { signal } = stop;
      const options = { prefixes: [stream], signal, ...(head && { after: head }) };
      const live = Promise.withResolvers<void>();
      const following = (async () => {
        for await (const batch of store.subscribe(options)) {
          if (batch.live) live.resolve();
          for (const { revision } of batch.events) {
            if (revision > 0) found.push(numbers(await store.readStream(stream)));
          }
          if (found.length === 5) return;
        }
      })();
      await live.promise;
      for (let i = 0; i < 6; i += 1) {
        await store.append(stream, [event(i)], 'no-stream');
        await waitFor(() => found.length === i, { what: 'the reader' });
        await store.deleteStream(stream);
      }
      await following;
      stop.abort();
      expect(found).toEqual([[1], [2], [3], [4], [5]]);
    });

    test('a missing stream may be deleted, even twice', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.deleteStream(stream);
      await store.append(stream, [event(0)], 'no-stream');
      await store.deleteStream(stream);
      await store.deleteStream(stream);
      expect(await store.readStream(stream)).toEqual([]);
    });

    test('with an expected revision, a stream that has moved stays', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.deleteStream(stream, { expected: 3 }); // it is missing
      await store.append(stream, events(0, 3), 'no-stream');
      for (const expected of [0, 2, 4]) {
        await expect(store.deleteStream(stream, { expected })).rejects.toMatchObject({
          name: 'WrongExpectedRevision',
          expected,
          actual: 3,
        });
      }
      expect(numbers(await store.readStream(stream))).toEqual([0, 1, 2, 3]);
      await store.truncateBefore(stream, 2);
      await store.deleteStream(stream, { expected: 3 });
      expect(await store.readStream(stream)).toEqual([]);
      await store.deleteStream(stream, { expected: 3 }); // the first answer was lost
      const { revision } = await store.append(stream, [event(4)], 'no-stream');
      await expect(store.deleteStream(stream, { expected: 3 })).rejects.toMatchObject({
        name: 'WrongExpectedRevision',
        actual: revision,
      });
      const again = await context.reopen();
      expect(numbers(await again.readStream(stream))).toEqual([4]);
      await expect(again.deleteStream(stream, { expected: -1 })).rejects.toMatchObject({
        code: 'invalid',
      });
    });

    test('of an append and a deletion that expect the same revision one is refused', async () => {
      const { store } = context;
      const prefix = uniquePrefix();
      const streams = Array.from({ length: 40 }, (_, i) => `${prefix}${i}`);
      await Promise.all(streams.map((each) => store.append(each, events(0, 2), 'no-stream')));
      const refused = (error: Error) => error.name;
      for (const [i, stream] of streams.entries()) {
        const append = () => store.append(stream, [event(3)], 2).then(() => 'appended', refused);
        const remove = () =>
          store.deleteStream(stream, { expected: 2 }).then(() => 'deleted', refused);
        const first = i % 2 ? [append(), remove()] : [remove(), append()].reverse();
        const outcome = await Promise.all(first);
        const left = numbers(await store.readStream(stream));
        // What was appended is there, also where a store lets the old revision bring a deleted stream back.
        if (outcome[0] === 'appended') expect(left.at(-1)).toBe(3);
        else expect(left).toEqual([]);
        if (outcome[1] !== 'deleted') expect(left).toEqual([0, 1, 2, 3]);
      }
    });

    test('positions continue, even if the stream had the last event', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const before = await store.append(stream, [event(0)], 'no-stream');
      await store.deleteStream(stream);
      const again = await context.reopen();
      const after = await again.append(`${stream}b`, [event(1)], 'no-stream');
      expect(again.compare(before.position, after.position)).toBeLessThan(0);
    });
  });

  describe('truncating a stream', () => {
    test('earlier events are hidden, and the others keep their revisions', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 9), 'no-stream');
      await store.truncateBefore(stream, 6);
      const left = await store.readStream(stream);
      expect(left.map(({ revision }) => revision)).toEqual([6, 7, 8, 9]);
      expect(numbers(await store.readStream(stream, { from: 2, limit: 2 }))).toEqual([6, 7]);
      expect(numbers(await store.readStream(stream, { direction: 'backwards' }))).toEqual([
        9, 8, 7, 6,
      ]);
      expect((await store.append(stream, [event(10)], 9)).revision).toBe(10);
      await store.truncateBefore(stream, 3);
      const again = await context.reopen();
      expect(numbers(await again.readStream(stream))).toEqual([6, 7, 8, 9, 10]);
    });

    test('a stream that was truncated completely still exists', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, events(0, 2), 'no-stream');
      await store.truncateBefore(stream, 3);
      expect(await store.readStream(stream)).toEqual([]);
      const again = await context.reopen();
      await expect(again.append(stream, [event(3)], 'no-stream')).rejects.toMatchObject({
        name: 'WrongExpectedRevision',
        actual: 2,
      });
      expect((await again.append(stream, [event(3)], 2)).revision).toBe(3);
      expect(numbers(await again.readStream(stream))).toEqual([3]);
    });
  });
};
