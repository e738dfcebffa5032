/**
 * `make run`: a private ejabberd with mod_lhc, a stand-in for LHC, the service on the embedded store, and a
 * demonstration tenant with an operator. Everything it writes is below DATA_DIR. `npm run dev` does the same with
 * `--watch`: the service restarts when a file of `src/` changes, and ejabberd and the stand-in keep running.
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
const READY_WITHIN_MS = 30_000;
const dataDir = resolve(process.env.DATA_DIR || './data');

interface Secrets {
  adminToken: string;
  apiKey: string;
  webhookSecret: string;
  callbackSecret: string;
  apiPassword: string;
  operatorPassword: string;
}

/** What `npm run demo` and people read: mode 600. */
export interface Demo {
  readonly api: string;
  readonly adminToken: string;
  readonly tenant: string;
  readonly apiKey: string;
  readonly operator: { readonly jid: string; readonly password: string };
  readonly xmpp: string;
  /** The stand-in for LHC: GET lists the callbacks it was sent. */
  readonly lhc: string;
}

/** The port that a variable sets. @throws {AppError} when it is none, or taken */
async function port(variable: string, fallback: number): Promise<number> {
  const text = process.env[variable] || String(fallback);
  const wanted = Number(text);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535) {
    throw new AppError('invalid', `${variable}: ${text} is no port`);
  }
  await free('127.0.0.1', wanted, variable);
  return wanted;
}

/** The address of the service. @throws {AppError} when it is none, or taken */
async function address(listen: string): Promise<string> {
  const [, host = '', port = ''] = /^(\[[\da-f:]+\]|[^:\s]+):(\d+)$/i.exec(listen) ?? [];
  const wanted = Number(port);
  if (host === '' || wanted < 1 || wanted > 65_535) {
    throw new AppError('invalid', `LISTEN: ${listen} is no HOST:PORT, e.g. 127.0.0.1:8090`);
  }
  await free(host, wanted, 'LISTEN');
  return listen;
}

function free(host: string, wanted: number, variable: string): Promise<void> {
  const { promise, resolve: done, reject } = Promise.withResolvers<void>();
  const probe = createServer();
  probe.once('error', (error) => {
    reject(
      new AppError(
        'conflict',
        `port ${wanted} cannot be had (${messageOf(error)}): set ${variable} to another, e.g. ${variable}=${
          variable === 'LISTEN' ? `${host}:${wanted + 1000}` : wanted + 1000
        } make run`,
      ),
    );
  });
  probe.listen(wanted, host.replace(/^\[|\]$/g, ''), () => probe.close(() => done()));
  return promise;
}

