import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import { temporaryFolder } from '../support/folder.ts';
import { conformance } from './conformance.ts';
import { events } from './events.ts';

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

test('a damaged event is named, so that whoever repairs the file finds it', async () => {
  const folder = temporaryFolder('eventstore');
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'events.db');
  let store = await openEventStore(`sqlite:${path}`);
  await store.append('visitor-acme.7', events(0, 1), 'no-stream');
  await store.close();
  const file = new DatabaseSync(path);
  file.exec(`UPDATE events SET body = '{"data":"a secret word' WHERE revision = 1`);
  file.close();
  store = await openEventStore(`sqlite:${path}`);
  onTestFinished(() => store.close());
  await expect(store.readStream('visitor-acme.7')).rejects.toMatchObject({
    code: 'unavailable',
    message:
      'the event store cannot be read: revision 1 of visitor-acme.7 is damaged: it is no JSON',
  });
});
