/**
 * Runs a private ejabberd on loopback, with its own spool, configuration and ports, and with mod_lhc. Any number can run
 * on one machine (the node is `nonode@nohost`, no epmd). It ends with the process that started it, even after a kill -9.
 * `make run`, the tests and the benchmarks use this launcher.
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
import { type ComponentInput, type ConfigInput, renderConfig } from './ejabberd/config.ts';
import { freePorts, type Ports } from './ejabberd/ports.ts';
import { compileModLhc, findRelease, inRelease } from './ejabberd/release.ts';

export interface EjabberdOptions {
  /** The folder of configuration, spool and logs. Another start with the same folder keeps the accounts. */
  readonly dir: string;
  /** Default `['xmpp.test']`. */
  readonly hosts?: readonly string[];
  /** Missing ones are chosen at the first start and stay the same. */
  readonly ports?: {
    readonly c2s?: number;
    readonly http?: number;
    readonly component?: number;
    /** A port for visitors only. With it, operators' clients have a shaper on theirs. Default: none. */
    readonly visitors?: number;
  };
  /** The receiver of mod_lhc's events. Without it mod_lhc is loaded only if `modLhc` has options. */
  readonly webhook?: { readonly url: string; readonly secret: string };
  /** `false`: without mod_lhc. An object: options of the module, which replace the default ones. */
  readonly modLhc?: boolean | Readonly<Record<string, unknown>>;
  /** The account that calls the admin API, on the first host. Default `xmpp-chat-api` with a random password. */
  readonly apiUser?: { readonly user: string; readonly password: string };
  /** Accepts the components (XEP-0114) `visitors.{host}`, or the given ones. */
  readonly component?: ComponentInput;
  /** Default true. Times in seconds. */
  readonly streamManagement?:
    | boolean
    | { readonly resumeTimeout?: number; readonly maxAckQueue?: number };
  /** Another release, unpacked in this folder. It runs by chroot, which needs root. `dir` is then inside it. */
  readonly root?: string;
  /** Replaces top-level keys of ejabberd.yml. */
  readonly extraConfig?: Readonly<Record<string, unknown>>;
  /** Listeners besides those of the launcher. */
  readonly extraListeners?: readonly Readonly<Record<string, unknown>>[];
  /** Replaces entries of `modules:`. */
  readonly extraModules?: Readonly<Record<string, unknown>>;
  /** Default `info`. */
  readonly logLevel?: string;
  /** Erlang expressions that run at the end of each start, with `HOME` = `dir`. For tests, such as a hook that waits. */
  readonly atStart?: string;
  /** Called when it ends after its start without `stop` or `kill`. */
  readonly onUnexpectedEnd?: (how: string) => void;
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
  /** The version that `status` reports, e.g. `23.01`. */
  readonly version: string;
  /** The folder of its files (inside `root` if there is one). */
  readonly dir: string;
  /** Undefined if it does not run. */
  readonly pid: number | undefined;
  /** The content of the log file, from the first start on. */
  logs(): Promise<string>;
  /** SIGTERM, and SIGKILL after 15 s. Does nothing if it does not run. */
  stop(): Promise<void>;
  /** SIGKILL. Resolves when the process has ended. */
  kill(): Promise<void>;
  /** Starts it again with the same spool, configuration and ports. */
  start(): Promise<void>;
  /** Creates an account. Does nothing if it exists, even with another password. */
  register(user: string, password: string, host?: string): Promise<void>;
  /**
   * Creates an account and puts it into the group of operators, as the service does.
   * @param group of a tenant with an instance: `operators.{instance}`
   */
  registerOperator(user: string, password: string, host?: string, group?: string): Promise<void>;
}

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
const API_DEADLINE_MS = 5_000;
/** How many lines of the console an error quotes. */
const QUOTED_LINES = 20;

/**
 * Starts a private ejabberd and waits until its admin API answers.
 * @throws {AppError} `unavailable` with ejabberd's error lines if it does not start
 */
