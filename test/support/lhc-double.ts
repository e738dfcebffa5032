/**
 * The double of LHC with the extension as running processes: a private MariaDB, PHP's own web server with several workers,
 * and cron (lhc/test/Site). The extension in it is the real one.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { type MariaDb, startMariaDb } from './mariadb.ts';
import { phpEnvironment } from './phpunit.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);
const TEST = join(import.meta.dirname, '../../lhc/test');
/** More than a test kills: PHP's web server does not replace a worker that died. */
const WORKERS = 12;
const INSTALL_DEADLINE_MS = 60_000;
const CALL_DEADLINE_MS = 30_000;
/** Cron of the site goes on for so long, and is started again then. */
const CRON_SECONDS = 55;
const CRON_AGAIN_MS = 500;

export interface LhcDouble {
  readonly url: string;
  readonly db: MariaDb;
  /** The rows of a query as text. */
  rows(sql: string): Promise<string[][]>;
  /** A visitor's or an operator's request (lhc/test/Site/Front.php). @throws if the worker died, or failed */
  // biome-ignore lint/suspicious/noExplicitAny: JSON from outside; a wrong shape fails the assertion that reads it
  post(path: string, request: Readonly<Record<string, unknown>>): Promise<any>;
  /** A request in which the worker is killed at this place. */
  killed(path: string, request: Readonly<Record<string, unknown>>, place: string): Promise<void>;
  /** @param settings of the extension, by name */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** What PHP wrote to its error log. */
  log(): string;
  close(): Promise<void>;
}

/** The workers of a web server: they outlive it. */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
};

export async function startLhcDouble(): Promise<LhcDouble> {
  const db = await startMariaDb();
  const { http: port } = await freePorts({});
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(db.folder, 'php.log');
  const environment = {
    ...phpEnvironment(db),
    PHP_CLI_SERVER_WORKERS: String(WORKERS),
  };
  const children = new Set<ChildProcess>();
  let workers: number[] = [];
  let cronRuns = false;
  let ending = false;

  function php(...args: string[]): ChildProcess {
    const child = spawn('php', args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(logFile, { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  }

  function cron(): void {
    cronRuns = true;
    php(join(TEST, 'Site/cron.php'), String(CRON_SECONDS)).once('exit', () => {
      // As cron does each minute, also after a failure: the database may have been away.
      if (!ending) setTimeout(() => ending || cron(), CRON_AGAIN_MS).unref();
    });
  }

  async function close(): Promise<void> {
    ending = true;
    const ended = [...children].map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    for (const worker of workers) endProcess(worker);
    await Promise.all(ended);
    await db.close();
  }

  async function call(path: string, request: unknown): Promise<Response> {
    return fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
    });
  }

  try {
    await run('php', [join(TEST, 'bootstrap.php')], {
      env: environment,
      timeout: INSTALL_DEADLINE_MS,
    });
    const server = php('-S', `127.0.0.1:${port}`, join(TEST, 'Site/index.php'));
    await waitFor(
      async () => {
        if (server.exitCode !== null) throw new Error(readFileSync(logFile, 'utf8'));
        workers = childrenOf(server.pid ?? 0);
        return workers.length === WORKERS && (await call('/nowhere', {})).status === 404;
      },
      { what: "PHP's web server" },
    );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    db,
    rows: (sql) => db.query(sql, 'lhc'),
    async post(path, request) {
      const response = await call(path, request);
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return JSON.parse(text);
    },
    async killed(path, request, place) {
      const answered = await call(path, { ...request, kill: place }).then(
        ({ status }) => status,
        () => null,
      );
      if (answered !== null)
        throw new Error(`${path}: answered ${answered}, not killed at ${place}`);
    },
    async configure(settings) {
      const values = Object.entries(settings).map(([name, value]) => `('${name}', '${value}')`);
      await db.query(
        `REPLACE INTO lhc_xmppchat_setting (name, value) VALUES ${values.join(', ')}`,
        'lhc',
      );
      // Cron of an extension without settings ends at once.
      if (!cronRuns) cron();
    },
    log: () => readFileSync(logFile, 'utf8'),
    close,
  };
}
