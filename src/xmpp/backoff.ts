/** How long to wait before the next try. */

export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. */
  readonly baseMs: number;
  /** Upper bound of every wait. */
  readonly capMs: number;
}

/**
 * Exponential backoff with full jitter: anything between nothing and the bound, so that a thousand who failed together
 * do not come back together.
 * @param attempt how many tries have failed before, from 0
 * @param random in [0, 1)
 */
export function backoff(
  { baseMs, capMs }: BackoffOptions,
  attempt: number,
  random: number,
): number {
  return random * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
