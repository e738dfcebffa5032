/**
 * Runs a private ejabberd: its own spool, configuration and ports, on loopback, with mod_lhc. Any number run side by
 * side on one machine (the node is `nonode@nohost`, no epmd). It ends with the process that started it, however that
 * one ends. `make run`, the tests and the benchmarks use the same launcher.
 *
 * ```ts
 * const ejabberd = await startEjabberd({ dir, webhook: { url, secret: 'whsec_…' } });
 * await ejabberd.register('op1', 'secret');
 * await ejabberd.kill(); // SIGKILL
 * await ejabberd.start(); // same spool, same ports
 * await ejabberd.stop();
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../src/errors.ts';
import { type ConfigInput, renderConfig } from './ejabberd/config.ts';
import { freePorts } from './ejabberd/ports.ts';
import { compileModLhc, findRelease, inRelease } from './ejabberd/release.ts';

export interface EjabberdOptions {
  /** Everything it writes: configuration, spool, logs. Start again with the same folder to keep accounts. */
  readonly dir: string;
  /** Default `['xmpp.test']`. */
  readonly hosts?: readonly string[];
  /** Free ones are chosen for those left out, once, and kept over restarts. */
  readonly ports?: { readonly c2s?: number; readonly http?: number; readonly component?: number };
  /** Where mod_lhc posts to. Without it mod_lhc is not loaded, unless `modLhc` gives its options. */
  readonly webhook?: { readonly url: string; readonly secret: string };
  /** `false`: without mod_lhc. An object: further options of the module, over those made here. */
  readonly modLhc?: boolean | Readonly<Record<string, unknown>>;
  /** The account that calls the admin API, on the first host. Default `xmpp-chat-api` with a random password. */
  readonly apiUser?: { readonly user: string; readonly password: string };
  /** Listens for components (XEP-0114) `visitors.{host}`, or those named. */
  readonly component?: { readonly secret: string; readonly hosts?: readonly string[] };
  /** Default on. Times in seconds. */
  readonly streamManagement?:
    | boolean
    | { readonly resumeTimeout?: number; readonly maxAckQueue?: number };
  /** Another release, unpacked in this folder and entered by chroot (needs root). `dir` is then inside it. */
  readonly root?: string;
  /** Top-level keys of ejabberd.yml, over ours. */
  readonly extraConfig?: Readonly<Record<string, unknown>>;
  /** Entries of `modules:`, over ours. */
  readonly extraModules?: Readonly<Record<string, unknown>>;
  /** Default `info`. */
  readonly logLevel?: string;
}

export interface Ejabberd {
  /** The first of `hosts`. */
  readonly host: string;
  readonly hosts: readonly string[];
  readonly c2sPort: number;
  readonly httpPort: number;
  readonly componentPort: number;
  /** For `EJABBERD_XMPP`. */
  readonly xmpp: string;
  /** For `EJABBERD_API_URL`. */
  readonly apiUrl: string;
  /** For `EJABBERD_API_USER` (a full JID) and `EJABBERD_API_PASSWORD`. */
  readonly api: { readonly user: string; readonly password: string };
  /** As `status` reports it, e.g. `23.01`. */
  readonly version: string;
  /** Where its files are (inside `root`, where there is one). */
  readonly dir: string;
  /** Of the running process; undefined when there is none. */
  readonly pid: number | undefined;
  /** The log file, from the first start on. */
  logs(): Promise<string>;
  /** SIGTERM, and SIGKILL after 15 s. Fine when it is not running. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again: same spool, configuration and ports. */
  start(): Promise<void>;
  /** Makes an account; fine if it exists with that password or another. */
  register(user: string, password: string, host?: string): Promise<void>;
}

const startDeadlineMs = 30_000;
const stopDeadlineMs = 15_000;

/**
 * Starts a private ejabberd and waits until its admin API answers.
 * @throws {AppError} `unavailable` with ejabberd's own error lines when it does not start
 */
