/**
 * Against a real server: EVENTSTOREDB_URL, e.g. esdb://127.0.0.1:2113?tls=false. `other()` needs a second log: the one at
 * EVENTSTOREDB_OTHER_URL, or that of the double.
 */
import { describe } from 'vitest';
import { openEventStore } from '../../../src/eventstore/open.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { conformance } from '../conformance.ts';

const url = process.env.EVENTSTOREDB_URL;
const otherUrl = process.env.EVENTSTOREDB_OTHER_URL;

if (url === undefined) {
  describe.skip('EventStoreDB: EVENTSTOREDB_URL is not set', () => {});
} else {
  conformance('EventStoreDB', async () => {
    const double = otherUrl === undefined ? await startEventStoreDouble() : undefined;
    let store = await openEventStore(url);
    return {
      store,
      reopen: async () => {
        await store.close();
        store = await openEventStore(url);
        return store;
      },
      other: () => openEventStore(otherUrl ?? double?.url ?? ''),
      close: async () => {
        await double?.close();
      },
    };
  });
}