export async function startEjabberd(options: EjabberdOptions): Promise<Ejabberd> {
  const node = await prepare(options);
  const { hosts, host, ports, api, apiUrl, dir } = node;
  const server = createProcess(node, options.onUnexpectedEnd);
  await server.start();
  async function register(user: string, password: string, at = host): Promise<void> {
    const response = await post(node, 'register', { user, host: at, password });
    if (!response.ok && response.status !== 409) {
      throw new AppError(
        'unavailable',
        `ejabberd did not create ${user}@${at}: ${response.status} ${(await response.text()).slice(0, 300)}`,
      );
    }
  }
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
      return server.version();
    },
    get pid() {
      return server.pid();
    },
    logs: async () => (await readText(dir, LOG)) || (await readText(dir, CONSOLE)),
    stop: server.stop,
    kill: server.kill,
    start: server.start,
    register,
    async registerOperator(user, password, at = host, group = 'operators') {
      await register(user, password, at);
      // `srg_add` exists from 24.06 on. Before, `srg_create` takes a text for `display`.
      const form = { label: group, description: '', display: '' };
      const added = await post(node, 'srg_add', { group, host: at });
      if (!added.ok) await post(node, 'srg_create', { group, host: at, ...form });
      const member = { user, host: at, group, grouphost: at };
      const response = await post(node, 'srg_user_add', member);
      if (!response.ok) {
        throw new AppError(
          'unavailable',
          `ejabberd did not put ${user}@${at} into ${group}: ${response.status} ${(await response.text()).slice(0, 300)}`,
        );
      }
    },
  };
}

/** Everything that the starts of one private ejabberd share. */
interface EjabberdNode {
  readonly hosts: readonly string[];
  readonly host: string;
  readonly ports: Ports;
  readonly api: { readonly user: string; readonly password: string };
  readonly apiUrl: string;
  readonly dir: string;
  readonly command: { readonly file: string; readonly args: string[] };
  readonly env: NodeJS.ProcessEnv;
}

/** The log; the console repeats it. Only the console has what is printed before the logger runs. */
const LOG = 'ejabberd.log';
const CONSOLE = 'console.log';

