/** DATA_DIR: room, speed, and who may read the secret. */
import { type Check, type Finding, ok, problem, warning } from './check.ts';

export interface DiskPorts {
  readonly dataDir: string;
  /** null: it is not there. */
  exists(): boolean;
  /** Where the log is, `dataDir` before it is there; null: it is an EventStoreDB's. */
  logDir(): string | null;
  /** Bytes on the disk of that folder. */
  free(dir: string): number;
  /** Of the log, in bytes; 0 before it is there. */
  logSize(): number;
  /** Writes a little there and has the disk keep it; how long each took, in ms. @throws when it cannot be written */
  syncs(dir: string, count: number): readonly number[];
  /** Files of the service that are there and that this user may not read and write. */
  closed(): readonly string[];
  /** Of the file with the secret; null: there is none. */
  secretMode(): number | null;
}

const MIB = 2 ** 20;
const SCARCE = 1024 * MIB;
const OUT = 256 * MIB;
const SYNCS = 9;
/** A message waits for two of them. */
const SLOW_MS = 20;
const TOO_SLOW_MS = 250;

export const diskCheck = (ports: DiskPorts): Check => ({
  name: 'disk',
  async run() {
    const { dataDir } = ports;
    let exists: boolean;
    try {
      exists = ports.exists();
    } catch (error) {
      return [unusable(dataDir, error)];
    }
    if (!exists) {
      return [
        warning(
          `${dataDir} is not there yet`,
          'the service makes it at its first start; if it ran already, DATA_DIR is not that of the service',
        ),
      ];
    }
    const logDir = ports.logDir();
    // The log's last: its disk is the one whose speed counts.
    const dirs = [...new Set([dataDir, logDir ?? dataDir])];
    let times: readonly number[] = [];
    for (const dir of dirs) {
      try {
        times = ports.syncs(dir, SYNCS);
      } catch (error) {
        return [unusable(dir, error)];
      }
    }
    return [
      ...dirs.map((dir) =>
        judgeFree(dir, ports.free(dir), dir === logDir ? ports.logSize() : null),
      ),
      // Caches are written without waiting for the disk: how fast it is matters where the log is.
      ...(logDir === null ? [] : [judgeSyncs(times)]),
      ...judgeClosed(ports.closed()),
      ...judgeSecret(ports.secretMode()),
    ];
  },
});

function unusable(dir: string, error: unknown): Finding {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return problem(
    `${dir} cannot be written: ${reason}`,
    'the folder has to belong to the user of the service, who runs the doctor, too, on a disk that is not full nor mounted read-only',
  );
}

/** @param log bytes of the log; null: it is elsewhere */
function judgeFree(dir: string, free: number, log: number | null): Finding {
  const ofLog = log === null ? 'the log is not on it' : `the log has ${Math.ceil(log / MIB)} MiB`;
  const message = `${dir} has ${Math.floor(free / MIB)} MiB free, ${ofLog}`;
  const then =
    log === null ? 'queries stand still and nothing is sent' : 'no command is accepted any more';
  const advice = `make room or a larger disk, before it is full: then ${then}`;
  if (free < OUT) return problem(message, advice);
  return free < Math.max(SCARCE, (log ?? 0) / 2) ? warning(message, advice) : ok(message);
}

function judgeSyncs(times: readonly number[]): Finding {
  const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  const message = `the disk keeps a small write after ${median.toFixed(1)} ms (median)`;
  const advice =
    'each message waits for two of them: use an SSD, and nothing else that is busy on it';
  if (median > TOO_SLOW_MS) return problem(message, advice);
  return median > SLOW_MS ? warning(message, advice) : ok(message);
}

function judgeClosed(paths: readonly string[]): Finding[] {
  if (paths.length === 0) return [];
  return [
    problem(
      `this user may not read and write ${paths.join(', ')}`,
      'chown them to the user of the service, mode 600, and run the doctor as that user',
    ),
  ];
}

function judgeSecret(mode: number | null): Finding[] {
  if (mode === null) return [];
  const text = (mode & 0o777).toString(8);
  if ((mode & 0o077) === 0) return [ok(`service-secret has mode ${text}`)];
  return [
    problem(
      `service-secret has mode ${text}: others can read it, and with it every conversation`,
      'chmod 600 it, and think about who may have read it',
    ),
  ];
}
