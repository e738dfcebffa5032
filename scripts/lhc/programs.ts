/** Debian's servers and PHP, as processes that end with this one, each ended by its id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AppError } from '../../src/errors.ts';

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;
/** The longest single run: LHC's own installation, on a busy machine. */
const RUN_DEADLINE_MS = 180_000;
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;
/** How many lines of a log an error quotes. */
const QUOTED_LINES = 15;

/** What scripts/install-lhc.sh installs. The names without a version are Debian's and Ubuntu's. */
const PACKAGES =
  'nginx-light mariadb-server-core mariadb-client-core php-cli php-fpm php-mysql php-mbstring php-xml php-curl php-gd php-intl php-bcmath php-zip php-soap';
/** What LHC and the extension need of PHP. */
const EXTENSIONS = ['pdo_mysql', 'mbstring', 'xml', 'curl', 'gd', 'intl', 'bcmath', 'zip', 'soap'];
const OLDEST_PHP = 80_200;

/** The paths of the programs. */
export interface Programs {
  readonly mariadbd: string;
  readonly installDatabase: string;
  readonly nginx: string;
  readonly php: string;
  readonly fpm: string;
}

/** Debian has the servers where only root's PATH looks. */
function find(pattern: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  // The newest version first.
  const candidates = folders.flatMap((folder) => globSync(join(folder, pattern)).sort().reverse());
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Finds the programs, and looks whether PHP has what LHC needs.
 * @throws {AppError} `unavailable` naming what is missing and the command that installs it
 */
export async function findPrograms(): Promise<Programs> {
  const found = {
    mariadbd: find('mariadbd'),
    installDatabase: find('mariadb-install-db'),
    nginx: find('nginx'),
    php: find('php'),
    fpm: find('php-fpm*'),
  };
  const { mariadbd, installDatabase, nginx, php, fpm } = found;
  const install = `On Debian or Ubuntu, as root: sh scripts/install-lhc.sh, or apt-get install --no-install-recommends ${PACKAGES}`;
  if (!mariadbd || !installDatabase || !nginx || !php || !fpm) {
    const missing = Object.entries(found).flatMap(([name, path]) => (path ? [] : [name]));
    throw new AppError('unavailable', `Missing: ${missing.join(', ')}.\n${install}`);
  }
  const { output } = await run(php, [
    '-r',
    'echo json_encode([PHP_VERSION_ID, PHP_VERSION, array_map("strtolower", get_loaded_extensions())]);',
  ]);
  const [id, version, loaded] = JSON.parse(output) as [number, string, string[]]; // as printed above
  if (id < OLDEST_PHP) {
    throw new AppError('unavailable', `LHC needs PHP 8.2 or newer, and ${php} is ${version}.`);
  }
  const lacking = EXTENSIONS.filter((name) => !loaded.includes(name));
  if (lacking.length > 0) {
    throw new AppError('unavailable', `PHP ${version} lacks ${lacking.join(', ')}.\n${install}`);
  }
  return { mariadbd, installDatabase, nginx, php, fpm };
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads from standard input. */
  readonly input?: string;
  /** The user who runs it; needs root. */
  readonly user?: string;
}

/**
 * Runs a program to its end.
 * @returns what it printed, and its exit code
 * @throws {AppError} `timeout` after three minutes, `unavailable` if it cannot be run
 */
export async function run(
  program: string,
  args: readonly string[],
  { cwd, env, input, user }: RunOptions = {},
): Promise<{ readonly code: number; readonly output: string; readonly errors: string }> {
  const [file, all] = asUser(user, program, args);
  const running = promisify(execFile)(file, all, {
    timeout: RUN_DEADLINE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(cwd !== undefined && { cwd }),
    ...(env && { env }),
  });
  running.child.stdin?.on('error', () => undefined); // it may end without reading
  running.child.stdin?.end(input ?? '');
  try {
    const { stdout, stderr } = await running;
    return { code: 0, output: stdout, errors: stderr };
  } catch (error) {
    // As execFile rejects: https://nodejs.org/api/child_process.html
    const { code, killed, stdout, stderr, message } = error as Error & {
      code?: number | string | null;
      killed?: boolean;
      stdout?: string;
      stderr?: string;
    };
    if (killed) {
      throw new AppError('timeout', `${program} did not end within ${RUN_DEADLINE_MS / 1000} s`);
    }
    if (typeof code !== 'number') throw new AppError('unavailable', `${program}: ${message}`);
    return { code, output: stdout ?? '', errors: stderr ?? '' };
  }
}

function asUser(
  user: string | undefined,
  program: string,
  args: readonly string[],
): [string, string[]] {
  if (user === undefined) return [program, [...args]];
  return ['setpriv', [`--reuid=${user}`, `--regid=${user}`, '--init-groups', program, ...args]];
}

/** A server that can be killed and started again. */
export interface Server {
  /** Undefined if it does not run. */
  readonly pid: number | undefined;
  /** Starts it, and waits until it is ready. Does nothing if it runs. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL after 20 s. Does nothing if it does not run. */
  stop(): Promise<void>;
  /** SIGKILL for it and its workers. Resolves when they have ended. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  /** What an error calls it. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Takes its output, and is quoted when it does not start. */
  readonly log: string;
  /** Whether it answers. An exception counts as no. */
  ready(): Promise<boolean>;
  /** Called when it ends after its start without `stop` or `kill`. */
  readonly onUnexpectedEnd?: (how: string) => void;
}

/** Nothing runs yet. The server ends with this process, even when that is killed (PR_SET_PDEATHSIG). */
export function createServer(options: ServerOptions): Server {
  let child: ChildProcess | undefined;
  let wanted = false;
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  async function exited(deadlineMs: number): Promise<boolean> {
    const end = Date.now() + deadlineMs;
    while (running() && Date.now() < end) await delay(20);
    return !running();
  }
  async function kill(): Promise<void> {
    wanted = false;
    if (!running() || child?.pid === undefined) return;
    // It leads a group of its own, so its workers end too.
    process.kill(-child.pid, 'SIGKILL');
    await exited(STOP_DEADLINE_MS);
  }
  async function stop(): Promise<void> {
    wanted = false;
    child?.kill('SIGTERM');
    if (!(await exited(STOP_DEADLINE_MS))) await kill();
  }
  async function start(): Promise<void> {
    if (running()) return;
    const output = await open(options.log, 'a', 0o600);
    child = spawn('setpriv', ['--pdeathsig', 'TERM', options.program, ...options.args], {
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      ...(options.env && { env: options.env }),
    });
    child.on('error', () => undefined); // `running` says so
    child.once('exit', (code, signal) => {
      if (wanted) options.onUnexpectedEnd?.(signal ?? `exit code ${code}`);
    });
    await output.close();
    const end = Date.now() + START_DEADLINE_MS;
    while (running() && Date.now() < end) {
      if (await options.ready().catch(() => false)) {
        wanted = true;
        return;
      }
      await delay(50);
    }
    const cause = running() ? `did not answer within ${START_DEADLINE_MS} ms` : 'ended at once';
    await kill();
    const lines = (await readFile(options.log, 'utf8').catch(() => '')).trimEnd().split('\n');
    throw new AppError(
      'unavailable',
      `${options.name} ${cause}:\n${lines.slice(-QUOTED_LINES).join('\n')}`,
    );
  }
  return {
    get pid() {
      return running() ? child?.pid : undefined;
    },
    start,
    stop,
    kill,
  };
}
