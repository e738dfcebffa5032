/** Puts a backup where the service finds it. Nothing is deleted: what is there already moves aside. */
import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.ts';
import { lockForWriting } from '../eventstore/sqlite/lock.ts';
import { makeFolder } from '../kit/make-folder.ts';
import { lockExclusively } from '../sqlite/lock.ts';
import { flush, requireSpace } from './files.ts';
import { type BackupFile, digestOf, LOG_FILE, type Manifest, SECRET_FILE } from './manifest.ts';
import { asUser, userBehind, userBehindAll } from './user.ts';
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
 * Files that are folded from the log, and the journal, which names its facts. They never stay: a log that was set back and
 * then written past their checkpoints looks like the log that they belong to.
 */
const CACHE = /^(projections|work|snapshots|journal)\.db([.-]|$)/;
/** A process with a copied id would be taken for the original process. */
const PROCESS_ID = 'process-id';
const SQLITE_SUFFIXES = ['', '-wal', '-shm', '-journal'];
const STAGED = '.restoring';

/**
 * Restores a backup. First everything is copied under other names and verified. Then what is there already moves aside,
 * and the log gets its name last. A restore that was interrupted can be started again. root writes as the owner of DATA_DIR:
 * the files belong to them, and no link in the folder leads further than they come.
 * @throws {AppError} `conflict` while a service runs, or if there is something and `force` is not set; `invalid` if the
 *   backup is damaged or the secret does not open it; `not-found` for no backup; `refused` without space, or if root would
 *   have to work where others can change folders
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const { backup, dataDir, log, serviceSecrets } = options;
  const { manifest } = await verifyBackup(backup, serviceSecrets);
  if (manifest.secret === 'environment' && serviceSecrets === undefined) {
    throw new AppError(
      'invalid',
      'this backup was made with the secret in SERVICE_SECRET: set it to the same value. Without it nothing personal can be read',
    );
  }
  const files = await asUser(userBehind(backup), () =>
    manifest.files.map((file) => openFile(backup, file)),
  );
  try {
    for (const dir of [dataDir, dirname(log)]) {
      await asUser(userBehind(dir), () => makeFolder(dir));
    }
    return await asUser(userBehindAll(dataDir, log), () => put(options, manifest, files));
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}

/** A file of the backup, opened. */
type Opened = BackupFile & { readonly fd: number };

const openFile = (backup: string, file: BackupFile): Opened => ({
  ...file,
  fd: openSync(join(backup, file.name), constants.O_RDONLY | constants.O_NOFOLLOW),
});

async function put(
  options: RestoreOptions,
  manifest: Manifest,
  files: readonly Opened[],
): Promise<RestoredBackup> {
  const { dataDir, log, force } = options;
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
  for (const file of files) await stage(file, targetOf(file.name));
  const movedTo = moveAside(present, options.now());
  // The log last: without a log the service makes a new secret, with a log it needs the right one.
  const names: BackupFile['name'][] =
    manifest.secret === 'file' ? [SECRET_FILE, LOG_FILE] : [LOG_FILE];
  for (const name of names) {
    const target = targetOf(name);
    renameSync(target + STAGED, target);
    flush(dirname(target));
  }
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
async function stage({ fd, sha256 }: Opened, target: string): Promise<void> {
  const staged = target + STAGED;
  rmSync(staged, { force: true }); // of a restore that was interrupted
  const source = createReadStream('', { fd, autoClose: false });
  // `x` opens nothing that is there, and no link.
  await pipeline(source, createWriteStream(staged, { flags: 'wx', mode: 0o600, flush: true }));
  if ((await digestOf(staged)).sha256 !== sha256) {
    throw new AppError(
      'unavailable',
      `${staged} does not contain what was written to it: check the disk`,
    );
  }
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
  for (const folder of folders) flush(dirname(folder));
  return [...folders];
}
