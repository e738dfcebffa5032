/** Waiting for a condition with a deadline: tests never sleep for a guessed time. */
import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** Default 5,000. */
  readonly deadlineMs?: number;
  /** Milliseconds between two looks, default 10. */
  readonly every?: number;
  /** What is waited for, for the error. A function is asked when the time is over. */
  readonly what?: string | (() => string);
}

/**
 * Looks until the condition gives something truthy, and returns that.
 * A condition that throws counts as not yet; its last error is the cause of ours.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { deadlineMs = 5_000, every = 10, what = 'the condition' }: WaitOptions = {},
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
  const told = typeof what === 'string' ? what : what();
  throw new Error(`Waited ${deadlineMs} ms in vain for ${told}`, { cause });
}
