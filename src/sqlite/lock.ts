import { DatabaseSync } from 'node:sqlite';
import { AppError, messageOf } from '../errors.ts';
import { createPrivate, SQLITE, sqliteCode } from './open.ts';

/**
 * Makes this process the only one that has a file, until released.
 *
 * The lock is SQLite's own exclusive lock, held by an open transaction: the operating system drops it with the
 * process, however that ends.
 * @param file made where it is missing; nothing is written into it
 * @param refusal what to tell while another process has it
 * @returns releases the lock
 * @throws {AppError} `conflict` with that text; `unavailable` when the file cannot be written
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
