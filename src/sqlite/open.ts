import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { AppError, hasCode, messageOf } from '../errors.ts';

export interface DatabaseOptions {
  /** Says in the file's header what the file is (`PRAGMA application_id`); a file with another one is refused. */
  readonly applicationId: number;
  /** The version of the schema (`PRAGMA user_version`); a file with another one is refused. */
  readonly version: number;
  /** Run once, in a new file. */
  readonly schema: string;
  /**
   * FULL: on disk when a commit returns. NORMAL: whole after a power cut, but the last commits may be gone, together.
   * OFF: a power cut may damage the file; only for caches.
   */
  readonly synchronous: 'FULL' | 'NORMAL' | 'OFF';
  readonly readOnly?: boolean;
  /** With `readOnly`: nobody writes to it, so nothing is made beside it: a copy, perhaps on a medium that is read-only. */
  readonly immutable?: boolean;
  /** How long a statement waits for another connection's lock; default 5,000 ms. */
  readonly busyTimeoutMs?: number;
  /** A damaged or foreign file, or one of another version, is deleted and made anew instead of refused. */
  readonly disposable?: boolean;
}

/**
 * Opens, or makes with mode 600, a SQLite file in WAL mode.
 * @throws {AppError} `invalid` when the file is something else, damaged or of another version; `unavailable` when it
 *   cannot be opened
 */
export const openDatabase = (path: string, options: DatabaseOptions): DatabaseSync => {
  try {
    return open(path, options);
  } catch (error) {
    const { disposable = false, readOnly = false } = options;
    if (!disposable || readOnly || !hasCode(error, 'invalid')) {
      throw error;
    }
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    return open(path, options);
  }
};

const open = (path: string, options: DatabaseOptions): DatabaseSync => {
  const { readOnly = false, busyTimeoutMs = 5000 } = options;
  let db: DatabaseSync | undefined;
  try {
    if (!readOnly) createPrivate(path);
    const name = options.immutable ? immutableUrl(path) : path;
    db = new DatabaseSync(name, { readOnly, timeout: busyTimeoutMs });
    if (isNew(db)) create(db, path, options);
    else accept(db, path, options);
    db.exec(`PRAGMA synchronous = ${options.synchronous}`);
    return db;
  } catch (error) {
    db?.close();
    throw openError(path, error);
  }
};

/** https://sqlite.org/uri.html#uriimmutable */
const immutableUrl = (path: string): URL => {
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return url;
};

/**
 * Makes the file before SQLite does, so that it is never readable by others (SQLite gives its -wal and -shm the same
 * mode). Only a missing file is touched: closing any descriptor of an open one would drop this process's locks on it.
 */
export const createPrivate = (path: string): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
};

const isNew = (db: DatabaseSync): boolean =>
  pragma(db, 'application_id') === 0 &&
  db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;

const create = (db: DatabaseSync, path: string, options: DatabaseOptions): void => {
  if (options.readOnly)
    throw new AppError('invalid', `${path} is empty: nothing was written to it yet`);
  // 8 KiB pages were the fastest for appends of some 400 B (EVENTSTORE.md).
  db.exec('PRAGMA page_size = 8192; PRAGMA journal_mode = WAL');
  transaction(db, () => {
    db.exec(options.schema);
    db.exec(`PRAGMA application_id = ${options.applicationId}`);
    db.exec(`PRAGMA user_version = ${options.version}`);
  });
};

const accept = (db: DatabaseSync, path: string, options: DatabaseOptions): void => {
  if (pragma(db, 'application_id') !== options.applicationId) {
    throw new AppError('invalid', `${path} is a SQLite file of another program: name another file`);
  }
  const version = pragma(db, 'user_version');
  if (version !== options.version) {
    throw new AppError(
      'invalid',
      `${path} has version ${version} of its schema, this program knows version ${options.version}`,
    );
  }
};

const pragma = (db: DatabaseSync, name: string): unknown =>
  db.prepare(`PRAGMA ${name}`).get()?.[name];

const openError = (path: string, error: unknown): AppError => {
  if (error instanceof AppError) return error;
  const code = sqliteCode(error);
  const damaged = code === SQLITE.corrupt || code === SQLITE.notADatabase;
  return damaged
    ? new AppError(
        'invalid',
        `${path} is damaged or no SQLite file: ${messageOf(error)}`,
        {},
        { cause: error },
      )
    : new AppError(
        'unavailable',
        `${path} cannot be opened: ${messageOf(error)}`,
        {},
        { cause: error },
      );
};

/** The primary result codes that this project tells apart: https://sqlite.org/rescode.html */
export const SQLITE = { busy: 5, corrupt: 11, constraint: 19, notADatabase: 26 } as const;

/** The primary result code of what `node:sqlite` threw; null for anything else. */
export const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : null;

/** Runs `work` in one transaction: everything it wrote is there, or, when it throws, nothing. */
export const transaction = <T>(db: DatabaseSync, work: () => T): T => {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk makes SQLite roll back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
};
