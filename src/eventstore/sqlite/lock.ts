import { lockExclusively } from '../../sqlite/lock.ts';

/**
 * Makes this process the only writer of a log. Readers need no lock.
 * @returns releases the lock
 * @throws {AppError} `conflict` while another process is the writer
 */
export const lockForWriting = (path: string): (() => void) =>
  lockExclusively(
    `${path}.lock`,
    `${path} already has a writer: only one process can serve a SQLite event store. Stop the other one, or set EVENT_STORE to another file`,
  );
