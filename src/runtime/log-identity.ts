/** The id of a log: the only fact of the stream `service-log`. Copies, backups and migrations keep it. */
import type { EventStore } from '../eventstore/port.ts';
import { lastInLog } from '../eventstore/reading.ts';
import { createServiceFacts } from './service-facts.ts';

export const LOG_STREAM = 'service-log';

export interface LogIdentity {
  /** A UUID. */
  readonly id: string;
  /** True if nothing was in the log before. */
  readonly isNew: boolean;
}

/** Reads the id of the log. A log without one gets one: it is new, or of release 0.1.0. */
export async function identifyLog(options: {
  store: Pick<EventStore, 'readAll' | 'readStream' | 'append'>;
  now: () => number;
  newId: () => string;
}): Promise<LogIdentity> {
  // Not by `head`: an EventStoreDB has events of its own from its first start on.
  const isNew = (await lastInLog(options.store)) === null;
  const facts = createServiceFacts(options);
  await facts.appendNext(LOG_STREAM, ({ revision }, id) =>
    // Another process may have been faster, and its fact counts.
    revision < 0 ? { type: 'LogBegun', data: { logId: id }, tenant: null } : null,
  );
  // The fact above is the only one in this stream.
  const { logId } = (await facts.head(LOG_STREAM)).data as { logId: string };
  return { id: logId, isNew };
}
