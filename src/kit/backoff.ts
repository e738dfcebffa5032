import { setTimeout as delay } from 'node:timers/promises';

/** The waits between the tries of one operation. Each place that retries exports its own, such as `CALLBACK_RETRY`. */
export interface RetryPolicy {
  /** Upper bound of the first wait, in milliseconds. Each further wait has twice the bound. */
  readonly firstMs: number;
  /** Upper bound of every wait, in milliseconds. */
  readonly mostMs: number;
}

/** 2 to the power of more is past any `mostMs`, and would overflow in the end. */
const MOST_DOUBLINGS = 30;

/**
 * Exponential backoff with jitter over the upper half of the bound: callers who failed together do not come back
 * together, and nobody comes back at once.
 * @param attempt how many tries have failed: 1 before the first repeat
 * @param random in [0, 1)
 * @returns how long to wait before the next try, in milliseconds
 */
export function backoff(
  attempt: number,
  { firstMs, mostMs }: RetryPolicy,
  random: () => number,
): number {
  const bound = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, MOST_DOUBLINGS));
  return bound * (0.5 + random() / 2);
}

export interface Backoff {
  /** Waits before the next try. Ends early, without an error, when the signal is aborted. */
  wait(signal?: AbortSignal): Promise<void>;
  /** After a success: the next wait is the first one again. */
  reset(): void;
}

/** Counts the failures of one loop and waits accordingly. */
export function createBackoff(policy: RetryPolicy, random: () => number = Math.random): Backoff {
  let failures = 0;
  return {
    async wait(signal) {
      failures += 1;
      // The caller looks at the signal.
      await delay(backoff(failures, policy, random), undefined, signal && { signal }).catch(
        () => undefined,
      );
    },
    reset() {
      failures = 0;
    },
  };
}
