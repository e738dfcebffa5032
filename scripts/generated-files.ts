/** Files that `make run` writes and that people may edit. What somebody has changed is kept. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Hashes of the files as they were written, to see whether somebody has changed them since. */
const RECORD = 'generated.json';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const readIfThere = (path: string): string | null =>
  existsSync(path) ? readFileSync(path, 'utf8') : null;

const recordOf = (dir: string): Record<string, string> =>
  JSON.parse(readIfThere(join(dir, RECORD)) ?? '{}');

/** Writes a file that only its owner may read. */
export function writePrivate(dir: string, name: string, text: string): void {
  writeFileSync(join(dir, name), text, { mode: 0o600 });
}

/**
 * The text of a file that somebody has changed since it was written.
 * @param text that would be written now. A file with this text counts as not changed
 * @returns null if the file is missing or nobody has changed it
 */
export function editedText(dir: string, name: string, text: string): string | null {
  const present = readIfThere(join(dir, name));
  if (present === null || present === text) return null;
  return hashOf(present) === recordOf(dir)[name] ? null : present;
}

/**
 * Writes a file unless somebody has changed it.
 * @returns the text that the file has now
 */
export function writeUnlessEdited(dir: string, name: string, text: string): string {
  const edited = editedText(dir, name, text);
  if (edited !== null) return edited;
  writePrivate(dir, name, text);
  writePrivate(dir, RECORD, `${JSON.stringify({ ...recordOf(dir), [name]: hashOf(text) })}\n`);
  return text;
}
