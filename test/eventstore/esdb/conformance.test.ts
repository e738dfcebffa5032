/**
 * The suite of all event stores over the double, and over a real server where EVENTSTOREDB_URL names one, e.g.
 * esdb://127.0.0.1:2113?tls=false. `other()` needs a second log: the one at EVENTSTOREDB_OTHER_URL, or a double's.
 */
import { openEventStore } from '../../../src/eventstore/open.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { conformance, type Subject } from '../conformance.ts';

const { EVENTSTOREDB_URL: real, EVENTSTOREDB_OTHER_URL: otherReal } = process.env;

/** A server that is there, or a double of its own. */
const serverAt = async (url: string | undefined) => {
  if (url) return { url, close: async () => {} };
  return startEventStoreDouble();
};

const open = (url?: string, otherUrl?: string) => async (): Promise<Subject> => {
  const [server, another] = await Promise.all([serverAt(url), serverAt(otherUrl)]);
  let store = await openEventStore(server.url);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openEventStore(server.url);
      return store;
    },
    other: () => openEventStore(another.url),
    close: async () => {
      await Promise.all([server.close(), another.close()]);
    },
  };
};

conformance('EventStoreDB, over the double', open());
if (real) conformance('EventStoreDB', open(real, otherReal));
