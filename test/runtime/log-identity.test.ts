import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import { identifyLog } from '../../src/runtime/log-identity.ts';
import { temporaryFolder } from '../support/folder.ts';
import { newId } from '../support/rig.ts';

it('a log gets an id when it begins, and keeps it', async () => {
  const url = `sqlite:${join(temporaryFolder('log'), 'events.db')}`;
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
