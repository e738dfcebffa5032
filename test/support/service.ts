/** The real service as a child process. A test can start, stop and kill it, and start it again on the same port and data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { cpuWaitMeter } from './cpu-wait.ts';
import { waitFor } from './wait.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const START_DEADLINE_MS = 60_000;
/** After SIGTERM the service drains, logs visitors out and ends within this time (docs/operations.md). */
const STOP_BOUND_MS = 10_000;
/** A safety for a busy machine. The bound above is checked without the time in which the service had no CPU. */
const STOP_DEADLINE_MS = 60_000;
const CALL_DEADLINE_MS = 30_000;

export const ADMIN_TOKEN = 'admin-token-of-the-tests';

/** A tenant as in TENANTS_FILE. */
export type TenantEntry = { readonly id: string; readonly apiKey: string } & Record<
  string,
  unknown
>;
export type Environment = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: JSON from outside; a wrong shape fails the assertion that reads it
  readonly body: any;
}

export interface Service {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly dataDir: string;
  /** The id of the running process; undefined if none is running. */
  readonly pid: number | undefined;
  /** Everything that the service printed, in all its runs. */
  logs(): string;
  /** Starts the service and waits until it answers. @param environment further settings for this run */
  start(environment?: Environment): Promise<void>;
  /**
   * Sends SIGTERM and waits for the end.
   * @returns how long that took, in ms, without the time in which the process and this one waited for a CPU
   * @throws if the process failed or took longer than it may
   */
  stop(): Promise<number>;
  /** Sends SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Resolves when the process has ended by itself. Rejects after the deadline. */
  ended(deadlineMs: number): Promise<{ code: number | null; signal: string | null }>;
  /** Runs another command of `xmpp-chat` with the settings of the service. */
  cli(...args: string[]): Promise<{ code: number | null; output: string }>;
  call(
    method: string,
    path: string,
    body?: unknown,
    options?: { readonly key?: string; readonly headers?: Record<string, string> },
  ): Promise<Answer>;
  /** Kills the service and removes its folder. */
  close(): Promise<void>;
}

/** Calls the HTTP API at this address. */
export const callTo =
  (url: string): Service['call'] =>
  async (method, path, body, { key = ADMIN_TOKEN, headers = {} } = {}) => {
    const raw = typeof body === 'string';
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        // A kept connection may be closed by the other side at the moment of the next request, which then fails.
        connection: 'close',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
    });
    const text = await response.text();
    const json = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: json && text !== '' ? JSON.parse(text) : text,
    };
  };

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/** Prepares a folder and a port for a service. Nothing runs yet. Set later settings in `settings`. */
export async function makeService(): Promise<Service & { settings: Record<string, string> }> {
  const dir = await mkdtemp(join(tmpdir(), 'xmpp-chat-'));
  const { http: port } = await freePorts({});
  const dataDir = join(dir, 'data');
  const url = `http://127.0.0.1:${port}`;
  const settings: Record<string, string> = {
    LISTEN: `127.0.0.1:${port}`,
    DATA_DIR: dataDir,
    TENANTS_FILE: join(dir, 'tenants.json'),
    ADMIN_TOKEN,
    // Their default ports are the same for every service.
    LEGACY_LISTEN: 'off',
    XMLRPC_LISTEN: 'off',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'info',
  };
  let child: ChildProcess | undefined;
  let output = '';

  const running = () => (child && !hasEnded(child) ? child : undefined);

  function run(args: readonly string[], environment: Environment): ChildProcess {
    // Beside these two (vitest.config.ts), the service must not see the environment of the tests.
    const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
    return spawn(process.execPath, [CLI, ...args], {
      cwd: dir,
      env: { PATH, NODE_COMPILE_CACHE, ...settings, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  const service: Service & { settings: Record<string, string> } = {
    url,
    port,
    dir,
    dataDir,
    settings,
    get pid() {
      return running()?.pid;
    },
    logs: () => output,
    async start(environment = {}) {
      if (running()) throw new Error('the service is already running');
      const started = run(['serve'], environment);
      child = started;
      const take = (chunk: Buffer) => {
        output += chunk.toString();
      };
      started.stdout?.on('data', take);
      started.stderr?.on('data', take);
      const answers = waitFor(
        async () => {
          // A failpoint may end the service before its first answer. That counts as a start.
          if (hasEnded(started)) return true;
          return (await fetch(`${url}/healthz`)).ok;
        },
        {
          deadlineMs: START_DEADLINE_MS,
          what: () => `the service to answer:\n${output.slice(-2000)}`,
        },
      );
      await answers.catch(async (error: unknown) => {
        await service.kill(); // nobody else knows of a process whose start failed
        throw error;
      });
      if (started.exitCode !== null) {
        throw new Error(`the service ended with ${started.exitCode}:\n${output.slice(-2000)}`);
      }
    },
    async stop() {
      const stopping = running();
      if (!stopping) return 0;
      const cpuWait = cpuWaitMeter(() => [stopping.pid]);
      let waited = 0;
      const from = performance.now();
      stopping.kill('SIGTERM');
      await waitFor(
        () => {
          waited = cpuWait();
          return hasEnded(stopping);
        },
        {
          deadlineMs: STOP_DEADLINE_MS,
          what: () => `the service to stop:\n${output.slice(-2000)}`,
        },
      );
      const ms = performance.now() - from - waited;
      if (stopping.exitCode !== 0 || ms > STOP_BOUND_MS) {
        throw new Error(
          `SIGTERM: exit ${stopping.exitCode} after ${ms} ms (and ${waited} ms without a CPU):\n${output.slice(-2000)}`,
        );
      }
      return ms;
    },
    async kill() {
      const killed = running();
      if (!killed) return;
      killed.kill('SIGKILL');
      if (!hasEnded(killed)) await once(killed, 'exit');
    },
    async ended(deadlineMs) {
      const ending = child;
      if (!ending) throw new Error('the service was never started');
      await waitFor(() => hasEnded(ending), {
        deadlineMs,
        what: 'the service to end by itself',
      });
      return { code: ending.exitCode, signal: ending.signalCode };
    },
    async cli(...args) {
      const process = run(args, {});
      let printed = '';
      process.stdout?.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
      process.stderr?.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
      await once(process, 'close');
      return { code: process.exitCode, output: printed };
    },
    call: callTo(url),
    async close() {
      await service.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return service;
}

/** Writes TENANTS_FILE. */
export const writeTenants = (service: Pick<Service, 'dir'>, tenants: readonly TenantEntry[]) =>
  writeFile(join(service.dir, 'tenants.json'), JSON.stringify(tenants), { mode: 0o600 });