export async function startEjabberd(options: EjabberdOptions): Promise<Ejabberd> {
  const release = await findRelease(options.root ?? '');
  const hosts = options.hosts ?? ['xmpp.test'];
  const host = hosts[0] ?? 'xmpp.test';
  const asked = resolve(options.dir);
  // Inside a chroot only its own folders exist: one for each folder that is asked for.
  const inside = release.root
    ? `/srv/xmpp-chat/${createHash('sha256').update(asked).digest('hex').slice(0, 16)}`
    : asked;
  const dir = release.root + inside;
  await mkdir(join(dir, 'spool'), { recursive: true });
  await chmod(join(dir, 'spool'), 0o700);

  const withModule = options.modLhc !== false && (options.webhook ?? options.modLhc) !== undefined;
  const beams = withModule ? await compileModLhc(release) : undefined;
  const apiUser = options.apiUser?.user ?? 'xmpp-chat-api';
  const api = {
    user: `${apiUser}@${host}`,
    password: options.apiUser?.password ?? randomBytes(18).toString('base64url'),
  };
  const ports = await freePorts(options.ports ?? {});
  const apiUrl = `http://127.0.0.1:${ports.http}/api`;

  const input: ConfigInput = {
    hosts,
    ports,
    apiUser: api.user,
    streamManagement: options.streamManagement ?? true,
    logLevel: options.logLevel ?? 'info',
    extra: options.extraConfig ?? {},
    extraModules: options.extraModules ?? {},
    ...(options.component && { component: options.component }),
    ...(withModule && {
      modLhc: {
        ...options.webhook,
        reserved_users: ['admin', apiUser],
        ...(typeof options.modLhc === 'object' ? options.modLhc : {}),
      },
    }),
  };
  await writeFile(join(dir, 'ejabberd.yml'), renderConfig(input), { mode: 0o600 });

  const command = inRelease(release, 'erl', [
    // Busy waiting of the schedulers costs much where many Erlangs share two cores.
    '+K',
    'true',
    '+P',
    '250000',
    '+sbwt',
    'none',
    '+sbwtdcpu',
    'none',
    '+sbwtdio',
    'none',
    ...(beams === undefined ? [] : ['-pa', beams]),
    '-mnesia',
    'dir',
    `"${inside}/spool"`,
    '-noshell',
    '-s',
    'ejabberd',
    // The secret comes by the environment: a command line is readable by everybody on the machine.
    '-eval',
    '[U, S, P] = [list_to_binary(os:getenv(N)) || N <- ["API_USER", "API_HOST", "API_PASSWORD"]], ' +
      'ejabberd_auth:try_register(U, S, P), ejabberd_auth:set_password(U, S, P).',
    // Standard input is a pipe from us: its end means that we are gone, and a private ejabberd with us.
    '-eval',
    'spawn(fun() -> io:get_line(""), init:stop() end).',
  ]);
  const env = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: inside,
    ERL_LIBS: release.libs,
    ERL_MAX_PORTS: '32000',
    ERL_CRASH_DUMP: `${inside}/erl_crash.dump`,
    EJABBERD_CONFIG_PATH: `${inside}/ejabberd.yml`,
    EJABBERD_LOG_PATH: `${inside}/ejabberd.log`,
    API_USER: apiUser,
    API_HOST: host,
    API_PASSWORD: api.password,
  };

  let child: ChildProcess | undefined;
  let version = '';
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const read = (name: string) => readFile(join(dir, name), 'utf8').catch(() => '');
  // The console repeats the log, and is alone in having what is said before the logger runs.
  const logs = async () => (await read('ejabberd.log')) || (await read('console.log'));

  async function exited(deadlineMs: number): Promise<boolean> {
    const end = Date.now() + deadlineMs;
    while (running() && Date.now() < end) await delay(20);
    return !running();
  }

  async function kill(): Promise<void> {
    child?.kill('SIGKILL');
    await exited(stopDeadlineMs);
  }

  async function stop(): Promise<void> {
    child?.kill('SIGTERM');
    if (!(await exited(stopDeadlineMs))) await kill();
  }

  async function start(): Promise<void> {
    if (running()) return;
    const output = await open(join(dir, 'console.log'), 'a', 0o600);
    try {
      child = spawn(command.file, command.args, {
        env,
        stdio: ['pipe', output.fd, output.fd],
      });
      // A broken pipe at the end of the other side is no news: the exit is.
      child.stdin?.on('error', () => undefined);
      child.on('error', () => undefined);
    } finally {
      await output.close();
    }
    const end = Date.now() + startDeadlineMs;
    while (running() && Date.now() < end) {
      const found = await reportedVersion(apiUrl, api);
      if (found !== undefined) {
        version = found;
        return;
      }
      await delay(50);
    }
    const why = running() ? `did not answer within ${startDeadlineMs} ms` : 'ended at once';
    const lines = (await read('console.log')).split('\n');
    const told = lines.filter((line) => /critical|error|fail/i.test(line));
    await kill();
    throw new AppError(
      'unavailable',
      `ejabberd (ports ${Object.values(ports).join(', ')}) ${why}:\n${(told.length > 0 ? told : lines).slice(-20).join('\n')}`,
    );
  }

  await start();
  return {
    host,
    hosts,
    c2sPort: ports.c2s,
    httpPort: ports.http,
    componentPort: ports.component,
    xmpp: `xmpp://127.0.0.1:${ports.c2s}`,
    apiUrl,
    api,
    dir,
    get version() {
      return version;
    },
    get pid() {
      return running() ? child?.pid : undefined;
    },
    logs,
    stop,
    kill,
    start,
    async register(user, password, at = host) {
      const response = await post(apiUrl, api, 'register', { user, host: at, password });
      if (!response.ok && response.status !== 409) {
        throw new AppError(
          'unavailable',
          `ejabberd did not make ${user}@${at}: ${response.status} ${(await response.text()).slice(0, 300)}`,
        );
      }
    },
  };
}

function post(
  apiUrl: string,
  api: { readonly user: string; readonly password: string },
  command: string,
  body: Readonly<Record<string, string>>,
): Promise<Response> {
  return fetch(`${apiUrl}/${command}`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${api.user}:${api.password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
}

/** With credentials: 200 also says that the API's account is there. */
async function reportedVersion(
  apiUrl: string,
  api: { readonly user: string; readonly password: string },
): Promise<string | undefined> {
  const response = await post(apiUrl, api, 'status', {}).catch(() => undefined);
  if (response === undefined) return undefined;
  const text = await response.text().catch(() => '');
  // A sentence, and packages add their revision: "The node nonode@nohost is started. Status: startedejabberd 23.01-1 is running in that node".
  return response.ok ? /ejabberd ([\d.]+)\S* is running/.exec(text)?.[1] : undefined;
}
