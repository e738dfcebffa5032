/** Ports of servers that tests start: no two of them get the same one. */
import { expect, test } from 'vitest';
import { freePorts, rangeOf } from '../../scripts/ejabberd/ports.ts';

test('workers that run at the same time choose from parts of their own', () => {
  const ranges = Array.from({ length: 16 }, (_, n) => rangeOf(String(n + 1)));
  const ports = ranges.flatMap(([from, end]) =>
    Array.from({ length: end - from }, (_, n) => from + n),
  );
  expect(new Set(ports).size).toBe(ports.length);
  const [lowest, highest] = rangeOf(undefined);
  expect(Math.min(...ports)).toBe(lowest);
  expect(Math.max(...ports)).toBeLessThan(highest);
});

test('a port is chosen once, also by calls at the same time', async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => freePorts({})));
  const ports = all.flatMap(({ c2s, http, component }) => [c2s, http, component]);
  expect(new Set(ports).size).toBe(300);
  const [from, end] = rangeOf(process.env.VITEST_POOL_ID);
  expect(ports.every((port) => port >= from && port < end)).toBe(true);
});
