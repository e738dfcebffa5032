/** Where a reading command reads: the options for it, and the opening and closing around its work. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { asUser, userBehindAll } from '../../backup/user.ts';
import { readStorage } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { isEventStore, openEventStore, sqlitePath } from '../../eventstore/open.ts';
import { redactUrls } from '../../eventstore/redact.ts';
import { checkSecrets, secretsInFile } from '../../runtime/vault/secret-check.ts';
import { processScreen, type Screen } from '../output/screen.ts';
import { accessOf, withAccessOptions } from '../service-client.ts';
import { openServiceSource } from './service-source.ts';
import type { LogSource } from './source.ts';
import { openStoreSource } from './store-source.ts';

/** Says: the store of the configuration, which nobody has to write again. */
export const CONFIGURED = 'configured';

export interface SourceOptions {
  readonly store?: string;
  readonly utc?: true;
  readonly json?: true;
}

/** What a command works with. */
export interface Reading {
  readonly source: LogSource;
  readonly screen: Screen;
  /** Times in UTC. */
  readonly utc: boolean;
  /** For programs: one JSON value a line. */
  readonly json: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export const withSourceOptions = (command: Command): Command =>
  withAccessOptions(command, 'the admin token')
    .option(
      '--store <store>',
      `read an event store instead of the service, which may run meanwhile: sqlite:PATH, esdb://…, or "${CONFIGURED}" for the one of EVENT_STORE. SERVICE_SECRET opens personal data, or the file service-secret beside it`,
    )
    .option('--utc', 'times in UTC (default: the zone of this machine)')
    .option('--json', 'for programs: JSON, a line for each item');

const STORE = '--store';

/** The event store that `--store` names, as EVENT_STORE names it. @throws {AppError} `invalid` */
export function storeUrl(store: string): string {
  if (store === CONFIGURED) return readStorage().eventStore;
  if (isEventStore(store)) return store;
  throw new AppError(
    'invalid',
    `${STORE} has to be sqlite:PATH (such as sqlite:./data/events.db), esdb://…, esdb+discover://… or ${CONFIGURED}`,
    { field: STORE },
  );
}

/** SERVICE_SECRET, or the file that the service keeps beside its log; none if there is neither. */
export function secretsBeside(url: string): readonly string[] {
  const { dataDir, serviceSecrets } = readStorage();
  if (serviceSecrets) return serviceSecrets;
  const path = sqlitePath(url);
  const file = join(path === null ? dataDir : dirname(path), 'service-secret');
  return existsSync(file) ? secretsInFile(readFileSync(file, 'utf8')) : [];
}

async function openStore(url: string, screen: Screen): Promise<LogSource> {
  const path = sqlitePath(url);
  if (path !== null && !existsSync(path)) {
    throw new AppError('not-found', `${STORE}: there is no event store at ${path}`);
  }
  const serviceSecrets = secretsBeside(url);
  const store = await openEventStore(url, { besideWriter: () => {}, setting: STORE });
  try {
    if (serviceSecrets.length > 0) await checkSecrets(store, serviceSecrets);
    else screen.note('personal data stays sealed: there is no SERVICE_SECRET');
  } catch (error) {
    await store.close();
    throw error;
  }
  return openStoreSource({ store, name: redactUrls(url), serviceSecrets });
}

/** Exit code of what Ctrl-C ended, as shells have it: 128 + SIGINT. */
const INTERRUPTED = 130;

/**
 * Opens what the options name, does the work, and closes it. Ctrl-C ends the work in order. root reads a file as its owner:
 * files that SQLite makes beside a log must not belong to root.
 */
export async function withSource(
  command: Command,
  work: (reading: Reading) => Promise<void>,
): Promise<void> {
  const { store, utc = false, json = false } = command.optsWithGlobals<SourceOptions>();
  const screen = processScreen();
  const url = store === undefined ? null : storeUrl(store);
  const path = url === null ? null : sqlitePath(url);
  await interrupted(screen, (signal) =>
    asUser(path === null ? null : userBehindAll(path), async () => {
      const source =
        url === null ? openServiceSource(accessOf(command)) : await openStore(url, screen);
      try {
        await work({ source, screen, utc, json, signal });
      } finally {
        await source.close();
      }
    }),
  );
}

/** Runs work with a signal that Ctrl-C aborts. Work that it interrupts ends the process with {@link INTERRUPTED}. */
async function interrupted(
  screen: Screen,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    screen.status('');
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