/** Finds the release, compiles mod_lhc, chooses ports, and writes the configuration. */
async function prepare(options: EjabberdOptions): Promise<EjabberdNode> {
  const release = await findRelease(options.root ?? '');
  const hosts = options.hosts ?? ['xmpp.test'];
  const host = hosts[0] ?? 'xmpp.test';
  const folder = resolve(options.dir);
  // A chroot cannot reach folders outside, so each one has its counterpart inside.
  const inside = release.root
    ? `/srv/xmpp-chat/${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`
    : folder;
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
  const { visitors, ...others } = options.ports ?? {};
  const ports = await freePorts(others);

  const input: ConfigInput = {
    hosts,
    ports: { ...ports, ...(visitors !== undefined && { visitors }) },
    apiUser: api.user,
    streamManagement: options.streamManagement ?? true,
    logLevel: options.logLevel ?? 'info',
    // With several hosts ejabberd wants the host in the address, or it does not start.
    uploads: { folder: `${inside}/upload`, url: `http://127.0.0.1:${ports.http}/upload/@HOST@` },
    extraListeners: options.extraListeners ?? [],
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

  return {
    hosts,
    host,
    ports,
    api,
    apiUrl: `http://127.0.0.1:${ports.http}/api`,
    dir,
    command: inRelease(release, 'erl', erlangArguments(inside, beams, options.atStart)),
    env: {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: inside,
      ERL_LIBS: release.libs,
      ERL_MAX_PORTS: '32000',
      ERL_CRASH_DUMP: `${inside}/erl_crash.dump`,
      EJABBERD_CONFIG_PATH: `${inside}/ejabberd.yml`,
      EJABBERD_LOG_PATH: `${inside}/${LOG}`,
      API_USER: apiUser,
      API_HOST: host,
      API_PASSWORD: api.password,
    },
  };
}

/**
 * @param dir the node's folder, inside the root
 * @param beams the folder of mod_lhc's beams
 */
function erlangArguments(dir: string, beams?: string, atStart?: string): string[] {
  // No busy waiting of the schedulers: many Erlang nodes may share two cores.
  const machine = '+K true +P 250000 +sbwt none +sbwtdcpu none +sbwtdio none'.split(' ');
  return [
    ...machine,
    ...(beams === undefined ? [] : ['-pa', beams]),
    '-mnesia',
    'dir',
    `"${dir}/spool"`,
    '-noshell',
    '-s',
    'ejabberd',
    // The password comes from the environment, because every user of the machine can read a command line.
    '-eval',
    '[U, S, P] = [list_to_binary(os:getenv(N)) || N <- ["API_USER", "API_HOST", "API_PASSWORD"]], ' +
      'ejabberd_auth:try_register(U, S, P), ejabberd_auth:set_password(U, S, P).',
    ...(atStart === undefined ? [] : ['-eval', atStart]),
    // Standard input is a pipe from this process. Its end means that this process has ended.
    '-eval',
    'spawn(fun() -> io:get_line(""), init:stop() end).',
  ];
}

/** Starts and ends the operating system's process of a node, any number of times. */
function createProcess(node: EjabberdNode, onUnexpectedEnd?: (how: string) => void) {
  let child: ChildProcess | undefined;
  /** True from the end of a start to `stop` or `kill`. */
  let wanted = false;
  let version = '';
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  async function exited(deadlineMs: number): Promise<boolean> {
    const end = Date.now() + deadlineMs;
    while (running() && Date.now() < end) await delay(20);
    return !running();
  }

  async function kill(): Promise<void> {
    wanted = false;
    child?.kill('SIGKILL');
    await exited(STOP_DEADLINE_MS);
  }

  async function stop(): Promise<void> {
    wanted = false;
    child?.kill('SIGTERM');
    if (!(await exited(STOP_DEADLINE_MS))) await kill();
  }

  async function start(): Promise<void> {
    if (running()) return;
    child = await spawnNode(node);
    child.once('exit', (code, signal) => {
      if (wanted) onUnexpectedEnd?.(signal ?? `exit code ${code}`);
    });
    const end = Date.now() + START_DEADLINE_MS;
    while (running() && Date.now() < end) {
      const reported = await reportedVersion(node);
      if (reported !== undefined) {
        version = reported;
        wanted = true;
        return;
      }
      await delay(50);
    }
    const cause = running() ? `did not answer within ${START_DEADLINE_MS} ms` : 'ended at once';
    const lines = (await readText(node.dir, CONSOLE)).split('\n');
    const errors = lines.filter((line) => /critical|error|fail/i.test(line));
    await kill();
    throw new AppError(
      'unavailable',
      `ejabberd (ports ${Object.values(node.ports).join(', ')}) ${cause}:\n${(errors.length > 0 ? errors : lines).slice(-QUOTED_LINES).join('\n')}`,
    );
  }

  return {
    start,
    stop,
    kill,
    version: () => version,
    pid: () => (running() ? child?.pid : undefined),
  };
}

async function spawnNode({ dir, command, env }: EjabberdNode): Promise<ChildProcess> {
  const output = await open(join(dir, CONSOLE), 'a', 0o600);
  try {
    const child = spawn(command.file, command.args, {
      env,
      stdio: ['pipe', output.fd, output.fd],
    });
    // A broken pipe only means that ejabberd has ended, which its exit shows.
    child.stdin?.on('error', () => undefined);
    child.on('error', () => undefined);
    return child;
  } finally {
    await output.close();
  }
}

const readText = (dir: string, name: string): Promise<string> =>
  readFile(join(dir, name), 'utf8').catch(() => '');

function post(
  { apiUrl, api }: EjabberdNode,
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
    signal: AbortSignal.timeout(API_DEADLINE_MS),
  });
}

/** The version that ejabberd reports; undefined if it does not answer yet, or the API's account does not exist yet. */
async function reportedVersion(node: EjabberdNode): Promise<string | undefined> {
  const response = await post(node, 'status', {}).catch(() => undefined);
  if (response === undefined) return undefined;
  const text = await response.text().catch(() => '');
  // "The node nonode@nohost is started. Status: startedejabberd 23.01-1 is running in that node"; `-1` is the package's.
  return response.ok ? /ejabberd ([\d.]+)\S* is running/.exec(text)?.[1] : undefined;
}
