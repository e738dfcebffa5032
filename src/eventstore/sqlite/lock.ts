import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';
import { createPrivate, SQLITE, sqliteCode } from '../../sqlite/open.ts';

/**
 * Makes this process the only writer of a log, until released.
 *
 * The lock is SQLite's own exclusive lock on a file beside the log, held by an open transaction: the operating system
 * drops it with the process, however that ends, and readers of the log are not concerned by it.
 * @returns releases the lock
 * @throws {AppError} `conflict` while another writer has it
 */
export const lockForWriting = (path: string): (() => void) => {
  const file = `${path}.lock`;
  createPrivate(file);
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (sqliteCode(error) !== SQLITE.busy) throw error;
    throw new AppError(
      'conflict',
      `${path} already has a writer: only one process can serve a SQLite event store; stop the other one, or set EVENT_STORE to another file`,
    );
  }
  return () => db.close();
};
