import { expect, it } from 'vitest';
import { newId } from '../../src/kit/id.ts';

it('an id is a UUID of version 7 and starts with the time', () => {
  const now = Date.now() + 86_400_000; // later than the ids of other tests
  const id = newId(now);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(now);
});

it('ids are unique and in order, also past 4,096 in a millisecond and when the clock jumps back', () => {
  const now = Date.now() + 2 * 86_400_000;
  const ids = Array.from({ length: 20_000 }, (_, i) => newId(i < 15_000 ? now : now - 3_600_000));
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
  // The last part is random, so nobody can guess the next id.
  expect(new Set(ids.map((id) => id.slice(-12))).size).toBe(ids.length);
});
