/** One visitor in ejabberd: makes and removes the account, the roster group membership and the session. */
import { rosterGroups } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { AppError } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal-data.ts';
import { presenceOf } from '../texts/presence-text.ts';
import type { Visitor } from './desired.ts';

/** What ejabberd has of a visitor; null where this process does not know. */
interface Actual {
  account: boolean | null;
  grouped: boolean | null;
  nick: string | null;
}

/** Each step in ejabberd is taken only while this process owns the visitor, and throws {@link HandedOver} otherwise. */
export interface VisitorAccounts {
  /** Makes account, group membership and presence as a visible visitor needs them. */
  show(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** Ends the session and the group membership. The account stays. */
  hide(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** Removes session, group membership and account. */
  remove(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void>;
  /** A comparison found this in ejabberd. */
  found(jid: string, actual: { readonly account: boolean; readonly grouped: boolean }): void;
  /** Forgets what is known of this visitor in ejabberd. */
  forget(jid: string): void;
  /** JIDs of which something is known. */
  known(): Iterable<string>;
  report(visitor: Visitor, command: VisitorCommand): Promise<unknown>;
}

/** Another process owns this visitor now. */
export class HandedOver extends AppError {
  constructor(jid: string) {
    super('unavailable', `another process owns ${jid} now`);
  }
}

export interface VisitorAccountsOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly transport: VisitorTransport;
  readonly personal: PersonalData;
  readonly passwordOf: (jid: string) => string;
}

/** @param owns true if this process may act for the visitor now */
export function createVisitorAccounts(
  options: VisitorAccountsOptions,
  owns: (visitor: Visitor) => boolean,
): VisitorAccounts {
  const { actors, personal } = options;
  const actuals = new Map<string, Actual>();

  const report = (visitor: Visitor, command: VisitorCommand): Promise<unknown> =>
    actors.visitor(visitor.tenant, visitor.key).send(command);

  function actualOf(jid: string): Actual {
    let known = actuals.get(jid);
    if (!known) {
      known = { account: null, grouped: null, nick: null };
      actuals.set(jid, known);
    }
    return known;
  }

  /** ejabberd, while this process owns the visitor. Ask again before each step. */
  function ejabberd(visitor: Visitor, jid: string): Pick<typeof options, 'admin' | 'transport'> {
    if (!owns(visitor)) throw new HandedOver(jid);
    return options;
  }

  async function show(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    if (!state) return;
    const profile = await personal.profileOf(visitor.tenant, visitor.key, state);
    const presence = presenceOf(visitor.key, profile, state);
    const actual = actualOf(jid);
    if (!actual.account) {
      await ejabberd(visitor, jid).admin.register(jid, options.passwordOf(jid));
      actual.account = true;
    }
    if (!state.context.account) await report(visitor, { type: 'ReportAccountReady' });
    if (actual.nick !== presence.nick) {
      // The name comes before the group: joining the group copies the name into rosters (docs/ejabberd.md).
      const written = await ejabberd(visitor, jid).admin.setVisitorCard(jid, presence.nick);
      actual.nick = presence.nick;
      // A member joins again, or rosters would keep the old name until the operators log in again.
      if (written) actual.grouped = null;
    }
    if (!actual.grouped) {
      await ejabberd(visitor, jid).admin.joinGroup(jid, rosterGroups(tenant).visitors);
      actual.grouped = true;
    }
    await ejabberd(visitor, jid).transport.online(jid, presence);
    if (!state.context.loggedIn) await report(visitor, { type: 'ReportLoggedIn' });
  }

  async function hide(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await ejabberd(visitor, jid).transport.offline(jid);
    const actual = actualOf(jid);
    if (actual.grouped !== false) {
      await ejabberd(visitor, jid).admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      actual.grouped = false;
    }
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    if (state?.context.loggedIn) {
      await report(visitor, { type: 'ReportLoggedOut', reason: 'not shown' });
    }
  }

  async function remove(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await hide(tenant, visitor, jid);
    if (actualOf(jid).account !== false) await ejabberd(visitor, jid).admin.unregister(jid);
    actuals.delete(jid);
  }

  return {
    show,
    hide,
    remove,
    found(jid, { account, grouped }) {
      const nick = account ? (actuals.get(jid)?.nick ?? null) : null;
      actuals.set(jid, { account, grouped, nick });
    },
    forget: (jid) => void actuals.delete(jid),
    known: () => actuals.keys(),
    report,
  };
}
