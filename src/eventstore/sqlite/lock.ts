import { lockExclusively } from '../../sqlite/lock.ts';

/**
 * Makes this process the only writer of a log, until released. Readers of the log are not concerned by it.
 * @returns releases the lock
 * @throws {AppError} `conflict` while another writer has it
 */
export const lockForWriting = (path: string): (() => void) =>
  lockExclusively(
    `${path}.lock`,
    `${path} already has a writer: only one process can serve a SQLite event store; stop the other one, or set EVENT_STORE to another file`,
  );
