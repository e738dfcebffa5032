/** Takes a backup of the embedded store beside the running service: reads only, and holds nobody up. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AppError, messageOf } from '../errors.ts';
import { copyLog, openCopy } from '../eventstore/sqlite/copy.ts';
import { opensWith } from '../runtime/vault/sealed.ts';
import { lockExclusively } from '../sqlite/lock.ts';
import { flush, isThere, requireSpace, writePrivate } from './files.ts';
import { describeFile, LOG, MANIFEST, type Manifest, SECRET } from './manifest.ts';

export interface TakeOptions {
  /** Of the log. */
  readonly log: string;
  readonly dataDir: string;
  /** SERVICE_SECRET; undefined: it is in the file of `dataDir`. */
  readonly serviceSecret: string | undefined;
  /** Made by this; empty if it exists. */
  readonly target: string;
  readonly version: string;
  /** ms since 1970 */
  readonly now: () => number;
  /** The share of the log that is copied, 0 to 1; what it throws ends the backup. */
  readonly onProgress?: (share: number) => void;
}

/** Free space that is left beside the copy. */
const SPARE_BYTES = 16 * 2 ** 20;

/**
 * The backup has another name (`{target}.partial`) until it is complete, verified and on the disk. What a backup that
 * was killed left there is thrown away by the next one to the same target.
 * @throws {AppError} `conflict` when the target has something in it, or another backup goes there; `not-found` without
 *   a log or secret; `refused` for want of space; `invalid` when the copy is not what it should be
 */
export async function takeBackup(options: TakeOptions): Promise<Manifest> {
  const target = resolve(options.target);
  requireNew(target);
  if (!isThere(options.log)) {
    throw new AppError(
      'not-found',
      `there is no event store at ${options.log}: are DATA_DIR and EVENT_STORE those of the service?`,
    );
  }
  const secret = readSecret(options);
  const parent = dirname(target);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  requireSpace(parent, sizeOf(options.log) + sizeOf(`${options.log}-wal`) + SPARE_BYTES);

  const partial = `${target}.partial`;
  const lock = `${partial}.lock`;
  const unlock = lockExclusively(lock, `another backup to ${target} is under way`);
  try {
    requireNew(target); // Another one may have ended meanwhile.
    claim(partial);
    return await fillAndName(partial, target, options, secret);
  } finally {
    rmSync(lock);
    unlock();
  }
}

async function fillAndName(
  partial: string,
  target: string,
  options: TakeOptions,
  secret: string | null,
): Promise<Manifest> {
  try {
    const manifest = await fill(partial, options, secret);
    renameSync(partial, target);
    flush(dirname(target));
    return manifest;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

/** @throws {AppError} `conflict` */
function requireNew(target: string): void {
  if (!isThere(target)) return;
  if (statSync(target).isDirectory() && readdirSync(target).length === 0) return;
  throw new AppError(
    'conflict',
    `${target} is there already: a backup goes to a new or empty folder`,
  );
}

/** null: it is in the environment. @throws {AppError} `not-found` */
function readSecret({ dataDir, serviceSecret }: TakeOptions): string | null {
  if (serviceSecret !== undefined) return null;
  const path = join(dataDir, SECRET);
  const found = isThere(path) ? readFileSync(path, 'utf8').trim() : '';
  if (found !== '') return found;
  throw new AppError(
    'not-found',
    `${path} is missing and SERVICE_SECRET is not set: set DATA_DIR and SERVICE_SECRET as for the service; a log without its secret cannot be read`,
  );
}

const sizeOf = (path: string): number => (isThere(path) ? statSync(path).size : 0);

/** Makes the folder, and throws away what a backup that was killed left in it. @throws {AppError} `conflict` */
function claim(partial: string): void {
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  const names = readdirSync(partial);
  const foreign = names.find(
    (name) => ![LOG, SECRET, MANIFEST].some((our) => name.startsWith(our)),
  );
  if (foreign !== undefined) {
    throw new AppError('conflict', `${join(partial, foreign)} is not ours: move it away`);
  }
  for (const name of names) rmSync(join(partial, name));
}

async function fill(dir: string, options: TakeOptions, secret: string | null): Promise<Manifest> {
  const takenAt = new Date(options.now()).toISOString();
  await copyLog(options.log, join(dir, LOG), options.onProgress);
  flush(join(dir, LOG));
  if (secret !== null) writePrivate(join(dir, SECRET), `${secret}\n`);

  const copy = openCopy(join(dir, LOG));
  try {
    const damage = copy.damage();
    if (damage) {
      throw new AppError(
        'invalid',
        `the copy is damaged, so the log itself may be: ${damage}. Keep your older backups`,
      );
    }
    const used = secret ?? options.serviceSecret;
    if (used !== undefined) await opensWith(copy.store, used);
    const manifest: Manifest = {
      format: 1,
      version: options.version,
      takenAt,
      log: { id: copy.id, head: copy.head, events: copy.events },
      secret: secret === null ? 'environment' : 'file',
      files: [await describeFile(dir, LOG)],
    };
    if (secret !== null) manifest.files.push(await describeFile(dir, SECRET));
    writePrivate(join(dir, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    flush(dir);
    return manifest;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', `the backup cannot be written: ${messageOf(error)}`);
  } finally {
    copy.close();
  }
}
