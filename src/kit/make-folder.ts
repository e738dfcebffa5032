import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** Only the owner may read, write and enter. */
const PRIVATE = 0o700;

/**
 * Makes a private folder, and the folders above it that are missing. An existing folder is left as it is.
 *
 * One by one: `mkdirSync` with `recursive` never returns where a folder cannot be made and the system says that its parent
 * is missing, though it exists (Node 26, in a file system of the kernel).
 * @throws the error of `mkdir`
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path, { mode: PRIVATE });
  } catch (error) {
    // Another process was first.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
