/**
 * SQLite files: opening them with one set of rules, transactions, locks, and statements that are prepared when first used.
 * {@link openDatabase} is the entry point. This folder knows nothing of events or chats, and everything that keeps a
 * SQLite file may import it.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { AppError, hasCode, messageOf } from '../errors.ts';
import { makeFolder } from '../kit/make-folder.ts';

export interface DatabaseOptions {
  /** What the file is, stored in its header (`PRAGMA application_id`). A file with another one is refused. */
  readonly applicationId: number;
  /** The version of the schema (`PRAGMA user_version`). A file with another one is refused. */
  readonly version: number;
  /** Run once, in a new file. */
  readonly schema: string;
  /**
   * FULL: a commit is on disk when it returns. NORMAL: a power cut may lose the last commits, but damages nothing.
   * OFF: a power cut may damage the file; only for caches.
   */
  readonly synchronous: 'FULL' | 'NORMAL' | 'OFF';
  readonly readOnly?: boolean;
  /** With `readOnly`: nobody writes to the file, so SQLite creates no file beside it. For copies, even on a read-only medium. */
  readonly immutable?: boolean;
  /** How long a statement waits for the lock of another connection; default {@link BUSY_TIMEOUT_MS}. */
  readonly busyTimeoutMs?: number;
  /**
   * Overwrites what is deleted, so that nothing of it stays in the file. What is in the write-ahead log stays until that
   * log is truncated (tidy.ts).
   */
  readonly secureDelete?: boolean;
  /** A file that would be refused as `invalid` is deleted and created again instead. */
  readonly disposable?: boolean;
}

export const BUSY_TIMEOUT_MS = 5000;
/** Pages of 8 KiB were the fastest for appends of some 400 B. */
const PAGE_BYTES = 8192;

/**
 * Opens a SQLite file in WAL mode. A missing file is created with mode 600.
 * @throws {AppError} `invalid` if the file is something else, damaged, or of another version; `unavailable` if it cannot
 *   be opened
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
  const { readOnly = false, busyTimeoutMs = BUSY_TIMEOUT_MS } = options;
  let db: DatabaseSync | undefined;
  try {
    if (!readOnly) createPrivate(path);
    const name = options.immutable ? immutableUrl(path) : path;
    db = new DatabaseSync(name, { readOnly, timeout: busyTimeoutMs });
    if (isNew(db)) create(db, path, options);
    else accept(db, path, options);
    db.exec(`PRAGMA synchronous = ${options.synchronous}`);
    if (options.secureDelete) db.exec('PRAGMA secure_delete = ON');
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
 * Creates the file before SQLite does, so that other users can never read it. SQLite gives its -wal and -shm the same
 * mode. An existing file is not touched: closing any descriptor of an open file would drop this process's locks on it.
 */
export const createPrivate = (path: string): void => {
  makeFolder(dirname(path));
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
  if (options.readOnly) {
    throw new AppError('invalid', `${path} is empty: nothing was written to it yet`);
  }
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL`);
  transaction(db, () => {
    db.exec(options.schema);
    db.exec(`PRAGMA application_id = ${options.applicationId}`);
    db.exec(`PRAGMA user_version = ${options.version}`);
  });
};

const accept = (db: DatabaseSync, path: string, options: DatabaseOptions): void => {
  if (pragma(db, 'application_id') !== options.applicationId) {
    throw new AppError(
      'invalid',
      `${path} is a SQLite file of another program: choose another file`,
    );
  }
  const version = pragma(db, 'user_version');
  if (version !== options.version) {
    throw new AppError(
      'invalid',
      `the schema of ${path} has version ${version}; this program needs version ${options.version}`,
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
        `${path} is damaged or not a SQLite file: ${messageOf(error)}`,
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

/** The primary result codes that this project distinguishes: https://sqlite.org/rescode.html */
export const SQLITE = {
  busy: 5,
  readOnly: 8,
  corrupt: 11,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const;

/** @returns the primary result code of an error of `node:sqlite`; null for any other error */
export const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : null;

/** Runs `work` in one transaction. If it throws, nothing of what it wrote stays. */
export const transaction = <T>(db: DatabaseSync, work: () => T): T => {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // On a full disk SQLite has already rolled back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
};
