/** The pace of retention: what it does to the log leaves the event store to others for a part of the time. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';

/** Histories that are decided, or done, at the same time. */
const AT_ONCE = 4;
/** Part of the time that retention takes of the event store: others' appends wait behind a deletion. */
export const RETENTION_SHARE = 0.5;

export interface PaceOptions {
  readonly ownership: Ownership;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly logger: Logger;
  /** Aborted when the service stops. */
  readonly stopping: Pick<AbortController, 'signal'>;
  /** Default {@link RETENTION_SHARE}. */
  readonly share?: number;
  /** A failpoint of tests, before each change of the log. */
  readonly onStep?: () => void;
}

/** Runs `task` for the streams of this process, some at a time, and leaves the event store the rest of its time. */
export async function eachOwn<T extends { readonly stream: string }>(
  options: PaceOptions,
  items: readonly T[],
  task: (item: T) => Promise<void>,
): Promise<void> {
  const { ownership, stopping, monotonic, logger, onStep, share = RETENTION_SHARE } = options;
  const own = items.filter(({ stream }) => ownsStream(ownership, stream));
  for (let from = 0; from < own.length && !stopping.signal.aborted; from += AT_ONCE) {
    const began = monotonic();
    const group = own.slice(from, from + AT_ONCE).map(async (item) => {
      onStep?.();
      try {
        await task(item);
      } catch (error) {
        // One history that cannot be folded must not keep all others.
        logger.warn({ stream: item.stream, reason: messageOf(error) }, 'retention was not applied');
      }
    });
    await Promise.all(group);
    await delay((monotonic() - began) * (1 / share - 1));
  }
}
