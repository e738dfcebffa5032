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
 * @returns releases the lock. Keep it: Node closes a database that nothing refers to any more, and the lock is gone
 * @throws {AppError} `conflict` with that message; `unavailable` if the file cannot be written
 */
export const lockExclusively = (file: string, refusal: string): (() => void) => {
  createPrivate(file);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (sqliteCode(error) === SQLITE.busy) throw new AppError('conflict', refusal);
    throw new AppError(
      'unavailable',
      `${file} cannot be locked (${messageOf(error)}): it has to be a file that this user may write, no link to one of somebody else, in a folder that is writable, on a disk that is not full`,
      {},
      { cause: error },
    );
  }
  const held = db;
  return () => held.close();
};
