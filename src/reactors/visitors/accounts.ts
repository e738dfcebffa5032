/** One visitor in ejabberd: its account, its roster membership, its presence, made and taken away again. */
import { rosterGroups } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { AppError } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal.ts';
import { presenceOf } from '../texts/presence-text.ts';
import type { Visitor } from './desired.ts';

/** What ejabberd has; null: this process does not know. */
interface Actual {
  account: boolean | null;
  grouped: boolean | null;
  nick: string | null;
}

/** Each step outside is taken only while this process owns the visitor, and throws {@link HandedOver} otherwise. */
export interface VisitorAccounts {
  /** Account, group and presence, as they have to be for a visitor that operators see. */
  show(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** Neither a session nor a place in the group; the account stays. */
  hide(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** Nothing of it stays. */
  remove(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** What a comparison saw of this visitor. */
  seen(jid: string, has: { readonly account: boolean; readonly grouped: boolean }): void;
  /** A comparison saw nothing of this visitor. */
  forget(jid: string): void;
  /** JIDs of which something is known. */
  known(): Iterable<string>;
  report(visitor: Visitor, command: VisitorCommand): Promise<unknown>;
}

/** Another process has this visitor now. */
export class HandedOver extends AppError {
  constructor(jid: string) {
    super('unavailable', `${jid} is another process's now`);
  }
}

export interface VisitorAccountsOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly transport: VisitorTransport;
  readonly personal: PersonalData;
  readonly passwordOf: (jid: string) => string;
}

/** @param owns whether this process may act for the visitor now */
export function createVisitorAccounts(
  options: VisitorAccountsOptions,
  owns: (visitor: Visitor) => boolean,
): VisitorAccounts {
  const { actors, personal } = options;
  const actual = new Map<string, Actual>();

  const report = (visitor: Visitor, command: VisitorCommand): Promise<unknown> =>
    actors.visitor(visitor.tenant, visitor.key).send(command);

  function actualOf(jid: string): Actual {
    let known = actual.get(jid);
    if (!known) {
      known = { account: null, grouped: null, nick: null };
      actual.set(jid, known);
    }
    return known;
  }

  /** ejabberd, as long as the visitor is ours; asked anew for each step. */
  function outside(visitor: Visitor, jid: string): Pick<typeof options, 'admin' | 'transport'> {
    if (!owns(visitor)) throw new HandedOver(jid);
    return options;
  }

  async function show(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    if (!state) return;
    const profile = await personal.profileOf(visitor.tenant, visitor.key, state);
    const presence = presenceOf(visitor.key, profile, state);
    const has = actualOf(jid);
    if (!has.account) {
      await outside(visitor, jid).admin.register(jid, options.passwordOf(jid));
      has.account = true;
    }
    if (!state.context.account) await report(visitor, { type: 'ReportAccountReady' });
    if (has.nick !== presence.nick) {
      // Before the group: the roster's name for the contact is taken from it then (docs/ejabberd.md).
      const written = await outside(visitor, jid).admin.setVisitorCard(jid, presence.nick);
      has.nick = presence.nick;
      // Who is in the group joins it once more, or contact lists keep the name until operators log in again.
      if (written) has.grouped = null;
    }
    if (!has.grouped) {
      await outside(visitor, jid).admin.joinGroup(jid, rosterGroups(tenant).visitors);
      has.grouped = true;
    }
    await outside(visitor, jid).transport.online(jid, presence);
    if (!state.context.loggedIn) await report(visitor, { type: 'ReportLoggedIn' });
  }

  async function hide(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await outside(visitor, jid).transport.offline(jid);
    const has = actualOf(jid);
    if (has.grouped !== false) {
      await outside(visitor, jid).admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      has.grouped = false;
    }
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    if (state?.context.loggedIn) {
      await report(visitor, { type: 'ReportLoggedOut', reason: 'not shown' });
    }
  }

  async function remove(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await hide(tenant, visitor, jid);
    if (actualOf(jid).account !== false) await outside(visitor, jid).admin.unregister(jid);
    actual.delete(jid);
  }

  return {
    show,
    hide,
    remove,
    seen(jid, { account, grouped }) {
      const nick = account ? (actual.get(jid)?.nick ?? null) : null;
      actual.set(jid, { account, grouped, nick });
    },
    forget: (jid) => void actual.delete(jid),
    known: () => actual.keys(),
    report,
  };
}
