/** Puts a backup where the service finds it. Nothing is deleted: what was there is moved aside. */
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
import { digestOf, LOG, type Manifest, SECRET } from './manifest.ts';
import { verifyBackup } from './verify.ts';

export interface RestoreOptions {
  readonly backup: string;
  readonly dataDir: string;
  /** Where the log goes. */
  readonly log: string;
  readonly serviceSecret: string | undefined;
  /** Move what is there aside. */
  readonly force: boolean;
  /** ms since 1970 */
  readonly now: () => number;
}

export interface Restored {
  readonly manifest: Manifest;
  /** Folders that now have what was there before. */
  readonly movedTo: readonly string[];
}

/**
 * Folds of the log. A log that was set back and written past their checkpoints is not told apart from the one that they
 * were made of, so they never stay.
 */
const CACHE = /^(projections|work|snapshots)\.db([.-]|$)/;
/** A copy with the same name would be taken for the process that it was copied from. */
const PROCESS_ID = 'process-id';
const SUFFIXES = ['', '-wal', '-shm', '-journal'];
const STAGED = '.restoring';
const SPARE_BYTES = 16 * 2 ** 20;

/**
 * Everything is copied and verified under other names first; then what was there is moved aside, and the log is put in
 * its place last. When it ends before that, start it again.
 * @throws {AppError} `conflict` while a service runs, or when there is something and `force` is not set; `invalid` when
 *   the backup is damaged or the secret does not fit; `not-found`
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { backup, dataDir, log, force } = options;
  const { manifest } = await verifyBackup(backup, options.serviceSecret);
  if (manifest.secret === 'environment' && options.serviceSecret === undefined) {
    throw new AppError(
      'invalid',
      'this backup was made with the secret in SERVICE_SECRET: set it to the same value; without it nothing personal could be read',
    );
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  using locks = new DisposableStack();
  const running = `a service runs on ${dataDir}: stop it first`;
  locks.defer(lockExclusively(join(dataDir, 'process.lock'), running));
  locks.defer(lockForWriting(log));

  const there = present(options);
  if (there.length > 0 && !force) {
    throw new AppError(
      'conflict',
      `there is something already: ${there.join(', ')}. Restore into an empty DATA_DIR, or use --force, which moves these aside`,
    );
  }
  requireSpace(dirname(log), (manifest.files[0]?.bytes ?? 0) + SPARE_BYTES);

  const targets = new Map(
    manifest.files.map(({ name }) => [name, name === LOG ? log : join(dataDir, SECRET)] as const),
  );
  for (const file of manifest.files) await stage(backup, file, targets.get(file.name) ?? '');
  const movedTo = moveAside(there, options.now());
  // The log last: without it the service would have made a new secret for a new log, with it there is the right one.
  for (const name of [SECRET, LOG] as const) {
    const target = targets.get(name);
    if (target === undefined) continue;
    renameSync(target + STAGED, target);
    flush(dirname(target));
  }
  for (const lock of [join(dataDir, 'process.lock'), `${log}.lock`]) own(lock);
  return { manifest, movedTo };
}

/** What a service has left in the places that this is about: caches first, the secret last. */
function present({ dataDir, log }: RestoreOptions): string[] {
  const caches = readdirSync(dataDir).filter((name) => CACHE.test(name));
  const others = [join(dataDir, PROCESS_ID), ...SUFFIXES.map((suffix) => log + suffix)];
  return [
    ...caches.map((name) => join(dataDir, name)),
    ...[...others, join(dataDir, SECRET)].filter((path) => existsSync(path)),
  ];
}

/** Copies one file beside its place and verifies the copy. */
async function stage(
  backup: string,
  { name, sha256 }: Manifest['files'][number],
  target: string,
): Promise<void> {
  const staged = target + STAGED;
  rmSync(staged, { force: true }); // of a restore that was interrupted
  copyFileSync(join(backup, name), staged);
  chmodSync(staged, 0o600);
  flush(staged);
  const found = await digestOf(staged);
  if (found.sha256 !== sha256) {
    throw new AppError(
      'unavailable',
      `${staged} does not hold what was written to it: is the disk sound?`,
    );
  }
  own(staged);
}

/** root may restore for the service's user: files belong to whom their folder belongs to. */
function own(path: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  chownSync(path, uid, gid);
}

/**
 * Each into a folder beside it, so that no disk is crossed; in the order of {@link present}: a log that stays without
 * its secret would be given another one.
 */
function moveAside(paths: readonly string[], now: number): string[] {
  const folder = `before-restore-${new Date(now).toISOString().replaceAll(':', '-')}`;
  const made = new Set<string>();
  for (const path of paths) {
    const to = join(dirname(path), folder);
    if (!made.has(to)) mkdirSync(to, { mode: 0o700 });
    made.add(to);
    renameSync(path, join(to, basename(path)));
  }
  for (const each of made) {
    own(each);
    flush(dirname(each));
  }
  return [...made];
}
