/** Copies of the SQLite event store: taking one while the store is in use, and reading one without changing it. */
import { existsSync } from 'node:fs';
import { backup, type DatabaseSync } from 'node:sqlite';
import { AppError, messageOf } from '../../errors.ts';
import { createPrivate } from '../../sqlite/open.ts';
import type { EventStore, Position } from '../port.ts';
import { createPositions } from './position.ts';
import { createReader } from './reader.ts';
import { lastPosition, logId, openLog } from './schema.ts';

/** Pages of 8 KiB copied in one step, 2 MiB. */
const PAGES_PER_STEP = 256;

/**
 * Copies a log as it is at one moment, while its writer works. Everything appended before the call is in the copy. A copy
 * that fails leaves a partial file behind.
 *
 * SQLite's backup starts over whenever another connection writes between two steps; beside a busy writer it never ended.
 * So the whole copy runs in one read transaction. In WAL mode that blocks nobody; the -wal file of the log grows until the
 * copy is done.
 * @param onStep called after each step with the finished share, 0 to 1; if it throws, the copy ends
 * @throws {AppError} `not-found`; `invalid` if the file is not a log; `unavailable` if the copy cannot be written
 */
export async function copyLog(
  from: string,
  to: string,
  onStep: (share: number) => void = () => {},
): Promise<void> {
  if (!existsSync(from)) throw new AppError('not-found', `there is no event store at ${from}`);
  const db = openLog(from, 'reader');
  try {
    db.exec('BEGIN');
    lastPosition(db); // SQLite begins the transaction with its first read.
    createPrivate(to);
    await backup(db, to, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) => onStep(1 - remainingPages / totalPages),
    });
    db.exec('COMMIT');
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', `the log cannot be copied to ${to}: ${messageOf(error)}`);
  } finally {
    db.close();
  }
}

export interface LogCopy {
  readonly id: string;
  /** null for an empty log. */
  readonly head: Position | null;
  readonly events: number;
  readonly store: Pick<EventStore, 'readStream' | 'readAll'>;
  /** Reads the whole file. @returns the faults that SQLite finds (`PRAGMA integrity_check`); null without any */
  damage(): string | null;
  close(): void;
}

/**
 * Opens a copy that no process uses. It is not written to, and no file is created beside it.
 * @throws {AppError} `invalid` if the file is not a log or is damaged; `unavailable` if it cannot be read
 */
export function openCopy(path: string): LogCopy {
  const db = openLog(path, 'copy');
  try {
    return describe(db);
  } catch (error) {
    db.close();
    throw new AppError('invalid', `${path} is damaged: ${messageOf(error)}`);
  }
}

function describe(db: DatabaseSync): LogCopy {
  const id = logId(db);
  const positions = createPositions(id);
  const reader = createReader(db, positions);
  const last = lastPosition(db);
  return {
    id,
    head: last === 0 ? null : positions.format(last),
    events: Number(db.prepare('SELECT count(*) AS n FROM events').get()?.n),
    store: {
      readStream: async (stream, options = {}) => reader.stream(stream, options),
      readAll: (options = {}) => reader.all(options, last),
    },
    damage() {
      const rows = db.prepare('PRAGMA integrity_check(3)').all();
      const found = rows.map((row) => String(row.integrity_check));
      return found.length === 1 && found[0] === 'ok' ? null : found.join('; ');
    },
    close: () => db.close(),
  };
}
