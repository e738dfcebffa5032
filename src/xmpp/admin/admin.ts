/** ejabberd's admin API as the service uses it, over mod_http_api. Measured on 23.01, 24.12 and 26.07. */
import type { Element } from '@xmpp/xml';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { xmlText } from '../../kit/xml-text.ts';
import { parts } from '../jid.ts';
import type { EjabberdAdmin } from '../port.ts';
import { acknowledgementStanza, chatStateStanza, messageStanza, vcardStanza } from '../stanzas.ts';
import { avatarOf } from './avatar.ts';
import { createGroups } from './groups.ts';
import { type ApiOptions, createHttpApi } from './http-api.ts';

const done = z.literal(0);
/** `check_account`: 0 there is one, 1 there is none. */
const zeroOrOne = z.union([z.literal(0), z.literal(1)]);
const vcardField = z.object({ content: z.string() }).transform(({ content }) => content);
const names = z.array(z.string());
const sessionList = z.array(
  z.object({ resource: z.string(), status: z.string(), statustext: z.string() }),
);

/**
 * A client of one ejabberd. Nothing is tried again here: the caller knows what is still wanted.
 * @throws {AppError} from every call: `unavailable` when ejabberd is away, wrongly configured or did not do what it
 * said; `refused` when these arguments will not do (a host that it does not serve, a malformed name); `not-found`
 */
export function createEjabberdAdmin(options: ApiOptions): EjabberdAdmin {
  const api = createHttpApi(options);

  /**
   * An unknown host has many faces: 500 with a code, 400, an empty answer; on 26.07 it is 403, as if the right were
   * missing. So after a failure the hosts are asked for, and the error says what is really wrong.
   */
  async function atHost<T>(host: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof AppError) || error.details.status === undefined) throw error;
      if (error.details.reason === 'credentials') throw error;
      const hosts = await api.call('registered_vhosts', {}, names).catch(() => undefined);
      if (hosts === undefined || hosts.includes(host)) throw error;
      throw new AppError(
        'refused',
        `ejabberd does not serve the host ${host}: add it to "hosts" in ejabberd.yml, or correct the tenant's host.`,
        { host },
        { cause: error },
      );
    }
  }

  async function accountExists(jid: string): Promise<boolean> {
    const { user, host } = parts(jid);
    const found = await atHost(host, () => api.call('check_account', { user, host }, zeroOrOne));
    return found === 0;
  }

  async function sendStanza(from: string, to: string, stanza: Element): Promise<void> {
    await atHost(parts(from).host, () =>
      api.call('send_stanza', { from, to, stanza: stanza.toString() }, done),
    );
  }

  const groups = createGroups(api);

  return {
    version: () => api.version(),

    async register(jid, password) {
      const { user, host } = parts(jid);
      return atHost(host, () =>
        api.call(
          'register',
          { user, host, password },
          z.string().transform(() => 'created' as const),
          ({ status }) => (status === 409 ? ('exists' as const) : undefined),
        ),
      );
    },

    async unregister(jid) {
      const { user, host } = parts(jid);
      await atHost(host, () => api.call('unregister', { user, host }, z.string()));
      // It answers 200 whatever happened.
      if (await accountExists(jid)) {
        throw new AppError('unavailable', `ejabberd did not remove the account ${user}@${host}.`);
      }
    },

    accountExists,

    async changePassword(jid, password) {
      const { user, host } = parts(jid);
      const result = await atHost(host, () =>
        api.call('change_password', { user, host, newpass: password }, done, ({ text }) =>
          text === 'unknown_user' ? ('missing' as const) : undefined,
        ),
      );
      if (result === 'missing') {
        throw new AppError('not-found', `There is no account ${user}@${host}: register it first.`);
      }
    },

    async setNickname(jid, nickname) {
      const { user, host } = parts(jid);
      // Not `set_nickname`: that replaces the whole vCard, an operator's own picture with it (measured).
      const content = xmlText(nickname);
      await atHost(host, async () => {
        // Rosters take the one, clients that show a vCard the other.
        await api.call('set_vcard', { user, host, name: 'FN', content }, done);
        await api.call('set_vcard', { user, host, name: 'NICKNAME', content }, done);
      });
    },

    async setVisitorCard(jid, name) {
      const { user, host } = parts(jid);
      // Reading costs ejabberd 0.5 ms, writing 1.2 ms and with a copy for PEP 2.3 ms; and each write makes ejabberd send
      // the presence of whoever is logged in again. Any refusal means: not known, so written.
      const known = await atHost(host, () =>
        api.call('get_vcard', { user, host, name: 'NICKNAME' }, vcardField, () => ''),
      );
      if (known === xmlText(name)) return false;
      // One stanza in its name: by `set_vcard2` it would be a write for each field.
      const own = `${user}@${host}`;
      await sendStanza(own, own, vcardStanza(own, { name, png: avatarOf(own) }));
      return true;
    },

    ensureGroups: (host, named) => atHost(host, () => groups.ensureGroups(host, named)),
    joinGroup: (jid, group) => atHost(parts(jid).host, () => groups.joinGroup(jid, group)),
    leaveGroup: (jid, group) => atHost(parts(jid).host, () => groups.leaveGroup(jid, group)),
    groupMembers: (host, group) => atHost(host, () => groups.groupMembers(host, group)),
    accounts: (host) => atHost(host, () => api.call('registered_users', { host }, names)),

    async sessions(jid) {
      const { user, host } = parts(jid);
      const found = await atHost(host, () =>
        api.call('user_sessions_info', { user, host }, sessionList),
      );
      return found.map(({ resource, status, statustext }) => ({
        resource,
        show: status,
        status: statustext,
      }));
    },

    async kick(jid, resource, reason) {
      const { user, host } = parts(jid);
      await atHost(host, () => api.call('kick_session', { user, host, resource, reason }, done));
    },

    sendMessage: (message) => sendStanza(message.from, message.to, messageStanza(message)),
    sendChatState: (from, to, state) => sendStanza(from, to, chatStateStanza(from, to, state)),
    sendAcknowledgement: (from, to, what, id) =>
      sendStanza(from, to, acknowledgementStanza(from, to, what, id)),
  };
}
