/** The service as in production, in a process of its own, with a private ejabberd and a server in place of LHC. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FAST_OPERATORS } from '../scripts/ejabberd/config.ts';
import { freePorts } from '../scripts/ejabberd/ports.ts';
import { type Ejabberd, startEjabberd } from '../scripts/private-ejabberd.ts';
import { startService, stop } from './processes.ts';

const READY_DEADLINE_MS = 30_000;
/** For read models of a seeded log. */
export const BUILD_DEADLINE_MS = 240_000;

export interface Rig {
  readonly port: number;
  readonly tenant: string;
  readonly apiKey: string;
  /** The listener of the xmppservice wire, and the tenant's key there. */
  readonly node: { readonly port: number; readonly secretKey: string };
  readonly ejabberd: Ejabberd;
  /** The only operator, registered and not logged in yet. */
  readonly operator: { readonly username: string; readonly password: string };
  /** The file of the log. Only read it. */
  readonly eventsFile: string;
  /** Calls the API with the tenant's key. @throws if the status is not a success */
  http(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  /** @returns one number of /metrics */
  metric(name: string): Promise<number>;
  /** Waits until the read models are live and every visitor is reconciled with XMPP. @throws at the deadline */
  settled(deadlineMs: number): Promise<void>;
  /** Stops the process of the service (SIGSTOP), so that it does not disturb another measurement. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** A server that accepts every callback. */
async function startLhc(): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(204).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // The server listens on a TCP port.
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}

/**
 * @param execArgv options of Node for the service, for example to profile it
 * @param seed fills the data folder before the service starts
 */
export async function startRig(
  execArgv: readonly string[],
  seed: (dataDir: string, tenant: string) => Promise<void> = async () => undefined,
): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-service-'));
  const token = (): string => randomBytes(24).toString('base64url');
  const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`;
  const tenant = 'bench';
  const apiKey = token();
  const adminToken = token();
  const webhookSecret = secret();
  const operator = { username: 'op1', password: token() };
  const { http: port, component: nodePort } = await freePorts({});
  const node = { port: nodePort, secretKey: token() };
  const lhc = await startLhc();
  const url = `http://127.0.0.1:${port}`;
  const ejabberd = await startEjabberd({
    dir: join(dir, 'ejabberd'),
    webhook: { url: `${url}/ejabberd/events`, secret: webhookSecret },
    modLhc: FAST_OPERATORS,
    logLevel: 'warning',
  });
  const tenantsFile = join(dir, 'tenants.json');
  const settings = {
    id: tenant,
    host: ejabberd.host,
    apiKey,
    callbackUrl: lhc.url,
    callbackSecret: secret(),
    legacySecret: node.secretKey,
    // What is measured is the service, not a tenant's bounds.
    requestsPerSecond: 100_000,
    newVisitorsPerMinute: 1_000_000,
    maxOnlineVisitors: 1_000_000,
    operatorMessagesPerSecond: 1_000,
  };
  writeFileSync(tenantsFile, JSON.stringify([settings]), { mode: 0o600 });
  const dataDir = join(dir, 'data');
  await seed(dataDir, tenant);
  const service = startService(
    {
      PATH: process.env.PATH,
      LISTEN: `127.0.0.1:${port}`,
      LEGACY_LISTEN: `127.0.0.1:${nodePort}`,
      DATA_DIR: dataDir,
      ADMIN_TOKEN: adminToken,
      EJABBERD_API_URL: ejabberd.apiUrl,
      EJABBERD_API_USER: ejabberd.api.user,
      EJABBERD_API_PASSWORD: ejabberd.api.password,
      EJABBERD_XMPP: ejabberd.xmpp,
      EJABBERD_WEBHOOK_SECRET: webhookSecret,
      TENANTS_FILE: tenantsFile,
    },
    execArgv,
  );

  async function ask(method: string, path: string, key: string, body?: unknown): Promise<string> {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  }

  async function until(what: string, deadlineMs: number, look: () => Promise<boolean>) {
    const deadline = performance.now() + deadlineMs;
    while (!(await look())) {
      if (performance.now() > deadline) throw new Error(`${what}: not in ${deadlineMs} ms`);
      await delay(50);
    }
  }

  const metrics = async (): Promise<ReadonlyMap<string, number>> => {
    const lines = (await ask('GET', '/metrics', adminToken)).split('\n');
    const pairs = lines.filter((line) => line && !line.startsWith('#'));
    return new Map(
      pairs.map((line) => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' '))),
      ]),
    );
  };

  async function close(): Promise<void> {
    service.kill('SIGCONT');
    await stop(service);
    await ejabberd.kill();
    lhc.close();
    rmSync(dir, { recursive: true, force: true });
  }

  const http: Rig['http'] = async (method, path, body) =>
    JSON.parse(await ask(method, `/v1/${tenant}${path}`, apiKey, body));
  try {
    await until('the service', READY_DEADLINE_MS, () =>
      fetch(`${url}/healthz`).then(
        (answer) => answer.ok,
        () => false,
      ),
    );
    // The read models contain the seeded log first.
    await until('read models', BUILD_DEADLINE_MS, async () => {
      return (await metrics()).get('xmpp_chat_projection_lag_seconds') === 0;
    });
    await http('PUT', `/operators/${operator.username}`, {
      lhcUserId: 1,
      name: 'Olga',
      departments: ['sales'],
      capacity: 1000,
      password: operator.password,
    });
  } catch (error) {
    await close();
    throw error;
  }

  return {
    port,
    tenant,
    apiKey,
    node,
    ejabberd,
    operator,
    http,
    close,
    eventsFile: join(dataDir, 'events.db'),
    pause: () => void service.kill('SIGSTOP'),
    resume: () => void service.kill('SIGCONT'),
    metric: async (name) => {
      const value = (await metrics()).get(name);
      if (value === undefined) throw new Error(`/metrics has no ${name}`);
      return value;
    },
    settled: (deadlineMs) =>
      until('reconciled visitors and live read models', deadlineMs, async () => {
        const all = await metrics();
        return (
          all.get('xmpp_chat_visitors_to_reconcile') === 0 &&
          all.get('xmpp_chat_projection_lag_seconds') === 0
        );
      }),
  };
}
