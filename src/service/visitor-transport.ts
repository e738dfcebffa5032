/** Connects visitors' sessions in ejabberd with the parts that own, repair and use them. */
import type { Logger } from 'pino';
import { deskOf } from '../actors/desk.ts';
import { type ActorRef, personOf, rosterGroups, streamOf, type TenantId } from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { Config } from '../config/config.ts';
import { XMPP_FILTER, type XmppLane } from '../reactors/conversation/xmpp-lane.ts';
import type { Desks } from '../reactors/desk/desk.ts';
import type { Reconciler } from '../reactors/visitors/reconciler.ts';
import type { Lanes } from '../runtime/lanes/lanes.ts';
import { type Ownership, ownsStream, partitionOf } from '../runtime/leases/ownership.ts';
import type { Actors } from '../runtime/ports.ts';
import type { AnswerAdHoc } from '../xmpp/ad-hoc.ts';
import type { EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';
import { createAccountsTransport } from '../xmpp/sessions/accounts.ts';

type VisitorRef = Extract<ActorRef, { kind: 'visitor' }>;

function visitorOf(jid: string, tenants: TenantDirectory): VisitorRef | null {
  const person = personOf(jid, tenants.ofHost);
  return person?.kind === 'visitor' ? person : null;
}

/** The tenant of a visitor or a desk. */
const tenantOf = (jid: string, tenants: TenantDirectory): TenantId | null =>
  visitorOf(jid, tenants)?.tenant ?? deskOf(jid, tenants.ofHost);

export function createVisitorTransport(options: {
  ejabberd: Config['ejabberd'];
  passwordOf: (jid: string) => string;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  ownership: Ownership;
  answerQuery: AnswerAdHoc;
  logger: Logger;
}): VisitorTransport {
  const { ejabberd, passwordOf, admin, tenants, ownership, answerQuery, logger } = options;
  return createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf,
    answerQuery,
    allowPlaintext: ejabberd.allowPlaintext,
    owns(jid) {
      const visitor = visitorOf(jid, tenants);
      if (visitor) return ownsStream(ownership, streamOf(visitor));
      const desk = deskOf(jid, tenants.ofHost);
      return desk !== null && ownership.owns(partitionOf(desk));
    },
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

/** Calls the parts that have to know of sessions that began, ended or gave a message back. */
export function listenToSessions(
  transport: VisitorTransport,
  parts: {
    xmppLane: XmppLane;
    lanes: Lanes;
    reconciler: Reconciler;
    desks: Pick<Desks, 'sessionLost'>;
    actors: Actors;
    tenants: TenantDirectory;
    random: () => number;
    logger: Logger;
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
