/** Files and folders that have to be on the disk before a command goes on. */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { AppError } from '../errors.ts';

/**
 * True if a file or folder has that path.
 * @throws if this user may not look: a path that cannot be seen does not count as missing
 */
export const pathExists = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Waits until the content of a file, or the names in a folder, are on the disk. */
export function flush(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file that only this user can read, and waits until it is on the disk. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content, { mode: 0o600, flush: true });
  chmodSync(path, 0o600); // the file may have existed with another mode
}

/** Left free beside what a backup or a restore writes. */
export const SPARE_BYTES = 16 * 2 ** 20;

/** @throws {AppError} `refused` if the disk of a folder has no room for so many bytes and {@link SPARE_BYTES} */
export function requireSpace(dir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  const free = bavail * bsize;
  const needed = bytes + SPARE_BYTES;
  if (free >= needed) return;
  const mib = (n: number): number => Math.ceil(n / 2 ** 20);
  throw new AppError(
    'refused',
    `${dir} has ${mib(free)} MiB free, and ${mib(needed)} MiB are needed: make room, or name another disk`,
  );
}
