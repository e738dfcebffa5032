/** Puts a backup where the service finds it. Nothing is deleted: what is there already moves aside. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../errors.ts';
import { lockForWriting } from '../eventstore/sqlite/lock.ts';
import { lockExclusively } from '../sqlite/lock.ts';
import { flush, requireSpace } from './files.ts';
import { type BackupFile, digestOf, LOG_FILE, type Manifest, SECRET_FILE } from './manifest.ts';
import { verifyBackup } from './verify.ts';

export interface RestoreOptions {
  readonly backup: string;
  readonly dataDir: string;
  /** Path of the log. */
  readonly log: string;
  readonly serviceSecrets: readonly string[] | undefined;
  /** Move aside what is there already. */
  readonly force: boolean;
  /** ms since 1970 */
  readonly now: () => number;
}

export interface RestoredBackup {
  readonly manifest: Manifest;
  /** Folders with what was there before. */
  readonly movedTo: readonly string[];
}

/**
 * Files that are folded from the log. They never stay: a log that was set back and then written past their checkpoints
 * looks like the log that they were folded from.
 */
const CACHE = /^(projections|work|snapshots)\.db([.-]|$)/;
/** A process with a copied id would be taken for the original process. */
const PROCESS_ID = 'process-id';
const SQLITE_SUFFIXES = ['', '-wal', '-shm', '-journal'];
const STAGED = '.restoring';

/**
 * Restores a backup. First everything is copied under other names and verified. Then what is there already moves aside,
 * and the log gets its name last. A restore that was interrupted can be started again.
 * @throws {AppError} `conflict` while a service runs, or if there is something and `force` is not set; `invalid` if the
 *   backup is damaged or the secret does not open it; `not-found` for no backup; `refused` without space
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const { backup, dataDir, log, force, serviceSecrets } = options;
  const { manifest } = await verifyBackup(backup, serviceSecrets);
  if (manifest.secret === 'environment' && serviceSecrets === undefined) {
    throw new AppError(
      'invalid',
      'this backup was made with the secret in SERVICE_SECRET: set it to the same value. Without it nothing personal can be read',
    );
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const processLock = join(dataDir, 'process.lock');
  using locks = new DisposableStack();
  locks.defer(lockExclusively(processLock, `a service runs on ${dataDir}: stop it first`));
  locks.defer(lockForWriting(log));

  const present = presentFiles(options);
  if (present.length > 0 && !force) {
    throw new AppError(
      'conflict',
      `there is something already: ${present.join(', ')}. Restore into an empty DATA_DIR, or use --force, which moves these aside`,
    );
  }
  requireSpace(dirname(log), manifest.files[0]?.bytes ?? 0);

  const targetOf = (name: BackupFile['name']): string =>
    name === LOG_FILE ? log : join(dataDir, SECRET_FILE);
  for (const file of manifest.files) await stage(backup, file, targetOf(file.name));
  const movedTo = moveAside(present, options.now());
  // The log last: without a log the service makes a new secret, with a log it needs the right one.
  const names: BackupFile['name'][] =
    manifest.secret === 'file' ? [SECRET_FILE, LOG_FILE] : [LOG_FILE];
  for (const name of names) {
    const target = targetOf(name);
    renameSync(target + STAGED, target);
    flush(dirname(target));
  }
  for (const lock of [processLock, `${log}.lock`]) giveToFolderOwner(lock);
  return { manifest, movedTo };
}

/** What a service left in the places of a restore: the caches first, the secret last. */
function presentFiles({ dataDir, log }: RestoreOptions): string[] {
  const caches = readdirSync(dataDir).filter((name) => CACHE.test(name));
  return [
    ...[...caches, PROCESS_ID].map((name) => join(dataDir, name)),
    ...SQLITE_SUFFIXES.map((suffix) => log + suffix),
    join(dataDir, SECRET_FILE),
  ].filter((path) => existsSync(path));
}

/** Copies one file next to its target and verifies the copy. */
async function stage(backup: string, { name, sha256 }: BackupFile, target: string): Promise<void> {
  const staged = target + STAGED;
  rmSync(staged, { force: true }); // of a restore that was interrupted
  copyFileSync(join(backup, name), staged);
  chmodSync(staged, 0o600);
  flush(staged);
  if ((await digestOf(staged)).sha256 !== sha256) {
    throw new AppError(
      'unavailable',
      `${staged} does not contain what was written to it: check the disk`,
    );
  }
  giveToFolderOwner(staged);
}

/** root may restore for the user of the service: a file gets the owner of its folder. */
function giveToFolderOwner(path: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  chownSync(path, uid, gid);
}

/**
 * Moves each file into a folder next to it, so on the same disk. The order of {@link presentFiles} matters: the service
 * would give a log without a secret another one.
 */
function moveAside(paths: readonly string[], now: number): string[] {
  const name = `before-restore-${new Date(now).toISOString().replaceAll(':', '-')}`;
  const folders = new Set(paths.map((path) => join(dirname(path), name)));
  for (const folder of folders) mkdirSync(folder, { mode: 0o700 });
  for (const path of paths) renameSync(path, join(dirname(path), name, basename(path)));
  for (const folder of folders) {
    giveToFolderOwner(folder);
    flush(dirname(folder));
  }
  return [...folders];
}
