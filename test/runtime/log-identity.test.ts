import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import { identifyLog } from '../../src/runtime/log-identity.ts';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { newId } from '../support/rig.ts';

const double = await startEventStoreDouble();
afterAll(() => double.close());

it.each([
  ['SQLite', `sqlite:${join(temporaryFolder('log'), 'events.db')}`],
  ['EventStoreDB', double.url],
])('a log gets an id when it begins, and keeps it: %s', async (_, url) => {
  const identify = async () => {
    const store = await openEventStore(url);
    const both = [];
    // Two processes that begin together.
    for (const _ of [1, 2]) both.push(identifyLog({ store, now: () => 1, newId }));
    const found = await Promise.all(both);
    await store.close();
    return found;
  };
  const [first, second] = await identify();
  expect(first?.isNew).toBe(true);
  expect(second?.id).toBe(first?.id);
  expect(await identify()).toEqual([
    { id: first?.id, isNew: false },
    { id: first?.id, isNew: false },
  ]);
});
