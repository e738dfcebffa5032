/** Notices when a place outside goes away and comes back, from the calls that are made anyway. */

/** A place that is away for less than this is not told of. */
export const OUTAGE_TOLD_MS = 1_000;

export interface OutageListener {
  /** Nothing has succeeded for {@link OUTAGE_TOLD_MS}. Called once for an outage. */
  onAway(reason: string): void;
  /** The first call has succeeded after {@link onAway}. @param forMs since the first call that failed began */
  onBack(forMs: number): void;
}

/**
 * Makes a call and learns from its outcome.
 * @param reasonOf why the place is away, if that is what this error means; otherwise null, and the error tells nothing
 */
export type Observe = <T>(
  call: () => Promise<T>,
  reasonOf: (error: unknown) => string | null,
) => Promise<T>;

/** @param monotonic ms, never backwards */
export function observeOutages(
  { onAway, onBack }: OutageListener,
  monotonic: () => number,
): Observe {
  let succeededAt = Number.NEGATIVE_INFINITY;
  let since: number | null = null;
  let isTold = false;

  function succeeded(): void {
    succeededAt = monotonic();
    if (since !== null && isTold) onBack(succeededAt - since);
    since = null;
    isTold = false;
  }

  function failed(reason: string, startedAt: number): void {
    // Others have succeeded since this call began: the place is there.
    if (startedAt < succeededAt) return;
    since = Math.min(startedAt, since ?? startedAt);
    if (isTold || monotonic() - since < OUTAGE_TOLD_MS) return;
    isTold = true;
    onAway(reason);
  }

  return async (call, reasonOf) => {
    const startedAt = monotonic();
    try {
      const result = await call();
      succeeded();
      return result;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== null) failed(reason, startedAt);
      throw error;
    }
  };
}
