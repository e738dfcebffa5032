import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createClock, FOLLOW_AFTER_MS, JUMP_MS } from '../../src/kit/clock.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

function machine() {
  const time = { passed: 0, setBy: 0 };
  const clock = createClock(
    () => START + time.passed + time.setBy,
    () => time.passed,
  );
  return {
    clock,
    passes(ms: number) {
      time.passed += ms;
      return clock.now();
    },
    isSet(ms: number) {
      time.setBy += ms;
      return clock.now();
    },
  };
}

it.each([2 * DAY_MS, -2 * DAY_MS])('a jump of %i ms that is undone leaves no trace', (jump) => {
  const { clock, passes, isSet } = machine();
  expect(isSet(jump)).toBe(START);
  expect(passes(60_000)).toBe(START + 60_000);
  expect(clock.jump()).toMatchObject({ byMs: jump, followed: false });
  expect(isSet(-jump)).toBe(START + 60_000);
  expect([clock.jump(), clock.followed()]).toEqual([null, 0]);
});

it.each([DAY_MS, -DAY_MS])('a jump of %i ms that lasts is followed, and told once', (jump) => {
  const { clock, passes, isSet } = machine();
  const told: number[] = [];
  clock.onFollow((byMs) => told.push(byMs));
  isSet(jump);
  expect(passes(FOLLOW_AFTER_MS - 1)).toBe(START + FOLLOW_AFTER_MS - 1);
  expect(told).toEqual([]);
  expect(passes(1)).toBe(START + FOLLOW_AFTER_MS + jump);
  expect(passes(1)).toBe(START + FOLLOW_AFTER_MS + jump + 1);
  expect([told, clock.followed()]).toEqual([[jump], 1]);
  expect(clock.jump()).toMatchObject({ byMs: jump, followed: true });
});

it('an age does not contain what the clock was set forward since', () => {
  const { clock, passes, isSet } = machine();
  const before = clock.now();
  isSet(2 * DAY_MS);
  const after = passes(FOLLOW_AFTER_MS);
  passes(5_000);
  expect(clock.age(before)).toBe(FOLLOW_AFTER_MS + 5_000);
  expect(clock.age(after)).toBe(5_000);
});

it('gives whole milliseconds, though the monotonic clock has fractions', () => {
  const step = fc.record({
    passes: fc.double({ min: 0, max: 400_000, noNaN: true }),
    set: fc.oneof(fc.constant(0), fc.integer({ min: -3 * DAY_MS, max: 3 * DAY_MS })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const time = { passed: 0.7, setBy: 0 };
      const clock = createClock(
        () => Math.floor(START + time.passed + time.setBy),
        () => time.passed,
      );
      clock.onFollow((byMs) => expect(byMs).toSatisfy(Number.isSafeInteger));
      for (const { passes, set } of steps) {
        time.passed += passes;
        time.setBy += set;
        expect(clock.now()).toSatisfy(Number.isSafeInteger);
        expect(clock.age(START)).toSatisfy(Number.isSafeInteger);
      }
    }),
  );
});

it('small steps, as NTP makes them, are followed at once', () => {
  const { passes, isSet } = machine();
  passes(1_000);
  expect(isSet(JUMP_MS - 1)).toBe(START + 1_000 + JUMP_MS - 1);
});

it('whatever happens: it is backwards only by a small step or when it follows a jump', () => {
  const step = fc.record({
    passes: fc.integer({ min: 0, max: 400_000 }),
    set: fc.oneof(fc.constant(0), fc.integer({ min: -3 * DAY_MS, max: 3 * DAY_MS })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { clock, passes, isSet } = machine();
      let last = clock.now();
      for (const { passes: ms, set } of steps) {
        for (const move of [() => isSet(set), () => passes(ms)]) {
          const settings = clock.followed();
          const now = move();
          if (clock.followed() === settings) expect(now).toBeGreaterThanOrEqual(last - JUMP_MS);
          last = now;
        }
      }
      // In the end it agrees with the machine's clock.
      passes(FOLLOW_AFTER_MS);
      expect(clock.jump()?.followed ?? true).toBe(true);
    }),
  );
});
