/** When a build of the read models has come so far that it may be shown. */
import { hasCode } from '../errors.ts';
import type { EventStore, Position } from '../eventstore/port.ts';
import { createBackoff } from '../kit/backoff.ts';
import type { Build } from './build.ts';

/** How long one look waits for a build to come nearer. */
const LOOK_MS = 1_000;
/** Between two looks, when the store is away. */
export const LOOK_RETRY = { firstMs: 1_000, mostMs: 1_000 };

/** Whether a build has not yet all that there is up to this position (null: nothing is). */
export function isBehind(
  store: Pick<EventStore, 'compare'>,
  build: Pick<Build, 'position'>,
  position: Position | null,
): boolean {
  const at = build.position();
  return position !== null && (at === null || store.compare(at, position) < 0);
}

/**
 * Waits until a build has all that the log held at some moment, and no less than what is shown: whoever has seen a row
 * sees it after the exchange, too.
 * @param shownAt how far the rows are that are shown
 * @returns false when the signal was aborted before
 */
export async function catchesUp(
  store: Pick<EventStore, 'compare' | 'head'>,
  build: Pick<Build, 'position' | 'fold'>,
  shownAt: () => Position | null,
  signal: AbortSignal,
): Promise<boolean> {
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const retry = createBackoff(LOOK_RETRY);
  let head: Position | null | undefined;
  while (!signal.aborted) {
    try {
      if (head === undefined) head = await store.head();
      const target = isBehind(store, build, head) ? head : shownAt();
      if (target === null || !isBehind(store, build, target)) return !signal.aborted;
      await Promise.race([build.fold?.waitFor(target, LOOK_MS), aborted]);
    } catch (error) {
      if (hasCode(error, 'timeout')) continue;
      // The store is away: the fold tries again by itself, and so does this.
      await retry.wait(signal);
    }
  }
  return false;
}
