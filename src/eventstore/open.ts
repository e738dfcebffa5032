import { AppError } from '../errors.ts';
import type { EventStore } from './port.ts';
import { openSqliteEventStore } from './sqlite/store.ts';

/**
 * Opens the event store that EVENT_STORE names: `sqlite:PATH`.
 * @param options.readOnly appends are refused; another process may write, unless `alone`: then it is refused like a
 *   second writer, where the store can tell (SQLite)
 * @throws {AppError} `invalid` for another url or a file that is no event store; `conflict` when another process
 *   writes to the file
 */
export const openEventStore = async (
  url: string,
  options: { readonly readOnly?: boolean; readonly alone?: boolean } = {},
): Promise<EventStore> => {
  const path = url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : '';
  if (path !== '') return openSqliteEventStore(path, options);
  const reason = url.startsWith('esdb:')
    ? 'EventStoreDB comes with a later version'
    : 'it must be sqlite:PATH';
  throw new AppError('invalid', `EVENT_STORE: ${reason}`, { field: 'EVENT_STORE' });
};
