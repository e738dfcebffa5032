import { AppError } from '../errors.ts';
import type { EventStore } from './port.ts';
import { openSqliteEventStore } from './sqlite/store.ts';

export interface OpenOptions {
  /** Appends are refused, and so is the store itself while somebody writes, where it can tell (SQLite). */
  readonly readOnly?: boolean;
  /** The store does not try a failed append again: who sends many at once and needs their order does so. */
  readonly appendOnce?: boolean;
}

/** An append that failed is not repeated. */
const ONCE = { tryMs: 5000, totalMs: 0 };

/**
 * Opens the event store that EVENT_STORE names: `sqlite:PATH`, or the connection string of an EventStoreDB (KurrentDB),
 * `esdb://…` or `esdb+discover://…`.
 * @throws {AppError} `invalid` for another url or a file that is no event store; `conflict` when another process
 *   writes to the file; `unavailable` when no EventStoreDB answers
 */
export const openEventStore = async (
  url: string,
  { readOnly = false, appendOnce = false }: OpenOptions = {},
): Promise<EventStore> => {
  const path = url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : '';
  if (path !== '') return openSqliteEventStore(path, { readOnly, alone: readOnly });
  if (/^esdb(?:\+discover)?:/.test(url)) {
    // Loaded here, so that who uses SQLite does not load gRPC.
    const { openEsdbEventStore } = await import('./esdb/store.ts');
    return openEsdbEventStore(url, { readOnly, ...(appendOnce && { timing: ONCE }) });
  }
  throw new AppError(
    'invalid',
    'EVENT_STORE: it must be sqlite:PATH, esdb://HOST:PORT or esdb+discover://NAME',
    { field: 'EVENT_STORE' },
  );
};
