import type { DatabaseSync } from 'node:sqlite';
import type { Position } from '../eventstore/port.ts';

export interface Checkpoint {
  /** @returns the position stored for this name, version and store; null before the first event, undefined if none was stored */
  read(): Position | null | undefined;
  write(position: Position | null): void;
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS checkpoints (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    store TEXT NOT NULL,
    position TEXT
  ) STRICT`;

/**
 * For a file with one fold whose name says what its rows are. If another version of the service has had the file, the
 * rows may be that one's, and no checkpoint says so: all are forgotten, and whoever opens the file builds anew.
 */
export const forgetUnlessAlone = (db: DatabaseSync, name: string): void => {
  db.exec(SCHEMA);
  const other = db.prepare('SELECT 1 FROM checkpoints WHERE name <> ?').get(name);
  if (other) db.exec('DELETE FROM checkpoints');
};

/** The row that stores how far the fold `name` is. It is in the same file as the rows that it covers. */
export const createCheckpoint = (
  db: DatabaseSync,
  { name, version, storeId }: { name: string; version: number; storeId: string },
): Checkpoint => {
  db.exec(SCHEMA);
  const select = db.prepare(
    'SELECT position FROM checkpoints WHERE name = ? AND version = ? AND store = ?',
  );
  const upsert = db.prepare('INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)');
  return {
    read: () => {
      const row = select.get(name, version, storeId);
      // Only `write` fills this column.
      return row && (row.position as Position | null);
    },
    write: (position) => {
      upsert.run(name, version, storeId, position);
    },
  };
};
