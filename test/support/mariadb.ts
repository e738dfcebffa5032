/** A real mariadbd on a free loopback port, in a folder of its own. It takes any user without a password. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { temporaryFolder } from './folder.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** Debian's place of mariadbd is not in every user's PATH. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin`;
const QUERY_DEADLINE_MS = 30_000;

export interface MariaDb {
  readonly port: number;
  /** A folder of its own, for what else belongs to the test. It goes with the server. */
  readonly folder: string;
  /**
   * Runs SQL with MariaDB's own client.
   * @returns the rows of all results, the values as text; NULL is `NULL`
   */
  query(sql: string, database?: string): Promise<string[][]>;
  /** SIGKILL: what was committed is there after the next start. */
  kill(): Promise<void>;
  /** On the same port, with the same data. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** @returns when it takes connections. There is no database yet */
export async function startMariaDb(): Promise<MariaDb> {
  const folder = temporaryFolder('mariadb');
  const { http: port } = await freePorts({});
  const socket = join(folder, 'socket');
  const options = [
    '--no-defaults',
    // It refuses to run as root without this.
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    `--datadir=${join(folder, 'data')}`,
    // A MariaDB that starts removes temporary tables of others from a folder that they share.
    `--tmpdir=${folder}`,
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    // Without these tables it starts on an empty folder, in a third of a second and without an installation.
    '--skip-grant-tables',
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_unicode_ci',
    '--innodb-data-file-path=ibdata1:8M:autoextend',
    '--innodb-log-file-size=16M',
    '--innodb-buffer-pool-size=64M',
    // The tests kill processes, not the machine.
    '--innodb-flush-log-at-trx-commit=2',
  ];
  let server: ChildProcess | null = null;

  const query: MariaDb['query'] = async (sql, database) => {
    const options = ['--no-defaults', `--socket=${socket}`, '--user=root', '--batch', '--raw'];
    const { stdout } = await run(
      'mariadb',
      [
        ...options,
        '--skip-column-names',
        '--default-character-set=utf8mb4',
        `--execute=${sql}`,
      ].concat(database ?? []),
      { env: { PATH }, timeout: QUERY_DEADLINE_MS, maxBuffer: 16 * 1024 * 1024 },
    );
    return stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t'));
  };

  async function start(): Promise<void> {
    const log = join(folder, 'log');
    const started = spawn('mariadbd', options, {
      env: { PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server = started;
    const output = createWriteStream(log, { flags: 'a' });
    started.stdout.pipe(output, { end: false });
    started.stderr.pipe(output, { end: false });
    await waitFor(
      async () => {
        if (started.exitCode !== null) return true;
        await query('SELECT 1');
        return true;
      },
      { what: () => `mariadbd to answer:\n${readFileSync(log, 'utf8').slice(-2000)}` },
    );
    if (started.exitCode !== null) {
      throw new Error(
        `mariadbd ended with ${started.exitCode}:\n${readFileSync(log, 'utf8').slice(-2000)}`,
      );
    }
  }

  async function kill(): Promise<void> {
    const running = server;
    server = null;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  async function close(): Promise<void> {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  }

  mkdirSync(join(folder, 'data'));
  // A server that is killed in its first run cannot be started again: the first page of its files is not on the disk yet.
  const prepared = run('mariadbd', [...options, '--bootstrap'], {
    env: { PATH },
    timeout: QUERY_DEADLINE_MS,
  });
  prepared.child.stdin?.end();
  await prepared.catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw new Error('mariadbd cannot be started: sh scripts/install-php.sh', { cause: error });
  });
  await start().catch(async (error: unknown) => {
    await close(); // nobody else knows of it
    throw error;
  });
  return { port, folder, query, kill, start, close };
}
