import type { DatabaseSync } from 'node:sqlite';
import { BUSY_TIMEOUT_MS, transaction } from '../../sqlite/open.ts';
import { createFloors, GONE } from './floors.ts';
import { lastPosition } from './schema.ts';

/**
 * Removes events for good. They are hidden at once and removed in slices, so that appends can run in between.
 * `PRAGMA secure_delete` overwrites deleted rows in the file. The copy in the write-ahead log disappears when that log is
 * truncated.
 */
export interface Removal {
  /** Hides the events of a stream before a revision. With null it hides all of them, and the stream is missing. */
  hide(stream: string, before: number | null): void;
  /**
   * Removes a slice of the hidden events of this stream, and behind the last event of a deleted stream its name.
   * @returns true when none is left
   */
  slice(stream: string): boolean;
  /** @returns streams in which an earlier run left hidden events */
  unfinished(): string[];
  /** @throws if the log cannot be written to */
  probe(): void;
  /** Moves the write-ahead log into the file and truncates it. @returns false if a reader prevented that */
  truncateLog(): boolean;
}

/** Events removed in one go. An append may have to wait for it, some 5 ms. */
export const REMOVAL_SLICE_EVENTS = 500;

export const createRemoval = (db: DatabaseSync): Removal => {
  const next =
    'max(first, ifnull((SELECT max(revision) + 1 FROM events WHERE stream_id = streams.id), 0))';
  const remove = db.prepare(
    `UPDATE streams SET base = ${next}, first = ${next}, wipe = 1 WHERE name = ?`,
  );
  const truncate = db.prepare(
    `UPDATE streams SET first = max(first, min(?, ${next})), wipe = 1 WHERE name = ?`,
  );
  const floor = db.prepare('UPDATE log SET floor = ?');
  const readFloor = db.prepare('SELECT floor FROM log');
  const wipe = db.prepare(`
    DELETE FROM events WHERE position IN (
      SELECT e.position FROM streams s JOIN events e ON e.stream_id = s.id AND e.revision < s.first
      WHERE s.name = ? LIMIT ${REMOVAL_SLICE_EVENTS})`);
  const wiped = db.prepare('UPDATE streams SET wipe = 0 WHERE name = ?');
  const floors = createFloors(db);
  const gone = db.prepare(`SELECT base FROM streams WHERE name = ? AND ${GONE}`);
  const forget = db.prepare('DELETE FROM streams WHERE name = ?');
  const left = db.prepare('SELECT name FROM streams WHERE wipe');

  const finish = (stream: string): void => {
    wiped.run(stream);
    const row = gone.get(stream);
    if (row === undefined) return; // it was only cut, or it has begun again
    floors.raise(stream, Number(row.base));
    forget.run(stream);
  };

  return {
    hide: (stream, before) => {
      transaction(db, () => {
        if (before === null) remove.run(stream);
        else truncate.run(before, stream);
      });
    },
    slice: (stream) =>
      transaction(db, () => {
        floor.run(lastPosition(db));
        const done = Number(wipe.run(stream).changes) < REMOVAL_SLICE_EVENTS;
        if (done) finish(stream);
        return done;
      }),
    probe: () => {
      floor.run(Number(readFloor.get()?.floor));
    },
    unfinished: () => left.all().map((row) => String(row.name)),
    truncateLog: () => {
      db.exec('PRAGMA busy_timeout = 0');
      const result = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      return result?.busy === 0;
    },
  };
};
