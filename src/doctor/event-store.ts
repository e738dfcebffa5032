/** The event store: whether it answers, where its log ends, and whether the service secret opens it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathExists } from '../backup/files.ts';
import type { Config } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import { openEventStore, sqlitePath } from '../eventstore/open.ts';
import type { EventStore } from '../eventstore/port.ts';
import { lastInLog } from '../eventstore/reading.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { openSqliteEventStore } from '../eventstore/sqlite/store.ts';
import { type CheckedSecrets, checkSecrets, secretsInFile } from '../runtime/vault/secret-check.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { waitAtMost } from './wait-at-most.ts';

export const OPEN_DEADLINE_MS = 4_000;

type StoreConfig = Pick<Config, 'dataDir' | 'eventStore' | 'serviceSecrets'>;

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
  { dataDir, serviceSecrets }: StoreConfig,
): Promise<Finding[]> {
  try {
    return judgeSecrets(await checkSecrets(store, serviceSecrets ?? readSecrets(dataDir)));
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

export function judgeSecrets({ opened, rotation }: CheckedSecrets): Finding[] {
  const findings = opened ? [ok('the service secret opens personal data')] : [];
  if (rotation === 'ahead') {
    findings.push(
      warning(
        'the first of the service secrets is not in use yet',
        'restart the service, every process of it. Keep all secrets until the doctor says that the older ones can be removed',
      ),
    );
  }
  if (rotation === 'running') {
    findings.push(
      warning(
        'data keys are still wrapped with an older service secret',
        'keep it: the running service wraps them again. xmpp_chat_data_keys_older in /metrics counts those that are left',
      ),
    );
  }
  if (rotation === 'done') {
    findings.push(
      ok(
        'every data key is wrapped with the first service secret: the others can be removed. Keep them with the backups that need them',
      ),
    );
  }
  return findings;
}

function readSecrets(dataDir: string): readonly string[] {
  try {
    return secretsInFile(readFileSync(join(dataDir, 'service-secret'), 'utf8'));
  } catch (error) {
    throw new AppError(
      'not-found',
      `the secret of this log cannot be read: SERVICE_SECRET is not set, and ${messageOf(error)}`,
    );
  }
}
