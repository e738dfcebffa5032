/** Checks that a backup is what its manifest says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, hasCode } from '../errors.ts';
import { openCopy } from '../eventstore/sqlite/copy.ts';
import { checkSecrets, secretsInFile } from '../runtime/vault/secret-check.ts';
import { pathExists } from './files.ts';
import {
  type BackupFile,
  describeFile,
  LOG_FILE,
  type Manifest,
  readManifest,
  SECRET_FILE,
} from './manifest.ts';
import { asUser, userBehind } from './user.ts';

export interface VerifiedBackup {
  readonly manifest: Manifest;
  /** True if the secret opened personal data; false if there was no secret to try, or no personal data. */
  readonly opened: boolean;
}

/**
 * Reads all of a backup, root as the owner of its folder: hashes, SQLite's integrity check, counts, and whether the secret opens personal data.
 * @param serviceSecrets SERVICE_SECRET, which is used instead of the secret in the backup
 * @throws {AppError} `not-found` for no backup; `invalid` with the reason for a damaged one or a wrong secret
 */
export const verifyBackup = (
  dir: string,
  serviceSecrets: readonly string[] | undefined,
): Promise<VerifiedBackup> => asUser(userBehind(dir), () => verify(dir, serviceSecrets));

async function verify(
  dir: string,
  serviceSecrets: readonly string[] | undefined,
): Promise<VerifiedBackup> {
  const manifest = readManifest(dir);
  await verifyFiles(dir, manifest);
  const log = join(dir, LOG_FILE);
  const copy = openCopy(log);
  try {
    const damage = copy.damage();
    if (damage) throw new AppError('invalid', `${log} is damaged: ${damage}`);
    const { id, head, events } = manifest.log;
    if (copy.id !== id || copy.head !== head || copy.events !== events) {
      throw new AppError('invalid', `${log} is not the log that the manifest describes`);
    }
    const secrets = serviceSecrets ?? secretsIn(dir, manifest);
    if (!secrets) return { manifest, opened: false };
    const { opened } = await checkSecrets(copy.store, secrets).catch((error: unknown) => {
      if (!hasCode(error, 'invalid')) throw error;
      throw new AppError('invalid', wrongSecret(dir, manifest, serviceSecrets !== undefined));
    });
    return { manifest, opened };
  } finally {
    copy.close();
  }
}

/** What to do when the log of a backup does not open. */
function wrongSecret(dir: string, { secret }: Manifest, isSet: boolean): string {
  if (!isSet) {
    return `the secret in ${dir} does not open the log beside it: ${SECRET_FILE} or the log is of another backup`;
  }
  const wrong = `SERVICE_SECRET does not open ${dir}, or not all of it`;
  return secret === 'file'
    ? `${wrong}, and it replaces the secret that is in the backup: do not set SERVICE_SECRET (look into .env, too), or set it to the secret of the service that was backed up`
    : `${wrong}: set it to what it was for the service that was backed up, with all secrets if it was being changed`;
}

async function verifyFiles(dir: string, { secret, files }: Manifest): Promise<void> {
  const damaged = (reason: string): AppError =>
    new AppError('invalid', `${dir} is damaged: ${reason}`);
  const names = files.map(({ name }) => name);
  const required: BackupFile['name'][] = secret === 'file' ? [LOG_FILE, SECRET_FILE] : [LOG_FILE];
  if (required.some((name) => !names.includes(name))) {
    throw damaged(`its manifest does not name ${required.join(' and ')}`);
  }
  for (const { name, bytes, sha256 } of files) {
    if (!pathExists(join(dir, name))) throw damaged(`${name} is missing`);
    const file = await describeFile(dir, name);
    if (file.bytes === bytes && file.sha256 === sha256) continue;
    throw damaged(
      `${name} has ${file.bytes} bytes and sha256 ${file.sha256}, but ${bytes} bytes and ${sha256} were written`,
    );
  }
}

const secretsIn = (dir: string, { secret }: Manifest): readonly string[] | undefined =>
  secret === 'file' ? secretsInFile(readFileSync(join(dir, SECRET_FILE), 'utf8')) : undefined;
