/**
 * Cuts the stream of an actor before a fact that holds the whole state (docs/adr/0026). Facts whose effects are not done
 * stay: a lane reads them from the stream.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { EventStore } from '../eventstore/port.ts';

/**
 * Cuts a stream.
 * @param before the revision of the first fact that stays. The machine folds a stream that begins there
 * @returns false if an effect of an earlier fact is pending. Then nothing is cut
 * @throws {AppError} `unavailable` if the event store is away
 */
export type CutStream = (stream: string, before: number) => Promise<boolean>;

/** @param options.db the file of pending work, with the table of lanes/pending-effects.ts */
export function createStreamCut(options: {
  readonly db: DatabaseSync;
  readonly store: Pick<EventStore, 'truncateBefore'>;
}): CutStream {
  const { db, store } = options;
  return async (stream, before) => {
    const pending = db.prepare('SELECT 1 FROM lane_work WHERE stream = ? AND revision < ? LIMIT 1');
    if (pending.get(stream, before)) return false;
    await store.truncateBefore(stream, before);
    return true;
  };
}
