/**
 * Connects visitors in ejabberd with the parts that own, repair and use them. A visitor's address tells the transport: one
 * at the domain of a component has that component, any other an account.
 */
import type { Logger } from 'pino';
import {
  type ActorRef,
  bareJid,
  deskOf,
  hostOfComponent,
  personOf,
  rosterGroups,
  streamOf,
  type TenantId,
} from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { Config } from '../config/config.ts';
import { XMPP_FILTER, type XmppLane } from '../reactors/conversation/xmpp-lane.ts';
import type { Desks } from '../reactors/desk/desk.ts';
import type { Reconciler } from '../reactors/visitors/reconciler.ts';
import type { Lanes } from '../runtime/lanes/lanes.ts';
import { type Ownership, ownsStream, partitionOf } from '../runtime/leases/ownership.ts';
import type { AnswerAdHoc } from '../xmpp/ad-hoc.ts';
import type { ComponentTransport, EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';
import { type AccountsTransport, createAccountsTransport } from '../xmpp/sessions/accounts.ts';
import { type Components, noComponent } from './components.ts';

export function createAccounts(options: {
  ejabberd: Config['ejabberd'];
  passwordOf: (jid: string) => string;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  ownership: Ownership;
  answerQuery: AnswerAdHoc;
  logger: Logger;
}): AccountsTransport {
  const { ejabberd, passwordOf, admin, tenants, ownership, answerQuery, logger } = options;
  return createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf,
    answerQuery,
    allowPlaintext: ejabberd.allowPlaintext,
    owns: ownsAddress(tenants, ownership),
    shareOf: (jid) => tenantOf(jid, tenants) ?? '',
    logger,
    // After a crash ejabberd may have lost the writes of its last seconds (Mnesia): the account, its card, its groups.
    async resetPassword(jid, nick) {
      const password = passwordOf(jid);
      if ((await admin.register(jid, password)) === 'exists') {
        await admin.changePassword(jid, password);
      }
      await admin.setVisitorCard(jid, nick);
      const id = tenantOf(jid, tenants);
      const tenant = id && tenants.get(id);
      if (tenant) await admin.joinGroup(jid, rosterGroups(tenant).visitors);
    },
  });
}

/** Chooses the transport by the address of the visitor. */
export function createVisitorTransport(
  accounts: VisitorTransport,
  components: Components,
): VisitorTransport {
  const every = (): VisitorTransport[] => [accounts, ...components.all()];

  function of(jid: string): VisitorTransport | null {
    const domain = bareJid(jid)?.host ?? '';
    return hostOfComponent(domain) === null ? accounts : components.at(domain);
  }

  /** @throws {AppError} `unavailable` without a component for this address */
  function toSend(jid: string): VisitorTransport {
    const transport = of(jid);
    if (!transport) throw noComponent(bareJid(jid)?.host ?? jid);
    return transport;
  }

  return {
    async online(jid, presence) {
      const host = hostOfComponent(bareJid(jid)?.host ?? '');
      // Whoever waits for a stream would hold up the visitors of other hosts.
      if (host !== null) components.assertUp(host);
      return toSend(jid).online(jid, presence);
    },
    offline: async (jid, isForGood) => of(jid)?.offline(jid, isForGood),
    release: (jid, withinMs) => of(jid)?.release(jid, withinMs),
    async releaseAll(withinMs) {
      await Promise.all(every().map((each) => each.releaseAll(withinMs)));
    },
    handOverCount: () => every().reduce((sum, each) => sum + each.handOverCount(), 0),
    isOnline: (jid) => of(jid)?.isOnline(jid) ?? false,
    send: async (message) => toSend(message.from).send(message),
    chatState: (from, to, state) => of(from)?.chatState(from, to, state),
    preview: (from, to, status) => of(from)?.preview(from, to, status),
    acknowledge: async (from, to, what, id) => toSend(from).acknowledge(from, to, what, id),
    sessions: () => every().flatMap((each) => each.sessions()),
    listen(listener) {
      accounts.listen(listener);
      components.listen(listener);
    },
    async close(deadlineMs) {
      await Promise.all([accounts.close(deadlineMs), components.close(deadlineMs)]);
    },
  };
}

/** The admin API, in which visitors at the domain of a component send by it. */
export function withComponents(admin: EjabberdAdmin, components: Components): EjabberdAdmin {
  const of = (from: string): ComponentTransport['unshown'] => {
    const domain = bareJid(from)?.host ?? '';
    if (hostOfComponent(domain) === null) return admin;
    return components.at(domain)?.unshown ?? admin;
  };
  return {
    ...admin,
    sendMessage: (message) => of(message.from).sendMessage(message),
    sendChatState: (from, to, state) => of(from).sendChatState(from, to, state),
    sendAcknowledgement: (from, to, what, id) => of(from).sendAcknowledgement(from, to, what, id),
    returnMessage: (message) => of(message.from).returnMessage(message),
  };
}

/** Calls the parts that have to know of sessions that began, ended or gave a message back. */
export function listenToSessions(
  transport: VisitorTransport,
  parts: {
    xmppLane: XmppLane;
    lanes: Lanes;
    reconciler: Reconciler;
    desks: Pick<Desks, 'sessionLost'>;
    tenants: TenantDirectory;
  },
): void {
  const { xmppLane, lanes, reconciler, desks, tenants } = parts;
  transport.listen({
    sessionStarted(jid) {
      xmppLane.resend(jid);
      const visitor = visitorOf(jid, tenants);
      if (visitor) lanes.poke(streamOf(visitor), XMPP_FILTER.name);
    },
    sessionLost(jid, _reason, final) {
      const visitor = visitorOf(jid, tenants);
      if (final && visitor) reconciler.sessionLost({ tenant: visitor.tenant, key: visitor.name });
      const desk = deskOf(jid, tenants.ofHost);
      if (final && desk) desks.sessionLost(desk);
    },
    messageReturned(jid, { id: messageId, to }, error) {
      const visitor = visitorOf(jid, tenants);
      const receiver = personOf(to, tenants.ofHost);
      if (!visitor || receiver?.kind !== 'operator') return;
      const { tenant, name: key } = visitor;
      xmppLane.returned({ tenant, key, jid, messageId, operator: receiver.name, error });
    },
  });
}

type VisitorRef = Extract<ActorRef, { kind: 'visitor' }>;

/** Whether this process may act for an address now: a visitor's, or that of a tenant's desk. */
export const ownsAddress =
  (tenants: Pick<TenantDirectory, 'ofHost'>, ownership: Ownership) =>
  (jid: string): boolean => {
    const visitor = visitorOf(jid, tenants);
    if (visitor) return ownsStream(ownership, streamOf(visitor));
    const tenant = deskOf(jid, tenants.ofHost);
    return tenant !== null && ownership.owns(partitionOf(tenant));
  };

/** The tenant of a visitor or a desk. */
const tenantOf = (jid: string, tenants: Pick<TenantDirectory, 'ofHost'>): TenantId | null =>
  visitorOf(jid, tenants)?.tenant ?? deskOf(jid, tenants.ofHost);

/** @returns null for the address of anybody else */
function visitorOf(jid: string, tenants: Pick<TenantDirectory, 'ofHost'>): VisitorRef | null {
  const person = personOf(jid, tenants.ofHost);
  return person?.kind === 'visitor' ? person : null;
}
