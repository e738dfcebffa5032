import type { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '../kit/json.ts';
import { openDatabase } from '../sqlite/open.ts';

/** A cache of folded states. A lost snapshot costs a longer fold, never a fact. */
export interface SnapshotStore {
  /** @returns the state that this version of the machine saved for the stream; null without one */
  load(stream: string, machine: string): Snapshot | null;
  save(stream: string, machine: string, revision: number, state: JsonValue): void;
  /** To be called when the stream is deleted. */
  delete(stream: string): void;
  /** The same for all streams whose names are between these two, without the ends. */
  deleteBetween(from: string, to: string): void;
}

interface Snapshot {
  /** The revision of the last event in the state. */
  readonly revision: number;
  readonly state: JsonValue;
}

/** Reads a snapshot that this version of the machine saved for a stream, and changes nothing; null without one. */
export type SnapshotReader = (stream: string, machine: string) => Snapshot | null;

export function createSnapshotReader(db: DatabaseSync): SnapshotReader {
  const select = db.prepare(
    'SELECT revision, state FROM snapshots WHERE stream = ? AND machine = ?',
  );
  return (stream, machine) => {
    const row = select.get(stream, machine);
    if (row === undefined) return null;
    // Only `save` fills this column.
    return { revision: Number(row.revision), state: JSON.parse(String(row.state)) as JsonValue };
  };
}

/** "xCSn" */
const APPLICATION_ID = 0x7843536e;

const schema = `
  CREATE TABLE owner (store TEXT NOT NULL) STRICT;
  CREATE TABLE snapshots (
    saved INTEGER PRIMARY KEY,
    stream TEXT NOT NULL UNIQUE,
    machine TEXT NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
`;

/** Opens the file of a {@link SnapshotStore}. A missing or damaged file is created. It may be deleted at any time. */
export const openSnapshotFile = (path: string): DatabaseSync => {
  const db = openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema,
    // The file is a cache: a power cut may destroy it.
    synchronous: 'OFF',
    disposable: true,
  });
  db.exec('PRAGMA secure_delete = ON');
  return db;
};

export interface SnapshotOptions {
  /** The id of the event store. Snapshots of another store are deleted. */
  readonly storeId: string;
  /** Snapshots to keep; past it the oldest are dropped. Default {@link MOST_SNAPSHOTS}. */
  readonly limit?: number;
}

export const MOST_SNAPSHOTS = 100_000;

/** Saves between two evictions: the number of rows stays within one per cent of the limit. */
const slack = (limit: number): number => Math.max(1, Math.floor(limit / 100));

export const createSnapshotStore = (
  db: DatabaseSync,
  { storeId, limit = MOST_SNAPSHOTS }: SnapshotOptions,
): SnapshotStore => {
  if (db.prepare('SELECT store FROM owner').get()?.store !== storeId) {
    db.exec('DELETE FROM snapshots; DELETE FROM owner');
    db.prepare('INSERT INTO owner VALUES (?)').run(storeId);
  }
  const select = db.prepare('SELECT machine, revision, state FROM snapshots WHERE stream = ?');
  // REPLACE gives a new rowid, larger than all others: rowids are in the order of saving.
  const replace = db.prepare(
    'INSERT OR REPLACE INTO snapshots (stream, machine, revision, state) VALUES (?, ?, ?, ?)',
  );
  const remove = db.prepare('DELETE FROM snapshots WHERE stream = ?');
  const removeBetween = db.prepare('DELETE FROM snapshots WHERE stream > ? AND stream < ?');
  const count = db.prepare('SELECT count(*) AS n FROM snapshots');
  const evict = db.prepare(
    'DELETE FROM snapshots WHERE saved IN (SELECT saved FROM snapshots ORDER BY saved LIMIT ?)',
  );
  let savesLeft = 0;

  const evictSometimes = (): void => {
    if (savesLeft > 0) {
      savesLeft -= 1;
      return;
    }
    const n = Number(count.get()?.n);
    if (n > limit) evict.run(n - limit);
    savesLeft = slack(limit) - 1;
  };

  return {
    load: (stream, machine) => {
      const row = select.get(stream);
      if (row === undefined) return null;
      if (row.machine === machine) {
        // Only `save` fills this column.
        const state = JSON.parse(String(row.state)) as JsonValue;
        return { revision: Number(row.revision), state };
      }
      remove.run(stream);
      return null;
    },
    save: (stream, machine, revision, state) => {
      replace.run(stream, machine, revision, JSON.stringify(state));
      evictSometimes();
    },
    delete: (stream) => {
      remove.run(stream);
    },
    deleteBetween: (from, to) => {
      removeBetween.run(from, to);
    },
  };
};
