import { setTimeout as delay } from 'node:timers/promises';

export interface Backoff {
  /** Waits before the next try: full jitter under a bound that doubles. Ends early, and quietly, when aborted. */
  wait(signal?: AbortSignal): Promise<void>;
  /** After a success the bound is small again. */
  reset(): void;
}

export const createBackoff = (firstMs: number, mostMs: number): Backoff => {
  let bound = firstMs;
  return {
    wait: async (signal) => {
      const ms = Math.random() * bound;
      bound = Math.min(bound * 2, mostMs);
      await delay(ms, undefined, signal && { signal }).catch(() => undefined); // aborted: the caller looks
    },
    reset: () => {
      bound = firstMs;
    },
  };
};
