import type { DatabaseSync } from 'node:sqlite';
import { transaction } from '../../sqlite/open.ts';
import { lastPosition } from './schema.ts';

/**
 * Removes events for good. They are hidden at once and removed in slices, so that appends can go between.
 * `PRAGMA secure_delete` overwrites what is deleted in the file; the copy in the write-ahead log goes with its
 * truncation.
 */
export interface Removal {
  /** Hides a stream's events before `before`, or all of them (the stream is then missing). */
  hide(stream: string, before: number | null): void;
  /** Removes a slice of what is hidden in this stream; true when nothing is left to remove. */
  slice(stream: string): boolean;
  /** Streams with something left to remove, of an earlier run. */
  unfinished(): string[];
  /** Throws when the log cannot be written to. */
  probe(): void;
  /** Empties the write-ahead log into the file; false when a reader was in the way. */
  truncateLog(): boolean;
}

/** Some 5 ms of work: what an append may have to wait for. */
const SLICE = 500;

export const createRemoval = (db: DatabaseSync): Removal => {
  db.exec('PRAGMA secure_delete = ON');
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
      WHERE s.name = ? LIMIT ${SLICE})`);
  const wiped = db.prepare('UPDATE streams SET wipe = 0 WHERE name = ?');
  const left = db.prepare('SELECT name FROM streams WHERE wipe');

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
        const done = Number(wipe.run(stream).changes) < SLICE;
        if (done) wiped.run(stream);
        return done;
      }),
    probe: () => {
      floor.run(Number(readFloor.get()?.floor));
    },
    unfinished: () => left.all().map((row) => String(row.name)),
    truncateLog: () => {
      db.exec('PRAGMA busy_timeout = 0');
      const result = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      db.exec('PRAGMA busy_timeout = 5000');
      return result?.busy === 0;
    },
  };
};
