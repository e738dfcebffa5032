/**
 * The conformance suite on the double, and on a real server if EVENTSTOREDB_URL names one, such as
 * esdb://127.0.0.1:2113?tls=false. `other()` needs a second log: that of EVENTSTOREDB_OTHER_URL, or of another double.
 */
import { openEventStore } from '../../../src/eventstore/open.ts';
import { scavengeServer } from '../../support/eventstoredb/scavenge.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { conformance, type Subject } from '../conformance.ts';

const { EVENTSTOREDB_URL: real, EVENTSTOREDB_OTHER_URL: otherReal } = process.env;

/** The url of a running server, or of a new double. */
const serverAt = async (url: string | undefined) => {
  if (url) return { url, scavenge: () => scavengeServer(url), close: async () => {} };
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
    scavenge: async () => server.scavenge(),
    close: async () => {
      await Promise.all([server.close(), another.close()]);
    },
  };
};

conformance('EventStoreDB, over the double', open());
if (real) conformance('EventStoreDB', open(real, otherReal));
