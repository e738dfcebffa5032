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
