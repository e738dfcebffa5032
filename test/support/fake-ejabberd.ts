/** ejabberd for tests of reactors, in memory. It keeps the promises of src/xmpp/port.ts. */
import { deskOf, hostOfComponent, personOf } from '../../src/actors/ids.ts';
import { AppError } from '../../src/errors.ts';
import type { ContactTable } from '../../src/reactors/visitors/contacts.ts';
import type {
  EjabberdAdmin,
  OperatorSession,
  OutgoingMessage,
  ReturnedMessage,
  TransportListener,
  VisitorPresence,
  VisitorTransport,
} from '../../src/xmpp/port.ts';
import { noSessionNow } from '../../src/xmpp/sessions/failure.ts';

const away = (): AppError => new AppError('unavailable', 'ejabberd is away');

export function fakeEjabberd() {
  const accounts = new Map<string, string>();
  const groups = new Map<string, Set<string>>();
  /** Groups that exist: members may be in others too. */
  const made = new Set<string>();
  /** The logs that groups of visitors belong to. */
  const marks = new Map<string, string>();
  const nicknames = new Map<string, string>();
  /** Users' own contacts. */
  const rosters = new Map<string, Set<string>>();
  const sessions = new Map<string, OperatorSession[]>();
  const present = new Map<string, VisitorPresence>();
  /** mod_lhc's contacts, with their hashes. They outlive the process. */
  const contacts = new Map<string, string>();
  /** The name and the first argument of every call, in order. */
  const calls: string[] = [];
  const messages: OutgoingMessage[] = [];
  const typed: string[] = [];
  const previews: string[] = [];
  /** Receipts and markers: `from to what id`. */
  const acknowledged: string[] = [];
  const returned: ReturnedMessage[] = [];
  const released = new Map<string, VisitorPresence>();
  /** For how long each session was released: the shortest of several calls. */
  const releasedFor = new Map<string, number>();
  const listeners: TransportListener[] = [];
  const notifyStarted = (jid: string): void => {
    for (const listener of listeners) listener.sessionStarted(jid);
  };
  const state = {
    down: false,
    /** The component has no stream. */
    componentDown: false,
    /** Runs before each call. It may throw or wait. */
    before: async (_call: string): Promise<void> => {},
  };

  async function call(name: string, jid: string): Promise<void> {
    calls.push(`${name} ${jid}`);
    await state.before(`${name} ${jid}`);
    if (state.down) throw away();
  }
  const members = (group: string): Set<string> => {
    const known = groups.get(group) ?? new Set();
    groups.set(group, known);
    return known;
  };

  const admin: EjabberdAdmin = {
    version: async () => {
      await call('version', '');
      return '23.01';
    },
    register: async (jid, password) => {
      await call('register', jid);
      if (accounts.has(jid)) return 'exists';
      accounts.set(jid, password);
      return 'created';
    },
    unregister: async (jid) => {
      await call('unregister', jid);
      accounts.delete(jid);
      present.delete(jid);
    },
    accountExists: async (jid) => {
      await call('accountExists', jid);
      return accounts.has(jid);
    },
    changePassword: async (jid, password) => {
      await call('changePassword', jid);
      if (!accounts.has(jid)) throw new AppError('not-found', `there is no account ${jid}`);
      accounts.set(jid, password);
    },
    setNickname: async (jid, nickname) => {
      await call('setNickname', jid);
      nicknames.set(jid, nickname);
    },
    setVisitorCard: async (jid, name) => {
      await call('setVisitorCard', jid);
      const written = nicknames.get(jid) !== name;
      nicknames.set(jid, name);
      return written;
    },
    ensureGroups: async (host, { visitors, operators }) => {
      await call('ensureGroups', host);
      made.add(visitors).add(operators);
    },
    groupsFault: async (host, { visitors, operators }) => {
      await call('groupsFault', host);
      const missing = [visitors, operators].find((group) => !made.has(group));
      return missing === undefined ? null : `${host} has no shared roster group ${missing}`;
    },
    deleteGroup: async (_host, group) => {
      await call('deleteGroup', group);
      groups.delete(group);
      marks.delete(group);
      made.delete(group);
    },
    groupMark: async (_host, group) => {
      await call('groupMark', group);
      return marks.get(group) ?? null;
    },
    markGroup: async (_host, { visitors }, mark) => {
      await call('markGroup', visitors);
      marks.set(visitors, mark);
    },
    joinGroup: async (jid, group) => {
      await call('joinGroup', jid);
      members(group).add(jid);
    },
    leaveGroup: async (jid, group) => {
      await call('leaveGroup', jid);
      members(group).delete(jid);
    },
    groupMembers: async (_host, group) => {
      await call('groupMembers', group);
      return [...members(group)];
    },
    accounts: async (host, take) => {
      await call('accounts', host);
      const locals = [...accounts.keys()].flatMap((jid) =>
        jid.endsWith(`@${host}`) ? jid.slice(0, -(host.length + 1)) : [],
      );
      // In portions, as ejabberd's answer comes.
      for (let from = 0; from < locals.length; from += 2) take(locals.slice(from, from + 2));
    },
    rosterContacts: async (jid) => {
      await call('rosterContacts', jid);
      return [...(rosters.get(jid) ?? []), ...members('visitors')];
    },
    removeContact: async (jid, contact) => {
      await call('removeContact', jid);
      const roster = rosters.get(jid) ?? new Set();
      if (members('visitors').has(contact)) roster.add(contact);
      else roster.delete(contact);
      rosters.set(jid, roster);
    },
    sessions: async (jid) => {
      await call('sessions', jid);
      return sessions.get(jid) ?? [];
    },
    kick: (jid) => call('kick', jid),
    sendMessage: async (message) => {
      await call('sendMessage', message.from);
      messages.push(message);
    },
    sendChatState: async (from, to, chatState) => {
      await call('sendChatState', from);
      typed.push(`${from} ${to} ${chatState}`);
    },
    returnMessage: async (message) => {
      await call('returnMessage', message.to);
      returned.push(message);
    },
    sendAcknowledgement: async (from, to, what, id) => {
      await call('sendAcknowledgement', from);
      acknowledged.push(`${from} ${to} ${what} ${id}`);
    },
  };

  const isAtComponent = (jid: string): boolean =>
    hostOfComponent(jid.slice(jid.indexOf('@') + 1)) !== null;

  async function toComponent(name: string, jid: string): Promise<void> {
    await call(name, jid);
    if (state.componentDown) throw away();
  }

  /** Sends what mod_lhc does not have. */
  async function showContact(jid: string, presence: VisitorPresence): Promise<boolean> {
    const isNew = !present.has(jid);
    present.set(jid, presence);
    const isSent = contacts.get(jid) !== JSON.stringify(presence);
    if (isSent) await toComponent('contact', jid);
    contacts.set(jid, JSON.stringify(presence));
    if (isNew) notifyStarted(jid);
    return isSent;
  }

  const transport: VisitorTransport = {
    online: async (jid, presence) => {
      if (isAtComponent(jid)) return showContact(jid, presence);
      await call('online', jid);
      if (!accounts.has(jid)) throw new AppError('refused', 'not-authorized');
      const last = present.get(jid);
      present.set(jid, presence);
      released.delete(jid);
      if (!last) notifyStarted(jid);
      return JSON.stringify(last) !== JSON.stringify(presence);
    },
    offline: async (jid, isForGood = false) => {
      if (isAtComponent(jid)) {
        if (isForGood) await toComponent('gone for good', jid);
        else if (contacts.has(jid)) await toComponent('gone', jid);
        contacts.delete(jid);
      } else await call('offline', jid);
      present.delete(jid);
      released.delete(jid);
    },
    release: (jid, withinMs) => {
      calls.push(`release ${jid}`);
      releasedFor.set(jid, Math.min(withinMs, releasedFor.get(jid) ?? withinMs));
      const presence = present.get(jid);
      if (!presence) return;
      present.delete(jid);
      released.set(jid, presence);
    },
    releaseAll: async () => {
      for (const jid of [...present.keys()]) transport.release(jid, 0);
      released.clear();
    },
    handOverCount: () => released.size,
    isOnline: (jid) => present.has(jid),
    send: async (message) => {
      await call('send', message.from);
      if (!present.has(message.from)) throw noSessionNow(message.from);
      messages.push(message);
    },
    chatState: (from, to, chatState) => {
      typed.push(`${from} ${to} ${chatState}`);
    },
    preview: (from, to, status) => {
      previews.push(`${from} ${to} ${status}`);
    },
    acknowledge: async (from, to, what, id) => {
      await call('acknowledge', from);
      if (!present.has(from)) throw noSessionNow(from);
      acknowledged.push(`${from} ${to} ${what} ${id}`);
    },
    sessions: () => [...present.keys()],
    listen: (listener) => void listeners.push(listener),
    close: async () => present.clear(),
  };

  const contactTable: ContactTable = {
    mayHave: async (tenant) => tenant.transport === 'component' || contacts.size > 0,
    async *list(tenant) {
      await toComponent('contacts', tenant.host);
      for (const [jid, hash] of contacts) {
        if (personOf(jid, () => [tenant]) || deskOf(jid, () => [tenant])) yield [{ jid, hash }];
      }
    },
    found(jid, hash) {
      const presence = present.get(jid);
      if (presence && hash !== JSON.stringify(presence)) {
        contacts.delete(jid);
        void showContact(jid, presence);
      }
    },
    isUp: () => !state.componentDown,
    isClear: () => undefined,
  };

  return {
    admin,
    transport,
    contactTable,
    contacts,
    accounts,
    nicknames,
    rosters,
    sessions,
    present,
    calls,
    releasedFor,
    messages,
    typed,
    previews,
    state,
    acknowledged,
    returned,
    members,
    marks,
    /** The number of calls whose name begins with this. */
    count: (name: string) => calls.filter((each) => each.startsWith(name)).length,
    /** The component's stream is lost, and comes back. @param between what happens meanwhile */
    reconnectComponent: (host: string, between: () => void) => {
      state.componentDown = true;
      for (const listener of listeners) listener.streamLost?.(host, 'lost');
      between();
      state.componentDown = false;
      for (const listener of listeners) listener.streamStarted?.(host);
    },
    /** A session is lost and restored, as the transport promises. */
    reconnect: (jid: string) => {
      for (const listener of listeners) listener.sessionLost(jid, 'lost', false);
      notifyStarted(jid);
    },
  };
}
