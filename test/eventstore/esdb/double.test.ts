import { openEventStore } from '../../../src/eventstore/open.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { conformance } from '../conformance.ts';

conformance('EventStoreDB, over the double', async () => {
  const [double, another] = await Promise.all([startEventStoreDouble(), startEventStoreDouble()]);
  let store = await openEventStore(double.url);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openEventStore(double.url);
      return store;
    },
    other: () => openEventStore(another.url),
    close: async () => {
      await double.close();
      await another.close();
    },
  };
});
