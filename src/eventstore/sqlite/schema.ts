import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../../sqlite/open.ts';

/**
 * A rowid table in order of position with an integer stream id: WITHOUT ROWID was twice as slow and larger
 * (docs/event-stores.md). The next revision is not stored but found by the index, so that an append writes no stream row:
 * `base` is where the stream began (again, after a deletion), `first` what truncation left, `wipe` says that rows
 * before `first` are still to be removed. `log.floor` keeps positions from being given twice when the last event was
 * removed.
 */
const schema = `
  CREATE TABLE log (id TEXT NOT NULL, floor INTEGER NOT NULL) STRICT;
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    base INTEGER NOT NULL DEFAULT 0,
    first INTEGER NOT NULL DEFAULT 0,
    wipe INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX streams_wipe ON streams (id) WHERE wipe;
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    revision INTEGER NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (stream_id, revision)
  ) STRICT;
`;

/** "xCEv" */
const APPLICATION_ID = 0x78434576;

/** Opens the file of the log: for the writer, for reading beside it, or a copy; a new one gets its random id. */
export const openLog = (path: string, role: 'writer' | 'reader' | 'copy'): DatabaseSync => {
  const db = openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: `${schema}INSERT INTO log VALUES ('${randomBytes(6).toString('hex')}', 0);`,
    synchronous: 'FULL',
    readOnly: role !== 'writer',
    immutable: role === 'copy',
  });
  // Foreign keys would cost a look-up for every event; the writer makes the stream row in the same transaction.
  db.exec('PRAGMA foreign_keys = OFF');
  return db;
};

/** The id that the log was given when its file was made. */
export const logId = (db: DatabaseSync): string =>
  String(db.prepare('SELECT id FROM log').get()?.id);

/** The last position given, 0 in an empty log. */
export const lastPosition = (db: DatabaseSync): number =>
  Number(
    db
      .prepare('SELECT max(floor, ifnull((SELECT max(position) FROM events), 0)) AS n FROM log')
      .get()?.n,
  );
