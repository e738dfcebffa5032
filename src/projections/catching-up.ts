/** When a build of the read models has caught up, so that queries may read it. */
import { hasCode } from '../errors.ts';
import type { EventStore, Position } from '../eventstore/port.ts';
import { createBackoff, type RetryPolicy } from '../kit/backoff.ts';
import type { Build } from './build.ts';

/** How long one wait for a build lasts. After it the target may have moved. */
const WAIT_MS = 1_000;
/** Waits while the store is away. */
export const CATCH_UP_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 1_000 };

/** True if the build lacks an event up to this position. Null stands for a log without events. */
export function isBehind(
  store: Pick<EventStore, 'compare'>,
  build: Pick<Build, 'position'>,
  position: Position | null,
): boolean {
  const at = build.position();
  return position !== null && (at === null || store.compare(at, position) < 0);
}

/**
 * Waits until a build has everything that the log had at some moment, and is not behind the build that queries read now.
 * So whoever has seen a row still sees it after the exchange.
 * @param currentPosition of the build that queries read now
 * @returns false if the signal was aborted first
 */
export async function catchesUp(
  store: Pick<EventStore, 'compare' | 'head'>,
  build: Pick<Build, 'position' | 'fold'>,
  currentPosition: () => Position | null,
  signal: AbortSignal,
): Promise<boolean> {
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const retry = createBackoff(CATCH_UP_RETRY);
  let head: Position | null | undefined;
  while (!signal.aborted) {
    try {
      if (head === undefined) head = await store.head();
      const target = isBehind(store, build, head) ? head : currentPosition();
      if (target === null || !isBehind(store, build, target)) return !signal.aborted;
      await Promise.race([build.fold?.waitFor(target, WAIT_MS), aborted]);
    } catch (error) {
      if (hasCode(error, 'timeout')) continue;
      // The store is away. The fold tries again by itself, and so does this loop.
      await retry.wait(signal);
    }
  }
  return false;
}
