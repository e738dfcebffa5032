/** What the doctor's checks ask of the real world. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { isThere } from '../backup/files.ts';
import type { Config } from '../config.ts';
import type { AccountPorts } from '../doctor/account.ts';
import type { CallbackPorts } from '../doctor/callbacks.ts';
import type { DiskPorts } from '../doctor/disk.ts';
import type { ServicePort } from '../doctor/service.ts';
import type { StorePorts } from '../doctor/store.ts';
import { within } from '../doctor/within.ts';
import { AppError, messageOf } from '../errors.ts';
import { openEventStore } from '../eventstore/open.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { openSqliteEventStore } from '../eventstore/sqlite/store.ts';
import { createCallbackClient } from '../lhc/client.ts';
import { opensWith } from '../runtime/vault/sealed.ts';
import { openStream } from '../xmpp/sessions/stream.ts';

const ASK_MS = 4_000;
const LOGIN_MS = 4_000;
const DELIVER_MS = 4_500;
const SQLITE = 'sqlite:';

/** The running service, asked with the admin token. */
export function servicePort({
  listen,
  adminToken,
}: Pick<Config, 'listen' | 'adminToken'>): ServicePort {
  // A service that listens on every address answers on loopback.
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[listen.host] ?? listen.host;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
  return {
    url,
    async get(path, deadlineMs = ASK_MS) {
      let response: Response;
      let text: string;
      try {
        response = await fetch(url + path, {
          ...(adminToken && { headers: { authorization: `Bearer ${adminToken}` } }),
          signal: AbortSignal.timeout(deadlineMs),
        });
        text = await response.text();
      } catch (error) {
        // What that means is the check's to say.
        return error instanceof Error && error.name === 'TimeoutError' ? 'silent' : null;
      }
      const json = /json/.test(response.headers.get('content-type') ?? '');
      return { status: response.status, body: json ? parse(text) : text };
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // whatever it is, it is not what the service sends
  }
}

export const withoutCredentials =
  (apiUrl: string) =>
  async (signal: AbortSignal): Promise<number> => {
    const response = await fetch(`${apiUrl.replace(/\/+$/, '')}/status`, {
      method: 'POST',
      body: '{}',
      redirect: 'error',
      signal,
      headers: { 'content-type': 'application/json' },
    });
    await response.text();
    return response.status;
  };

export const loginTo =
  (service: string, allowPlaintext: boolean): AccountPorts['login'] =>
  ({ username, host, password }, handlers, signal) =>
    openStream(
      {
        service,
        domain: host,
        username,
        password,
        resource: 'doctor',
        allowPlaintext,
        loginDeadlineMs: LOGIN_MS,
        signal,
      },
      handlers,
    );

/** That many connections at once. @throws {AppError} `unavailable` when one is refused */
export const connectsTo =
  (service: string) =>
  (count: number, signal: AbortSignal): Promise<number[]> => {
    const { hostname, port, protocol } = new URL(service);
    const usual = { 'xmpp:': 5222, 'xmpps:': 5223, 'ws:': 80, 'wss:': 443 }[protocol] ?? 5222;
    const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || usual };
    const one = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const from = performance.now();
        const socket = connect(address);
        const abort = (): void => void socket.destroy(new Error('no answer in time'));
        signal.addEventListener('abort', abort, { once: true });
        socket.once('connect', () => {
          socket.destroy();
          signal.removeEventListener('abort', abort);
          resolve(performance.now() - from);
        });
        socket.once('error', (error) =>
          reject(new AppError('unavailable', `${service} cannot be reached: ${error.message}`)),
        );
      });
    return Promise.all(Array.from({ length: count }, one));
  };

