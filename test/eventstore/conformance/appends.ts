import { describe, expect, test } from 'vitest';
import { WrongExpectedRevision } from '../../../src/eventstore/port.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

export const appends = (context: Context): void => {
  describe('appending', () => {
    const conflict = async (append: Promise<unknown>): Promise<unknown> => {
      const error = await append.then(
        () => 'no error',
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(WrongExpectedRevision);
      return error;
    };

    test('revisions count from 0, and positions increase', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const first = await store.append(stream, events(0, 2), 'no-stream');
      const second = await store.append(stream, [event(3)], 2);
      expect([first.revision, second.revision]).toEqual([2, 3]);
      expect(store.compare(first.position, second.position)).toBeLessThan(0);
      const recorded = await store.readStream(stream);
      expect(recorded.map(({ revision }) => revision)).toEqual([0, 1, 2, 3]);
      expect(recorded[2]?.position).toBe(first.position);
      expect(recorded[3]?.position).toBe(second.position);
    });

    test('a patient append keeps every promise', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const patient = { patient: true };
      expect((await store.append(stream, [event(0)], 'no-stream', patient)).revision).toBe(0);
      expect((await store.append(stream, [event(1)], 0)).revision).toBe(1);
      expect(await conflict(store.append(stream, [event(2)], 0, patient))).toMatchObject({
        actual: 1,
      });
      expect(numbers(await store.readStream(stream))).toEqual([0, 1]);
    });

    test('no-stream accepts only a missing stream', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      await store.append(stream, [event(0), event(1)], 'no-stream');
      expect(await conflict(store.append(stream, [event(2)], 'no-stream'))).toMatchObject({
        stream,
        expected: 'no-stream',
        actual: 1,
      });
    });

    test('exists accepts only an existing stream', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      expect(await conflict(store.append(stream, [event(0)], 'exists'))).toMatchObject({
        actual: null,
      });
      await store.append(stream, [event(0)], 'no-stream');
      expect((await store.append(stream, [event(1)], 'exists')).revision).toBe(1);
    });

    test('any accepts both', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      expect((await store.append(stream, [event(0)], 'any')).revision).toBe(0);
      expect((await store.append(stream, [event(1)], 'any')).revision).toBe(1);
    });

    test.each([0, 2, 7])(
      'expected revision %i conflicts with the actual revision 1',
      async (expected) => {
        const { store } = context;
        const stream = `${uniquePrefix()}a`;
        await store.append(stream, [event(0), event(1)], 'no-stream');
        expect(await conflict(store.append(stream, [event(2)], expected))).toMatchObject({
          expected,
          actual: 1,
        });
        expect(numbers(await store.readStream(stream))).toEqual([0, 1]);
      },
    );

    test('an expected revision conflicts with a missing stream', async () => {
      const stream = `${uniquePrefix()}a`;
      expect(await conflict(context.store.append(stream, [event(0)], 3))).toMatchObject({
        actual: null,
      });
    });

    test('several events are appended together or not at all', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const rounds = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) =>
          store.append(stream, events(i * 3, i * 3 + 2), i % 2 ? 'no-stream' : 'any'),
        ),
      );
      const taken = rounds.flatMap(({ status }, i) =>
        status === 'fulfilled' ? [i * 3, i * 3 + 1, i * 3 + 2] : [],
      );
      const found = numbers(await store.readStream(stream));
      expect([...found].sort((a, b) => Number(a) - Number(b))).toEqual(taken);
      // No other event is between the events of one append.
      for (let i = 0; i < found.length; i += 3) {
        const n = Number(found[i]);
        expect(found.slice(i, i + 3)).toEqual([n, n + 1, n + 2]);
      }
    });

    test('exactly one of several appends at one revision succeeds', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      for (let revision = -1; revision < 5; revision += 1) {
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, (_, i) =>
            store.append(stream, [event(i)], revision < 0 ? 'no-stream' : revision),
          ),
        );
        const lost = results.flatMap((result) =>
          result.status === 'rejected' ? [result.reason] : [],
        );
        expect(lost).toHaveLength(9);
        for (const error of lost) expect(error).toBeInstanceOf(WrongExpectedRevision);
      }
      expect(await store.readStream(stream)).toHaveLength(6);
    });

    test('another connection sees what was appended', async () => {
      const stream = `${uniquePrefix()}a`;
      const sent = events(0, 4);
      const { revision } = await context.store.append(stream, sent, 'no-stream');
      const before = await context.store.readStream(stream);
      const again = await context.reopen();
      expect(await again.readStream(stream)).toEqual(before);
      expect((await again.append(stream, [event(5)], revision)).revision).toBe(5);
    });
  });
};
