/**
 * Backup and restore of the embedded event store: its log, and the service secret unless that is in the environment.
 * This file takes a backup next to the running service, `verify.ts` checks one, `restore.ts` puts one back. `user.ts` is
 * for root.
 *
 * Entry points: {@link takeBackup}, `verifyBackup`, `restoreBackup`, for src/cli/.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AppError, messageOf } from '../errors.ts';
import { holdLog, type LogAtOnce, openCopy } from '../eventstore/sqlite/copy.ts';
import { makeFolder } from '../kit/make-folder.ts';
import { checkSecrets, secretsInFile } from '../runtime/vault/secret-check.ts';
import { lockExclusively } from '../sqlite/lock.ts';
import { flush, pathExists, requireSpace, writePrivate } from './files.ts';
import { describeFile, LOG_FILE, MANIFEST_FILE, type Manifest, SECRET_FILE } from './manifest.ts';
import { asUser, userBehind, userBehindAll } from './user.ts';

export interface TakeOptions {
  /** Path of the log. */
  readonly log: string;
  readonly dataDir: string;
  /** SERVICE_SECRET; undefined if the secret is in a file of `dataDir`. */
  readonly serviceSecrets: readonly string[] | undefined;
  /** The folder of the backup: new or empty. */
  readonly target: string;
  readonly version: string;
  /** ms since 1970 */
  readonly now: () => number;
  /** Called with the share of the log that is copied, 0 to 1. An error that it throws ends the backup. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Takes a backup. It only reads, and no writer waits for it. root reads as the owner of DATA_DIR, and writes as the owner
 * of the target's folder. Until the backup is complete, verified and on the disk, its
 * folder is called `{target}.partial`. The next backup to the same target removes what a killed one left there.
 * @throws {AppError} `conflict` if the target has content or another backup goes there; `not-found` without a log or
 *   secret; `refused` without space; `invalid` if the copy is damaged or the secret does not open it
 */
export async function takeBackup(options: TakeOptions): Promise<Manifest> {
  const target = resolve(options.target);
  const owner = userBehindAll(options.dataDir, options.log);
  await asUser(userBehind(target), () => {
    requireNew(target);
    makeFolder(dirname(target));
  });
  const source = await asUser(owner, () => openSource(options));
  try {
    return await asUser(userBehind(dirname(target)), () => write(target, options, source));
  } finally {
    source.log.close();
  }
}

interface Source {
  readonly log: LogAtOnce;
  readonly bytes: number;
  /** null if it is in the environment */
  readonly secret: string | null;
}

/** @throws {AppError} `not-found` without a log or secret */
function openSource(options: TakeOptions): Source {
  const { log } = options;
  if (!pathExists(log)) {
    throw new AppError(
      'not-found',
      `there is no event store at ${log}: set DATA_DIR and EVENT_STORE as for the service`,
    );
  }
  const secret = readSecret(options);
  return { secret, bytes: sizeOf(log) + sizeOf(`${log}-wal`), log: holdLog(log) };
}

async function write(target: string, options: TakeOptions, source: Source): Promise<Manifest> {
  requireSpace(dirname(target), source.bytes);
  const partial = `${target}.partial`;
  const lock = `${partial}.lock`;
  const unlock = lockExclusively(lock, `another backup to ${target} is under way`);
  try {
    requireNew(target); // Another backup may have ended in the meantime.
    makeEmpty(partial);
    return await fillThenRename(partial, target, options, source);
  } finally {
    rmSync(lock);
    unlock();
  }
}

/** @throws {AppError} `conflict` */
function requireNew(target: string): void {
  if (!pathExists(target)) return;
  if (statSync(target).isDirectory() && readdirSync(target).length === 0) return;
  throw new AppError(
    'conflict',
    `${target} exists already: a backup needs a new or an empty folder`,
  );
}

/** The content of the secret's file. @returns null if the secret is in the environment. @throws {AppError} `not-found` */
function readSecret({ dataDir, serviceSecrets }: TakeOptions): string | null {
  if (serviceSecrets !== undefined) return null;
  const path = join(dataDir, SECRET_FILE);
  const secret = pathExists(path) ? readFileSync(path, 'utf8').trim() : '';
  if (secret !== '') return secret;
  throw new AppError(
    'not-found',
    `${path} is missing and SERVICE_SECRET is not set: set DATA_DIR and SERVICE_SECRET as for the service. A log without its secret cannot be read`,
  );
}

const sizeOf = (path: string): number => (pathExists(path) ? statSync(path).size : 0);

/**
 * Makes the folder, and removes from it what a killed backup left.
 * @throws {AppError} `conflict` for any other content
 */
function makeEmpty(partial: string): void {
  makeFolder(partial);
  const names = readdirSync(partial);
  const ours = [LOG_FILE, SECRET_FILE, MANIFEST_FILE]; // SQLite adds endings: events.db-journal
  const foreign = names.find((name) => !ours.some((our) => name.startsWith(our)));
  if (foreign !== undefined) {
    const path = join(partial, foreign);
    throw new AppError('conflict', `${path} does not belong to a backup: move it away`);
  }
  for (const name of names) rmSync(join(partial, name));
}

async function fillThenRename(
  partial: string,
  target: string,
  options: TakeOptions,
  source: Source,
): Promise<Manifest> {
  try {
    const manifest = await fill(partial, options, source);
    renameSync(partial, target);
    flush(dirname(target));
    return manifest;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  dir: string,
  options: TakeOptions,
  { log: held, secret }: Source,
): Promise<Manifest> {
  const takenAt = new Date(options.now()).toISOString();
  const log = join(dir, LOG_FILE);
  await held.copyTo(log, options.onProgress);
  flush(log);
  if (secret !== null) writePrivate(join(dir, SECRET_FILE), `${secret}\n`);

  const copy = openCopy(log);
  try {
    const damage = copy.damage();
    if (damage) {
      throw new AppError(
        'invalid',
        `the copy is damaged, so the log itself may be: ${damage}. Keep your older backups`,
      );
    }
    const used = secret === null ? options.serviceSecrets : secretsInFile(secret);
    if (used) await checkSecrets(copy.store, used);
    const manifest: Manifest = {
      format: 1,
      version: options.version,
      takenAt,
      log: { id: copy.id, head: copy.head, events: copy.events },
      secret: secret === null ? 'environment' : 'file',
      files: [await describeFile(dir, LOG_FILE)],
    };
    if (secret !== null) manifest.files.push(await describeFile(dir, SECRET_FILE));
    writePrivate(join(dir, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    flush(dir);
    return manifest;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', `the backup cannot be written: ${messageOf(error)}`);
  } finally {
    copy.close();
  }
}
