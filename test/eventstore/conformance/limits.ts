import { describe, expect, test } from 'vitest';
import { MAX_APPEND_BYTES, type NewEvent } from '../../../src/eventstore/port.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

const sizeOf = (list: readonly NewEvent[]): number =>
  list.reduce((sum, one) => sum + Buffer.byteLength(JSON.stringify(one)), 0);

/** Two events whose JSON has this many bytes together. Some of the characters take several bytes. */
const ofSize = (bytes: number): NewEvent[] => {
  const first = event(0, { data: { text: 'é😀' } });
  const second = event(1, { data: { text: '' } });
  const text = 'x'.repeat(bytes - sizeOf([first, second]));
  return [first, { ...second, data: { ...second.data, text } }];
};

/** An event with these times. */
const at = (times: { readonly at: number; readonly wakeAt?: number }): NewEvent => {
  const one = event(0);
  return { ...one, metadata: { ...one.metadata, ...times } };
};

export const limits = (context: Context): void => {
  describe('sizes and names', () => {
    test('the largest append is stored and read back', async () => {
      const stream = `${uniquePrefix()}a`;
      const sent = ofSize(MAX_APPEND_BYTES);
      expect(sizeOf(sent)).toBe(MAX_APPEND_BYTES);
      await context.store.append(stream, sent, 'no-stream');
      expect(await context.store.readStream(stream)).toMatchObject(sent);
    });

    test('one byte more is refused, and other appends succeed', async () => {
      const stream = `${uniquePrefix()}a`;
      const [large, small] = await Promise.allSettled([
        context.store.append(stream, ofSize(MAX_APPEND_BYTES + 1), 'no-stream'),
        context.store.append(stream, [event(0)], 'no-stream'),
      ]);
      expect(large).toMatchObject({ status: 'rejected', reason: { code: 'too-large' } });
      expect(small).toMatchObject({ status: 'fulfilled', value: { revision: 0 } });
      expect(numbers(await context.store.readStream(stream))).toEqual([0]);
    });

    test('far more is refused too', async () => {
      const append = context.store.append(`${uniquePrefix()}a`, ofSize(20 * 1024 * 1024), 'any');
      await expect(append).rejects.toMatchObject({ code: 'too-large' });
    });

    test('one append may have many events', async () => {
      const stream = `${uniquePrefix()}a`;
      const sent = events(0, 1999);
      expect((await context.store.append(stream, sent, 'no-stream')).revision).toBe(1999);
      const recorded = await context.store.readStream(stream, { limit: 5000 });
      expect(numbers(recorded)).toEqual(numbers(sent));
    });

    test('an event is read back exactly as it was appended', async () => {
      const stream = `${uniquePrefix()}a`;
      const sent = event(0, {
        type: 'Größe 😀',
        schemaVersion: 7,
        data: {
          text: 'naïve 日本語 👩‍👩‍👧‍👦 \u0000 \u2028 "quoted" \\ \ud800 \n',
          nothing: null,
          nested: { list: [1, -0.5, 1e21, true, [], {}], '': '', __proto__x: 'ü' },
        },
        personal: { key: 'demo.visitor', box: 'AAECAw==' },
        metadata: {
          tenant: null,
          at: 1,
          wakeAt: 2,
          commandId: 'ç',
          correlationId: '',
          causationId: '',
          machine: 'visitor/1',
          hook: { queueId: 'q', seq: 9 },
        },
      });
      const { position } = await context.store.append(stream, [sent], 'no-stream');
      expect(await context.store.readStream(stream)).toEqual([
        { ...sent, stream, revision: 0, position },
      ]);
    });

    test.each(['ü😀.x', 'a b', 'visitor-demo.a%_*', "'; --", 'x.-_/\\'])(
      'a stream may have the name %j',
      async (name) => {
        const prefix = uniquePrefix();
        const stream = `${prefix}${name}`;
        await context.store.append(stream, [event(1)], 'no-stream');
        await context.store.append(`${stream}é`, [event(2)], 'no-stream');
        expect(numbers(await context.store.readStream(stream))).toEqual([1]);
        const found = await context.store.readAll({ prefixes: [`${stream}é`] });
        expect(numbers(found)).toEqual([2]);
      },
    );

    test.each([
      ['an empty name', '', [event(0)], 'any'],
      ['a system stream', '$settings', [event(0)], 'any'],
      ['a name with a control character', 'a\u0000b', [event(0)], 'any'],
      ['no event', 'a-b', [], 'any'],
      ['an id that is no UUID', 'a-b', [{ ...event(0), id: 'seven' }], 'any'],
      ['an empty type', 'a-b', [{ ...event(0), type: '' }], 'any'],
      ['half a millisecond', 'a-b', [at({ at: 1.5 })], 'any'],
      ['a wake-up at half a millisecond', 'a-b', [at({ at: 1, wakeAt: 2.5 })], 'any'],
      ['a negative revision', 'a-b', [event(0)], -1],
      ['half a revision', 'a-b', [event(0)], 0.5],
    ] as const)('%s is refused', async (_, stream, list, expected) => {
      await expect(context.store.append(stream, list, expected)).rejects.toMatchObject({
        code: 'invalid',
      });
    });

    test('an append with the same id twice is refused', async () => {
      const one = event(0);
      await expect(
        context.store.append(`${uniquePrefix()}a`, [one, one], 'any'),
      ).rejects.toMatchObject({ code: 'invalid' });
    });
  });
};
