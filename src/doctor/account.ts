/**
 * A test account on each host goes the way that visitors and operators go: made, logged in, present, a message to
 * itself, and gone, whatever happens in between. On the way each right of the API's account is used.
 *
 * Its name, `visitor-doctor-…`, is nobody's: the service takes names that begin with `visitor` for no operator's and
 * this one for no visitor's (they begin with `visitor.`), so no fact comes of it, and no sweep removes it; mod_lhc takes
 * it for an operator's and reports its session, by which its signed webhook is seen working. It is in no roster group.
 */
import xml, { type Element } from '@xmpp/xml';
import { z } from 'zod';
import { AppError, messageOf } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { sessionError } from '../xmpp/sessions/failure.ts';
import type { Stream, StreamHandlers } from '../xmpp/sessions/stream.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';
import { isOld, type Probe, probeName } from './probe-name.ts';
import type { WebhookWatch } from './webhook.ts';
import { within } from './within.ts';

export interface AccountPorts {
  readonly host: string;
  readonly api: HttpApi;
  /** Of the API, a full JID. */
  readonly apiUser: string;
  /** Logins go by a WebSocket, which the check of c2s does not look at. */
  readonly webSocket?: boolean;
  /** ms since 1970 */
  readonly now: () => number;
  readonly random: () => string;
  login(
    account: { readonly username: string; readonly host: string; readonly password: string },
    handlers: StreamHandlers,
    signal: AbortSignal,
  ): Promise<Stream>;
  /** Sees whether mod_lhc reports the session. */
  readonly webhook: WebhookWatch;
}

const any = z.unknown();
const names = z.array(z.string());
/** From there on `srg_create` with a group to display that does not exist makes nothing (tried). */
const CREATES_NOTHING = 24.12;
const MESSAGE_MS = 3_000;

export const accountCheck = (ports: AccountPorts): Check => ({
  name: `account ${ports.host}`,
  run: (signal) => examine(ports, signal),
});

async function examine(ports: AccountPorts, signal: AbortSignal): Promise<Finding[]> {
  const { api, host } = ports;
  const probe = probeName(ports.now(), ports.random());
  const rights = createRights(api);
  try {
    await rights.use('registered_users', { host }, names);
  } catch (error) {
    return [apiProblem(error)]; // nothing was made yet
  }
  const findings: Finding[] = [];
  try {
    await rights.use('register', { user: probe.user, host, password: probe.password });
    if (!rights.missing.includes('register')) {
      findings.push(...(await converse(ports, probe, rights, signal)));
    }
    await tryRest(ports, rights, probe);
  } catch (error) {
    // What was found before counts all the same.
    findings.push(apiProblem(error));
  } finally {
    findings.push(...(await remove(ports, probe, rights)));
  }
  return [judgeRights(ports.apiUser, rights), ...findings];
}

interface Rights {
  readonly missing: string[];
  readonly used: Set<string>;
  /** Notes a right that is missing; anything else that goes wrong is thrown. undefined: not answered. */
  use(
    command: string,
    args: Readonly<Record<string, string>>,
    answer?: z.ZodType,
    passes?: (refusal: { status: number }) => boolean,
  ): Promise<unknown>;
}

function createRights(api: HttpApi): Rights {
  const missing: string[] = [];
  const used = new Set<string>();
  return {
    missing,
    used,
    async use(command, args, answer = any, passes = () => false) {
      used.add(command);
      try {
        return await api.call(command, args, answer, (refusal) =>
          passes(refusal) ? null : undefined,
        );
      } catch (error) {
        if (!(error instanceof AppError) || error.details.reason !== 'rights') throw error;
        if (!missing.includes(command)) missing.push(command);
        return undefined;
      }
    },
  };
}

function judgeRights(user: string, { missing, used }: Rights): Finding {
  if (missing.length === 0) return ok(`${user} may call the ${used.size} commands that were tried`);
  return problem(
    `${user} may not call ${missing.join(', ')}`,
    'add them to "what" of its api_permissions in ejabberd.yml (from 26.07 on also "access_rules: configure: allow" for it), then ejabberdctl reload_config',
  );
}

