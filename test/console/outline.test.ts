import { describe, expect, test } from 'vitest';
import {
  countsOf,
  EMPTY,
  extend,
  firstAtOrAfter,
  lastAtOrBefore,
  lastOf,
  type OutlinePage,
  shownOf,
  timeAt,
  typeAt,
} from '../../console/src/stream/outline.ts';

const page = (
  from: number,
  facts: readonly [number, string][],
  next: number | null = null,
): OutlinePage => {
  const types = [...new Set(facts.map(([, type]) => type))];
  return {
    stream: 's',
    first: 0,
    last: from + facts.length - 1,
    types,
    from,
    at: facts.map(([at]) => at),
    type: facts.map(([, type]) => types.indexOf(type)),
    next,
  };
};

const PAGES = [
  page(3, [
    [100, 'A'],
    [200, 'B'],
    [200, 'A'],
  ]),
  page(6, [
    [300, 'C'],
    [400, 'A'],
  ]),
];
const outline = PAGES.reduce(extend, EMPTY);

describe('pages put together', () => {
  test('have the type and the time of each fact, though each page numbers types itself', () => {
    const facts = [3, 4, 5, 6, 7].map((at) => [typeAt(outline, at), timeAt(outline, at)]);
    expect(facts).toEqual([
      ['A', 100],
      ['B', 200],
      ['A', 200],
      ['C', 300],
      ['A', 400],
    ]);
    expect([outline.first, lastOf(outline)]).toEqual([3, 7]);
    expect([typeAt(outline, 2), timeAt(outline, 8)]).toEqual([undefined, undefined]);
  });

  test('an empty page changes nothing; one that does not follow begins anew', () => {
    expect(extend(outline, page(8, []))).toBe(outline);
    expect(extend(outline, page(20, [[900, 'Z']]))).toMatchObject({ first: 20, types: ['Z'] });
  });

  test('types are counted, the most frequent first', () => {
    expect(countsOf(outline).map(({ type, count }) => [type, count])).toEqual([
      ['A', 3],
      ['B', 1],
      ['C', 1],
    ]);
  });
});

describe('a jump by time', () => {
  test.each([
    [50, 3, null],
    [100, 3, 3],
    [150, 4, 3],
    [200, 4, 5],
    [399, 7, 6],
    [400, 7, 7],
    [401, null, 7],
  ])('at %i: the next fact is %s, and what held then is %s', (at, next, held) => {
    expect([firstAtOrAfter(outline, at), lastAtOrBefore(outline, at)]).toEqual([next, held]);
  });
});

describe('what the list shows', () => {
  test('without a filter, all facts', () => {
    const shown = shownOf(outline, new Set());
    expect([shown.count, shown.revisionAt(2), shown.indexOf(5)]).toEqual([5, 5, 2]);
  });

  test('with a filter, those of its types, and the place of a fact between them', () => {
    const shown = shownOf(outline, new Set(['A', 'C']));
    expect([0, 1, 2, 3].map(shown.revisionAt)).toEqual([3, 5, 6, 7]);
    expect([3, 4, 5, 7].map(shown.indexOf)).toEqual([0, 0, 1, 3]);
    expect(shownOf(outline, new Set(['C'])).indexOf(4)).toBe(-1);
  });
});
