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
  /** How the caller's user names the store, for messages; default `EVENT_STORE`. */
  readonly setting?: string;
  /** The store does not repeat a failed append. For a caller that sends many at once and must keep their order itself. */
  readonly appendOnce?: boolean;
}

/** Appends of EventStoreDB that are not repeated. */
const APPEND_ONCE = { tryMs: 5000, totalMs: 0 };
const SQLITE = 'sqlite:';

/** The file of an embedded event store; null if EVENT_STORE names a server. */
export const sqlitePath = (eventStore: string): string | null =>
  eventStore.startsWith(SQLITE) ? eventStore.slice(SQLITE.length) : null;

const SETTING = 'EVENT_STORE';

/** True for a text that has the form of EVENT_STORE. */
export const isEventStore = (text: string): boolean =>
  /^(sqlite:.|esdb(\+discover)?:\/\/.)/.test(text);

/**
 * Names the store in an error that says it is away: callers tell it from a part of theirs that is away.
 * @returns throws the error with that name, and with the setting that the user knows
 */
const naming =
  (setting: string) =>
  (error: unknown): never => {
    if (!(error instanceof AppError)) throw error;
    const away = isTransient(error) && error.details.part === undefined;
    if (!away && setting === SETTING) throw error;
    const details = { ...error.details, ...(away && { part: EVENT_STORE }) };
    const message = error.message.replaceAll(SETTING, setting);
    throw new AppError(error.code, message, details, { cause: error });
  };

/** The same store, whose errors name it. */
function withNamedErrors(store: EventStore, setting: string): EventStore {
  const named = naming(setting);
  return {
    ...store,
    append: (...args) => store.append(...args).catch(named),
    readStream: (...args) => store.readStream(...args).catch(named),
    readAll: (...args) => store.readAll(...args).catch(named),
    head: () => store.head().catch(named),
    deleteStream: (...args) => store.deleteStream(...args).catch(named),
    truncateBefore: (...args) => store.truncateBefore(...args).catch(named),
    check: () => store.check().catch(named),
  };
}

/**
 * Opens the event store that EVENT_STORE names: `sqlite:PATH`, or the connection string of an EventStoreDB (KurrentDB),
 * `esdb://…` or `esdb+discover://…`.
 * @throws {AppError} `invalid` for another url or a file that is not an event store; `conflict` if another process
 *   writes to the file; `unavailable` if no EventStoreDB answers
 */
export const openEventStore = async (
  url: string,
  options: OpenOptions = {},
): Promise<EventStore> => {
  const { setting = SETTING } = options;
  return withNamedErrors(await open(url, options).catch(naming(setting)), setting);
};

async function open(
  url: string,
  { readOnly = false, besideWriter, appendOnce = false }: OpenOptions,
): Promise<EventStore> {
  const path = sqlitePath(url);
  if (path && besideWriter) {
    const options = { readOnly: true, onOpen: besideWriter };
    return openSqliteEventStore(path, options);
  }
  if (path) return openSqliteEventStore(path, { readOnly, alone: readOnly });
  if (/^esdb(?:\+discover)?:/.test(url)) {
    // Imported here, so that a service on SQLite does not load gRPC.
    const { openEsdbEventStore } = await import('./esdb/store.ts');
    return openEsdbEventStore(url, {
      readOnly: readOnly || besideWriter !== undefined,
      ...(appendOnce && { timing: APPEND_ONCE }),
    });
  }
  throw new AppError(
    'invalid',
    'EVENT_STORE has to be sqlite:PATH, esdb://HOST:PORT or esdb+discover://NAME',
    { field: 'EVENT_STORE' },
  );
}
