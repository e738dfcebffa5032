import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createUnverifiedBodies,
  UNVERIFIED_AT_ONCE,
  UNVERIFIED_SHARE,
  UNVERIFIED_WAITING,
  type UnverifiedBodies,
} from '../../../src/http/webhook/unverified.ts';
import { waitFor } from '../../support/wait.ts';

const READING_SHARE = UNVERIFIED_AT_ONCE * UNVERIFIED_SHARE;
const WAITING_SHARE = UNVERIFIED_WAITING * UNVERIFIED_SHARE;

/** Bodies that end only when they are told to, or given up. */
function bodies(unverified: UnverifiedBodies, isHere = () => false) {
  const reading: { address: string; end: () => void }[] = [];
  const refused: string[] = [];
  const done: string[] = [];
  const send = (address: string) =>
    unverified(address, isHere, (ending) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const one = { address, end: resolve };
      reading.push(one);
      ending.addEventListener('abort', () => resolve());
      return promise.finally(() => reading.splice(reading.indexOf(one), 1));
    }).then(
      () => void done.push(address),
      () => void refused.push(address),
    );
  return { send, reading, refused, done };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const NEVER_MS = 1e9;

test('one address fills half of the places at most', async () => {
  const { send, reading, refused } = bodies(createUnverifiedBodies(NEVER_MS, NEVER_MS, []));
  for (let i = 0; i < 500; i++) void send('a');
  await settled();
  expect(reading).toHaveLength(READING_SHARE);
  expect(refused).toHaveLength(500 - READING_SHARE - WAITING_SHARE);
  void send('b');
  await settled();
  expect(reading.filter(({ address }) => address === 'b')).toHaveLength(1);
});

test('the address with most waiting requests makes room for one with fewer', async () => {
  const { send, refused } = bodies(createUnverifiedBodies(NEVER_MS, NEVER_MS, []));
  for (let i = 0; i < READING_SHARE + WAITING_SHARE; i++) for (const each of 'ab') void send(each);
  await settled();
  expect(refused).toEqual([]);
  for (let i = 0; i < UNVERIFIED_WAITING / 4; i++) void send('c');
  await settled();
  expect(refused).not.toContain('c');
  expect(refused).toHaveLength(UNVERIFIED_WAITING / 4);
});

test('a body that is here, or comes within a moment, needs no place', async () => {
  const unverified = createUnverifiedBodies(NEVER_MS, NEVER_MS, [1, 1]);
  const slow = bodies(unverified);
  for (let i = 0; i < 500; i++) void slow.send('a');
  await waitFor(() => slow.refused.length === 500 - READING_SHARE - WAITING_SHARE);
  let looks = 0;
  const quick = bodies(unverified, () => ++looks === 3);
  for (let i = 0; i < 50; i++) {
    looks = i % 3;
    const sent = quick.send('a');
    await waitFor(() => quick.reading.length === 1);
    quick.reading[0]?.end();
    await sent;
  }
  expect([slow.reading.length, quick.refused.length]).toEqual([READING_SHARE, 0]);
});

test('a crowd of one address has a shorter time than others', async () => {
  const { send, reading, done } = bodies(createUnverifiedBodies(NEVER_MS, 1, []));
  for (let i = 0; i < READING_SHARE; i++) void send('b');
  for (let i = 0; i < READING_SHARE + 1; i++) void send('a');
  await settled();
  expect(done).toEqual([]);
  for (let i = 0; i < UNVERIFIED_WAITING / 8; i++) void send('a');
  await waitFor(() => done.length > 0);
  expect(done).not.toContain('b');
  for (const each of [...reading]) each.end();
});

test('whoever sends what, the places stay bounded, and an address with few is never refused', async () => {
  const few = 'few';
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') },
    { weight: 1, arbitrary: fc.constant('end') },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 400 }), async (steps) => {
      const { send, reading, refused, done } = bodies(
        createUnverifiedBodies(NEVER_MS, NEVER_MS, []),
      );
      let sent = 0;
      for (const each of steps) {
        if (each === 'end') reading[0]?.end();
        else {
          sent++;
          void send(each);
        }
        await Promise.resolve();
        expect(reading.length).toBeLessThanOrEqual(UNVERIFIED_AT_ONCE);
        for (const address of 'abcd') {
          const own = reading.filter((one) => one.address === address);
          expect(own.length).toBeLessThanOrEqual(READING_SHARE);
        }
      }
      await settled();
      void send(few);
      await settled();
      expect(refused).not.toContain(few);
      while (reading.length > 0) {
        reading[0]?.end();
        await settled();
      }
      expect(done.length + refused.length).toBe(sent + 1);
    }),
    { numRuns: 50 },
  );
});
