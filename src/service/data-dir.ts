/** What belongs to one process for as long as its folder lives: the folder itself, its name among others, its secret. */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockExclusively } from '../sqlite/lock.ts';

export interface DataDir {
  /** The same over restarts; no other living process has it. */
  readonly processId: string;
  /** From the configuration, or made at the first start and kept here. */
  readonly serviceSecret: string;
  release(): void;
}

/**
 * What is in a file that only this user reads; made with `content` where it is missing. All of it or nothing: an empty
 * one would be the secret, or the name, of every process that a full disk or a loss of power left one to.
 */
function kept(path: string, content: () => string): string {
  if (!existsSync(path) || readFileSync(path, 'utf8').trim() === '') {
    const made = `${path}.new`;
    writeFileSync(made, `${content()}\n`, { mode: 0o600, flush: true });
    renameSync(made, path);
  }
  chmodSync(path, 0o600);
  return readFileSync(path, 'utf8').trim();
}

/**
 * Takes the folder for this process alone: its tables are folds of one process, and its name holds leases.
 * @throws {AppError} `conflict` when another process has it
 */
export function claimDataDir(path: string, configuredSecret: string | undefined): DataDir {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const release = lockExclusively(
    join(path, 'process.lock'),
    `DATA_DIR: another process uses ${path}; each process needs a folder of its own`,
  );
  return {
    processId: kept(join(path, 'process-id'), randomUUID),
    serviceSecret:
      configuredSecret ??
      kept(join(path, 'service-secret'), () => randomBytes(48).toString('base64url')),
    release,
  };
}
