/**
 * `make run`: starts a private ejabberd with mod_lhc, a stand-in for LHC, and the service on the embedded store, with a
 * demo tenant and one operator. It writes below DATA_DIR only. `npm run dev` adds `--watch`: the service restarts when a
 * file of `src/` changes, while ejabberd and the stand-in keep running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../src/errors.ts';
import { type DemoLhc, startDemoLhc } from './demo-lhc.ts';
import { type Ejabberd, startEjabberd } from './private-ejabberd.ts';

const HOST = 'localhost';
/** The time limit for the start of the service. */
const START_DEADLINE_MS = 30_000;
const dataDir = resolve(process.env.DATA_DIR || './data');

interface Secrets {
  adminToken: string;
  apiKey: string;
  webhookSecret: string;
  callbackSecret: string;
  apiPassword: string;
  operatorPassword: string;
}

/** The content of `demo.json` (mode 600), for `npm run demo` and for people. */
export interface Demo {
  readonly api: string;
  readonly adminToken: string;
  readonly tenant: string;
  readonly apiKey: string;
  readonly operator: { readonly jid: string; readonly password: string };
  readonly xmpp: string;
  /** The stand-in for LHC. GET lists its callbacks. */
  readonly lhc: string;
}

/** Reads a port from a variable. @throws {AppError} if it is no port, or in use */
async function portOf(variable: string, fallback: number): Promise<number> {
  const text = process.env[variable] || String(fallback);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AppError('invalid', `${variable}: ${text} is not a port`);
  }
  await assertFree('127.0.0.1', port, variable);
  return port;
}

/** Checks the address of the service. @throws {AppError} if it is no address, or in use */
async function checkedAddress(listen: string): Promise<string> {
  const [, host = '', digits = ''] = /^(\[[\da-f:]+\]|[^:\s]+):(\d+)$/i.exec(listen) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > 65_535) {
    throw new AppError('invalid', `LISTEN: ${listen} is not HOST:PORT, e.g. 127.0.0.1:8090`);
  }
  await assertFree(host, port, 'LISTEN');
  return listen;
}

/** @throws {AppError} `conflict` naming the variable that changes the port */
function assertFree(host: string, port: number, variable: string): Promise<void> {
  const { promise, resolve: done, reject } = Promise.withResolvers<void>();
  const probe = createServer();
  probe.once('error', (error) => {
    const other = variable === 'LISTEN' ? `${host}:${port + 1000}` : port + 1000;
    reject(
      new AppError(
        'conflict',
        `port ${port} cannot be used (${messageOf(error)}): set ${variable} to another one, e.g. ${variable}=${other} make run`,
      ),
    );
  });
  probe.listen(port, host.replace(/^\[|\]$/g, ''), () => probe.close(() => done()));
  return promise;
}

