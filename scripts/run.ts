/**
 * `make run`: starts a private ejabberd with mod_lhc, a stand-in for LHC, and the service on the embedded store, with a
 * demo tenant and one operator. It writes below DATA_DIR only. `tenants.json` and `demo.env` are there to be edited: a
 * later run keeps what somebody has changed. `npm run dev` adds `--watch`: the service restarts when a
 * file of `src/` changes, while ejabberd and the stand-in keep running.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { AppError } from '../src/errors.ts';
import { lockExclusively } from '../src/sqlite/lock.ts';
import { type DemoLhc, startDemoLhc } from './demo-lhc.ts';
import { listenOf, portOf, requireFree } from './demo-ports.ts';
import { loadDemoSecrets } from './demo-secrets.ts';
import {
  environmentText,
  putOperator,
  startService,
  stopService,
  untilReady,
} from './demo-service.ts';
import { editedText, writePrivate, writeUnlessEdited } from './generated-files.ts';
import { type Ejabberd, startEjabberd } from './private-ejabberd.ts';

const HOST = 'localhost';
/** A second host, for tenants that are made while the service runs. */
const SHOPS_HOST = 'shops.localhost';
const API_USER = 'xmpp-chat-api';
const dataDir = resolve(process.env.DATA_DIR || './data');

/** The content of `demo.json` (mode 600), for `npm run demo` and for people. */
export interface Demo {
  readonly api: string;
  readonly adminToken: string;
  readonly tenant: string;
  readonly apiKey: string;
  readonly operator: { readonly jid: string; readonly password: string };
  readonly xmpp: string;
  /** The page of the web client, where the operator can log in; null if the tenant has none. */
  readonly webClient: string | null;
  /** The stand-in for LHC. GET lists its callbacks. */
  readonly lhc: string;
}

const operatorOf = ({ host, instance }: Omit<DemoTenant, 'apiKey'>): string =>
  `op1${instance ? `.${instance}` : ''}@${host}`;

function printDemo(demo: Demo): void {
  const folder = process.env.DATA_DIR || 'data';
  console.log(`
  API        ${demo.api} (documentation: ${demo.api}/docs)
  console    ${demo.api}/console (adminToken in demo.json)
  tenant     ${demo.tenant}, API key ${demo.apiKey}
  operator   ${demo.operator.jid}, password ${demo.operator.password}
             log in with any XMPP client at ${demo.xmpp} (without TLS, on this machine only)${
               demo.webClient === null ? '' : `,\n             or in a browser at ${demo.webClient}`
             }
  LHC        ${demo.lhc} is a stand-in that lists its callbacks
  more       ${SHOPS_HOST} is a second host, for tenants that you make: "xmpp-chat tenants put", or PUT /v1/tenants/{tenant}
  This list is in ${join(folder, 'demo.json')}.

  npm run demo
             plays a visitor and the operator, and prints what happens
  npm run demo:visitor
             you are a visitor: what you type goes to the operator
  npx node --env-file=${join(folder, 'demo.env')} src/cli.ts doctor
             checks the whole set-up; the other commands (backup DIR, operators list --tenant demo) work the same way
  Ctrl-C     stops everything
`);
}

/** Says what somebody has changed in a file that is kept. Names of variables alone: values may be secret. */
function sayKept(name: string, differences: readonly string[] = []): void {
  const how = differences.length > 0 ? ` (${differences.join(', ')})` : '';
  const path = join(process.env.DATA_DIR || 'data', name);
  console.log(`${path} was changed by hand${how}, and is used as it is. Remove it to begin anew.`);
}

/** The settings of this run: ours, and what somebody has changed in `demo.env`. */
function settingsOf(ours: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const edited = editedText(dataDir, 'demo.env', environmentText(ours));
  if (edited === null) return ours;
  const parsed = parseEnv(edited);
  const names = Object.keys(parsed).filter((name) => parsed[name] !== ours[name]);
  sayKept('demo.env', names);
  return { ...ours, ...Object.fromEntries(names.map((name) => [name, parsed[name] ?? ''])) };
}

/** What the demonstration needs to know of its tenant. */
const DemoTenants = z
  .array(
    z.object({
      id: z.string(),
      host: z.string(),
      instance: z.string().optional(),
      apiKey: z.string(),
      webClient: z.object({ enabled: z.boolean() }).optional(),
    }),
  )
  .min(1);
type DemoTenant = z.output<typeof DemoTenants>[number];

/** The first tenant of a file that somebody may have changed. The service says what is wrong with it. */
function firstTenant(text: string): DemoTenant | undefined {
  try {
    return DemoTenants.safeParse(JSON.parse(text)).data?.[0];
  } catch {
    return undefined;
  }
}

