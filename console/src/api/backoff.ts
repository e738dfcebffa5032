/** When to try again what failed. */

/** The wait before the next try doubles from the least to the most; each is random in its upper half. */
const RETRY_MS = { least: 1_000, most: 30_000 };

/** How long to wait before try `attempt` (0 is the first repeat). @param random from 0 to 1 */
export function retryDelay(attempt: number, random: number): number {
  const most = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(attempt, 30));
  return Math.round(most * (0.5 + random / 2));
}

/** Resolves after this time, or when the signal ends it. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
