/** What a process keeps on disk or in the event store: opened together, closed together in reverse order. */

import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { openEventStore } from '../eventstore/open.ts';
import type { EventStore } from '../eventstore/port.ts';
import {
  createSnapshotReader,
  createSnapshotStore,
  openSnapshotFile,
  type SnapshotReader,
  type SnapshotStore,
} from '../eventstore/snapshots.ts';
import { newId } from '../kit/id.ts';
import { refuseImportedLog } from '../runtime/imported-log.ts';
import { createJournal, type Journal } from '../runtime/journal/journal.ts';
import { identifyLog, type LogIdentity } from '../runtime/log-identity.ts';
import { openWorkFile } from '../runtime/pending-work.ts';
import { checkSecrets } from '../runtime/vault/secret-check.ts';
import { deriveSecrets, type ServiceSecrets } from '../runtime/vault/secrets.ts';
import { claimDataDir } from './data-dir.ts';

export interface ServiceStorage {
  /** As {@link claimDataDir} has it. */
  readonly processId: string;
  /** The secret itself, for the thread of the read models. */
  readonly serviceSecrets: readonly string[];
  readonly secrets: ServiceSecrets;
  /** As {@link identifyLog} has it. */
  readonly log: LogIdentity;
  readonly store: EventStore;
  readonly snapshots: SnapshotStore;
  readonly snapshotOf: SnapshotReader;
  /** The file of pending work. */
  readonly workFile: DatabaseSync;
  readonly journal: Journal;
  close(): Promise<void>;
}

/**
 * @throws {AppError} `conflict` when another process uses the folder, `unavailable` when the event store is away,
 * `invalid` when the service secret is not the one of the log, `refused` for a log that was imported
 */
export async function openStorage(config: Config, logger: Logger): Promise<ServiceStorage> {
  const dataDir = claimDataDir(config.dataDir, config.serviceSecrets);
  const closing: (() => unknown)[] = [dataDir.release];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const snapshotFile = openSnapshotFile(join(config.dataDir, 'snapshots.db'));
    closing.push(() => snapshotFile.close());
    const workFile = openWorkFile(join(config.dataDir, 'work.db'));
    closing.push(() => workFile.close());
    const path = join(config.dataDir, 'journal.db');
    const journal = createJournal({ path, now: Date.now, logger });
    closing.push(journal.close);
    const store = await openEventStore(config.eventStore);
    closing.push(() => store.close());
    await refuseImportedLog(store);
    // A wrong secret would seal new data under a second key, and no single secret could open the whole log.
    await checkSecrets(store, dataDir.serviceSecrets);
    const log = await identifyLog({ store, now: Date.now, newId });
    return {
      processId: dataDir.processId,
      serviceSecrets: dataDir.serviceSecrets,
      secrets: deriveSecrets(dataDir.serviceSecrets),
      log,
      store,
      snapshots: createSnapshotStore(snapshotFile, { storeId: store.id }),
      snapshotOf: createSnapshotReader(snapshotFile),
      workFile,
      journal,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
