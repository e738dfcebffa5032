/** The disk of DATA_DIR and of the log: free space, speed, and access to the service's files. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathExists } from '../backup/files.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { sqlitePath } from '../eventstore/open.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

export interface DiskState {
  readonly folders: readonly FolderState[];
  /** Files of the service that this user cannot read and write. */
  readonly inaccessible: readonly string[];
  /** Mode of the file service-secret; null without that file. */
  readonly secretMode: number | null;
}

export interface FolderState {
  readonly path: string;
  readonly freeBytes: number;
  /** Size of the log; null if the log is not in this folder. */
  readonly logBytes: number | null;
  /** How long small writes took until they were on the disk. */
  readonly writeMs: readonly number[];
}

const MIB = 2 ** 20;
export const FREE_WARNING_BYTES = 1024 * MIB;
export const FREE_PROBLEM_BYTES = 256 * MIB;
export const WRITE_WARNING_MS = 20;
export const WRITE_PROBLEM_MS = 250;
const WRITES_MEASURED = 9;

type DiskConfig = Pick<Config, 'dataDir' | 'eventStore' | 'serviceSecrets'>;

export const diskCheck = (config: DiskConfig): Check => ({
  name: 'disk',
  async run() {
    if (!pathExists(config.dataDir)) {
      return [
        warning(
          `${config.dataDir} does not exist yet`,
          'the service makes it at its first start. If the service ran before, DATA_DIR is not that of the service',
        ),
      ];
    }
    try {
      return judgeDisk(measureDisk(config));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return [
        problem(
          error.message,
          'the folder has to belong to the user of the service. Run the doctor as that user. The disk must not be full or mounted read-only',
        ),
      ];
    }
  },
});

function measureDisk({ dataDir, eventStore, serviceSecrets }: DiskConfig): DiskState {
  const log = sqlitePath(eventStore);
  const secret = join(dataDir, 'service-secret');
  // Before the first start there is no folder of the log. The service makes it.
  const logDir = log !== null && existsSync(dirname(log)) ? dirname(log) : dataDir;
  const logBytes = log === null ? null : sizeOf(log) + sizeOf(`${log}-wal`);
  const logFiles = log === null ? [] : ['', '-wal', '-shm', '.lock'].map((end) => log + end);
  return {
    folders: [...new Set([dataDir, logDir])].map((path) =>
      measureFolder(path, path === logDir ? logBytes : null),
    ),
    inaccessible: [secret, ...logFiles].filter((path) => existsSync(path) && !isAccessible(path)),
    secretMode: serviceSecrets === undefined && existsSync(secret) ? statSync(secret).mode : null,
  };
}

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

function isAccessible(path: string): boolean {
  const uid = process.geteuid?.();
  try {
    // access(2) asks for the real user. root may work as another one here (src/backup/user.ts).
    if (uid !== process.getuid?.()) return isOwn(statSync(path), uid);
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const isOwn = ({ uid, mode }: Stats, user: number | undefined): boolean =>
  uid === user && (mode & 0o600) === 0o600;

/** @throws {AppError} `unavailable` if this user cannot write there */
function measureFolder(path: string, logBytes: number | null): FolderState {
  try {
    const { bavail, bsize } = statfsSync(path);
    return { path, logBytes, freeBytes: bavail * bsize, writeMs: measureWrites(path) };
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new AppError('unavailable', `${path} cannot be written: ${reason}`);
  }
}

function measureWrites(dir: string): number[] {
  const path = join(dir, `.doctor-${process.pid}`);
  const fd = openSync(path, 'wx', 0o600);
  try {
    return Array.from({ length: WRITES_MEASURED }, () => {
      const from = performance.now();
      writeSync(fd, 'x'.repeat(4096));
      fsyncSync(fd);
      return performance.now() - from;
    });
  } finally {
    closeSync(fd);
    rmSync(path, { force: true });
  }
}

export function judgeDisk({ folders, inaccessible, secretMode }: DiskState): Finding[] {
  return [
    ...folders.map(judgeSpace),
    // Caches do not wait for the disk. Only the log does.
    ...folders.filter(({ logBytes }) => logBytes !== null).map(judgeSpeed),
    ...(inaccessible.length === 0 ? [] : [judgeAccess(inaccessible)]),
    ...(secretMode === null ? [] : [judgeSecretMode(secretMode)]),
  ];
}

function judgeSpace({ path, freeBytes, logBytes }: FolderState): Finding {
  const log =
    logBytes === null ? 'the log is not on it' : `the log has ${Math.ceil(logBytes / MIB)} MiB`;
  const message = `${path} has ${Math.floor(freeBytes / MIB)} MiB free, ${log}`;
  const consequence =
    logBytes === null ? 'queries stand still and nothing is sent' : 'no command is accepted';
  const advice = `make room, or use a larger disk. When the disk is full, ${consequence}`;
  if (freeBytes < FREE_PROBLEM_BYTES) return problem(message, advice);
  const scarce = freeBytes < Math.max(FREE_WARNING_BYTES, (logBytes ?? 0) / 2);
  return scarce ? warning(message, advice) : ok(message);
}

function judgeSpeed({ writeMs }: FolderState): Finding {
  const median = writeMs.toSorted((a, b) => a - b)[Math.floor(writeMs.length / 2)] ?? 0;
  const message = `a small write is on the disk after ${median.toFixed(1)} ms (median)`;
  const advice =
    'each message waits for two of them: use an SSD, and keep other busy programs off this disk';
  if (median > WRITE_PROBLEM_MS) return problem(message, advice);
  return median > WRITE_WARNING_MS ? warning(message, advice) : ok(message);
}

const judgeAccess = (paths: readonly string[]): Finding =>
  problem(
    `this user cannot read and write ${paths.join(', ')}`,
    'chown the files to the user of the service, set mode 600, and run the doctor as that user',
  );

function judgeSecretMode(mode: number): Finding {
  const octal = (mode & 0o777).toString(8);
  if ((mode & 0o077) === 0) return ok(`service-secret has mode ${octal}`);
  return problem(
    `service-secret has mode ${octal}: others can read it, and with it every conversation`,
    'chmod 600 it. Consider who may have read it',
  );
}
