/**
 * The time of facts. The machine's clock can be set wrong, and set right again. This clock does not follow a jump at once:
 * for {@link FOLLOW_AFTER_MS} it goes on by the monotonic clock, so a short error leaves no trace. Intervals inside the
 * process are measured by the monotonic clock alone.
 */

/** A difference between the machine's clock and the monotonic one that is no jump: clocks are adjusted in small steps. */
export const JUMP_MS = 5_000;
/** A jump is followed when it has lasted for so long. */
export const FOLLOW_AFTER_MS = 600_000;
/** Jumps that are remembered for {@link Clock.age}. */
export const JUMPS_REMEMBERED = 100;

export interface Jump {
  /** ms; negative if the clock was set back. */
  readonly byMs: number;
  /** When it was seen, in ms of the monotonic clock. */
  readonly seenAt: number;
  /** False while this clock goes on as before. */
  readonly followed: boolean;
}

export interface Clock {
  /** Whole ms since 1970. It runs backwards only when it follows a jump backwards. */
  now(): number;
  /** ms, never backwards. */
  monotonic(): number;
  /** How long ago a time of this clock was, in ms, without what the clock was set forward since. */
  age(at: number): number;
  /** The latest jump; null if there was none, or the clock was set right again before it was followed. */
  jump(): Jump | null;
  /** How many jumps were followed. */
  followed(): number;
  /** The listener is called when a jump was followed. @param listener gets the jump in ms */
  onFollow(listener: (byMs: number) => void): void;
}

/**
 * @param wall the machine's clock, ms since 1970
 * @param monotonic ms, never backwards
 */
export function createClock(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): Clock {
  let last = { wall: wall(), monotonic: monotonic() };
  /** A jump that is not followed yet. */
  let held: { byMs: number; seenAt: number } | null = null;
  let latest: Jump | null = null;
  let followed = 0;
  /** Jumps forwards that were followed: times up to `before` look older by `byMs` than they are. */
  let forwards: { before: number; byMs: number }[] = [];
  const listeners: ((byMs: number) => void)[] = [];

  function follow(byMs: number, before: number, seenAt: number): void {
    held = null;
    latest = { byMs, seenAt, followed: true };
    followed++;
    if (byMs > 0) forwards = [...forwards, { before, byMs }].slice(-JUMPS_REMEMBERED);
    for (const listener of listeners) listener(byMs);
  }

  function now(): number {
    const at = { wall: wall(), monotonic: monotonic() };
    const jumpedBy = at.wall - last.wall - (at.monotonic - last.monotonic);
    last = at;
    if (Math.abs(jumpedBy) > JUMP_MS) {
      // The monotonic clock has fractions of a millisecond, and times of facts have none.
      const byMs = Math.round((held?.byMs ?? 0) + jumpedBy);
      const isUndone = Math.abs(byMs) <= JUMP_MS;
      held = isUndone ? null : { byMs, seenAt: held?.seenAt ?? at.monotonic };
    }
    if (!held) return at.wall;
    const { byMs, seenAt } = held;
    if (at.monotonic - seenAt >= FOLLOW_AFTER_MS) {
      follow(byMs, at.wall - byMs, seenAt);
      return at.wall;
    }
    return at.wall - byMs;
  }

  return {
    now,
    monotonic,
    age(at) {
      const age = now() - at;
      return forwards.reduce((sum, { before, byMs }) => sum - (at <= before ? byMs : 0), age);
    },
    jump() {
      now();
      return held ? { ...held, followed: false } : latest;
    },
    followed: () => followed,
    onFollow: (listener) => void listeners.push(listener),
  };
}
