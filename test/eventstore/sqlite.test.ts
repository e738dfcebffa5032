import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openEventStore } from '../../src/eventstore/open.ts';
import { temporaryFolder } from '../support/folder.ts';
import { conformance } from './conformance.ts';

conformance('SQLite', async () => {
  const folder = temporaryFolder('eventstore');
  const url = `sqlite:${join(folder, 'events.db')}`;
  let store = await openEventStore(url);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openEventStore(url);
      return store;
    },
    other: () => openEventStore(`sqlite:${join(folder, 'other.db')}`),
    close: async () => rmSync(folder, { recursive: true }),
  };
});
