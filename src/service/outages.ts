/** The log says when the event store or ejabberd goes away, and once when it is back. */
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { type EventStore, isStoreAway } from '../eventstore/port.ts';
import { type Observe, observeOutages } from '../kit/outage.ts';

/** @param part the place, as the log names it */
export const toldOutages = (part: string, logger: Logger, monotonic: () => number): Observe =>
  observeOutages(
    {
      onAway: (reason) => logger.warn({ part, reason }, 'a part is away'),
      onBack: (forMs) =>
        logger.info({ part, forSeconds: Math.round(forMs / 1_000) }, 'a part is back'),
    },
    monotonic,
  );

const storeReason = (error: unknown): string | null =>
  isStoreAway(error) && error.code !== 'overloaded' ? messageOf(error) : null;

export interface ObservedStore {
  /** The same store, whose outages `observe` learns of. */
  readonly store: EventStore;
  /** True if a call failed in the last so many ms because the store was away. */
  wasAway(ms: number): boolean;
}

export function observedStore(
  store: EventStore,
  observe: Observe,
  monotonic: () => number,
): ObservedStore {
  let failedAt = Number.NEGATIVE_INFINITY;
  const reasonOf = (error: unknown): string | null => {
    const reason = storeReason(error);
    if (reason !== null) failedAt = monotonic();
    return reason;
  };
  return {
    store: {
      ...store,
      append: (...args) => observe(() => store.append(...args), reasonOf),
      readStream: (...args) => observe(() => store.readStream(...args), reasonOf),
      check: () => observe(() => store.check(), reasonOf),
    },
    wasAway: (ms) => monotonic() - failedAt <= ms,
  };
}
