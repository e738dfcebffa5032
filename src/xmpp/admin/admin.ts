/**
 * ejabberd's admin API as the service uses it, over mod_http_api. Measured on 23.01, 24.12 and 26.07.
 * `http-api.ts` calls a command, `groups.ts` has the shared roster groups, `avatar.ts` draws visitors' pictures.
 */
import type { Element } from '@xmpp/xml';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { xmlText } from '../../kit/xml-text.ts';
import { bareJid, splitJid } from '../jid.ts';
import type { EjabberdAdmin } from '../port.ts';
import {
  acknowledgementStanza,
  chatStateStanza,
  messageStanza,
  returnedStanza,
  vcardStanza,
} from '../stanzas.ts';
import { avatarOf } from './avatar.ts';
import { createGroups } from './groups.ts';
import { type ApiOptions, createHttpApi, type HttpApi } from './http-api.ts';
import type { Refusal } from './refusal.ts';

const DONE = z.literal(0);
/** `check_account`: 0 the account exists, 1 it does not. */
const ZERO_OR_ONE = z.union([z.literal(0), z.literal(1)]);
const VCARD_FIELD = z.object({ content: z.string() }).transform(({ content }) => content);
/** A contact in several groups has an entry for each (measured on 23.01). */
const CONTACTS = z.array(z.object({ jid: z.string() }));
const NAMES = z.array(z.string());
const SESSIONS = z.array(
  z.object({
    resource: z.string(),
    status: z.string(),
    statustext: z.string(),
    priority: z.number(),
  }),
);

/**
 * A client of one ejabberd. It never retries: only the caller knows whether the call is still needed.
 * @throws {AppError} from every call. `unavailable`: ejabberd is away, wrongly configured, or did not do what it
 * reported. `refused`: the arguments are wrong (a host that ejabberd does not serve, a malformed name). `not-found`
 */
export function createEjabberdAdmin(options: ApiOptions): EjabberdAdmin {
  const api = createHttpApi(options);
  const groups = createGroups(api);
  const at = async <T>(jid: string, call: (user: string, host: string) => Promise<T>) => {
    const { user, host } = splitJid(jid);
    return atHost(api, host, () => call(user, host));
  };
  const sendStanza = async (from: string, to: string, stanza: Element): Promise<void> => {
    await at(from, () => api.call('send_stanza', { from, to, stanza: stanza.toString() }, DONE));
  };
  const accountExists = async (jid: string): Promise<boolean> => {
    const call = (user: string, host: string) =>
      api.call('check_account', { user, host }, ZERO_OR_ONE);
    return (await at(jid, call)) === 0;
  };

  return {
    version: () => api.version(),
    register: (jid, password) => at(jid, (user, host) => register(api, user, host, password)),
    async unregister(jid) {
      await at(jid, (user, host) => api.call('unregister', { user, host }, z.string()));
      // ejabberd answers 200 whatever happened.
      if (await accountExists(jid)) {
        throw new AppError('unavailable', `ejabberd did not remove the account ${jid}.`, {
          part: 'ejabberd',
        });
      }
    },
    accountExists,
    changePassword: (jid, password) =>
      at(jid, (user, host) => changePassword(api, user, host, password)),
    setNickname: (jid, nickname) => at(jid, (user, host) => setNickname(api, user, host, nickname)),
    async setVisitorCard(jid, name) {
      // Reading costs ejabberd 0.5 ms, writing 1.2 ms, or 2.3 ms with a copy for PEP. Each write also makes ejabberd
      // send the presence again if the visitor is logged in. Any refusal means that there is no name yet.
      const current = await at(jid, (user, host) =>
        api.call('get_vcard', { user, host, name: 'NICKNAME' }, VCARD_FIELD, () => ''),
      );
      if (current === xmlText(name)) return false;
      const { user, host } = splitJid(jid);
      const own = `${user}@${host}`;
      // One stanza in the visitor's name. `set_vcard2` would write once for each field.
      await sendStanza(own, own, vcardStanza(own, { name, png: avatarOf(own) }));
      return true;
    },

    ensureGroups: (host, names) => atHost(api, host, () => groups.ensureGroups(host, names)),
    groupsFault: (host, names) => atHost(api, host, () => groups.groupsFault(host, names)),
    deleteGroup: (host, group) => atHost(api, host, () => groups.deleteGroup(host, group)),
    groupMark: (host, group) => atHost(api, host, () => groups.groupMark(host, group)),
    markGroup: (host, names, mark) => atHost(api, host, () => groups.markGroup(host, names, mark)),
    joinGroup: (jid, group) => at(jid, () => groups.joinGroup(jid, group)),
    leaveGroup: (jid, group) => at(jid, () => groups.leaveGroup(jid, group)),
    groupMembers: (host, group) => atHost(api, host, () => groups.groupMembers(host, group)),
    accounts: (host, take) =>
      atHost(api, host, () => api.names('registered_users', { host }, take)),

    async rosterContacts(jid) {
      const contacts = await at(jid, (user, host) =>
        api.call('get_roster', { user, host }, CONTACTS),
      );
      return [...new Set(contacts.map(({ jid: contact }) => bareJid(contact)))];
    },
    async removeContact(jid, contact) {
      const { user, host } = splitJid(contact);
      await at(jid, (localuser, localhost) =>
        api.call('delete_rosteritem', { localuser, localhost, user, host }, DONE),
      );
    },

    async sessions(jid) {
      const sessions = await at(jid, (user, host) =>
        api.call('user_sessions_info', { user, host }, SESSIONS),
      );
      return sessions.map(({ resource, status, statustext, priority }) => ({
        resource,
        show: status,
        status: statustext,
        priority,
      }));
    },
    async kick(jid, resource, reason) {
      await at(jid, (user, host) =>
        api.call('kick_session', { user, host, resource, reason }, DONE),
      );
    },

    sendMessage: (message) => sendStanza(message.from, message.to, messageStanza(message)),
    sendChatState: (from, to, state) => sendStanza(from, to, chatStateStanza(from, to, state)),
    returnMessage: (message) => sendStanza(message.from, message.to, returnedStanza(message)),
    sendAcknowledgement: (from, to, what, id) =>
      sendStanza(from, to, acknowledgementStanza(from, to, what, id)),
  };
}

