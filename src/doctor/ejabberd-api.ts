/** ejabberd's admin API: reachable, which release, which hosts, and how much its account may. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

/** The releases that the tests run on, oldest and newest first. */
const TRIED = ['23.01', '24.12', '26.07'];
const OLDEST = 23.01;
const NEWEST = 26.07;

/**
 * Commands that only read, that the service never calls, and that an account with everything may call. `stop` or
 * `halt` cannot be asked without doing it: ejabberd looks at the arguments before it looks at the rights (tried).
 */
const FOREIGN = ['get_loglevel', 'connected_users_number', 'get_cookie'] as const;

export interface ApiPorts {
  readonly api: HttpApi;
  readonly url: string;
  readonly user: string;
  /** The status that `status` is answered with when no credentials are sent. */
  anonymous(signal: AbortSignal): Promise<number>;
}

export const apiCheck = ({ api, url, user, anonymous }: ApiPorts): Check => ({
  name: 'ejabberd api',
  async run(signal) {
    const version = await api.version().catch((error: unknown) => error);
    if (typeof version !== 'string') return [apiProblem(version)];
    return [
      judgeVersion(version),
      ...(await judgeAnonymous(anonymous, signal)),
      ...(await judgeExcess(api, user)),
      ...judgeUrl(url),
    ];
  },
});

const ADVICE: Readonly<Record<string, string>> = {
  credentials:
    'set the password anew: ejabberdctl change_password USER HOST PASSWORD, and EJABBERD_API_PASSWORD to the same',
  rights:
    'grant it, and the rest of the commands in ejabberd/ejabberd.example.yml, in api_permissions, then ejabberdctl reload_config',
  unreachable:
    'start ejabberd; look at its listener with mod_http_api (port, ip) and at the firewall between',
  command:
    'load mod_admin_extra ("modules" of ejabberd/ejabberd.example.yml), then ejabberdctl reload_config',
  answer:
    'set EJABBERD_API_URL to where mod_http_api is in "request_handlers" of its listener, e.g. http://127.0.0.1:5280/api',
};

/** What a call of the API that failed means. What is no failure of it is thrown on. */
export function apiProblem(error: unknown): Finding {
  if (!(error instanceof AppError)) throw error;
  return problem(
    error.message,
    ADVICE[String(error.details.reason)] ?? "look at ejabberd's log: it says why",
  );
}

export function judgeVersion(version: string): Finding {
  const number = Number.parseFloat(version);
  const tried = `tried are ${TRIED.join(', ')}`;
  if (number < OLDEST) {
    return warning(`ejabberd ${version} is older than what was tried`, `update it: ${tried}`);
  }
  if (number > NEWEST) {
    return warning(
      `ejabberd ${version} is newer than what was tried`,
      `${tried}; run this command's other checks and npm run test:ejabberd before you rely on it`,
    );
  }
  return ok(`ejabberd ${version} (${tried})`);
}

async function judgeAnonymous(
  anonymous: ApiPorts['anonymous'],
  signal: AbortSignal,
): Promise<Finding[]> {
  if ((await anonymous(signal)) !== 200) return [];
  return [
    warning(
      'the API answers without credentials from this machine: whoever can reach it from here may use it',
      'in api_permissions let only the service\'s account in ("who: access: allow: - acl: api")',
    ),
  ];
}

async function judgeExcess(api: HttpApi, user: string): Promise<Finding[]> {
  const allowed: string[] = [];
  for (const command of FOREIGN) {
    const right = await api
      .call(command, {}, z.unknown(), () => false)
      .then(
        (answer) => answer !== false,
        () => false,
      );
    if (right) allowed.push(command);
  }
  if (allowed.length === 0) return [ok(`${user} may not call what the service does not need`)];
  return [
    warning(
      `${user} may call ${allowed.join(', ')}, which the service never does; then probably also stop, halt or destroying accounts`,
      'in api_permissions list the commands of ejabberd/ejabberd.example.yml under "what" instead of "*"',
    ),
  ];
}

function judgeUrl(url: string): Finding[] {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || isLoopback(hostname)) return [];
  return [
    warning(
      "the API's password and the accounts' passwords go over the network in plain (http)",
      'use https:// in EJABBERD_API_URL, or a network that nothing else is on',
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
    if (!Array.isArray(served)) return [unknownHosts(served)];
    return hosts.map((host) =>
      served.includes(host)
        ? ok(`it serves ${host}`)
        : problem(
            `ejabberd does not serve ${host}`,
            `add it to "hosts" in ejabberd.yml (it has ${served.slice(0, 10).join(', ')}), or correct the tenant's "host"`,
          ),
    );
  },
});

/** The service asks for the hosts only to explain a failure: without that right it works, and explains less. */
function unknownHosts(error: unknown): Finding {
  if (!(error instanceof AppError) || error.details.reason !== 'rights') return apiProblem(error);
  return warning(error.message, 'grant it: the service asks for the hosts to say what is wrong');
}
