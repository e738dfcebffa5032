/** The event store: whether it answers, where its log ends, and whether the service secret opens it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathExists } from '../backup/files.ts';
import type { Config } from '../config.ts';
import { AppError, messageOf } from '../errors.ts';
import { openEventStore, sqlitePath } from '../eventstore/open.ts';
import type { EventStore } from '../eventstore/port.ts';
import { lastInLog } from '../eventstore/reading.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { openSqliteEventStore } from '../eventstore/sqlite/store.ts';
import { checkSecret } from '../runtime/vault/secret-check.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { waitAtMost } from './wait-at-most.ts';

export const OPEN_DEADLINE_MS = 4_000;

type StoreConfig = Pick<Config, 'dataDir' | 'eventStore' | 'serviceSecret'>;

export const eventStoreCheck = (config: StoreConfig): Check => ({
  name: 'event store',
  async run() {
    let store: EventStore;
    try {
      store = await openReadOnly(config.eventStore);
    } catch (error) {
      return [judgeOpening(error)];
    }
    try {
      await store.check();
      const last = await lastInLog(store);
      if (!last) return [ok('it answers; the log is empty')];
      const ageS = Math.max(0, Math.round((Date.now() - last.metadata.at) / 1000));
      return [
        ok(`it answers; the log ends at ${last.position}, ${ageS} s ago`),
        ...(await judgeSecret(store, config)),
      ];
    } finally {
      await store.close();
    }
  },
});

/** @throws {AppError} `not-found` when there is no log yet */
async function openReadOnly(eventStore: string): Promise<EventStore> {
  const path = sqlitePath(eventStore);
  if (path === null) return openServer(eventStore);
  if (!pathExists(path)) throw new AppError('not-found', `there is no event store at ${path} yet`);
  return openSqliteEventStore(path, { readOnly: true });
}

async function openServer(eventStore: string): Promise<EventStore> {
  const opening = openEventStore(eventStore, { readOnly: true });
  try {
    const store = await waitAtMost(opening, OPEN_DEADLINE_MS);
    if (store) return store;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, redactUrls(error.message), error.details);
  }
  opening.then((late) => late.close()).catch(() => undefined); // nobody waits for it any more
  throw new AppError(
    'unavailable',
    `EventStoreDB does not answer within ${OPEN_DEADLINE_MS / 1000} s`,
  );
}

function judgeOpening(error: unknown): Finding {
  if (!(error instanceof AppError)) throw error;
  if (error.code === 'not-found') {
    return warning(
      error.message,
      'the service makes it at its first start. If the service ran before, EVENT_STORE is not that of the service',
    );
  }
  return problem(
    error.message,
    error.code === 'unavailable'
      ? 'compare EVENT_STORE with that of the service. Is its server up? May the user of the doctor read and write it?'
      : 'compare EVENT_STORE with what is there. Do not start the service on a damaged log: restore a backup (docs/operations.md)',
  );
}

async function judgeSecret(
  store: EventStore,
  { dataDir, serviceSecret }: StoreConfig,
): Promise<Finding[]> {
  try {
    const secret = serviceSecret ?? readSecret(dataDir);
    return (await checkSecret(store, secret)) ? [ok('the service secret opens personal data')] : [];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [
      problem(
        error.message,
        'look for it in your backups (docs/operations.md, Backup and restore). The service does not start with another one',
      ),
    ];
  }
}

function readSecret(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, 'service-secret'), 'utf8').trim();
  } catch (error) {
    throw new AppError(
      'not-found',
      `the secret of this log cannot be read: SERVICE_SECRET is not set, and ${messageOf(error)}`,
    );
  }
}
