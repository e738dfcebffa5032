/**
 * A test account on each host does what visitors and operators do: it is made, logs in, sends presence, writes to
 * itself, and is removed, whatever happens in between. On the way each right of the API's account is used.
 *
 * The name `visitor-doctor-…` belongs to nobody: usernames of operators do not begin with `visitor`, and names of
 * visitors begin with `visitor.`. So no fact comes of it and the service does not remove it. While it is logged in it is
 * a member of the operators' group of one tenant of the host. So mod_lhc reports its session, which shows that the signed
 * webhook works. No operator sees it, because operators see visitors only.
 */
import xml, { type Element } from '@xmpp/xml';
import { z } from 'zod';
import { rosterGroups, type TenantNaming } from '../actors/ids.ts';
import { type AppError, messageOf } from '../errors.ts';
import { newId } from '../kit/id.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { sessionError } from '../xmpp/sessions/failure.ts';
import { openStream, type Stream } from '../xmpp/sessions/login-stream.ts';
import { createRights, judgeRights, type Rights, useOtherRights } from './api-rights.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';
import { isWebSocket } from './ejabberd-c2s.ts';
import { isLeftover, nameTestAccount, type TestAccount } from './test-account-name.ts';
import { createUploadProbe, type UploadTenant } from './uploads.ts';
import { waitAtMost } from './wait-at-most.ts';
import type { WebhookWatch } from './webhook.ts';

export const TEST_LOGIN_DEADLINE_MS = 4_000;
export const MESSAGE_DEADLINE_MS = 3_000;
/** A login that takes longer is slow. */
export const LOGIN_WARNING_MS = 2_000;
const CLOSE_DEADLINE_MS = 1_000;
const RESOURCE = 'doctor';
export interface TestAccountOptions {
  /** A tenant of the host. */
  readonly tenant: TenantNaming;
  readonly api: HttpApi;
  /** A full JID. */
  readonly apiUser: string;
  /** EJABBERD_XMPP */
  readonly xmpp: string;
  readonly allowPlaintext: boolean;
  /** True if something accepts connections at `xmpp`. */
  readonly xmppConnects: () => Promise<boolean>;
  /** Sees whether mod_lhc reports the session. */
  readonly webhook: WebhookWatch;
  /** Tenants of the host whose operators may upload files. */
  readonly uploadTenants?: readonly UploadTenant[];
  /** A parameter for the tests. */
  readonly login?: typeof openStream;
}

const Names = z.array(z.string());

export const testAccountCheck = (options: TestAccountOptions): Check => ({
  name: `account ${options.tenant.host}`,
  async run(signal) {
    const { api, apiUser } = options;
    const { host, instance } = options.tenant;
    const account = nameTestAccount(Date.now(), newId().slice(-8), instance);
    const rights = createRights(api);
    try {
      await rights.use('registered_users', { host }, { answer: Names });
    } catch (error) {
      return [apiProblem(error)]; // nothing was made yet
    }
    const findings: Finding[] = [];
    try {
      await rights.use('register', { user: account.user, host, password: account.password });
      if (!rights.missing.has('register')) {
        findings.push(...(await tryAccount(options, account, rights, signal)));
      }
      await useOtherRights(options, account, rights);
    } catch (error) {
      findings.push(apiProblem(error));
    } finally {
      findings.push(...(await removeAccounts(options, account, rights)));
    }
    return [judgeRights(apiUser, rights), ...findings];
  },
});

/** ejabberd's answer without mod_shared_roster, which the check of the groups reports. */
const isWithoutGroups = (status: number): boolean => status === 500;

type Way = 'stream' | 'api';
const WAYS: Readonly<Record<Way, string>> = {
  stream: 'by its own stream',
  api: "by the API's send_stanza",
};

