import { DatabaseSync } from 'node:sqlite';
import { AppError, messageOf } from '../errors.ts';
import { createPrivate, SQLITE, sqliteCode } from './open.ts';

/**
 * Gives this process a lock that no other process has at the same time.
 *
 * It is SQLite's own exclusive lock, and an open transaction holds it. The operating system drops it when the process
 * ends in whatever way.
 * @param file the lock file; created if it is missing, and never written to
 * @param refusal the message of the error while another process has the lock
 * @returns releases the lock
 * @throws {AppError} `conflict` with that message; `unavailable` if the file cannot be written
 */
export const lockExclusively = (file: string, refusal: string): (() => void) => {
  createPrivate(file);
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (sqliteCode(error) === SQLITE.busy) throw new AppError('conflict', refusal);
    throw new AppError(
      'unavailable',
      `${file} cannot be locked (${messageOf(error)}): its folder has to be writable for this user, on a disk that is not full`,
      {},
      { cause: error },
    );
  }
  return () => db.close();
};
