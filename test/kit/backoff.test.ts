import { describe, expect, it } from 'vitest';
import { backoff, createBackoff } from '../../src/kit/backoff.ts';

const POLICY = { firstMs: 500, mostMs: 30_000 };
const ALMOST_ONE = 1 - Number.EPSILON;

describe('backoff', () => {
  it('doubles its bound up to the highest, however many tries have failed', () => {
    expect([1, 2, 3, 7, 1_000].map((attempt) => backoff(attempt, POLICY, () => 1))).toEqual([
      500, 1_000, 2_000, 30_000, 30_000,
    ]);
  });

  it('spreads each wait over the upper half of its bound', () => {
    expect([0, 0.5, 1].map((random) => backoff(6, POLICY, () => random))).toEqual([
      8_000, 12_000, 16_000,
    ]);
    expect(backoff(1, POLICY, () => ALMOST_ONE)).toBeLessThan(500);
  });
});

describe('a loop with backoff', () => {
  it('waits longer each time, and starts again with the first wait after a success', async () => {
    const retry = createBackoff({ firstMs: 5, mostMs: 10_000 }, () => 1);
    const wait = async (): Promise<number> => {
      const from = performance.now();
      await retry.wait();
      return performance.now() - from;
    };
    // A timer of Node may be 1 ms early.
    for (const bound of [5, 10, 20, 40, 80, 160, 320]) {
      expect(await wait()).toBeGreaterThan(bound - 2);
    }
    retry.reset();
    expect(await wait()).toBeLessThan(320);
  });

  it('ends its wait early when it is aborted', async () => {
    const retry = createBackoff({ firstMs: 60_000, mostMs: 60_000 });
    const stop = new AbortController();
    const waiting = retry.wait(stop.signal);
    stop.abort();
    await expect(waiting).resolves.toBeUndefined();
    await expect(retry.wait(stop.signal)).resolves.toBeUndefined();
  });
});
