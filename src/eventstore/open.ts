import { AppError, isTransient } from '../errors.ts';
import { EVENT_STORE, type EventStore } from './port.ts';
import { openSqliteEventStore } from './sqlite/store.ts';

export interface OpenOptions {
  /** Appends are refused. A SQLite file is refused as well while another process writes to it. */
  readonly readOnly?: boolean;
  /**
   * Opens a second connection beside the one of this process that writes. It reads only. Gets a function to call whenever
   * the log may have grown; without calls a SQLite file is looked at by itself, and a server tells.
   */
  readonly besideWriter?: (look: () => void) => void;
  /** The store does not repeat a failed append. For a caller that sends many at once and must keep their order itself. */
  readonly appendOnce?: boolean;
}

/** Appends of EventStoreDB that are not repeated. */
const APPEND_ONCE = { tryMs: 5000, totalMs: 0 };
const SQLITE = 'sqlite:';

/** The file of an embedded event store; null if EVENT_STORE names a server. */
export const sqlitePath = (eventStore: string): string | null =>
  eventStore.startsWith(SQLITE) ? eventStore.slice(SQLITE.length) : null;

/** Names the store in an error that says it is away: callers tell it from a part of theirs that is away. */
function named(error: unknown): never {
  if (!isTransient(error) || error.details.part !== undefined) throw error;
  const details = { ...error.details, part: EVENT_STORE };
  throw new AppError(error.code, error.message, details, { cause: error });
}

/** The same store, whose errors name it. */
const withNamedErrors = (store: EventStore): EventStore => ({
  ...store,
  append: (...args) => store.append(...args).catch(named),
  readStream: (...args) => store.readStream(...args).catch(named),
  readAll: (...args) => store.readAll(...args).catch(named),
  head: () => store.head().catch(named),
  deleteStream: (...args) => store.deleteStream(...args).catch(named),
  truncateBefore: (...args) => store.truncateBefore(...args).catch(named),
  check: () => store.check().catch(named),
});

/**
 * Opens the event store that EVENT_STORE names: `sqlite:PATH`, or the connection string of an EventStoreDB (KurrentDB),
 * `esdb://…` or `esdb+discover://…`.
 * @throws {AppError} `invalid` for another url or a file that is not an event store; `conflict` if another process
 *   writes to the file; `unavailable` if no EventStoreDB answers
 */
export const openEventStore = async (
  url: string,
  { readOnly = false, besideWriter, appendOnce = false }: OpenOptions = {},
): Promise<EventStore> => {
  const path = sqlitePath(url);
  if (path && besideWriter) {
    const options = { readOnly: true, onOpen: besideWriter };
    return withNamedErrors(await openSqliteEventStore(path, options));
  }
  if (path) return withNamedErrors(await openSqliteEventStore(path, { readOnly, alone: readOnly }));
  if (/^esdb(?:\+discover)?:/.test(url)) {
    // Imported here, so that a service on SQLite does not load gRPC.
    const { openEsdbEventStore } = await import('./esdb/store.ts');
    const store = await openEsdbEventStore(url, {
      readOnly: readOnly || besideWriter !== undefined,
      ...(appendOnce && { timing: APPEND_ONCE }),
    });
    return withNamedErrors(store);
  }
  throw new AppError(
    'invalid',
    'EVENT_STORE must be sqlite:PATH, esdb://HOST:PORT or esdb+discover://NAME',
    { field: 'EVENT_STORE' },
  );
};