/**
 * Runs a call about a host, and says if that host is the cause of its failure. ejabberd refuses an unknown host in many
 * ways: 500 with a code, 400, an empty answer, or (26.07) 403 as if a right were missing. So after a failure this asks
 * for the list of hosts.
 */
async function atHost<T>(api: HttpApi, host: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof AppError) || error.details.status === undefined) throw error;
    if (error.details.reason === 'credentials') throw error;
    const hosts = await api.call('registered_vhosts', {}, NAMES).catch(() => undefined);
    if (hosts === undefined || hosts.includes(host)) throw error;
    throw new AppError(
      'refused',
      `ejabberd does not serve the host ${host}: add it to "hosts" in ejabberd.yml, or correct the host of the tenant (over HTTP: remove the tenant, and make it anew)`,
      {
        host,
        reason: 'unserved host',
        part: 'ejabberd',
        publicMessage: "ejabberd does not serve the tenant's host",
      },
      { cause: error },
    );
  }
}

function register(
  api: HttpApi,
  user: string,
  host: string,
  password: string,
): Promise<'created' | 'exists'> {
  return api.call(
    'register',
    { user, host, password },
    z.string().transform(() => 'created' as const),
    (refusal) => {
      if (refusal.status === 409) return 'exists' as const;
      const error = registrationError(refusal, `${user}@${host}`);
      if (error) throw error;
      return undefined;
    },
  );
}

const passwordRefused = (): AppError =>
  new AppError('invalid', 'ejabberd does not accept this password', { field: 'password' });

/** What ejabberd's texts mean (measured on 23.01, 24.12 and 26.07): every refusal of `register` has the status 500 and the code 10001. */
function registrationError({ status, code, text }: Refusal, jid: string): AppError | null {
  if (code !== 10_001 || /unknown virtual host/i.test(text)) return null;
  const details = { part: 'ejabberd', command: 'register', status, code };
  if (/password/i.test(text)) return passwordRefused();
  if (/database failure/i.test(text)) {
    return new AppError('unavailable', `ejabberd could not store the account ${jid}`, details);
  }
  const message = `ejabberd does not allow the account ${jid}: look at auth_method and the access rules of its host`;
  const publicMessage = 'ejabberd does not allow this account';
  return new AppError('refused', message, { ...details, publicMessage });
}

async function changePassword(
  api: HttpApi,
  user: string,
  host: string,
  password: string,
): Promise<void> {
  const result = await api.call(
    'change_password',
    { user, host, newpass: password },
    DONE,
    ({ text }) => {
      if (text === 'invalid_password') throw passwordRefused();
      return text === 'unknown_user' ? ('missing' as const) : undefined;
    },
  );
  if (result === 'missing') {
    throw new AppError('not-found', `There is no account ${user}@${host}: register it first.`);
  }
}

/** Rosters show NICKNAME, clients that show a vCard show FN. */
async function setNickname(
  api: HttpApi,
  user: string,
  host: string,
  nickname: string,
): Promise<void> {
  // ejabberd's `set_nickname` would replace the whole vCard, and an operator's own picture with it (measured).
  const content = xmlText(nickname);
  await api.call('set_vcard', { user, host, name: 'FN', content }, DONE);
  await api.call('set_vcard', { user, host, name: 'NICKNAME', content }, DONE);
}
