import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLimiter } from '../../src/kit/limiter.ts';
import { waitFor } from '../support/wait.ts';

it('runs so many tasks at once and the others in order, however many there are', async () => {
  const limited = createLimiter(3);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const work = async (n: number): Promise<void> => {
    running++;
    most = Math.max(most, running);
    order.push(n);
    await null;
    running--;
  };
  const numbers = Array.from({ length: 5_000 }, (_, n) => n);
  await Promise.all(numbers.map((n) => limited(() => work(n))));
  expect(most).toBe(3);
  expect(order).toEqual(numbers);
});

it('starts the next task when one ends, also when it fails', async () => {
  const limited = createLimiter(2);
  const gone = new Error('gone');
  const begun: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const runs = gates.map((gate, index) =>
    limited(async () => {
      begun.push(index);
      await gate.promise;
    }),
  );
  expect(begun).toEqual([0, 1]);
  gates[1]?.reject(gone);
  await expect(runs[1]).rejects.toBe(gone);
  await waitFor(() => begun.length === 3);
  for (const gate of gates) gate.resolve();
  await Promise.allSettled(runs);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
});

it('has its place again after a task that failed', async () => {
  const limited = createLimiter(1);
  const failing = limited(() => Promise.reject(new Error('failed')));
  const next = limited(async () => 'done');
  await expect(failing).rejects.toThrow('failed');
  await expect(next).resolves.toBe('done');
  await expect(limited(async () => 'again')).resolves.toBe('again');
});

it('shares take turns: one share with many tasks delays another by one task', async () => {
  const limited = createLimiter(1);
  const order: string[] = [];
  const run = (share: string) => limited(async () => void order.push(share), share);
  const all = [
    ...Array.from({ length: 10_000 }, () => run('big')),
    ...Array.from({ length: 3 }, () => run('small')),
    run('other'),
  ];
  await Promise.all(all);
  // The first task began at once, and the next one was the first in the queue.
  expect(order.slice(0, 9).join(' ')).toBe('big big small other big small big small big');
  expect(order).toHaveLength(10_004);
});

it('is fair for any mixture of shares', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (shares, most) => {
        const limited = createLimiter(most);
        const left = new Map<string, number>();
        const order: string[] = [];
        for (const share of shares) left.set(share, (left.get(share) ?? 0) + 1);
        await Promise.all(
          shares.map((share) =>
            limited(async () => {
              order.push(share);
              await null;
            }, share),
          ),
        );
        // Those that began at once are in the order in which they came.
        let round = new Set<string>();
        for (const [index, share] of order.entries()) {
          if (index >= most && round.has(share)) {
            for (const [other, n] of left) if (n > 0) expect(round.has(other)).toBe(true);
            round = new Set();
          }
          if (index >= most) round.add(share);
          left.set(share, (left.get(share) ?? 0) - 1);
        }
        expect([...left.values()].every((n) => n === 0)).toBe(true);
      },
    ),
  );
});