/** One callback, with what the client does not tell: status, Date, and how long it took. */
export const deliverWith =
  (now: () => number): CallbackPorts['deliver'] =>
  async (endpoint, ping) => {
    let status: number | null = null;
    let date: number | null = null;
    const client = createCallbackClient({
      timeoutMs: DELIVER_MS,
      now,
      userAgent: 'xmpp-chat doctor',
      fetch: async (...request) => {
        const response = await fetch(...request);
        status = response.status;
        const told = Date.parse(response.headers.get('date') ?? '');
        if (!Number.isNaN(told)) date = told;
        return response;
      },
    });
    const from = performance.now();
    const outcome = await client.deliver(endpoint, ping);
    return { outcome, status, date, tookMs: performance.now() - from };
  };

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false; // whatever the reason, the service could not either
  }
}

export function diskOf({ dataDir, eventStore, serviceSecret }: Config): DiskPorts {
  const log = eventStore.startsWith(SQLITE) ? eventStore.slice(SQLITE.length) : null;
  const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);
  const secret = join(dataDir, 'service-secret');
  // Messages wait for the disk of the log, which may be another one.
  const ofLog = log === null ? null : dirname(log);
  return {
    dataDir,
    logDir: () => (ofLog === null || existsSync(ofLog) ? ofLog : dataDir),
    exists: () => isThere(dataDir),
    free: (dir) => {
      const { bavail, bsize } = statfsSync(dir);
      return bavail * bsize;
    },
    logSize: () => (log === null ? 0 : sizeOf(log) + sizeOf(`${log}-wal`)),
    syncs(dir, count) {
      const path = join(dir, `.doctor-${process.pid}`);
      const fd = openSync(path, 'wx', 0o600);
      try {
        return Array.from({ length: count }, () => {
          const from = performance.now();
          writeSync(fd, 'x'.repeat(4096));
          fsyncSync(fd);
          return performance.now() - from;
        });
      } finally {
        closeSync(fd);
        rmSync(path, { force: true });
      }
    },
    closed: () =>
      [
        secret,
        ...(log === null ? [] : ['', '-wal', '-shm', '.lock'].map((end) => log + end)),
      ].filter((path) => existsSync(path) && !mayWrite(path)),
    secretMode: () =>
      serviceSecret === undefined && existsSync(secret) ? statSync(secret).mode : null,
  };
}

/** With the secret that the service has: of the configuration, or of its file. */
export const opensSealed =
  ({ dataDir, serviceSecret }: Pick<Config, 'dataDir' | 'serviceSecret'>): StorePorts['opens'] =>
  async (store) => {
    const path = join(dataDir, 'service-secret');
    let secret = serviceSecret;
    try {
      secret ??= readFileSync(path, 'utf8').trim();
    } catch (error) {
      throw new AppError(
        'not-found',
        `the secret of this log cannot be read: SERVICE_SECRET is not set, and ${messageOf(error)}`,
      );
    }
    return await opensWith(store, secret);
  };

/** @throws {AppError} when that may not be looked at */
function lookedFor(path: string): boolean {
  try {
    return isThere(path);
  } catch (error) {
    throw new AppError('unavailable', messageOf(error));
  }
}

/** For reading, beside the service. */
export const openStore: (config: Pick<Config, 'eventStore'>) => ReturnType<StorePorts['open']> =
  async ({ eventStore }) => {
    if (eventStore.startsWith(SQLITE)) {
      const path = eventStore.slice(SQLITE.length);
      // Opening it for reading does not make it, and says less.
      if (!lookedFor(path))
        throw new AppError('not-found', `there is no event store at ${path} yet`);
      return openSqliteEventStore(path, { readOnly: true });
    }
    const opening = openEventStore(eventStore, { readOnly: true });
    try {
      const store = await within(opening, ASK_MS);
      if (store) return store;
      opening.then((late) => late.close()).catch(() => undefined); // it was given up: nobody asks any more
      throw new AppError('unavailable', `EventStoreDB does not answer within ${ASK_MS / 1000} s`);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.code, redactUrls(error.message), error.details);
    }
  };
