/**
 * The doctor looks at everything that the service needs, and says what to do. Each other file of this folder is a check
 * or something that checks share; `check.ts` says what a check is.
 *
 * Entry point: {@link examine}, for `xmpp-chat doctor` (src/cli/doctor.ts) alone.
 */

import { componentDomain } from '../actors/ids.ts';
import { asUser, userBehindAll } from '../backup/user.ts';
import { type Config, readConfig } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { sqlitePath } from '../eventstore/open.ts';
import { createScanner } from '../files/scanner.ts';
import { version } from '../version.ts';
import { createHttpApi } from '../xmpp/admin/http-api.ts';
import { accountCacheCheck } from './account-cache.ts';
import { callbackCheck, restCheck } from './callbacks.ts';
import { type Check, type Finding, ok, problem, type Result, runChecks, warning } from './check.ts';
import { componentCheck } from './component.ts';
import { diskCheck } from './disk.ts';
import { apiCheck, hostsCheck } from './ejabberd-api.ts';
import { backlogCheck, c2sCheck, connectOnce } from './ejabberd-c2s.ts';
import { createEjabberdReach, needsApi } from './ejabberd-reach.ts';
import { eventStoreCheck } from './event-store.ts';
import { fileModesCheck } from './file-modes.ts';
import { olderModulesCheck } from './older-modules.ts';
import { operatorsCheck } from './operators.ts';
import { redisCheck } from './redis.ts';
import { chatRoomsCheck, roomRightsCheck } from './room-rights.ts';
import { rosterGroupsCheck } from './roster-groups.ts';
import { scannerCheck } from './scanner.ts';
import { type PostingService, serviceCheck, servicePort } from './service.ts';
import { NO_OTHERS, type OtherTenants, otherCallbackCheck, otherTenants } from './tenants.ts';
import { testAccountCheck } from './test-account.ts';
import { createWebhookWatch } from './webhook.ts';
import { type Wire, wireCheck, wireOf, wireTenantCheck, xmlRpcCheck } from './xmppservice.ts';

/** For one call of ejabberd's API. A check makes several within its deadline. */
export const API_DEADLINE_MS = 3_000;
export const MOST_TENANTS = 50;

/** @returns what the checks found. With a wrong configuration: its faults, because the checks need it. */
export async function examine(): Promise<readonly Result[]> {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    if (!(error instanceof AppError) || !Array.isArray(error.details.faults)) throw error;
    const { faults, slips } = error.details as { faults: string[]; slips: string[] }; // readConfig's
    return [...faults.map(faultFinding), ...slips.map(slipFinding)].map(configurationResult);
  }
  const service = servicePort(config);
  const declared = new Set<string>([...config.tenants, ...config.templates].map(({ id }) => id));
  // Without the token nobody makes tenants but templates do.
  const mayHaveOthers = config.adminToken !== undefined || config.templates.length > 0;
  const others = mayHaveOthers ? await otherTenants(service, declared) : NO_OTHERS;
  const results = await asOwner(config, () => runChecks(checksOf(config, service, others)));
  const slips = config.warnings.map(slipFinding);
  const findings = [
    ...judgeTenants(config.tenants.length, others.tenants.length),
    ...others.findings,
    ...slips,
  ];
  return [...findings.map(configurationResult), ...results];
}

/** For root: as the user of the service, so that the findings are true for them and no link leads root elsewhere. */
async function asOwner(
  { dataDir, eventStore }: Config,
  work: () => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  try {
    return await asUser(userBehindAll(dataDir, sqlitePath(eventStore) ?? dataDir), work);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [configurationResult(problem(error.message, 'nothing else was checked'))];
  }
}

const configurationResult = (finding: Finding): Result => ({ check: 'configuration', ...finding });

const faultFinding = (fault: string): Finding =>
  problem(
    fault,
    'correct it in the environment or in .env (docs/configuration.md). The other checks need it',
  );

const slipFinding = (slip: string): Finding =>
  warning(slip, 'correct or remove it (docs/configuration.md)');

/** @param declared by TENANTS_FILE. @param others that the running service has besides */
function judgeTenants(declared: number, others: number): Finding[] {
  const count = declared + others;
  const made = others > 0 ? `, and ${others} made at run time` : '';
  const findings = [ok(`all settings can be read; tenants: ${declared}${made}`)];
  if (count === 0) {
    findings.push(
      warning(
        'TENANTS_FILE names no tenant, and none was made at run time: nobody can use the service, and most checks have nothing to look at',
        'add a tenant (docs/configuration.md) and restart the service, or make one: xmpp-chat tenants put',
      ),
    );
  }
  if (count > MOST_TENANTS) {
    findings.push(
      warning(
        `the last ${count - MOST_TENANTS} tenants were not looked at`,
        `the doctor looks at ${MOST_TENANTS}, those of TENANTS_FILE first: run it with another TENANTS_FILE for the others`,
      ),
    );
  }
  return findings;
}