/** Creates the secrets at the first run and keeps them, so accounts keep their passwords. */
function loadSecrets(): Secrets {
  const path = join(dataDir, 'demo-secrets.json');
  if (!existsSync(path)) {
    const token = (bytes: number): string => randomBytes(bytes).toString('base64url');
    const created: Secrets = {
      adminToken: token(24),
      apiKey: token(24),
      webhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
      callbackSecret: `whsec_${randomBytes(32).toString('base64')}`,
      apiPassword: token(24),
      operatorPassword: token(9),
    };
    writePrivate('demo-secrets.json', JSON.stringify(created));
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Secrets; // as written above
}

async function untilReady(url: string, service: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline) {
    if (!isRunning(service)) throw new AppError('unavailable', 'the service did not start');
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new AppError('timeout', `the service was not ready within ${START_DEADLINE_MS / 1000} s`);
}

async function putOperator(api: string, { adminToken, operatorPassword }: Secrets): Promise<void> {
  const put = (password?: string) =>
    fetch(`${api}/v1/demo/operators/op1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ lhcUserId: 1, name: 'Olga', departments: ['sales'], password }),
    });
  const answer = await put(operatorPassword);
  if (!answer.ok)
    throw new AppError('unavailable', `the operator was not created: ${await answer.text()}`);
}

function printDemo(demo: Demo): void {
  const folder = process.env.DATA_DIR || 'data';
  console.log(`
  API        ${demo.api} (documentation: ${demo.api}/docs)
  tenant     ${demo.tenant}, API key ${demo.apiKey}
  operator   ${demo.operator.jid}, password ${demo.operator.password}
             log in with any XMPP client at ${demo.xmpp} (without TLS, on this machine only)
  LHC        ${demo.lhc} is a stand-in that lists its callbacks
  This list is in ${join(folder, 'demo.json')}.

  npm run demo
             plays a visitor and the operator, and prints what happens
  npx node --env-file=${join(folder, 'demo.env')} src/cli.ts doctor
             checks the whole set-up; the other commands (backup DIR, operators list --tenant demo) work the same way
  Ctrl-C     stops everything
`);
}

/** Writes a file that only its owner may read. @returns its path */
function writePrivate(name: string, text: string): string {
  const path = join(dataDir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function startService(settings: Readonly<Record<string, string>>): ChildProcess {
  // For the other commands of the command line: `node --env-file`.
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  writePrivate('demo.env', `${lines.join('\n')}\n`);
  const source = join(import.meta.dirname, '../src');
  const watch = process.argv.includes('--watch')
    ? ['--watch-preserve-output', `--watch-path=${source}`]
    : [];
  return spawn(process.execPath, [...watch, join(source, 'cli.ts'), 'serve'], {
    stdio: 'inherit',
    env: { ...process.env, ...settings },
  });
}

async function stopService(service: ChildProcess): Promise<void> {
  if (!isRunning(service)) return;
  const exit = new Promise((done) => service.once('exit', done));
  service.kill('SIGTERM');
  await exit;
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null;

async function run(): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const listen = await checkedAddress(process.env.LISTEN || '127.0.0.1:8090');
  const ports = {
    c2s: await portOf('DEMO_XMPP_PORT', 5222),
    http: await portOf('DEMO_EJABBERD_HTTP_PORT', 5280),
  };
  const lhcPort = await portOf('DEMO_LHC_PORT', 8091);
  const secrets = loadSecrets();
  const api = `http://${listen}`;

  let ejabberd: Ejabberd | undefined;
  let lhc: DemoLhc | undefined;
  let service: ChildProcess | undefined;
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    if (service) await stopService(service);
    await ejabberd?.stop();
    await lhc?.close();
    process.exit(code);
  };
  process.once('SIGINT', () => void stop(0));
  process.once('SIGTERM', () => void stop(0));

  try {
    console.log('starting ejabberd …');
    ejabberd = await startEjabberd({
      dir: join(dataDir, 'ejabberd'),
      hosts: [HOST],
      ports,
      webhook: { url: `${api}/ejabberd/events`, secret: secrets.webhookSecret },
      apiUser: { user: 'xmpp-chat-api', password: secrets.apiPassword },
    });
    lhc = await startDemoLhc(lhcPort, secrets.callbackSecret);
    const tenant = {
      id: 'demo',
      host: HOST,
      apiKey: secrets.apiKey,
      callbackUrl: `${lhc.url}/`,
      callbackSecret: secrets.callbackSecret,
    };
    console.log('starting the service …');
    service = startService({
      LISTEN: listen,
      DATA_DIR: dataDir,
      ADMIN_TOKEN: secrets.adminToken,
      EJABBERD_API_URL: ejabberd.apiUrl,
      EJABBERD_API_USER: ejabberd.api.user,
      EJABBERD_API_PASSWORD: ejabberd.api.password,
      EJABBERD_XMPP: ejabberd.xmpp,
      EJABBERD_WEBHOOK_SECRET: secrets.webhookSecret,
      TENANTS_FILE: writePrivate('tenants.json', JSON.stringify([tenant], null, 2)),
    });
    await untilReady(api, service);
    service.once('exit', (code, signal) => {
      if (!stopping) console.error(`the service ended (${signal ?? code})`);
      void stop(code ?? 1);
    });
    await putOperator(api, secrets);
    const demo: Demo = {
      api,
      adminToken: secrets.adminToken,
      tenant: tenant.id,
      apiKey: tenant.apiKey,
      operator: { jid: `op1@${HOST}`, password: secrets.operatorPassword },
      xmpp: ejabberd.xmpp,
      lhc: lhc.url,
    };
    writePrivate('demo.json', `${JSON.stringify(demo, null, 2)}\n`);
    printDemo(demo);
  } catch (error) {
    console.error(error instanceof AppError ? error.message : error);
    await stop(1);
  }
}

if (import.meta.main) {
  try {
    await run();
  } catch (error) {
    console.error(error instanceof AppError ? error.message : error);
    process.exit(1);
  }
}
