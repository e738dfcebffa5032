/** Connects visitors' sessions in ejabberd with the parts that own, repair and use them. */
import type { Logger } from 'pino';
import { type ActorRef, personOf, rosterGroups, streamOf } from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { Config } from '../config/config.ts';
import { XMPP_FILTER, type XmppLane } from '../reactors/conversation/xmpp-lane.ts';
import type { Reconciler } from '../reactors/visitors/reconciler.ts';
import type { Lanes } from '../runtime/lanes/lanes.ts';
import { type Ownership, ownsStream } from '../runtime/leases/ownership.ts';
import type { Actors } from '../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';
import { createAccountsTransport } from '../xmpp/sessions/accounts.ts';

type VisitorRef = Extract<ActorRef, { kind: 'visitor' }>;

function visitorOf(jid: string, tenants: TenantDirectory): VisitorRef | null {
  const person = personOf(jid, tenants.ofHost);
  return person?.kind === 'visitor' ? person : null;
}

export function createVisitorTransport(options: {
  ejabberd: Config['ejabberd'];
  passwordOf: (jid: string) => string;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  ownership: Ownership;
  logger: Logger;
}): VisitorTransport {
  const { ejabberd, passwordOf, admin, tenants, ownership, logger } = options;
  return createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf,
    allowPlaintext: ejabberd.allowPlaintext,
    owns(jid) {
      const visitor = visitorOf(jid, tenants);
      return visitor !== null && ownsStream(ownership, streamOf(visitor));
    },
    shareOf: (jid) => visitorOf(jid, tenants)?.tenant ?? '',
    logger,
    // After a crash ejabberd may have lost the writes of its last seconds (Mnesia): the account, its card, its groups.
    async resetPassword(jid, nick) {
      const password = passwordOf(jid);
      if ((await admin.register(jid, password)) === 'exists') {
        await admin.changePassword(jid, password);
      }
      await admin.setVisitorCard(jid, nick);
      const visitor = visitorOf(jid, tenants);
      const tenant = visitor && tenants.get(visitor.tenant);
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
    actors: Actors;
    tenants: TenantDirectory;
    random: () => number;
    logger: Logger;
  },
): void {
  const { xmppLane, lanes, reconciler, tenants } = parts;
  transport.listen({
    sessionStarted(jid) {
      xmppLane.resend(jid);
      const visitor = visitorOf(jid, tenants);
      if (visitor) lanes.poke(streamOf(visitor), XMPP_FILTER.name);
    },
    sessionLost(jid, _reason, final) {
      const visitor = visitorOf(jid, tenants);
      if (final && visitor) reconciler.sessionLost({ tenant: visitor.tenant, key: visitor.name });
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
