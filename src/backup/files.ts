/** Files and folders that have to be on the disk, or not to be there at all. */
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

/** Whether something has that name; what may not be looked at is not taken for missing: that throws. */
export const isThere = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Has the disk keep a file's content, or a folder's names. */
export function flush(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file that only this user reads, and has the disk keep it. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content, { mode: 0o600, flush: true });
  chmodSync(path, 0o600);
}

/** @throws {AppError} `refused` when a folder's disk has less room than that, in bytes */
export function requireSpace(dir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const mib = (n: number): number => Math.ceil(n / 2 ** 20);
  throw new AppError(
    'refused',
    `${dir} has ${mib(free)} MiB free, ${mib(bytes)} MiB are needed: make room, or name another disk`,
  );
}