/** Made at the first run and kept: clients stay logged in, and accounts keep their passwords. */
function secrets(): Secrets {
  const path = join(dataDir, 'demo-secrets.json');
  if (!existsSync(path)) {
    const token = (bytes: number): string => randomBytes(bytes).toString('base64url');
    const made: Secrets = {
      adminToken: token(24),
      apiKey: token(24),
      webhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
      callbackSecret: `whsec_${randomBytes(32).toString('base64')}`,
      apiPassword: token(24),
      operatorPassword: token(9),
    };
    writeFileSync(path, JSON.stringify(made), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Secrets; // as written above
}

async function ready(url: string, service: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    if (service.exitCode !== null || service.signalCode !== null)
      throw new AppError('unavailable', 'the service did not start');
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new AppError('timeout', `the service was not ready within ${READY_WITHIN_MS / 1000} s`);
}

async function putOperator(api: string, { adminToken, operatorPassword }: Secrets): Promise<void> {
  const put = (password?: string) =>
    fetch(`${api}/v1/demo/operators/op1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ lhcUserId: 1, name: 'Olga', departments: ['sales'], password }),
    });
  const answer = await put(operatorPassword);
  if (!answer.ok) throw new AppError('unavailable', `the operator: ${await answer.text()}`);
}

function announce(demo: Demo): void {
  console.log(`
  API        ${demo.api}   (its page: ${demo.api}/docs)
  tenant     ${demo.tenant}, API key ${demo.apiKey}
  operator   ${demo.operator.jid}, password ${demo.operator.password}
             log in with any XMPP client at ${demo.xmpp} (without TLS: it is this machine)
  LHC        ${demo.lhc} stands for it and shows the callbacks that it was sent
  all of it  ${join(process.env.DATA_DIR || 'data', 'demo.json')}

  npm run demo   plays a visitor and the operator, and prints what happens
  npx node --env-file=${join(process.env.DATA_DIR || 'data', 'demo.env')} src/cli.ts doctor   looks at all of it (or backup DIR, operators list --tenant demo …)
  Ctrl-C         stops everything
`);
}

async function run(): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const listen = await address(process.env.LISTEN || '127.0.0.1:8090');
  const ports = {
    c2s: await port('DEMO_XMPP_PORT', 5222),
    http: await port('DEMO_EJABBERD_HTTP_PORT', 5280),
  };
  const lhcPort = await port('DEMO_LHC_PORT', 8091);
  const made = secrets();
  const api = `http://${listen}`;

  let ejabberd: Ejabberd | undefined;
  let lhc: DemoLhc | undefined;
  let service: ChildProcess | undefined;
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    if (service && service.exitCode === null && service.signalCode === null) {
      const ended = new Promise((done) => service?.once('exit', done));
      service.kill('SIGTERM');
      await ended;
    }
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
      webhook: { url: `${api}/ejabberd/events`, secret: made.webhookSecret },
      apiUser: { user: 'xmpp-chat-api', password: made.apiPassword },
    });
    lhc = await startDemoLhc(lhcPort, made.callbackSecret);
    const tenant = {
      id: 'demo',
      host: HOST,
      apiKey: made.apiKey,
      callbackUrl: `${lhc.url}/`,
      callbackSecret: made.callbackSecret,
    };
    const tenantsFile = join(dataDir, 'tenants.json');
    writeFileSync(tenantsFile, JSON.stringify([tenant], null, 2), { mode: 0o600 });
    const settings = {
      LISTEN: listen,
      DATA_DIR: dataDir,
      ADMIN_TOKEN: made.adminToken,
      EJABBERD_API_URL: ejabberd.apiUrl,
      EJABBERD_API_USER: ejabberd.api.user,
      EJABBERD_API_PASSWORD: ejabberd.api.password,
      EJABBERD_XMPP: ejabberd.xmpp,
      EJABBERD_WEBHOOK_SECRET: made.webhookSecret,
      TENANTS_FILE: tenantsFile,
    };
    // For the other commands of the command line: `node --env-file`.
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name}=${JSON.stringify(value)}`,
    );
    writeFileSync(join(dataDir, 'demo.env'), `${lines.join('\n')}\n`, { mode: 0o600 });
    console.log('starting the service …');
    const source = join(import.meta.dirname, '../src');
    const watch = process.argv.includes('--watch')
      ? ['--watch-preserve-output', `--watch-path=${source}`]
      : [];
    service = spawn(process.execPath, [...watch, join(source, 'cli.ts'), 'serve'], {
      stdio: 'inherit',
      env: { ...process.env, ...settings },
    });
    await ready(api, service);
    service.once('exit', (code, signal) => {
      if (!stopping) console.error(`the service ended (${signal ?? code})`);
      void stop(code ?? 1);
    });
    await putOperator(api, made);
    const demo: Demo = {
      api,
      adminToken: made.adminToken,
      tenant: tenant.id,
      apiKey: made.apiKey,
      operator: { jid: `op1@${HOST}`, password: made.operatorPassword },
      xmpp: ejabberd.xmpp,
      lhc: lhc.url,
    };
    writeFileSync(join(dataDir, 'demo.json'), `${JSON.stringify(demo, null, 2)}\n`, {
      mode: 0o600,
    });
    announce(demo);
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
