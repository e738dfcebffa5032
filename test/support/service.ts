/** The real service as a child process, for tests: started, stopped, killed and started again on the same port and data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { waitFor } from './wait.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const START_WITHIN_MS = 20_000;
/** SIGTERM drains and logs visitors out within so long (docs/operations.md). */
const STOP_WITHIN_MS = 10_000;

const ADMIN_TOKEN = 'admin-token-of-the-tests';

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
  /** Of the running process; undefined when there is none. */
  readonly pid: number | undefined;
  /** Everything it printed, over all its lives. */
  logs(): string;
  /** Starts it and waits until it answers; with further settings for this life. */
  start(environment?: Environment): Promise<void>;
  /** SIGTERM. @returns how long it took, in ms @throws when it took longer than it may, or failed */
  stop(): Promise<number>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Resolves when the process has ended by itself. */
  ended(deadlineMs: number): Promise<{ code: number | null; signal: string | null }>;
  /** Runs another command of the command line in its environment. */
  cli(...args: string[]): Promise<{ code: number | null; output: string }>;
  call(
    method: string,
    path: string,
    body?: unknown,
    options?: { readonly key?: string; readonly headers?: Record<string, string> },
  ): Promise<Answer>;
  /** Kills it and removes its folder. */
  close(): Promise<void>;
}

/** What is asked of a service at an address. */
export const callTo =
  (url: string): Service['call'] =>
  async (method, path, body, { key = ADMIN_TOKEN, headers = {} } = {}) => {
    const raw = typeof body === 'string';
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: json && text !== '' ? JSON.parse(text) : text,
    };
  };

/** Makes the place for a service; nothing runs yet. Settings that are known only later go to `settings`. */
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
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'info',
  };
  let child: ChildProcess | undefined;
  let output = '';

  const running = () =>
    child !== undefined && child.exitCode === null && child.signalCode === null ? child : undefined;

  function run(args: readonly string[], environment: Environment): ChildProcess {
    // Not the environment of the tests: what the service reads is what is given here.
    const { PATH = '' } = process.env;
    return spawn(process.execPath, [CLI, ...args], {
      cwd: dir,
      env: { PATH, ...settings, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async function exit(what: ChildProcess): Promise<void> {
    if (what.exitCode === null && what.signalCode === null) await once(what, 'exit');
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
      if (running()) throw new Error('the service runs already');
      const started = run(['serve'], environment);
      child = started;
      const take = (chunk: Buffer) => {
        output += chunk.toString();
      };
      started.stdout?.on('data', take);
      started.stderr?.on('data', take);
      await waitFor(
        async () => {
          // A failpoint may end it before it answers once: that is a start as well.
          if (started.exitCode !== null || started.signalCode !== null) return true;
          return (await fetch(`${url}/healthz`)).ok;
        },
        {
          deadlineMs: START_WITHIN_MS,
          what: () => `the service to answer:\n${output.slice(-2000)}`,
        },
      );
      if (started.exitCode !== null) {
        throw new Error(`the service ended with ${started.exitCode}:\n${output.slice(-2000)}`);
      }
    },
    async stop() {
      const stopping = running();
      if (!stopping) return 0;
      const from = performance.now();
      stopping.kill('SIGTERM');
      await waitFor(() => stopping.exitCode !== null || stopping.signalCode !== null, {
        deadlineMs: STOP_WITHIN_MS + 1_000,
        what: () => `the service to stop:\n${output.slice(-2000)}`,
      });
      const took = performance.now() - from;
      if (stopping.exitCode !== 0 || took > STOP_WITHIN_MS) {
        throw new Error(
          `SIGTERM: exit ${stopping.exitCode} after ${took} ms:\n${output.slice(-2000)}`,
        );
      }
      return took;
    },
    async kill() {
      const killed = running();
      if (!killed) return;
      killed.kill('SIGKILL');
      await exit(killed);
    },
    async ended(deadlineMs) {
      const ending = child;
      if (!ending) throw new Error('the service was never started');
      await waitFor(() => ending.exitCode !== null || ending.signalCode !== null, {
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
