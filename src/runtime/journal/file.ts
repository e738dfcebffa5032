/** The file of the journal: its table, its statements, and entries as rows. Who writes into it, and when: journal.ts. */
import { rmSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { actorOf } from '../../actors/ids.ts';
import { openDatabase, SQLITE, sqliteCode } from '../../sqlite/open.ts';
import type { FactPlace } from '../cause.ts';
import type { JournalEntry } from './entries.ts';

/** A reason at most, in UTF-16 units. Servers of others write some of them. */
export const MAX_REASON_CHARACTERS = 200;
/** Rows that one look removes, so that it takes some milliseconds at most. */
const TRIMMED_ROWS = 2_000;

/** "xCJn" */
const APPLICATION_ID = 0x78434a6e;

const SCHEMA = `
  CREATE TABLE entries (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    ms REAL NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- Of a request: its correlation id. Of a callback: the parent id in its traceparent.
    id TEXT,
    -- Of an attempt: the destination.
    name TEXT NOT NULL,
    outcome TEXT,
    status INTEGER,
    reason TEXT,
    -- Of an attempt: its steps.
    detail TEXT
  ) STRICT;
  CREATE INDEX entries_of_fact ON entries (stream, revision);
  CREATE INDEX entries_of_request ON entries (id) WHERE kind = 'request';
  CREATE INDEX entries_of_tenant ON entries (tenant, n);
`;

export const tenantOf = ({ stream }: FactPlace): string => actorOf(stream)?.tenant ?? '';

export type Statements = ReturnType<typeof prepare>;

/** The file is of no use any more. */
export const isDamage = (error: unknown): boolean => {
  const code = sqliteCode(error);
  return code === SQLITE.corrupt || code === SQLITE.notADatabase;
};

/** @throws {AppError} `unavailable` if the file cannot be opened. A damaged one is made anew */
export function openStatements(path: string): Statements {
  const db = openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 2,
    schema: SCHEMA,
    synchronous: 'NORMAL',
    disposable: true,
  });
  try {
    // What is deleted is gone from the file.
    db.exec('PRAGMA secure_delete = ON');
    return prepare(db);
  } catch (error) {
    db.close();
    if (isDamage(error)) return madeAnew(path);
    throw error;
  }
}

/** Drops the file and what it has. */
export function madeAnew(path: string): Statements {
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  return openStatements(path);
}

const COLUMNS = 'at, ms, kind, stream, revision, id, name, outcome, status, reason, detail';

const prepare = (db: DatabaseSync) => ({
  db,
  add: db.prepare(
    `INSERT INTO entries (tenant, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
  ofFacts: db.prepare(
    `SELECT ${COLUMNS}
     FROM (SELECT value ->> 0 AS place, value ->> 1 AS there FROM json_each(?)) CROSS JOIN entries
       ON stream = place AND revision = there
     ORDER BY n LIMIT ?`,
  ),
  ofRequest: db.prepare(
    `SELECT ${COLUMNS} FROM entries WHERE kind = 'request' AND id = ? ORDER BY n LIMIT ?`,
  ),
  // The entry that is one too many; every older one goes with it.
  boundOfTenant: db.prepare(
    'SELECT n FROM entries WHERE tenant = ? ORDER BY n DESC LIMIT 1 OFFSET ?',
  ),
  trimTenant: db.prepare('DELETE FROM entries WHERE tenant = ? AND n <= ?'),
  count: db.prepare('SELECT count(*) AS n FROM entries'),
  oldest: db.prepare('DELETE FROM entries WHERE n IN (SELECT n FROM entries ORDER BY n LIMIT ?)'),
  tooOld: db.prepare(
    'DELETE FROM entries WHERE n IN (SELECT n FROM entries ORDER BY n LIMIT ?) AND at < ?',
  ),
  forgetStream: db.prepare('DELETE FROM entries WHERE stream = ? AND revision < ?'),
  forgetRange: db.prepare('DELETE FROM entries WHERE stream > ? AND stream < ?'),
});

/** Leaves a tenant the entries that they may have, the newest. */
export function trimTenant(
  { boundOfTenant, trimTenant: trim }: Statements,
  tenant: string,
  { ofTenant }: { readonly ofTenant: number },
): void {
  const n = boundOfTenant.get(tenant, ofTenant)?.n;
  if (n !== undefined) trim.run(tenant, Number(n));
}

/** Removes some of what is too old, and some of what is too much of all. @returns whether more of it is left */
export function trimAll(
  { count, oldest, tooOld }: Statements,
  { all, ageMs }: { readonly all: number; readonly ageMs: number },
  now: number,
): boolean {
  const { changes } = tooOld.run(TRIMMED_ROWS, now - ageMs);
  const tooMany = Number(count.get()?.n ?? 0) - all;
  if (tooMany > 0) oldest.run(Math.min(tooMany, TRIMMED_ROWS));
  return changes === TRIMMED_ROWS || tooMany > TRIMMED_ROWS;
}

/** As `add` takes it. */
export function rowOf(entry: JournalEntry): SQLInputValue[] {
  const { at, ms, kind, stream, revision } = entry;
  const isAttempt = kind === 'attempt';
  return [
    tenantOf(entry),
    at,
    ms,
    kind,
    stream,
    revision,
    isAttempt ? null : entry.id,
    isAttempt ? entry.destination : entry.name,
    isAttempt ? entry.outcome : null,
    isAttempt ? null : entry.status,
    entry.reason?.slice(0, MAX_REASON_CHARACTERS).toWellFormed() ?? null,
    isAttempt ? (entry.detail?.slice(0, MAX_REASON_CHARACTERS) ?? null) : null,
  ];
}

/** The table is STRICT, and `rowOf` alone writes it. */
export function entryOf(row: Record<string, SQLOutputValue>): JournalEntry {
  const { kind, id, name, outcome, status, detail, ...common } = row;
  const own =
    kind === 'attempt' ? { kind, destination: name, outcome, detail } : { kind, id, name, status };
  return { ...common, ...own } as unknown as JournalEntry; // the row's kind says which fields it has
}