/** Logged in: presence, a message by its own stream and one by the API, and what mod_lhc makes of it. */
async function converse(
  ports: AccountPorts,
  probe: Probe,
  rights: Rights,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { host, webhook } = ports;
  const jid = `${probe.user}@${host}`;
  const arrived = new Map(['stream', 'api'].map((way) => [way, Promise.withResolvers<number>()]));
  const handlers: StreamHandlers = {
    stanza(stanza) {
      if (stanza.is('message') && stanza.attrs.type !== 'error') {
        arrived.get(stanza.attrs.id ?? '')?.resolve(performance.now());
      }
    },
    lost: () => undefined, // what waits has its deadline
  };
  const before = await webhook.before(host);
  let stream: Stream;
  const from = performance.now();
  try {
    stream = await ports.login(
      { username: probe.user, host, password: probe.password },
      handlers,
      signal,
    );
  } catch (error) {
    return [
      problem(
        `the test account cannot log in: ${messageOf(sessionError(jid, error)).replace(/:\s*$/, '')}`,
        ports.webSocket
          ? 'compare EJABBERD_XMPP with the listener that has ejabberd_http_ws (port, ip, path); visitors cannot log in either, so operators do not see them'
          : 'see c2s above; visitors cannot log in either, so operators do not see them',
      ),
    ];
  }
  try {
    const loggedIn = Math.round(performance.now() - from);
    const findings = [
      loggedIn > 2000
        ? warning(
            `a login took ${loggedIn} ms`,
            'look at the load of ejabberd; auth_password_format: scram makes logins five to ten times slower',
          )
        : ok(`the test account logged in, in ${loggedIn} ms`),
    ];
    stream.send(xml('presence'), message('stream', stream.jid));
    await rights.use('send_stanza', {
      from: jid,
      to: stream.jid,
      stanza: message('api', stream.jid).toString(),
    });
    const ways = [...arrived].filter(
      ([way]) => way !== 'api' || !rights.missing.includes('send_stanza'),
    );
    // All at once: one after the other what does not come would take more time than the check has.
    const [messages, webhooks] = await Promise.all([
      Promise.all(
        ways.map(async ([way, { promise }]) =>
          judgeMessage(way, await within(promise, MESSAGE_MS)),
        ),
      ),
      webhook.after(host, before),
      rights.use('user_sessions_info', { user: probe.user, host }),
    ]);
    findings.push(...messages, ...webhooks);
    await rights.use('kick_session', {
      user: probe.user,
      host,
      resource: 'doctor',
      reason: 'the doctor is done',
    });
    return findings;
  } finally {
    await stream.close(1000);
  }
}

const message = (id: string, to: string): Element =>
  xml('message', { id, to, type: 'chat' }, xml('body', {}, 'xmpp-chat doctor'));

function judgeMessage(way: string, came: number | undefined): Finding {
  const by = way === 'stream' ? 'by its own stream' : "by the API's send_stanza";
  return came === undefined
    ? problem(
        `a message to itself ${by} did not come within ${MESSAGE_MS / 1000} s`,
        "look for a module that drops messages (mod_block_strangers, a spam filter) and at ejabberd's log",
      )
    : ok(`a message to itself ${by} came`);
}

/** The rights that are left, each used so that nothing changes but the test account. */
async function tryRest({ api, host }: AccountPorts, rights: Rights, probe: Probe): Promise<void> {
  const { user, group } = probe;
  await rights.use('check_account', { user, host });
  await rights.use(
    'change_password',
    { user, host, newpass: probe.password },
    any,
    ({ status }) => status === 404,
  );
  await rights.use('set_vcard', { user, host, name: 'NICKNAME', content: 'doctor' });
  // Where it may not be set there is none: 23.01 answers 400, others 404.
  await rights.use(
    'get_vcard',
    { user, host, name: 'NICKNAME' },
    any,
    ({ status }) => status === 404 || status === 400,
  );
  // Members of a group that does not exist are seen by nobody.
  await rights.use('srg_user_add', { user, host, group, grouphost: host });
  await rights.use('srg_user_del', { user, host, group, grouphost: host });
  await rights.use('srg_get_members', { group, host });
  await rights.use('srg_get_info', { group, host });
  await rights.use('srg_list', { host });
  await tryCreate(await api.knownVersion(), rights, host, group);
}

/** Making a group would leave it, for the service has no right to delete one; so it is asked to fail. */
async function tryCreate(
  version: string,
  rights: Rights,
  host: string,
  group: string,
): Promise<void> {
  const nowhere = Number.parseFloat(version) >= CREATES_NOTHING ? host : 'doctor.invalid';
  const args = { group, host: nowhere, label: group, description: '', display: `${group}.none` };
  await rights.use('srg_create', args, any, ({ status }) => status !== 403);
}

/** Whatever happened before; and what a doctor that was killed has left. */
async function remove(ports: AccountPorts, probe: Probe, rights: Rights): Promise<Finding[]> {
  const { api, host } = ports;
  try {
    const accounts = await rights.use('registered_users', { host }, names);
    const left = names.safeParse(accounts).data ?? [];
    const gone = [probe.user, ...left.filter((user) => isOld(user, ports.now()))];
    for (const user of gone) await rights.use('unregister', { user, host });
    if (rights.missing.includes('unregister')) {
      return [
        problem(
          `the test account ${probe.user}@${host} could not be removed`,
          `grant unregister, or remove it by hand: ejabberdctl unregister ${probe.user} ${host}`,
        ),
      ];
    }
    const still = await api.call('check_account', { user: probe.user, host }, any, () => 1);
    return still === 0
      ? [
          problem(
            `${probe.user}@${host} is still there`,
            `ejabberdctl unregister ${probe.user} ${host}`,
          ),
        ]
      : [ok('the test account is gone again')];
  } catch (error) {
    return [
      problem(
        `the test account ${probe.user}@${host} may still be there: ${messageOf(error)}`,
        'run the doctor again later: it removes what is left after 10 minutes',
      ),
    ];
  }
}
