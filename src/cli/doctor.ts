/** `xmpp-chat doctor`: looks at everything that the service needs, and says what to do. */
import { Command } from 'commander';
import { type Config, readConfig } from '../config.ts';
import { accountCheck } from '../doctor/account.ts';
import { backlogCheck, c2sCheck } from '../doctor/c2s.ts';
import { callbackCheck } from '../doctor/callbacks.ts';
import { type Check, type Result, runChecks } from '../doctor/check.ts';
import { diskCheck } from '../doctor/disk.ts';
import { apiCheck, hostsCheck } from '../doctor/ejabberd-api.ts';
import { groupsCheck } from '../doctor/groups.ts';
import { reportOf, textOf } from '../doctor/report.ts';
import { serviceCheck } from '../doctor/service.ts';
import { storeCheck } from '../doctor/store.ts';
import { probeStream } from '../doctor/stream-probe.ts';
import { createWebhookWatch } from '../doctor/webhook.ts';
import { AppError } from '../errors.ts';
import { newId } from '../kit/id.ts';
import { version } from '../version.ts';
import { createHttpApi } from '../xmpp/admin/http-api.ts';
import {
  connectsTo,
  deliverWith,
  diskOf,
  loginTo,
  openStore,
  opensSealed,
  servicePort,
  withoutCredentials,
} from './doctor-ports.ts';

const DEADLINE_MS = 5_000;
/** For one call of the API: several fit into the deadline of a check. */
const CALL_MS = 3_000;
/** For what one host is offered; a port that is silent is then told apart from a slow doctor. */
const PROBE_MS = 3_000;
/** Hosts that a test account is made on, and tenants whose groups and callbacks are looked at. */
const MOST = 50;

/** Every check that this configuration asks for. */
function checksOf(config: Config): Check[] {
  const { ejabberd, tenants } = config;
  const some = tenants.slice(0, MOST);
  const hosts = [...new Set(some.map(({ host }) => host))];
  const service = servicePort(config);
  const now = Date.now;
  const api = createHttpApi({
    url: ejabberd.apiUrl,
    user: ejabberd.apiUser,
    password: ejabberd.apiPassword,
    deadlineMs: CALL_MS,
  });
  const webhook = createWebhookWatch(service, { shared: config.sharedLog });
  const { xmpp, allowPlaintext } = ejabberd;
  const ports = { deliver: deliverWith(now), now, newId };
  return [
    diskCheck(diskOf(config)),
    storeCheck({ open: () => openStore(config), opens: opensSealed(config), now }),
    serviceCheck(service, version),
    apiCheck({
      api,
      url: ejabberd.apiUrl,
      user: ejabberd.apiUser,
      anonymous: withoutCredentials(ejabberd.apiUrl),
    }),
    hostsCheck(api, hosts),
    c2sCheck({
      service: xmpp,
      allowPlaintext,
      hosts,
      now,
      probe: (host, signal) =>
        probeStream(xmpp, host, AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)])),
    }),
    backlogCheck(connectsTo(xmpp)),
    ...some.map((tenant) => groupsCheck(api, tenant)),
    ...hosts.map((host) =>
      accountCheck({
        host,
        api,
        apiUser: ejabberd.apiUser,
        now,
        webhook,
        random: () => newId().slice(-8),
        login: loginTo(xmpp, allowPlaintext),
        webSocket: /^wss?:/.test(xmpp),
      }),
    ),
    ...some.map((tenant) => callbackCheck(tenant, ports)),
  ];
}

/** The configuration's faults, or what the checks found. */
async function examine(): Promise<readonly Result[]> {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    if (!(error instanceof AppError) || !Array.isArray(error.details.faults)) throw error;
    return error.details.faults.map((fault: string) => ({
      check: 'configuration',
      status: 'problem',
      message: fault,
      advice:
        'correct it in the environment or .env (docs/operations.md, Configuration); the other checks need it',
    }));
  }
  const left = config.tenants.length - MOST;
  const results = await runChecks(checksOf(config), { deadlineMs: DEADLINE_MS });
  const configured: Result = {
    check: 'configuration',
    status: 'ok',
    message: `every setting can be read; ${config.tenants.length} tenants`,
  };
  const unseen: Result = {
    check: 'configuration',
    status: 'warning',
    message: `the last ${left} tenants were not looked at`,
    advice: `the doctor looks at ${MOST}: name fewer in another TENANTS_FILE`,
  };
  const nobody: Result = {
    check: 'configuration',
    status: 'warning',
    message: 'TENANTS_FILE names no tenant: nobody can use the service, and little can be checked',
    advice: 'add one (docs/operations.md, Configuration), and restart the service',
  };
  return [
    configured,
    ...(config.tenants.length === 0 ? [nobody] : []),
    ...(left > 0 ? [unseen] : []),
    ...results,
  ];
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Check ejabberd, mod_lhc, LHC, clocks, disk and the running service, and say what to do; 1 when there is a problem',
    )
    .option('--json', 'for machines', false)
    .action(async ({ json }: { readonly json: boolean }) => {
      const report = reportOf(await examine());
      console.log(json ? JSON.stringify(report, null, 2) : textOf(report));
      if (report.status === 'problem') process.exitCode = 1;
    });
}
