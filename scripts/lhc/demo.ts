/**
 * `make demo-lhc LHC_DIR=…`: a real LHC with the extension, a private ejabberd with mod_lhc, the service, and a shop's page
 * with LHC's widget. A person is the visitor in a browser and the operator in an XMPP client. It writes below
 * `DATA_DIR/lhc` only, and a later run goes on with what is there.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AppError, messageOf } from '../../src/errors.ts';
import { lockExclusively } from '../../src/sqlite/lock.ts';
import { listenOf, portOf, requireFree } from '../demo-ports.ts';
import { type DemoSecrets, loadDemoSecrets } from '../demo-secrets.ts';
import {
  environmentText,
  putOperator,
  startService,
  stopService,
  untilReady,
} from '../demo-service.ts';
import { writePrivate } from '../generated-files.ts';
import { type Ejabberd, startEjabberd } from '../private-ejabberd.ts';
import { findCheckout } from './checkout.ts';
import { type Lhc, startLhc } from './real-lhc.ts';

const COMMAND = 'make demo-lhc LHC_DIR=…';
const HOST = 'localhost';
const API_USER = 'xmpp-chat-api';
const TENANT = 'demo';
const DEPARTMENTS = ['Sales', 'Support'];
const OPERATOR = { username: 'olga', name: 'Olga', departments: ['Sales'] };
/** As an administrator's crontab does. */
const CRON_EVERY_MS = 60_000;
const folder = join(process.env.DATA_DIR || './data', 'lhc');
const dir = resolve(folder);

/** Runs LHC's cron and the extension's, each minute and one run at a time. @returns ends it */
function startCron(lhc: Lhc): () => void {
  const files: readonly [string, string?, string?][] = [['workflow'], ['outbox', 'xmppchat', '55']];
  const running = new Set<string>();
  let ended = false;
  function tick(): void {
    for (const [name, extension, argument] of files) {
      if (running.has(name)) continue;
      running.add(name);
      lhc
        .cron(name, extension, argument)
        .catch((error: unknown) => {
          // Ctrl-C ends PHP as well.
          if (!ended) console.error(`cron ${name}: ${messageOf(error)}`);
        })
        .finally(() => running.delete(name));
    }
  }
  tick();
  const timer = setInterval(tick, CRON_EVERY_MS);
  return () => {
    ended = true;
    clearInterval(timer);
  };
}

interface Printed {
  readonly lhc: Lhc;
  readonly api: string;
  readonly xmpp: string;
  readonly secrets: DemoSecrets;
}

function printDemo({ lhc, api, xmpp, secrets }: Printed): void {
  const port = new URL(xmpp).port;
  const { username, password } = lhc.operator(OPERATOR.username);
  console.log(`
  The operator   ${OPERATOR.username}@${HOST}, password ${secrets.operatorPassword}
                 Log in with Gajim: "Add Account", this address and password, then "Advanced Settings":
                 "Custom Hostname" 127.0.0.1, port ${port}, type "Plain" (without TLS, on this machine only)
                 or in a browser: ${api}/operator/${TENANT}, username ${OPERATOR.username}
  The visitor    ${lhc.shop} is a shop with LHC's widget. Open it in a browser:
                 a contact appears in Gajim. Write to it, or begin a chat in the widget and answer in Gajim
  LHC ${lhc.release}        ${lhc.url}/site_admin/ as admin, password ${lhc.admin.password}
                 or as ${username}, password ${password}
                 Modules → XMPP chat has the extension's pages
  The service    ${api}/docs is its API, tenant ${TENANT}, API key ${secrets.apiKey}
                 npx node --env-file=${join(folder, 'demo.env')} src/cli.ts doctor
  Logs           ${join(folder, 'site/log/php.log')}, ${join(folder, 'ejabberd', 'ejabberd.log')}; the service's are here
  Ctrl-C         stops everything. ${folder} keeps the data; remove it to begin anew
`);
}

