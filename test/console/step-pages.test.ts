import { expect, test } from 'vitest';
import { createStepPages, MAX_PAGES, PAGE_STEPS } from '../../console/src/stream/step-pages.ts';

/** A stream of so many facts, whose answers come when the test says so. */
function pagesOver(count: { now: number }) {
  const asked: { from: number; answer: () => void; fail: () => void }[] = [];
  const pages = createStepPages<{ revision: number }>(
    (from) =>
      new Promise((resolve, reject) => {
        const steps = Array.from({ length: PAGE_STEPS }, (_, index) => ({
          revision: from + index,
        }));
        asked.push({
          from,
          answer: () => resolve(steps.filter(({ revision }) => revision < count.now)),
          fail: () => reject(new Error('away')),
        });
      }),
  );
  /** Answers everything that is asked for. @returns from which revisions it was */
  async function answer(): Promise<number[]> {
    const froms: number[] = [];
    while (asked.length > 0) {
      const next = asked.shift();
      next?.answer();
      if (next) froms.push(next.from);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return froms;
  }
  return { pages, asked, answer };
}

test('a page comes once, with the steps around the wanted one', async () => {
  const { pages, answer } = pagesOver({ now: 1000 });
  pages.want([120]);
  expect(pages.get(120)).toBeUndefined();
  expect(await answer()).toEqual([100]);
  expect([pages.get(100), pages.get(149), pages.get(150)]).toEqual([
    { revision: 100 },
    { revision: 149 },
    undefined,
  ]);
  pages.want([149, 101]);
  expect(await answer()).toEqual([]);
});

test('somebody who moves on does not wait for the pages that they passed', async () => {
  const { pages, answer } = pagesOver({ now: 100_000 });
  for (let revision = 0; revision < 50_000; revision += 1_000) pages.want([revision]);
  expect(await answer()).toEqual([0, 1_000, 2_000, 49_000]);
});

test('the kept pages are bounded, and the one that was used longest ago goes', async () => {
  const { pages, answer } = pagesOver({ now: 100_000 });
  for (let page = 0; page <= MAX_PAGES; page++) {
    pages.want([page * PAGE_STEPS, 0]);
    await answer();
  }
  expect([pages.get(0), pages.get(PAGE_STEPS)]).toEqual([{ revision: 0 }, undefined]);
});

test('the last page is loaded again when the stream has grown, and only then', async () => {
  const count = { now: 60 };
  const { pages, answer } = pagesOver(count);
  pages.want([0, 59]);
  await answer();
  pages.want([60]);
  expect([await answer(), pages.get(60)]).toEqual([[], undefined]);
  count.now = 61;
  pages.grow();
  pages.want([0, 60]);
  expect([await answer(), pages.get(60)]).toEqual([[50], { revision: 60 }]);
});

test('a page that failed says why and is not asked for again by itself', async () => {
  const { pages, asked, answer } = pagesOver({ now: 1000 });
  pages.want([5]);
  asked.shift()?.fail();
  await new Promise((resolve) => setImmediate(resolve));
  expect(pages.failureAt(5)).toEqual(new Error('away'));
  pages.want([5]);
  expect(asked).toEqual([]);
  pages.clear();
  pages.want([5]);
  expect([await answer(), pages.failureAt(5)]).toEqual([[0], null]);
});

test('an answer to what was forgotten changes nothing', async () => {
  const { pages, asked } = pagesOver({ now: 1000 });
  pages.want([5]);
  const [first] = asked.splice(0);
  pages.clear();
  first?.answer();
  await new Promise((resolve) => setImmediate(resolve));
  expect(pages.get(5)).toBeUndefined();
});
