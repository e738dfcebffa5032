import { AppError } from '../errors.ts';
import type { EventStore, Position } from '../eventstore/port.ts';

export interface Waiters {
  /** @throws {AppError} `timeout` after `deadlineMs`; `invalid` for a position of another store */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** To be called when the position has moved. */
  moved(): void;
}

/** The callers that wait until `current` has reached a position. */
export const createWaiters = (
  name: string,
  store: Pick<EventStore, 'compare' | 'parsePosition'>,
  current: () => Position | null,
): Waiters => {
  const waiting = new Set<{ readonly position: Position; readonly resolve: () => void }>();

  const reached = (position: Position): boolean => {
    const at = current();
    return at !== null && store.compare(position, at) <= 0;
  };

  return {
    moved: () => {
      for (const waiter of waiting) if (reached(waiter.position)) waiter.resolve();
    },
    waitFor: async (text, deadlineMs) => {
      const position = store.parsePosition(text);
      if (reached(position)) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const waiter = { position, resolve };
      const timer = setTimeout(() => {
        reject(
          new AppError('timeout', `${name} has not reached that position within ${deadlineMs} ms`, {
            position: current(),
          }),
        );
      }, deadlineMs);
      waiting.add(waiter);
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(waiter);
      }
    },
  };
};
