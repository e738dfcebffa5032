/**
 * The xmppservice wire (docs/xmppservice.md): whether the running service answers LHC's calls, and whose. All calls of these
 * checks change nothing.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { rosterGroups } from '../actors/ids.ts';
import {
  ANY_INSTANCE,
  type TenantSettings,
  type TenantTemplate,
} from '../actors/tenant/settings.ts';
import type { Config } from '../config/config.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import type { ServicePort } from './service.ts';
import { type WireAnswer, type WireListener, wireListener } from './wire-listener.ts';

type WireSettings = Pick<TenantSettings, 'routing' | 'legacySecret' | 'callbackFlavour'>;

/** True if the tenant's LHC has the xmppservice extension, as far as the settings tell. */
export const usesWire = ({ routing, legacySecret, callbackFlavour }: WireSettings): boolean =>
  routing.by === 'lhc' || legacySecret !== undefined || callbackFlavour === 'xmppservice';

/** What the checks of the wire have in common. */
export interface Wire {
  readonly service: Pick<ServicePort, 'get'>;
  /** LEGACY_LISTEN; null if it is closed. */
  readonly api: WireListener | null;
  /** XMLRPC_LISTEN; null if it is closed. */
  readonly xmlRpc: WireListener | null;
  /** LEGACY_SECRET_KEY */
  readonly secretKey: string | undefined;
  /** XMLRPC_PASSWORD */
  readonly rpcPassword: string | undefined;
  /** Tenants and templates that use the wire. */
  readonly users: readonly (TenantSettings | TenantTemplate)[];
  /** Whether others use it, that were made at run time. */
  readonly hasOtherUsers: boolean;
}

/** Without the service there is nothing to find: the check `service` says so. */
async function runs({ service }: Wire): Promise<boolean> {
  const health = await service.get('/healthz');
  return health !== null && health !== 'silent' && health.status === 200;
}

const namesOf = (users: Wire['users']): string => users.map(({ id }) => id).join(', ');
const givenOut = ({ users }: Wire) => users.filter(({ routing }) => routing.by === 'lhc');

/** The path that asks whether a group is there: it is answered from memory. */
const HARMLESS = '/xmpp-does-shared-roaster-exists';
const groupCall = (host: string, group: string, key: string): string =>
  JSON.stringify({ group, host, secret_key: key });

const nobodyAt = (url: string, setting: string): Finding =>
  problem(
    `nobody answers LHC at ${url}`,
    `restart the service if ${setting} was changed. Its log says at "ready" where it listens`,
  );

const anotherProgram = (url: string, { poweredBy }: WireAnswer): Finding =>
  problem(
    `the program at ${url} is not this service${poweredBy ? ` (${poweredBy}): probably LHC's old Node server` : ''}`,
    'end that program, or give the service another port and LHC the new address (docs/migration.md)',
  );

/** Whether the listener for LHC's calls answers, and refuses who has no key. */
export const wireCheck = (wire: Wire): Check => ({
  name: 'xmppservice wire',
  async run() {
    const { api, users, hasOtherUsers } = wire;
    if (!api) {
      const closed = givenOut(wire);
      if (closed.length === 0) return [];
      return [
        problem(
          `LEGACY_LISTEN is closed, and the LHC of ${namesOf(closed)} has nobody to call`,
          'set LEGACY_LISTEN, for example to 127.0.0.1:4567, and restart the service',
        ),
      ];
    }
    if (!(await runs(wire))) return [];
    const front = await api.ask('/');
    if (!front) return [nobodyAt(api.url, 'LEGACY_LISTEN')];
    if (front.text !== 'ok' || front.poweredBy) return [anotherProgram(api.url, front)];
    const host = users[0]?.host ?? 'localhost';
    const stranger = groupCall(host, 'visitors', randomBytes(24).toString('hex'));
    const refused = await api.ask(HARMLESS, stranger);
    if (!refused) return [nobodyAt(api.url, 'LEGACY_LISTEN')];
    if (refused.status !== 403) return [anotherProgram(api.url, refused)];
    return [
      ok(`LHC's calls are answered at ${api.url}, and a wrong key gets 403`),
      ...(users.length === 0 && !hasOtherUsers ? [NO_USERS] : []),
    ];
  },
});

const NO_USERS = warning(
  'the listener is open, and no tenant uses it',
  'give the tenant "routing": { "by": "lhc" } and "callbackFlavour": "xmppservice", or set LEGACY_LISTEN=off',
);

const Outcome = z.object({ error: z.boolean(), msg: z.string() });

/** Whether a tenant's LHC has a key that is taken, and the settings fit each other. */
export const wireTenantCheck = (wire: Wire, tenant: Wire['users'][number]): Check => ({
  name: `xmppservice ${tenant.id}`,
  async run() {
    const { api, secretKey } = wire;
    const key = tenant.legacySecret ?? secretKey;
    const findings = judgeSettings(tenant, api !== null);
    if (key === undefined) return [...(isCalled(tenant, api) ? [NO_KEY] : []), ...findings];
    // The instances of a template have its key, and none of them has to be there.
    if (!api || isTemplate(tenant) || !(await runs(wire))) return findings;
    const { visitors } = rosterGroups(tenant);
    const answer = await api.ask(HARMLESS, groupCall(tenant.host, visitors, key));
    return [...(answer ? [judgeCall(answer)] : []), ...findings];
  },
});

const isCalled = ({ routing, legacySecret }: WireSettings, api: WireListener | null): boolean =>
  routing.by === 'lhc' || (api !== null && legacySecret !== undefined);

