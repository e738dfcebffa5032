/** The folder of one process: its lock, the process's name among others, the service secret. */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, messageOf } from '../errors.ts';
import { makeFolder } from '../kit/make-folder.ts';
import { secretsInFile } from '../runtime/vault/secrets.ts';
import { lockExclusively } from '../sqlite/lock.ts';

export interface DataDir {
  /** Stays the same over restarts. No other living process has it. */
  readonly processId: string;
  /** From the configuration; otherwise made at the first start and stored in the folder. The first is the newest. */
  readonly serviceSecrets: readonly string[];
  release(): void;
}

/**
 * Reads a file that only this user may read. A missing or empty file is created with `content`, by a rename: a full disk
 * or a power cut must not leave an empty file, which would be the same secret, or name, for every such process.
 */
function readOrCreate(path: string, content: () => string): string {
  if (!existsSync(path) || readFileSync(path, 'utf8').trim() === '') {
    const created = `${path}.new`;
    writeFileSync(created, `${content()}\n`, { mode: 0o600, flush: true });
    renameSync(created, path);
  }
  chmodSync(path, 0o600);
  return readFileSync(path, 'utf8').trim();
}

/**
 * Locks the folder for this process. Its tables are folds of one process, and its name holds leases.
 * @throws {AppError} `conflict` when another process uses the folder; `invalid` when it cannot be made
 */
export function claimDataDir(
  path: string,
  configuredSecrets: readonly string[] | undefined,
): DataDir {
  try {
    makeFolder(path);
  } catch (error) {
    throw new AppError(
      'invalid',
      `DATA_DIR: the folder ${path} cannot be made: ${messageOf(error)}`,
      {
        field: 'DATA_DIR',
      },
    );
  }
  const release = lockExclusively(
    join(path, 'process.lock'),
    `DATA_DIR: another process uses ${path}; each process needs a folder of its own`,
  );
  return {
    processId: readOrCreate(join(path, 'process-id'), randomUUID),
    serviceSecrets:
      configuredSecrets ??
      secretsInFile(
        readOrCreate(join(path, 'service-secret'), () => randomBytes(48).toString('base64url')),
      ),
    release,
  };
}