async function run(lhcDir: string): Promise<void> {
  await findCheckout(lhcDir);
  mkdirSync(dir, { recursive: true });
  // As in `make run`: the lock ends with this process, or when nothing refers to it any more.
  const unlock = lockExclusively(
    join(dir, 'demo.lock'),
    `${COMMAND} already runs on ${folder}. For a second one set DATA_DIR to another folder; it then says which ports to change`,
  );
  const c2s = portOf('DEMO_XMPP_PORT', 5222);
  const http = portOf('DEMO_EJABBERD_HTTP_PORT', 5280);
  const web = portOf('DEMO_LHC_PORT', 8091);
  const shop = portOf('DEMO_SHOP_PORT', 8092);
  const listen = process.env.LISTEN || '127.0.0.1:8090';
  await requireFree([listenOf(listen), c2s, http, web, shop], COMMAND);
  const secrets = loadDemoSecrets(dir, 'secrets.json');
  const api = `http://${listen}`;

  let ejabberd: Ejabberd | undefined;
  let lhc: Lhc | undefined;
  let service: ChildProcess | undefined;
  let stopCron = () => {};
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    console.log('stopping …');
    stopCron();
    if (service) await stopService(service);
    await ejabberd?.stop();
    await lhc?.stop();
    unlock();
    process.exit(code);
  };
  const ended = (what: string, how: string): void => {
    if (stopping) return;
    console.error(`${what} ended (${how}), so everything stops. ${COMMAND} starts it again`);
    void stop(1);
  };
  process.once('SIGINT', () => void stop(0));
  process.once('SIGTERM', () => void stop(0));

  try {
    lhc = await startLhc({
      lhcDir,
      dir: join(dir, 'site'),
      ports: { web: web.port, shop: shop.port },
      departments: DEPARTMENTS,
      operators: [OPERATOR],
      extension: {
        settings: {
          enabled: '1',
          serviceUrl: api,
          tenant: TENANT,
          apiKey: secrets.apiKey,
          callbackSecret: secrets.callbackSecret,
          // Cron has no host name to go by, and a message's link to a file needs one.
          lhcAddress: `http://127.0.0.1:${web.port}`,
          shareTyping: '1',
        },
      },
      say: (what) => console.log(what),
      onUnexpectedEnd: ended,
    });
    console.log('starting ejabberd …');
    ejabberd = await startEjabberd({
      dir: join(dir, 'ejabberd'),
      hosts: [HOST],
      ports: { c2s: c2s.port, http: http.port },
      webhook: { url: `${api}/ejabberd/events`, secret: secrets.webhookSecret },
      apiUser: { user: API_USER, password: secrets.apiPassword },
      onUnexpectedEnd: (how) => ended('ejabberd', how),
    });
    const tenant = {
      id: TENANT,
      host: HOST,
      apiKey: secrets.apiKey,
      callbackUrl: `${lhc.url}/xmppchat/callback`,
      callbackSecret: secrets.callbackSecret,
      webClient: {
        enabled: true,
        websocket: `ws://127.0.0.1:${http.port}/ws`,
        uploads: `http://127.0.0.1:${http.port}`,
        title: 'Demo',
      },
      files: { uploads: [`http://127.0.0.1:${http.port}/upload/`] },
    };
    writePrivate(dir, 'tenants.json', JSON.stringify([tenant], null, 2));
    const settings = {
      LISTEN: listen,
      DATA_DIR: join(dir, 'service'),
      ADMIN_TOKEN: secrets.adminToken,
      EJABBERD_API_URL: ejabberd.apiUrl,
      EJABBERD_API_USER: ejabberd.api.user,
      EJABBERD_API_PASSWORD: ejabberd.api.password,
      EJABBERD_XMPP: ejabberd.xmpp,
      EJABBERD_WEBHOOK_SECRET: secrets.webhookSecret,
      TENANTS_FILE: join(dir, 'tenants.json'),
    };
    writePrivate(dir, 'demo.env', environmentText(settings));
    console.log('starting the service …');
    service = startService(settings);
    await untilReady(api, service);
    service.once('exit', (code, signal) => ended('the service', signal ?? `exit code ${code}`));
    await putOperator(`${api}/v1/${TENANT}/operators/${OPERATOR.username}`, secrets.adminToken, {
      lhcUserId: lhc.operator(OPERATOR.username).id,
      name: OPERATOR.name,
      departments: OPERATOR.departments,
      password: secrets.operatorPassword,
    });
    // As the button "Use this account" of the tab at a user does.
    await lhc.sql(
      "INSERT IGNORE INTO lhc_xmppchat_account (user_id, username, state, error, updated_at) VALUES (?, ?, 'active', '', 0)",
      [lhc.operator(OPERATOR.username).id, OPERATOR.username],
    );
    stopCron = startCron(lhc);
    printDemo({ lhc, api, xmpp: ejabberd.xmpp, secrets });
  } catch (error) {
    console.error(error instanceof AppError ? error.message : error);
    await stop(1);
  }
}

try {
  const { LHC_DIR } = process.env;
  if (!LHC_DIR) {
    throw new AppError(
      'invalid',
      'LHC_DIR has to name a checkout of Live Helper Chat. It is only read. For example:\n' +
        '  git clone --depth 1 https://github.com/LiveHelperChat/livehelperchat.git ../livehelperchat\n' +
        '  make demo-lhc LHC_DIR=../livehelperchat',
    );
  }
  await run(LHC_DIR);
} catch (error) {
  console.error(error instanceof AppError ? error.message : error);
  process.exit(1);
}
