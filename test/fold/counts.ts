import type { DatabaseSync } from 'node:sqlite';
import type { EventStore } from '../../src/eventstore/port.ts';
import { createFold, type Fold, type FoldOptions } from '../../src/fold/fold.ts';
import { openDatabase } from '../../src/sqlite/open.ts';

/** A fold that shows a repeated or a missed event: it counts the events of each stream, and hashes their numbers in order. */
export const countsOptions = (
  db: DatabaseSync,
  store: EventStore,
  more: Partial<FoldOptions<undefined>> = {},
): FoldOptions<undefined> => ({
  name: 'counts',
  version: 1,
  db,
  store,
  schema:
    'CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, hash INTEGER NOT NULL) STRICT',
  tables: ['counts'],
  apply: (file) => {
    const upsert = file.prepare(`
      INSERT INTO counts VALUES (?, 1, ?)
      ON CONFLICT DO UPDATE SET n = n + 1, hash = (hash * 31 + excluded.hash) % 1000000007`);
    return (event) => {
      upsert.run(event.stream, Number(event.data.n));
    };
  },
  ...more,
});

export const openCounts = (
  path: string,
  store: EventStore,
  more: Partial<FoldOptions<undefined>> = {},
): { db: DatabaseSync; fold: Fold } => {
  const db = openDatabase(path, {
    applicationId: 0x74657374,
    version: 1,
    schema: '',
    synchronous: 'NORMAL',
    disposable: true,
  });
  return { db, fold: createFold(countsOptions(db, store, more)) };
};

export const rowsOf = (db: DatabaseSync, table = 'counts'): unknown[] =>
  db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all();
