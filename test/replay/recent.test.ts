/** The map of what was used lately. */
import { expect, it } from 'vitest';
import { Recent } from '../../src/replay/recent.ts';

it('keeps the half that was used last, and never more than its bound', () => {
  const recent = new Recent<number>(8);
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
  keys.forEach((key, n) => {
    recent.set(key, n);
    expect(recent.get('k0')).toBe(0); // It is used all the time.
  });
  expect(keys.slice(-3).map((key) => recent.get(key))).toEqual([97, 98, 99]);
  expect(keys.slice(0, 92).filter((key) => recent.get(key) !== undefined)).toEqual(['k0']);
});
