/**
 * One visitor in ejabberd by the transport `component`: a contact that mod_lhc shows in the rosters of the tenant's
 * operators (docs/adr/0056). There is no account, so `AccountReady` is never reported.
 */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Contact, VisitorTransport } from '../../xmpp/port.ts';
import type { Visitor } from './desired.ts';
import { HandedOver, type VisitorPlace, type Work } from './place.ts';
import type { PlaceReports } from './reports.ts';

/** By the hash of what mod_lhc has; null if it has no such contact. */
export type VisitorContacts = VisitorPlace<string | null>;

/** The contacts that mod_lhc has, by the components of all hosts. */
export interface ContactTable {
  /** Whether mod_lhc may have contacts of this tenant: it has the component, or had it before. */
  mayHave(tenant: Tenant): Promise<boolean>;
  /**
   * All contacts of a tenant, of every process, some hundred at a time.
   * @throws {AppError} `unavailable` if ejabberd or mod_lhc does not answer
   */
  list(tenant: Tenant): AsyncIterable<readonly Contact[]>;
  /** Says what mod_lhc has of a visitor; null: no such contact. One who is shown and differs is sent again. */
  found(jid: string, hash: string | null): void;
  /** Whether a host's component is connected. */
  isUp(host: string): boolean;
  /** A tenant with the other transport has no contact any more. */
  isClear(tenant: Tenant): void;
}

export interface VisitorContactsOptions {
  readonly transport: VisitorTransport;
  readonly contactTable: Pick<ContactTable, 'found'>;
}

/** @param owns true if this process may act for the visitor now */
export function createVisitorContacts(
  { transport, contactTable }: VisitorContactsOptions,
  { lookOf, ...reports }: PlaceReports,
  owns: (visitor: Visitor) => boolean,
): VisitorContacts {
  /** Those that mod_lhc may have. */
  const there = new Set<string>();

  async function withdraw({ visitor, jid, attempt }: Work, isForGood = false): Promise<void> {
    if (!owns(visitor)) throw new HandedOver(jid);
    const wasThere = there.has(jid);
    await attempt.step(
      'remove the contact',
      () => transport.offline(jid, isForGood),
      () => !wasThere,
    );
    there.delete(jid);
  }

  async function hide(work: Work, isForGood = false): Promise<void> {
    await withdraw(work, isForGood);
    await reports.hidden(work);
  }

  return {
    async show(work) {
      const { tenant, visitor, jid, attempt } = work;
      const look = await lookOf(tenant, visitor);
      if (!look) return;
      if (!owns(visitor)) throw new HandedOver(jid);
      const { state, presence } = look;
      const isNew = !there.has(jid);
      there.add(jid);
      await attempt.step(
        isNew ? 'contact' : 'presence',
        () => transport.online(jid, presence),
        (sent) => !sent,
      );
      if (!state.context.loggedIn) await reports.shown(work);
    },
    hide: (work) => hide(work),
    remove: (work) => hide(work, true),
    leave: (work) => withdraw(work, true),
    found(jid, hash) {
      if (hash === null) there.delete(jid);
      else there.add(jid);
      contactTable.found(jid, hash);
    },
    has: (jid) => there.has(jid),
    forget: (jid) => void there.delete(jid),
    known: () => there,
  };
}