async function run(): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // Two ejabberds on one spool would spoil it. The lock ends with this process, or when nothing refers to it any more.
  const unlock = lockExclusively(
    join(dataDir, 'run.lock'),
    `make run already runs on ${dataDir}. For a second one set DATA_DIR to another folder; it then says which ports to change`,
  );
  const c2s = portOf('DEMO_XMPP_PORT', 5222);
  const http = portOf('DEMO_EJABBERD_HTTP_PORT', 5280);
  const component = portOf('DEMO_COMPONENT_PORT', 5347);
  const lhcPort = portOf('DEMO_LHC_PORT', 8091);
  const secrets = loadDemoSecrets(dataDir, 'demo-secrets.json');
  const ours = {
    LISTEN: process.env.LISTEN || '127.0.0.1:8090',
    DATA_DIR: dataDir,
    ADMIN_TOKEN: secrets.adminToken,
    EJABBERD_API_URL: `http://127.0.0.1:${http.port}/api`,
    EJABBERD_API_USER: `${API_USER}@${HOST}`,
    EJABBERD_API_PASSWORD: secrets.apiPassword,
    EJABBERD_XMPP: `xmpp://127.0.0.1:${c2s.port}`,
    // For a tenant with `transport: component`.
    EJABBERD_COMPONENT: `tcp://127.0.0.1:${component.port}`,
    EJABBERD_COMPONENT_SECRET: secrets.componentSecret,
    EJABBERD_WEBHOOK_SECRET: secrets.webhookSecret,
    TENANTS_FILE: join(dataDir, 'tenants.json'),
    CALLBACK_ALLOW: '127.0.0.1', // the stand-in for LHC
  };
  const settings = settingsOf(ours);
  const { LISTEN = '', ADMIN_TOKEN = '' } = settings;
  await requireFree([listenOf(LISTEN), c2s, http, component, lhcPort]);
  const api = `http://${LISTEN}`;

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
    unlock();
    process.exit(code);
  };
  process.once('SIGINT', () => void stop(0));
  process.once('SIGTERM', () => void stop(0));

  try {
    console.log('starting ejabberd …');
    ejabberd = await startEjabberd({
      dir: join(dataDir, 'ejabberd'),
      hosts: [HOST, SHOPS_HOST],
      ports: { c2s: c2s.port, http: http.port, component: component.port },
      component: { secret: secrets.componentSecret },
      webhook: { url: `${api}/ejabberd/events`, secret: secrets.webhookSecret },
      apiUser: { user: API_USER, password: secrets.apiPassword },
      onUnexpectedEnd(how) {
        if (stopping) return;
        const log = join(process.env.DATA_DIR || 'data', 'ejabberd', 'ejabberd.log');
        console.error(`ejabberd ended (${how}), so everything stops. ${log} may say why.`);
        void stop(1);
      },
    });
    lhc = await startDemoLhc(lhcPort.port, secrets.callbackSecret);
    const demoTenant = {
      id: 'demo',
      host: HOST,
      apiKey: secrets.apiKey,
      callbackUrl: `${lhc.url}/`,
      callbackSecret: secrets.callbackSecret,
      webClient: {
        enabled: true,
        websocket: `ws://127.0.0.1:${http.port}/ws`,
        uploads: `http://127.0.0.1:${http.port}`,
        title: 'Demo',
      },
      files: { uploads: [`http://127.0.0.1:${http.port}/upload/`] },
    };
    writeUnlessEdited(dataDir, 'demo.env', environmentText(ours));
    const written = JSON.stringify([demoTenant], null, 2);
    if (editedText(dataDir, 'tenants.json', written) !== null) sayKept('tenants.json');
    const tenant = firstTenant(writeUnlessEdited(dataDir, 'tenants.json', written)) ?? demoTenant;
    console.log('starting the service …');
    service = startService(settings, process.argv.includes('--watch'));
    await untilReady(api, service);
    service.once('exit', (code, signal) => {
      if (!stopping) {
        const how = signal ?? `exit code ${code}`;
        console.error(
          `the service ended (${how}), so everything stops. "make run" starts it again`,
        );
      }
      void stop(code ?? 1);
    });
    await putOperator(`${api}/v1/${tenant.id}/operators/op1`, ADMIN_TOKEN, {
      lhcUserId: 1,
      name: 'Olga',
      departments: ['sales'],
      password: secrets.operatorPassword,
    });
    const demo: Demo = {
      api,
      adminToken: ADMIN_TOKEN,
      tenant: tenant.id,
      apiKey: tenant.apiKey,
      operator: { jid: operatorOf(tenant), password: secrets.operatorPassword },
      xmpp: ejabberd.xmpp,
      webClient: tenant.webClient?.enabled ? `${api}/operator/${tenant.id}` : null,
      lhc: lhc.url,
    };
    writePrivate(dataDir, 'demo.json', `${JSON.stringify(demo, null, 2)}\n`);
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
