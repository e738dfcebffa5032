/**
 * What the log keeps of the names of deleted streams: the revision at which a stream begins. So the row with the name can go
 * with the last event, and no revision that anybody remembers of a stream (a snapshot, a lane, a process) is ever given
 * to another event of it (docs/adr/0050).
 */
import type { DatabaseSync } from 'node:sqlite';
import { fnv1a } from '../../kit/hash.ts';
import { transaction } from '../../sqlite/open.ts';

/**
 * Names share a row by their hash: some 10 MiB when all are in use. A stream that shares its row with deleted ones begins
 * behind the longest of them, so with few rows the revisions of new streams would grow fast.
 */
export const FLOORS = 2 ** 20;

export interface Floors {
  /** @returns the revision at which a stream of this name begins that the log does not have */
  of(name: string): number;
  /** A stream of this name begins at this revision or later from now on. */
  raise(name: string, revision: number): void;
}

const numberOf = (name: string): number => fnv1a(name) % FLOORS;

export const createFloors = (db: DatabaseSync): Floors => {
  const select = db.prepare('SELECT revision FROM floors WHERE number = ?');
  const raise = db.prepare(`
    INSERT INTO floors VALUES (?, ?)
    ON CONFLICT (number) DO UPDATE SET revision = max(revision, excluded.revision)`);
  return {
    of: (name) => Number(select.get(numberOf(name))?.revision ?? 0),
    raise: (name, revision) => {
      if (revision > 0) raise.run(numberOf(name), revision);
    },
  };
};

/** The row of a stream that was deleted, without any event left. */
export const GONE = `first = base
  AND NOT EXISTS (SELECT 1 FROM events WHERE stream_id = streams.id)`;

/** Once for each log: one of an earlier release has the names of all streams that were ever deleted. */
export const addFloors = (db: DatabaseSync): void => {
  const has = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'floors'");
  if (has.get() !== undefined) return;
  transaction(db, () => {
    db.exec('CREATE TABLE floors (number INTEGER PRIMARY KEY, revision INTEGER NOT NULL) STRICT');
    const floors = createFloors(db);
    for (const { name, base } of db
      .prepare(`SELECT name, base FROM streams WHERE ${GONE}`)
      .iterate()) {
      floors.raise(String(name), Number(base));
    }
    db.exec(`DELETE FROM streams WHERE ${GONE}`);
  });
};