function checksOf(config: Config, service: PostingService, others: OtherTenants): Check[] {
  const { ejabberd } = config;
  const { apiUser, xmpp, allowPlaintext } = ejabberd;
  const tenants = config.tenants.slice(0, MOST_TENANTS);
  const made = others.tenants.slice(0, MOST_TENANTS - tenants.length);
  const hosts = [...new Set([...tenants, ...made, ...config.templates].map(({ host }) => host))];
  const firstOfHosts = hosts.flatMap((host) => tenants.find((each) => each.host === host) ?? []);
  const webhook = createWebhookWatch(service, { shared: config.sharedLog });
  const api = createHttpApi({
    url: ejabberd.apiUrl,
    user: apiUser,
    password: ejabberd.apiPassword,
    deadlineMs: API_DEADLINE_MS,
  });
  const reach = createEjabberdReach(api, () => connectOnce(xmpp));
  const { xmppConnects } = reach;
  const account = { api, apiUser, xmpp, allowPlaintext, xmppConnects, webhook };
  return [
    diskCheck(config),
    fileModesCheck(config),
    eventStoreCheck(config),
    serviceCheck(service, version, reach),
    apiCheck(api, ejabberd, reach),
    needsApi(reach, hostsCheck(api, hosts)),
    c2sCheck(ejabberd, hosts, reach),
    backlogCheck(xmpp, reach),
    ...componentChecks(config, service, [...tenants, ...made, ...config.templates]),
    ...[...tenants, ...made].map((tenant) => needsApi(reach, rosterGroupsCheck(api, tenant))),
    ...hosts.map((host) => needsApi(reach, chatRoomsCheck(api, apiUser, host))),
    ...wireChecks(config, wireOf(config, service, others.useWire), service, (host) =>
      needsApi(reach, roomRightsCheck(api, ejabberd.apiUser, host)),
    ),
    ...[...tenants, ...made].map((tenant) => needsApi(reach, operatorsCheck(api, service, tenant))),
    ...firstOfHosts.map((tenant) => {
      const uploadTenants = tenants.filter(({ host }) => host === tenant.host);
      return needsApi(reach, testAccountCheck({ ...account, tenant, uploadTenants }));
    }),
    ...firstOfHosts.map((tenant) => needsApi(reach, accountCacheCheck(api, tenant))),
    ...tenants.map((tenant) => {
      const { callbackFlavour, callbackUrl } = tenant;
      const isRest = callbackFlavour === 'rest' && callbackUrl !== undefined;
      return isRest ? restCheck(service, { ...tenant, callbackUrl }) : callbackCheck(tenant);
    }),
    ...made.map((tenant) => otherCallbackCheck(service, tenant)),
    ...(config.redisUrl ? [redisCheck(config.redisUrl)] : []),
    ...(config.fileScanner ? [scannerCheck(createScanner(config.fileScanner))] : []),
  ];
}

/** The check of the listener of components, where a tenant has that transport. */
function componentChecks(
  { ejabberd }: Config,
  service: PostingService,
  tenants: readonly { readonly host: string; readonly transport?: string | undefined }[],
): Check[] {
  const users = tenants.filter(({ transport }) => transport === 'component');
  const domains = [...new Set(users.map(({ host }) => componentDomain(host)))];
  if (!ejabberd.component || domains.length === 0) return [];
  return [componentCheck(ejabberd.component, domains, ejabberd, service)];
}

/** The checks of the xmppservice wire, where somebody uses it. */
function wireChecks(
  config: Config,
  wire: Wire,
  service: PostingService,
  roomRights: (host: string) => Check,
): Check[] {
  const users = wire.users.slice(0, MOST_TENANTS);
  const hosts = [...new Set(users.map(({ host }) => host))];
  const allowed = config.olderModulesFrom.length > 0;
  return [
    wireCheck(wire),
    xmlRpcCheck(wire),
    ...users.map((tenant) => wireTenantCheck(wire, tenant)),
    ...(allowed || hosts.length > 0 ? [olderModulesCheck(service, hosts, allowed)] : []),
    ...(config.xmlRpc.listen ? hosts.map(roomRights) : []),
  ];
}
