/** Waits for a condition with a deadline. Tests never sleep for a guessed time. */
import { setTimeout as delay } from 'node:timers/promises';

/** A safety, not a measurement: long enough for a machine that is ten times overloaded. */
export const WAIT_DEADLINE_MS = 30_000;

export interface WaitOptions {
  /** Default `WAIT_DEADLINE_MS`. */
  readonly deadlineMs?: number;
  /** Milliseconds between two checks, default 10. */
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
  { deadlineMs = WAIT_DEADLINE_MS, every = 10, what = 'the condition' }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= end) break;
    await delay(every);
  }
  const description = typeof what === 'string' ? what : what();
  throw new Error(`Time-out after ${deadlineMs} ms of waiting for ${description}`, { cause });
}
