import { describe, expect, test } from 'vitest';
import { type ExpectedRevision, WrongExpectedRevision } from '../../../src/eventstore/port.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

export const idempotence = (context: Context): void => {
  describe('appending again with the same ids and the same expected revision', () => {
    const appended = async (expected: ExpectedRevision) => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      if (expected !== 'no-stream') await store.append(stream, events(-2, -1), 'no-stream');
      const sent = events(0, 2);
      const result = await store.append(stream, sent, expected);
      return { stream, sent, result };
    };

    test.each<ExpectedRevision>(['no-stream', 1])(
      'succeeds with the first result (%s)',
      async (expected) => {
        const { stream, sent, result } = await appended(expected);
        expect(await context.store.append(stream, sent, expected)).toEqual(result);
        // This holds after further appends, and over another connection.
        await context.store.append(stream, [event(3)], result.revision);
        expect(await context.store.append(stream, sent, expected)).toEqual(result);
        const again = await context.reopen();
        expect(await again.append(stream, sent, expected)).toEqual(result);
        expect(numbers(await again.readStream(stream)).slice(-4)).toEqual([0, 1, 2, 3]);
      },
    );

    test.each<ExpectedRevision>(['no-stream', 1])(
      'succeeds for the first of several events (%s)',
      async (expected) => {
        const { stream, sent, result } = await appended(expected);
        const { revision } = await context.store.append(stream, sent.slice(0, 2), expected);
        expect(revision).toBe(result.revision - 1);
        expect(numbers(await context.store.readStream(stream)).slice(-3)).toEqual([0, 1, 2]);
      },
    );

    test.each<ExpectedRevision>(['no-stream', 1])(
      'conflicts with a new event, another order, or events from the middle (%s)',
      async (expected) => {
        const { stream, sent, result } = await appended(expected);
        const [a, b, c] = sent;
        if (!a || !b || !c) throw new Error('three events were sent');
        for (const other of [
          [a, b, c, event(3)],
          [a, event(3)],
          [event(3), b, c],
          [b, a, c],
          [b, c],
        ]) {
          await expect(context.store.append(stream, other, expected)).rejects.toMatchObject({
            name: 'WrongExpectedRevision',
            actual: result.revision,
          });
        }
        expect(numbers(await context.store.readStream(stream)).slice(-3)).toEqual([0, 1, 2]);
      },
    );

    test('conflicts with another expected revision', async () => {
      const { stream, sent } = await appended(1);
      for (const expected of [0, 2, 5, 'no-stream'] as const) {
        await expect(context.store.append(stream, sent, expected)).rejects.toBeInstanceOf(
          WrongExpectedRevision,
        );
      }
    });

    test('succeeds for both when both are in progress at once', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const sent = events(0, 1);
      const [first, second] = await Promise.all([
        store.append(stream, sent, 'no-stream'),
        store.append(stream, sent, 'no-stream'),
      ]);
      expect(second).toEqual(first);
      expect(await store.readStream(stream)).toHaveLength(2);
    });
  });
};
