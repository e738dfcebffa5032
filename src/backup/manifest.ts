/** What a backup says about itself. The manifest is written last, so a folder without one is no backup. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { pathExists } from './files.ts';

export const LOG_FILE = 'events.db';
export const SECRET_FILE = 'service-secret';
export const MANIFEST_FILE = 'manifest.json';

const File = z.object({
  /** Only known names, so that a manifest cannot lead out of its folder. */
  name: z.enum([LOG_FILE, SECRET_FILE]),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BackupFile = z.infer<typeof File>;

const Manifest = z.object({
  format: z.literal(1),
  /** Of the program that made the backup. */
  version: z.string(),
  takenAt: z.iso.datetime(),
  log: z.object({ id: z.string(), head: z.string().nullable(), events: z.int().min(0) }),
  /** `environment`: the service had its secret from SERVICE_SECRET, so the secret is not in the backup. */
  secret: z.enum(['file', 'environment']),
  files: z.array(File).min(1),
});
export type Manifest = z.infer<typeof Manifest>;

/** @throws {AppError} `not-found` for no backup or an unfinished one; `invalid` for a manifest that is not ours */
export function readManifest(dir: string): Manifest {
  const path = join(dir, MANIFEST_FILE);
  if (!pathExists(path)) {
    throw new AppError(
      'not-found',
      `${dir} is no backup, or one that was not finished: it has no ${MANIFEST_FILE}`,
    );
  }
  const text = readFileSync(path, 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new AppError('invalid', `${path} is damaged: it is not JSON`);
  }
  const parsed = Manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError(
    'invalid',
    `${path} is damaged, or of another version: see its field ${issue?.path.join('.')}`,
  );
}

export async function describeFile(dir: string, name: BackupFile['name']): Promise<BackupFile> {
  return { name, ...(await digestOf(join(dir, name))) };
}

/** Size and hash of a file, which is read in pieces: a log may be larger than the memory. */
export async function digestOf(path: string): Promise<Omit<BackupFile, 'name'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
