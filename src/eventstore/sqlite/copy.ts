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

/** A log as it is at one moment. */
export interface LogAtOnce {
  /**
   * Copies it. A copy that fails leaves a partial file behind.
   * @param onStep called after each step with the finished share, 0 to 1; if it throws, the copy ends
   * @throws {AppError} `unavailable` if the copy cannot be written
   */
  copyTo(path: string, onStep?: (share: number) => void): Promise<void>;
  close(): void;
}

/**
 * Holds a log as it is now, while its writer works. Everything appended before the call is in it. All files are open then:
 * copying opens none of the log's.
 *
 * SQLite's backup starts over whenever another connection writes between two steps; beside a busy writer it never ended.
 * So the whole copy runs in one read transaction. In WAL mode that blocks nobody; the -wal file of the log grows until the
 * copy is done.
 * @throws {AppError} `not-found`; `invalid` if the file is not a log
 */
export function holdLog(path: string): LogAtOnce {
  if (!existsSync(path)) throw new AppError('not-found', `there is no event store at ${path}`);
  const db = openLog(path, 'reader');
  try {
    db.exec('BEGIN');
    lastPosition(db); // SQLite begins the transaction with its first read.
  } catch (error) {
    db.close();
    throw new AppError('unavailable', `the log at ${path} cannot be read: ${messageOf(error)}`);
  }
  return {
    copyTo: (to, onStep = () => {}) => copyTo(db, to, onStep),
    close: () => db.close(),
  };
}

async function copyTo(db: DatabaseSync, to: string, onStep: (share: number) => void) {
  try {
    createPrivate(to);
    await backup(db, to, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) => onStep(1 - remainingPages / totalPages),
    });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', `the log cannot be copied to ${to}: ${messageOf(error)}`);
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
