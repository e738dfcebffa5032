import { expect, it } from 'vitest';
import { OUTAGE_TOLD_MS, observeOutages } from '../../src/kit/outage.ts';

function watch() {
  let now = 5_000;
  const told: string[] = [];
  const listener = {
    onAway: (reason: string) => void told.push(`away: ${reason}`),
    onBack: (forMs: number) => void told.push(`back after ${forMs}`),
  };
  const observe = observeOutages(listener, () => now);
  const passes = (ms: number) => {
    now += ms;
  };
  const fails = (tookMs = 0, reason: string | null = 'ECONNREFUSED') =>
    expect(
      observe(
        async () => {
          passes(tookMs);
          throw new Error('failed');
        },
        () => reason,
      ),
    ).rejects.toThrow('failed');
  const succeeds = () => observe(async () => 7, String);
  return { observe, told, passes, fails, succeeds };
}

it('an outage is told once, and its end with how long it was', async () => {
  const { told, passes, fails, succeeds } = watch();
  await fails();
  expect(told).toEqual([]);
  passes(OUTAGE_TOLD_MS);
  await fails();
  passes(60_000);
  await fails();
  expect(told).toEqual(['away: ECONNREFUSED']);
  passes(5);
  expect(await succeeds()).toBe(7);
  await succeeds();
  expect(told.slice(1)).toEqual([`back after ${OUTAGE_TOLD_MS + 60_000 + 5}`]);
});

it('a call that waits for an answer counts from its start', async () => {
  const { told, fails, succeeds } = watch();
  await fails(15_000, 'no answer');
  await succeeds();
  expect(told).toEqual(['away: no answer', 'back after 15000']);
});

it('nothing is told of a moment, of errors that mean something else, or if others succeed meanwhile', async () => {
  const { observe, told, passes, fails, succeeds } = watch();
  await fails();
  passes(OUTAGE_TOLD_MS - 1);
  await succeeds();
  await fails(10_000, null);
  await fails(10_000, null);
  const hanging = Promise.withResolvers<never>();
  const slow = observe(() => hanging.promise, String);
  passes(30_000);
  await succeeds();
  hanging.reject(new Error('late'));
  await expect(slow).rejects.toThrow('late');
  expect(told).toEqual([]);
});
