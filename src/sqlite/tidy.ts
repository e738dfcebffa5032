/**
 * Makes an erasure true on the disk. `PRAGMA secure_delete` overwrites in the file what was deleted; copies in the
 * write-ahead log go when that log is truncated. A reader may hold it for a while, so this is tried again.
 */
import type { DatabaseSync } from 'node:sqlite';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { BUSY_TIMEOUT_MS } from './open.ts';

/** Waits while a reader holds a write-ahead log. */
export const TIDY_RETRY: RetryPolicy = { firstMs: 100, mostMs: 10_000 };
/** After so many tries, some 40 s, the failure is told. The tries go on. */
export const TIDY_TRIES_UNTOLD = 10;

/** Deletions that follow each other all the time share one truncation: it waits for the disk. */
export const TIDY_LATER_MS = 20_000;

export interface Tidy {
  /** Truncates the write-ahead logs, now or as soon as no reader holds them. Never throws. */
  soon(): void;
  /** The same within {@link TIDY_LATER_MS}. */
  later(): void;
  /** Ends the tries. */
  stop(): void;
}

/**
 * @param files those that are open now
 * @param onHeld called once if a write-ahead log cannot be truncated for long
 */
export function createTidy(
  files: () => readonly DatabaseSync[],
  onHeld: () => void = () => undefined,
): Tidy {
  let timer: NodeJS.Timeout | undefined;
  let tries = 0;

  function look(): void {
    timer = undefined;
    if (files().map(truncateLog).every(Boolean)) return;
    tries += 1;
    if (tries === TIDY_TRIES_UNTOLD) onHeld();
    timer = setTimeout(look, backoff(tries, TIDY_RETRY, Math.random)).unref();
  }

  return {
    soon() {
      tries = 0;
      clearTimeout(timer);
      look();
    },
    later() {
      timer ??= setTimeout(look, TIDY_LATER_MS).unref();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

/** @returns false if a reader or a transaction holds the write-ahead log */
function truncateLog(db: DatabaseSync): boolean {
  if (!db.isOpen) return true;
  if (db.isTransaction) return false;
  try {
    // This thread has other things to do than to wait for readers.
    db.exec('PRAGMA busy_timeout = 0');
    return db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy === 0;
  } catch {
    return false;
  } finally {
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  }
}
