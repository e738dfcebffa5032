/**
 * A log that was imported: somebody else's history, or a part of it. Nothing is pending there and nobody waits, so the
 * service must not perform what its facts call for (docs/adr/0054). The stream `service-imported` marks such a log for good.
 */
import { AppError } from '../errors.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { lastEvent } from '../eventstore/reading.ts';

export const IMPORTED_STREAM = 'service-imported';
/** An import begins: the mark is there before the first event. */
export const LOG_IMPORTED = 'LogImported';
export const LOG_IMPORT_ENDED = 'LogImportEnded';

/** @returns the last fact about imports; null for a log of the service */
export const lastImport = (store: Pick<EventStore, 'readStream'>): Promise<RecordedEvent | null> =>
  lastEvent(store, IMPORTED_STREAM);

/** @throws {AppError} `refused` for a log that was imported */
export async function refuseImportedLog(store: Pick<EventStore, 'readStream'>): Promise<void> {
  if ((await lastImport(store)) === null) return;
  throw new AppError(
    'refused',
    'EVENT_STORE is a log that was imported: the service would tell operators and Live Helper Chat what happened elsewhere. Read it with xmpp-chat events, state, trace and replay (--store), and set EVENT_STORE to a log of your own',
    { field: 'EVENT_STORE' },
  );
}
