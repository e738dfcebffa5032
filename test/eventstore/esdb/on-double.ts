import { afterEach, beforeEach } from 'vitest';
import type { AppendTiming } from '../../../src/eventstore/esdb/appends.ts';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../../support/eventstoredb/server.ts';

/**
 * Each test of the file gets its own server and store.
 * @returns functions that run after each test, in this order; a test may add some
 */
export function onDouble(
  timing: AppendTiming,
  opened: (server: EventStoreDouble, store: EventStore) => void,
): (() => Promise<unknown>)[] {
  const closing: (() => Promise<unknown>)[] = [];
  let server: EventStoreDouble;
  beforeEach(async () => {
    server = await startEventStoreDouble();
    const store = await openEsdbEventStore(server.url, { timing });
    closing.push(
      () => store.close(),
      () => server.close(),
    );
    opened(server, store);
  });
  afterEach(async () => {
    server.faults.freeze(false);
    for (const close of closing.splice(0)) await close();
  });
  return closing;
}
