import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../../sqlite/open.ts';
import { addFloors } from './floors.ts';

/**
 * The events are a rowid table in order of position with an integer stream id. WITHOUT ROWID was half as fast and larger.
 *
 * An append writes no stream row: the index gives the next revision. `base` is the revision at which the stream began, or
 * began again after a deletion. The row goes with the last event of a deleted stream (floors.ts). `first` is the first
 * revision that truncation left. `wipe` says that rows before `first` still have to be removed. `log.floor` is the highest
 * position ever assigned when events were removed, so that no position is assigned twice.
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

/** Opens the file of the log for its writer, for a reader beside the writer, or as a copy. A new log gets a random id. */
export const openLog = (path: string, role: 'writer' | 'reader' | 'copy'): DatabaseSync => {
  const db = openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: `${schema}INSERT INTO log VALUES ('${randomBytes(6).toString('hex')}', 0);`,
    synchronous: 'FULL',
    readOnly: role !== 'writer',
    immutable: role === 'copy',
    secureDelete: role === 'writer',
  });
  // Foreign keys would cost a look-up for every event. The writer inserts the stream row in the same transaction.
  db.exec('PRAGMA foreign_keys = OFF');
  if (role === 'writer') addFloors(db);
  return db;
};

/** @returns the id of the log, which never changes */
export const logId = (db: DatabaseSync): string =>
  String(db.prepare('SELECT id FROM log').get()?.id);

/** @returns the last position that was assigned; 0 in an empty log */
export const lastPosition = (db: DatabaseSync): number =>
  Number(
    db
      .prepare('SELECT max(floor, ifnull((SELECT max(position) FROM events), 0)) AS n FROM log')
      .get()?.n,
  );
