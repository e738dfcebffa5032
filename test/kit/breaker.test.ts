import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Breaker, type BreakerPolicy } from '../../src/kit/breaker.ts';

const POLICY: BreakerPolicy = {
  failuresInRow: 3,
  callersInRow: 5,
  retry: { firstMs: 1_000, mostMs: 60_000 },
};
const away = { reason: 'no answer', away: true };
const refused = { reason: 'answered 500' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function make() {
  const clocks = { now: Date.now, monotonic: () => performance.now(), random: () => 0.999 };
  const breaker = new Breaker(POLICY, clocks);
  const seen = { due: 0, changes: 0 };
  breaker.onDue = () => void seen.due++;
  breaker.onChange = () => void seen.changes++;
  return { breaker, seen };
}

it('opens after failures in a row that say that the place is away; a success in between counts', () => {
  const { breaker, seen } = make();
  breaker.failed('a', away);
  breaker.failed('a', away);
  breaker.succeeded();
  breaker.failed('a', away);
  breaker.failed('b', away);
  expect(breaker.isClosed).toBe(true);
  breaker.failed('a', away);
  expect(breaker.isClosed).toBe(false);
  expect(seen.changes).toBe(1);
});

it('opens when several callers are refused, and not when one is refused again and again', () => {
  const { breaker } = make();
  for (let n = 0; n < 50; n++) breaker.failed('a', refused);
  expect(breaker.isClosed).toBe(true);
  for (const caller of ['b', 'c', 'd', 'e']) breaker.failed(caller, refused);
  expect(breaker.isClosed).toBe(false);
});

it('has one probe at a time, after waits that grow; a success closes it', () => {
  const { breaker, seen } = make();
  for (let n = 0; n < 3; n++) breaker.failed('a', away);
  expect(breaker.outage).toMatchObject({ reason: 'no answer' });
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    vi.advanceTimersByTime(seconds * 900);
    expect(seen.due).toBe(0);
    vi.advanceTimersByTime(seconds * 100);
    expect(seen.due).toBe(1);
    seen.due = 0;
    expect([breaker.probe(), breaker.probe()]).toEqual([true, false]);
    breaker.failed('a', away);
  }
  vi.advanceTimersByTime(60_000);
  breaker.probe();
  breaker.succeeded();
  expect([breaker.isClosed, breaker.outage]).toEqual([true, null]);
  for (let n = 0; n < 3; n++) breaker.failed('a', away);
  seen.due = 0;
  vi.advanceTimersByTime(1_000);
  expect(seen.due).toBe(1); // the waits begin again
});

it('waits as long as the place asked for', () => {
  const { breaker, seen } = make();
  for (let n = 0; n < 3; n++) breaker.failed('a', { ...away, afterMs: 120_000 });
  vi.advanceTimersByTime(119_000);
  expect([breaker.isClosed, seen.due]).toEqual([false, 0]);
  vi.advanceTimersByTime(1_000);
  expect(seen.due).toBe(1);
});

it('has not failed while the place asked not to be called; a failure behind that is a new one', () => {
  const { breaker, seen } = make();
  breaker.failed('a', away);
  breaker.hold(60_000);
  expect([breaker.isClosed, breaker.outage]).toEqual([false, null]);
  vi.advanceTimersByTime(60_000);
  expect([seen.due, breaker.probe()]).toEqual([1, true]);
  breaker.failed('a', away);
  expect(breaker.outage).toMatchObject({ reason: 'no answer', forMs: 0 });
});

it('rests while nobody wants anything: the next failure opens it again, with the longer wait', () => {
  const { breaker, seen } = make();
  for (let n = 0; n < 3; n++) breaker.failed('a', away);
  breaker.rest();
  expect(breaker.isClosed).toBe(true);
  breaker.failed('a', away);
  expect(breaker.isClosed).toBe(false);
  vi.advanceTimersByTime(1_500);
  expect(seen.due).toBe(0);
});

it('that is held shows no outage, and is tried again after its time', () => {
  const { breaker, seen } = make();
  breaker.hold(60_000);
  expect([breaker.isClosed, breaker.outage]).toEqual([false, null]);
  vi.advanceTimersByTime(60_000);
  expect(seen.due).toBe(1);
  expect(breaker.probe()).toBe(true);
  breaker.probeAgain(); // nobody learnt anything
  vi.advanceTimersByTime(1_000);
  expect(seen.due).toBe(2);
});

it('whatever happens: closed after a success, and open it will be due again', () => {
  const step = fc.constantFrom('away', 'refused', 'success', 'probe', 'again', 'hold', 'rest');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { breaker, seen } = make();
      for (const each of steps) {
        if (each === 'away') breaker.failed('a', away);
        else if (each === 'refused') breaker.failed('b', refused);
        else if (each === 'probe') breaker.probe();
        else if (each === 'again') breaker.probeAgain();
        else if (each === 'hold') breaker.hold(5_000);
        else if (each === 'rest') breaker.rest();
        else breaker.succeeded();
        if (each === 'success' || each === 'rest') expect(breaker.isClosed).toBe(true);
      }
      breaker.probeAgain(); // the probe, if there is one, has ended
      seen.due = 0;
      vi.advanceTimersByTime(60_000);
      expect(seen.due).toBe(breaker.isClosed ? 0 : 1);
      breaker.stop();
      vi.clearAllTimers();
    }),
  );
});