const isTemplate = (tenant: Wire['users'][number]): tenant is TenantTemplate =>
  tenant.instance === ANY_INSTANCE;

const NO_KEY = problem(
  'no key serves this tenant: each call of its LHC is answered with 403, and LHC tells nobody',
  'set legacySecret of the tenant, or LEGACY_SECRET_KEY for all, to the secret_key in settings.ini.php of its xmppservice extension',
);

function judgeCall({ status, text }: WireAnswer): Finding {
  if (status === 403) {
    return problem(
      "the running service does not take this tenant's key",
      'restart the service: LEGACY_SECRET_KEY or legacySecret was changed',
    );
  }
  let outcome: unknown;
  try {
    outcome = JSON.parse(text);
  } catch {
    outcome = null; // not the service's
  }
  const { data } = Outcome.safeParse(outcome);
  if (data && !data.error) return ok('calls of its LHC are taken');
  return problem(
    `calls of its LHC are refused: ${data?.msg ?? `the answer was ${status}`}`,
    'restart the service if TENANTS_FILE was changed',
  );
}

function judgeSettings(
  { routing, callbackFlavour, callbackUrl }: Wire['users'][number],
  isOpen: boolean,
): Finding[] {
  const findings: Finding[] = [];
  if (routing.by === 'lhc' && callbackUrl && callbackFlavour === 'native') {
    findings.push(
      warning(
        'its LHC calls on the xmppservice wire and gets callbacks in the native form, which the extension does not understand',
        'set "callbackFlavour": "xmppservice" of the tenant, and callbackUrl to the address of LHC',
      ),
    );
  }
  if (routing.by !== 'lhc' && isOpen) {
    findings.push(
      warning(
        "its LHC may pick operators, and the service's own routing picks them too",
        'set "routing": { "by": "lhc" } of the tenant, if its LHC has the xmppservice extension',
      ),
    );
  }
  return findings;
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (character) => `&#${character.codePointAt(0)};`);
const structXml = (members: Readonly<Record<string, string>>): string =>
  `<param><value><struct>${Object.entries(members)
    .map(
      ([name, text]) =>
        `<member><name>${name}</name><value><string>${escaped(text)}</string></value></member>`,
    )
    .join('')}</struct></value></param>`;

/** A question about the sessions of somebody who is no visitor. */
const sessionsCall = (host: string, password: string): string =>
  `<?xml version="1.0"?><methodCall><methodName>user_sessions_info</methodName><params>${structXml({
    user: 'doctor',
    server: host,
    password,
  })}${structXml({ user: 'doctor', host })}</params></methodCall>`;

/** Whether the listener for XML-RPC takes LHC's password. */
export const xmlRpcCheck = (wire: Wire): Check => ({
  name: 'xml-rpc',
  async run() {
    const { xmlRpc, rpcPassword } = wire;
    const callers = givenOut(wire);
    if (!xmlRpc) {
      if (callers.length === 0) return [];
      return [
        problem(
          `XMLRPC_LISTEN is closed. If nobody else answers LHC's XML-RPC, no message of a waiting chat of ${namesOf(callers)} reaches an operator`,
          'set XMLRPC_LISTEN, for example to 127.0.0.1:4560, and rpc_server of LHC to it',
        ),
      ];
    }
    if (rpcPassword === undefined) return [NO_RPC_PASSWORD];
    const host = wire.users[0]?.host;
    if (host === undefined || !(await runs(wire))) return [];
    const stranger = await xmlRpc.ask('/', sessionsCall(host, randomBytes(24).toString('hex')));
    if (!stranger) return [nobodyAt(xmlRpc.url, 'XMLRPC_LISTEN')];
    // Only the service names its own setting.
    if (!stranger.text.includes('XMLRPC_PASSWORD')) return [notOurRpc(xmlRpc.url)];
    const answer = await xmlRpc.ask('/', sessionsCall(host, rpcPassword));
    if (!answer) return [nobodyAt(xmlRpc.url, 'XMLRPC_LISTEN')];
    if (answer.text.includes('sessions_info')) {
      return [ok(`LHC's XML-RPC is answered at ${xmlRpc.url}, and a wrong password gets a fault`)];
    }
    return [
      problem(
        'the running service does not take XMLRPC_PASSWORD, so each call of LHC gets a fault',
        'restart the service if XMLRPC_PASSWORD or TENANTS_FILE was changed',
      ),
    ];
  },
});

const NO_RPC_PASSWORD = problem(
  'XMLRPC_PASSWORD is not set: each call of XML-RPC gets a fault, and no message of a waiting chat reaches an operator',
  'set it to rpc_password in settings.ini.php of the xmppservice extension',
);

const notOurRpc = (url: string): Finding =>
  problem(
    `the program at ${url} is not this service: probably ejabberd's own ejabberd_xmlrpc`,
    'move that listener of ejabberd to another port, or set XMLRPC_LISTEN to another one and rpc_server of LHC to it',
  );

/** @returns the wire as the configuration has it */
export function wireOf(
  { xmppservice, xmlRpc, tenants, templates }: Config,
  service: ServicePort,
  hasOtherUsers: boolean,
): Wire {
  return {
    service,
    api: xmppservice.listen && wireListener(xmppservice.listen, 'application/json'),
    xmlRpc: xmlRpc.listen && wireListener(xmlRpc.listen, 'text/xml'),
    secretKey: xmppservice.secretKey,
    rpcPassword: xmlRpc.password,
    users: [...tenants, ...templates].filter(usesWire),
    hasOtherUsers,
  };
}
