/** Copies of the embedded store's file: taken beside its writer, and looked through without touching them. */
import { existsSync } from 'node:fs';
import { backup, type DatabaseSync } from 'node:sqlite';
import { AppError, messageOf } from '../../errors.ts';
import { createPrivate } from '../../sqlite/open.ts';
import type { EventStore, Position } from '../port.ts';
import { createPositions } from './position.ts';
import { createReader } from './reader.ts';
import { lastPosition, logId, openLog } from './schema.ts';

/** Of 8 KiB: 2 MiB are read and written between two looks at whether to go on. */
const PAGES_A_STEP = 256;

/**
 * Copies a log as it is at one moment, while its writer goes on; everything appended before the call is in it. A copy
 * that fails leaves a part of a file behind.
 *
 * SQLite begins anew whenever another connection has written between two steps, which beside a busy writer never ends
 * (tried). So the whole copy is taken within one read transaction: in WAL mode that stops nobody, only the log's -wal
 * grows until the copy is done.
 * @param onStep after each step, with the share that is done, 0 to 1; what it throws ends the copy
 * @throws {AppError} `not-found`; `invalid` when the file is no log; `unavailable` when the copy cannot be written
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
    lastPosition(db); // A transaction begins with its first read.
    createPrivate(to);
    await backup(db, to, {
      rate: PAGES_A_STEP,
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
  /** null: an empty log. */
  readonly head: Position | null;
  readonly events: number;
  readonly store: Pick<EventStore, 'readStream' | 'readAll'>;
  /** What SQLite finds wrong with the file (`PRAGMA integrity_check`); null when it is whole. Reads all of it. */
  damage(): string | null;
  close(): void;
}

/**
 * Opens a copy that nobody uses. Nothing is written, nor made beside it.
 * @throws {AppError} `invalid` when the file is no log or damaged; `unavailable` when it cannot be read
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
