import { expect, it } from 'vitest';
import { Semaphore } from '../../src/kit/limiter.ts';

it('lets so many in at once, the others in order, however many they are', async () => {
  const slots = new Semaphore(3);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  const work = async (n: number): Promise<void> => {
    inside++;
    most = Math.max(most, inside);
    order.push(n);
    await null;
    inside--;
  };
  const numbers = Array.from({ length: 5_000 }, (_, n) => n);
  await Promise.all(numbers.map((n) => slots.use(() => work(n))));
  expect(most).toBe(3);
  expect(order).toEqual(numbers);
});

it('has its slot again after work that failed', async () => {
  const slots = new Semaphore(1);
  const failing = slots.use(() => Promise.reject(new Error('failed')));
  const next = slots.use(async () => 'done');
  await expect(failing).rejects.toThrow('failed');
  await expect(next).resolves.toBe('done');
  await expect(slots.use(async () => 'again')).resolves.toBe('again');
});
