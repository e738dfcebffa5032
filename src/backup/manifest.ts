/** What a backup says of itself. It is written last: a folder without one is no backup. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { isThere } from './files.ts';

export const LOG = 'events.db';
export const SECRET = 'service-secret';
export const MANIFEST = 'manifest.json';

const File = z.object({
  /** A name that we know, so that a manifest cannot lead out of its folder. */
  name: z.enum([LOG, SECRET]),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BackupFile = z.infer<typeof File>;

const Manifest = z.object({
  format: z.literal(1),
  /** Of the program that made it. */
  version: z.string(),
  takenAt: z.iso.datetime(),
  log: z.object({ id: z.string(), head: z.string().nullable(), events: z.int().min(0) }),
  /** `environment`: the service had it from SERVICE_SECRET, so it is not here. */
  secret: z.enum(['file', 'environment']),
  files: z.array(File).min(1),
});
export type Manifest = z.infer<typeof Manifest>;

/** @throws {AppError} `not-found` when it is no backup or not finished; `invalid` when its manifest is not ours */
export function readManifest(dir: string): Manifest {
  const path = join(dir, MANIFEST);
  if (!isThere(path)) {
    throw new AppError(
      'not-found',
      `${dir} is no backup, or one that was not finished: it has no ${MANIFEST}`,
    );
  }
  const text = readFileSync(path, 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new AppError('invalid', `${path} is damaged: it is no JSON`);
  }
  const parsed = Manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError(
    'invalid',
    `${path} is damaged, or of another version: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}

/** A file's size and hash. Read in pieces: a log may be larger than the memory. */
export async function describeFile(dir: string, name: BackupFile['name']): Promise<BackupFile> {
  return { name, ...(await digestOf(join(dir, name))) };
}

/** The same of any file. */
export async function digestOf(path: string): Promise<Omit<BackupFile, 'name'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
