import { describe, expect, test } from 'vitest';
import type { Context } from '../conformance.ts';
import { event, uniquePrefix } from '../events.ts';

export const positions = (context: Context): void => {
  describe('positions', () => {
    test('have the order of the log', async () => {
      const { store } = context;
      const stream = `${uniquePrefix()}a`;
      const first = await store.append(stream, [event(0), event(1)], 'no-stream');
      const second = await store.append(stream, [event(2)], 1);
      expect(store.compare(first.position, second.position)).toBeLessThan(0);
      expect(store.compare(second.position, first.position)).toBeGreaterThan(0);
      expect(store.compare(first.position, first.position)).toBe(0);
    });

    test('head is the position of the last event', async () => {
      const { store } = context;
      const { position } = await store.append(`${uniquePrefix()}a`, [event(0)], 'no-stream');
      const head = await store.head();
      expect(head && store.compare(position, head)).toBeLessThanOrEqual(0);
    });

    test('can be parsed from text', async () => {
      const { store } = context;
      const { position } = await store.append(`${uniquePrefix()}a`, [event(0)], 'no-stream');
      expect(store.parsePosition(String(position))).toBe(position);
      const again = await context.reopen();
      expect(again.parsePosition(String(position))).toBe(position);
    });

    test.each(['', '0', 'sqlite:', 'sqlite::1', 'x'.repeat(10_000), '😀'])(
      '%j is not a position',
      (text) => {
        expect(() => context.store.parsePosition(text)).toThrow(
          expect.objectContaining({ code: 'invalid' }),
        );
      },
    );

    test('with extra characters are not positions', async () => {
      const { store } = context;
      const { position } = await store.append(`${uniquePrefix()}a`, [event(0)], 'no-stream');
      for (const text of [` ${position}`, `${position} `, `${position}.5`, `${position}x`]) {
        expect(() => store.parsePosition(text)).toThrow(
          expect.objectContaining({ code: 'invalid' }),
        );
      }
    });

    test('of another log are refused by every method', async () => {
      const { store } = context;
      const other = await context.other();
      try {
        expect(other.id).not.toBe(store.id);
        const { position } = await other.append(`${uniquePrefix()}a`, [event(0)], 'no-stream');
        const foreign = expect.objectContaining({ code: 'invalid' });
        expect(() => store.parsePosition(position)).toThrow(foreign);
        expect(() => store.compare(position, position)).toThrow(foreign);
        await expect(store.readAll({ after: position })).rejects.toEqual(foreign);
        const { signal } = new AbortController();
        const first = store.subscribe({ after: position, signal })[Symbol.asyncIterator]().next();
        await expect(first).rejects.toEqual(foreign);
      } finally {
        await other.close();
      }
    });

    test('the id of a log never changes', async () => {
      const { id } = context.store;
      expect((await context.reopen()).id).toBe(id);
    });

    test('check succeeds', async () => {
      await context.store.check();
    });
  });
};
