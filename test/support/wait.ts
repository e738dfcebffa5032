/** Waits for a condition with a deadline. Tests never sleep for a guessed time. */
import { setTimeout as delay } from 'node:timers/promises';

/** A safety, not a measurement: long enough for a machine that is ten times overloaded. */
export const WAIT_DEADLINE_MS = 30_000;

/**
 * Milliseconds between two checks: 10 at first, a twentieth of the wait later, 50 at most. A check that asks a process over
 * HTTP costs 3 ms of CPU time, which the process that it waits for needs itself.
 */
const CHECK_MS = { least: 10, most: 50, share: 1 / 20 };

export interface WaitOptions {
  /** Default `WAIT_DEADLINE_MS`. */
  readonly deadlineMs?: number;
  /** Milliseconds between two checks. Default: more and more, up to 50. */
  readonly every?: number;
  /** Names the condition in the error. A function is called when the deadline is over. */
  readonly what?: string | (() => string);
}

/**
 * Checks the condition until it returns something truthy, and returns that.
 * A condition that throws is checked again. Its last error is the cause of the time-out's error.
 * @throws when the deadline is over
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { deadlineMs = WAIT_DEADLINE_MS, every, what = 'the condition' }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const began = performance.now();
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const waited = performance.now() - began;
    if (waited >= deadlineMs) break;
    const pause = Math.min(Math.max(waited * CHECK_MS.share, CHECK_MS.least), CHECK_MS.most);
    await delay(every ?? pause);
  }
  const description = typeof what === 'string' ? what : what();
  throw new Error(`Time-out after ${deadlineMs} ms of waiting for ${description}`, { cause });
}
