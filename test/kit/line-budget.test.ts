import { expect, it } from 'vitest';
import { createLineBudget, LINE_RATE } from '../../src/kit/line-budget.ts';

it('lets a few lines of a kind through, then one now and then that tells of the others', () => {
  let now = 0;
  const lines = createLineBudget(() => now);
  const many = Array.from({ length: 1_000 }, () => lines('acme unavailable'));
  expect(many.filter((line) => line !== null)).toEqual(Array(LINE_RATE.burst).fill({}));
  expect(lines('beta unavailable')).toEqual({}); // another tenant's
  now += 1_000 / LINE_RATE.perSecond;
  expect(lines('acme unavailable')).toEqual({ leftOut: 1_000 - LINE_RATE.burst });
  expect(lines('acme unavailable')).toBeNull();
  now += 1_000 / LINE_RATE.perSecond;
  expect(lines('acme unavailable')).toEqual({ leftOut: 1 });
});
