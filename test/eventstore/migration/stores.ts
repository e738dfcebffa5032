import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  type Migrated,
  type MigrateOptions,
  migrate,
} from '../../../src/eventstore/migration/migrate.ts';
import { openEventStore } from '../../../src/eventstore/open.ts';
import type { EventStore, RecordedEvent } from '../../../src/eventstore/port.ts';
import { temporaryFolder } from '../../support/folder.ts';

/** A folder for the files of a test, removed after it. */
export const folderOfTest = (): string => {
  const folder = temporaryFolder('migration');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** An event store in a file of its own, closed after the test. */
export const storeIn = async (folder: string, name: string): Promise<EventStore> => {
  const store = await openEventStore(`sqlite:${join(folder, name)}`);
  onTestFinished(() => store.close());
  return store;
};

export const twoStores = async (): Promise<{ source: EventStore; target: EventStore }> => {
  const folder = folderOfTest();
  return { source: await storeIn(folder, 'a.db'), target: await storeIn(folder, 'b.db') };
};

export const run = (
  source: EventStore,
  target: EventStore,
  more: Partial<MigrateOptions> = {},
): Promise<Migrated> =>
  migrate({
    source,
    target,
    now: Date.now,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...more,
  });

/** Every event that the log shows, in order. */
export const everything = async (store: EventStore): Promise<RecordedEvent[]> => {
  const events: RecordedEvent[] = [];
  for (;;) {
    const after = events.at(-1)?.position;
    const page = await store.readAll(after === undefined ? {} : { after });
    if (page.length === 0) return events;
    events.push(...page);
  }
};

/** The same without positions, which differ from store to store. */
export const contents = async (store: EventStore): Promise<unknown[]> =>
  (await everything(store)).map(({ position: _, ...content }) => content);
