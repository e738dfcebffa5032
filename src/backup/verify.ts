/** Whether a backup is what its manifest says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { openCopy } from '../eventstore/sqlite/copy.ts';
import { opensWith } from '../runtime/vault/sealed.ts';
import { isThere } from './files.ts';
import { describeFile, LOG, type Manifest, readManifest, SECRET } from './manifest.ts';

export interface Verified {
  readonly manifest: Manifest;
  /** Whether personal data was opened with the secret; null: there was no secret to try, or nothing sealed. */
  readonly opened: true | null;
}

/**
 * Reads all of a backup: hashes, SQLite's own check, counts, and that the secret opens what is sealed.
 * @param configured SERVICE_SECRET, which counts more than the file
 * @throws {AppError} `not-found` when it is no backup; `invalid` with what is wrong with it
 */
export async function verifyBackup(dir: string, configured: string | undefined): Promise<Verified> {
  const manifest = readManifest(dir);
  const names = manifest.files.map(({ name }) => name);
  const wanted = [LOG, ...(manifest.secret === 'file' ? [SECRET] : [])];
  if (wanted.some((name) => !names.some((one) => one === name))) {
    throw new AppError(
      'invalid',
      `${dir} is damaged: its manifest does not name ${wanted.join(' and ')}`,
    );
  }
  for (const file of manifest.files) {
    if (!isThere(join(dir, file.name))) {
      throw new AppError('invalid', `${dir} is damaged: ${file.name} is missing`);
    }
    const found = await describeFile(dir, file.name);
    if (found.bytes !== file.bytes || found.sha256 !== file.sha256) {
      throw new AppError(
        'invalid',
        `${dir} is damaged: ${file.name} has ${found.bytes} bytes with sha256 ${found.sha256}; ${file.bytes} with ${file.sha256} were written`,
      );
    }
  }
  const copy = openCopy(join(dir, LOG));
  try {
    const damage = copy.damage();
    if (damage) throw new AppError('invalid', `${join(dir, LOG)} is damaged: ${damage}`);
    const { id, head, events } = manifest.log;
    if (copy.id !== id || copy.head !== head || copy.events !== events) {
      throw new AppError('invalid', `${join(dir, LOG)} is not the log that the manifest describes`);
    }
    const kept =
      manifest.secret === 'file' ? readFileSync(join(dir, SECRET), 'utf8').trim() : undefined;
    const secret = configured ?? kept;
    const opened = secret !== undefined && (await opensWith(copy.store, secret)) ? true : null;
    return { manifest, opened };
  } finally {
    copy.close();
  }
}