/** Logs in, sends presence, and writes to itself in two ways. Meanwhile mod_lhc has to report the session. */
async function tryAccount(
  options: TestAccountOptions,
  { user, password }: TestAccount,
  rights: Rights,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { tenant, xmpp, allowPlaintext, xmppConnects, webhook, login = openStream } = options;
  const uploadTenants = options.uploadTenants ?? [];
  // The check of the listener says so. It does not look at a WebSocket.
  if (!isWebSocket(xmpp) && !(await xmppConnects())) return [];
  const { host } = tenant;
  const group = rosterGroups(tenant).operators;
  const member = { user, host, group, grouphost: host };
  await rights.use('srg_user_add', member, { expected: isWithoutGroups });
  const reported = await webhook(host);
  const arrived = { stream: Promise.withResolvers<true>(), api: Promise.withResolvers<true>() };
  const from = performance.now();
  let stream: Stream;
  const uploads = createUploadProbe((stanza) => stream.send(stanza));
  try {
    stream = await login(
      {
        service: xmpp,
        domain: host,
        username: user,
        password,
        resource: RESOURCE,
        allowPlaintext,
        loginDeadlineMs: TEST_LOGIN_DEADLINE_MS,
        signal,
      },
      {
        stanza(stanza) {
          uploads.stanza(stanza);
          const { name, attrs } = stanza;
          const { id, type } = attrs;
          if (name !== 'message' || type === 'error') return;
          if (id === 'stream' || id === 'api') arrived[id].resolve(true);
        },
        lost: () => undefined, // what waits has its deadline
      },
    );
  } catch (error) {
    return [judgeLogin(sessionError(`${user}@${host}`, error), xmpp)];
  }
  const loginMs = Math.round(performance.now() - from);
  try {
    const to = stream.jid;
    stream.send(xml('presence'), messageStanza('stream', to));
    const stanza = messageStanza('api', to).toString();
    await rights.use('send_stanza', { from: `${user}@${host}`, to, stanza });
    const ways: Way[] = rights.missing.has('send_stanza') ? ['stream'] : ['stream', 'api'];
    // At the same time: what does not come takes most of the time that the check has.
    const [messages, webhooks, files] = await Promise.all([
      Promise.all(
        ways.map(async (way) =>
          judgeMessage(way, await waitAtMost(arrived[way].promise, MESSAGE_DEADLINE_MS)),
        ),
      ),
      reported(),
      uploadTenants.length > 0 ? uploads.judge(host, uploadTenants) : [],
      rights.use('user_sessions_info', { user, host }),
    ]);
    const reason = 'the doctor is done';
    await rights.use('kick_session', { user, host, resource: RESOURCE, reason });
    return [judgeLoginTime(loginMs), ...messages, ...webhooks, ...files];
  } finally {
    await stream.close(CLOSE_DEADLINE_MS);
  }
}

export function judgeLoginTime(ms: number): Finding {
  if (ms <= LOGIN_WARNING_MS) return ok(`the test account logged in, in ${ms} ms`);
  return warning(
    `a login took ${ms} ms`,
    'look at the load of ejabberd. auth_password_format: scram makes logins five to ten times slower',
  );
}

function judgeLogin(error: AppError, xmpp: string): Finding {
  const consequence = 'Visitors cannot log in either, so operators do not see them';
  return problem(
    `the test account cannot log in: ${error.message.replace(/:\s*$/, '')}`,
    isWebSocket(xmpp)
      ? `compare EJABBERD_XMPP with the listener that has ejabberd_http_ws (port, ip, path). ${consequence}`
      : `see ejabberd c2s above. ${consequence}`,
  );
}

const messageStanza = (id: Way, to: string): Element =>
  xml('message', { id, to, type: 'chat' }, xml('body', {}, 'xmpp-chat doctor'));

function judgeMessage(way: Way, arrived: true | undefined): Finding {
  if (arrived) return ok(`a message to itself ${WAYS[way]} came`);
  return problem(
    `a message to itself ${WAYS[way]} did not come within ${MESSAGE_DEADLINE_MS / 1000} s`,
    "look for a module that drops messages (mod_block_strangers, a spam filter), and at ejabberd's log",
  );
}

/** Removes the test account and the accounts of killed doctors. */
async function removeAccounts(
  { api, tenant }: TestAccountOptions,
  { user }: TestAccount,
  rights: Rights,
): Promise<Finding[]> {
  const { host } = tenant;
  const group = rosterGroups(tenant).operators;
  const byHand = `ejabberdctl unregister ${user} ${host}`;
  try {
    const accounts = await rights.use('registered_users', { host }, { answer: Names });
    const leftovers = (Names.safeParse(accounts).data ?? []).filter((name) =>
      isLeftover(name, Date.now()),
    );
    for (const name of [user, ...leftovers]) {
      const member = { user: name, host, group, grouphost: host };
      await rights.use('srg_user_del', member, { expected: isWithoutGroups });
      await rights.use('unregister', { user: name, host });
    }
    if (rights.missing.has('unregister')) {
      return [
        problem(
          `the test account ${user}@${host} could not be removed`,
          `allow unregister, or remove it by hand: ${byHand}`,
        ),
      ];
    }
    const exists = (await api.call('check_account', { user, host }, z.unknown(), () => 1)) === 0;
    return [
      exists
        ? problem(`${user}@${host} is still there`, `remove it by hand: ${byHand}`)
        : ok('the test account is removed'),
    ];
  } catch (error) {
    return [
      problem(
        `the test account ${user}@${host} may still be there: ${messageOf(error)}`,
        'run the doctor again later: it removes leftovers after 10 minutes',
      ),
    ];
  }
}
