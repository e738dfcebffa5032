/** ejabberd's admin API: whether it answers, its release, its hosts, and whether its account may do too much. */
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import type { EjabberdReach } from './ejabberd-reach.ts';

/** The releases that the tests run on, the oldest and the newest at the ends. */
const TESTED = ['23.01', '24.12', '26.07'];
const OLDEST_TESTED = 23.01;
const NEWEST_TESTED = 26.07;
const HOSTS_NAMED = 10;

/**
 * Harmless commands that the service never calls: an account that may call them may call too much. `stop` cannot be
 * tried without stopping ejabberd, because ejabberd looks at the arguments before the rights (tried).
 */
const UNNEEDED_COMMANDS = ['get_loglevel', 'connected_users_number', 'get_cookie'] as const;

type ApiConfig = Pick<Config['ejabberd'], 'apiUrl' | 'apiUser' | 'xmpp'>;

export const apiCheck = (
  api: HttpApi,
  { apiUrl, apiUser, xmpp }: ApiConfig,
  reach: EjabberdReach,
): Check => ({
  name: 'ejabberd api',
  async run(signal) {
    const fault = await reach.apiFault();
    if (fault) {
      const { message, advice } = apiProblem(fault);
      const away = (await reach.isAway()) ? ` Nothing answers at ${xmpp} either` : '';
      return [
        problem(
          `${away ? `${message.replace(/[^.?]$/, '$&.')}${away}` : message}`,
          `${advice}. ${NOT_CHECKED}`,
        ),
      ];
    }
    return [
      judgeVersion(await api.knownVersion()),
      ...judgeAnonymous(await statusWithoutCredentials(apiUrl, signal)),
      judgeRights(apiUser, await unneededRights(api)),
      ...judgeEncryption(apiUrl, "the API's password and the accounts' passwords"),
    ];
  },
});

const NOT_CHECKED = 'Hosts, groups, operators and accounts were not checked';

const ADVICE: Readonly<Record<string, string>> = {
  credentials:
    'set the password with ejabberdctl change_password USER HOST PASSWORD, and EJABBERD_API_PASSWORD to the same',
  rights:
    'allow it in api_permissions, with the other commands of ejabberd/ejabberd.example.yml, then ejabberdctl reload_config',
  unreachable:
    'start ejabberd. Look at its listener with mod_http_api (port, ip) and at the firewall between',
  command:
    'load mod_admin_extra ("modules" of ejabberd/ejabberd.example.yml), then ejabberdctl reload_config',
  answer:
    'set EJABBERD_API_URL to where mod_http_api is in "request_handlers" of its listener, e.g. http://127.0.0.1:5280/api',
};

/** The problem behind a failed call of the API. Other errors are thrown again. */
export function apiProblem(error: unknown): Finding {
  if (!(error instanceof AppError)) throw error;
  const advice = ADVICE[String(error.details.reason)] ?? "ejabberd's log says why";
  return problem(error.message, advice);
}

export function judgeVersion(version: string): Finding {
  const release = Number.parseFloat(version);
  const tested = `the tests run on ${TESTED.join(', ')}`;
  if (release < OLDEST_TESTED) {
    return warning(`ejabberd ${version} is older than the tested releases`, `update it: ${tested}`);
  }
  if (release > NEWEST_TESTED) {
    return warning(
      `ejabberd ${version} is newer than the tested releases`,
      `${tested}. See the other checks, and run npm run test:ejabberd before you rely on it`,
    );
  }
  return ok(`ejabberd ${version} (${tested})`);
}

async function statusWithoutCredentials(apiUrl: string, signal: AbortSignal): Promise<number> {
  const response = await fetch(`${apiUrl.replace(/\/+$/, '')}/status`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    redirect: 'error',
    signal,
  });
  await response.text();
  return response.status;
}

function judgeAnonymous(status: number): Finding[] {
  if (status !== 200) return [];
  return [
    warning(
      'the API answers without credentials: anybody who reaches it from this machine may use it',
      'in api_permissions allow only the service\'s account ("who: access: allow: - acl: api")',
    ),
  ];
}

async function unneededRights(api: HttpApi): Promise<string[]> {
  const allowed: string[] = [];
  for (const command of UNNEEDED_COMMANDS) {
    await api.call(command, {}, z.unknown()).then(
      () => allowed.push(command),
      () => undefined, // not allowed
    );
  }
  return allowed;
}

function judgeRights(user: string, allowed: readonly string[]): Finding {
  if (allowed.length === 0) return ok(`${user} may not call what the service does not need`);
  return warning(
    `${user} may call ${allowed.join(', ')}, which the service never calls. Probably it may also stop ejabberd or delete accounts`,
    'in api_permissions list the commands of ejabberd/ejabberd.example.yml under "what" instead of "*"',
  );
}

/** Warns about a URL over which secrets go to another machine without encryption. */
export function judgeEncryption(url: string, secrets: string): Finding[] {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || isLoopback(hostname)) return [];
  return [
    warning(
      `${secrets} go over the network without encryption (http)`,
      'use https://, or a network that nothing else is on',
    ),
  ];
}

export const isLoopback = (hostname: string): boolean =>
  /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname);

/** Whether ejabberd serves each tenant's host. */
export const hostsCheck = (api: HttpApi, hosts: readonly string[]): Check => ({
  name: 'ejabberd hosts',
  async run() {
    const served = await api
      .call('registered_vhosts', {}, z.array(z.string()))
      .catch((error: unknown) => error);
    if (!Array.isArray(served)) return [judgeUnknownHosts(served)];
    const names = served.slice(0, HOSTS_NAMED).join(', ');
    return hosts.map((host) =>
      served.includes(host)
        ? ok(`it serves ${host}`)
        : problem(
            `ejabberd does not serve ${host}`,
            `add it to "hosts" in ejabberd.yml (it has ${names}), or correct the tenant's "host"`,
          ),
    );
  },
});

/** Without this right the service works: it asks for the hosts only to explain a failure. */
function judgeUnknownHosts(error: unknown): Finding {
  if (!(error instanceof AppError) || error.details.reason !== 'rights') return apiProblem(error);
  return warning(error.message, 'allow it: the service asks for the hosts to explain failures');
}
