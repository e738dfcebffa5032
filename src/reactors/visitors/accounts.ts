/**
 * One visitor in ejabberd by the transport `accounts`: makes and removes the account, the roster group membership and the
 * session.
 */
import type { Logger } from 'pino';
import { rosterGroups } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { Lru } from '../../kit/lru.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { Visitor } from './desired.ts';
import { HandedOver, type VisitorPlace, type Work } from './place.ts';
import type { PlaceReports } from './reports.ts';

/** An account that ejabberd cannot use is made anew at most once in this time. */
export const REMAKE_INTERVAL_MS = 5 * 60_000;
/** Accounts whose last making anew is remembered. One more lets the oldest be made anew earlier. */
const REMADE_REMEMBERED = 10_000;

/** What ejabberd has of a visitor; null where this process does not know. */
interface Actual {
  account: boolean | null;
  grouped: boolean | null;
  nick: string | null;
  /** The last registration or login failed: the account may be one that ejabberd cannot use. */
  doubtful: boolean;
}

/** What a comparison found in ejabberd. */
export interface FoundAccount {
  readonly account: boolean;
  readonly grouped: boolean;
}

export type VisitorAccounts = VisitorPlace<FoundAccount>;

export interface VisitorAccountsOptions {
  readonly admin: EjabberdAdmin;
  readonly transport: VisitorTransport;
  readonly passwordOf: (jid: string) => string;
  /** ms, only for intervals */
  readonly now: () => number;
  readonly logger: Logger;
}

/**
 * @param owns true if this process may act for the visitor now
 * @param mayRemove true if the accounts of the tenant belong to this log (docs/adr/0028)
 */
export function createVisitorAccounts(
  options: VisitorAccountsOptions,
  { lookOf, ...reports }: PlaceReports,
  owns: (visitor: Visitor) => boolean,
  mayRemove: (tenant: Tenant) => Promise<boolean>,
): VisitorAccounts {
  const { now, logger } = options;
  const actuals = new Map<string, Actual>();
  /** When accounts were made anew. */
  const remade = new Lru<number>(REMADE_REMEMBERED);
  const lines = createLineBudget();

  function actualOf(jid: string): Actual {
    let known = actuals.get(jid);
    if (!known) {
      known = { account: null, grouped: null, nick: null, doubtful: false };
      actuals.set(jid, known);
    }
    return known;
  }

  /** ejabberd, while this process owns the visitor. Ask again before each step. */
  function ejabberd(visitor: Visitor, jid: string): Pick<typeof options, 'admin' | 'transport'> {
    if (!owns(visitor)) throw new HandedOver(jid);
    return options;
  }

  /**
   * Asks for an account that is in doubt. ejabberd's cache keeps the failure of a registration that was repeated while
   * ejabberd hung: then every use of the account crashes for an hour, except its removal (docs/ejabberd.md). So such an
   * account is removed, once in {@link REMAKE_INTERVAL_MS}, because it may be that ejabberd crashes at everything.
   */
  async function clearDoubt({ tenant, visitor, jid, attempt }: Work): Promise<void> {
    const actual = actualOf(jid);
    try {
      actual.account = await attempt.step('look for the account', () =>
        ejabberd(visitor, jid).admin.accountExists(jid),
      );
    } catch (error) {
      if (!(error instanceof AppError) || error.details.reason !== 'crash') throw error;
      const last = remade.get(jid);
      if (last !== undefined && now() - last < REMAKE_INTERVAL_MS) throw error;
      // A session shows that the account can be used.
      if (options.transport.isOnline(jid) || !(await mayRemove(tenant))) throw error;
      const { admin } = ejabberd(visitor, jid);
      remade.set(jid, now());
      const line = lines(visitor.tenant);
      logger[line ? 'warn' : 'debug'](
        { tenant: visitor.tenant, visitor: visitor.key, ...line },
        'ejabberd crashes at the account of a visitor, so it is made anew: is auth_use_cache false in ejabberd.yml?',
      );
      await attempt.step('unregister', () => admin.unregister(jid));
      actual.account = false;
    }
    if (actual.account) return;
    actual.nick = null;
    actual.grouped = null;
  }

  async function show(work: Work): Promise<void> {
    const { tenant, visitor, jid, attempt } = work;
    const look = await lookOf(tenant, visitor);
    if (!look) return;
    const { state, presence } = look;
    const actual = actualOf(jid);
    if (actual.doubtful) await clearDoubt(work);
    actual.doubtful = true; // until the login
    if (!actual.account) {
      await attempt.step('register', () =>
        ejabberd(visitor, jid).admin.register(jid, options.passwordOf(jid)),
      );
      actual.account = true;
    }
    if (!state.context.account) await reports.accountReady(work);
    if (actual.nick !== presence.nick) {
      // The name comes before the group: joining the group copies the name into rosters (docs/ejabberd.md).
      const written = await attempt.step('name', () =>
        ejabberd(visitor, jid).admin.setVisitorCard(jid, presence.nick),
      );
      actual.nick = presence.nick;
      // A member joins again, or rosters would keep the old name until the operators log in again.
      if (written) actual.grouped = null;
    }
    if (!actual.grouped) {
      await attempt.step('join the group', () =>
        ejabberd(visitor, jid).admin.joinGroup(jid, rosterGroups(tenant).visitors),
      );
      actual.grouped = true;
    }
    await attempt.step(
      options.transport.isOnline(jid) ? 'presence' : 'log in',
      () => ejabberd(visitor, jid).transport.online(jid, presence),
      (sent) => !sent,
    );
    actual.doubtful = false;
    if (!state.context.loggedIn) await reports.shown(work);
  }

  /** Ends the session and the group membership. */
  async function withdraw({ tenant, visitor, jid, attempt }: Work): Promise<void> {
    const wasOnline = options.transport.isOnline(jid);
    await attempt.step(
      'log out',
      () => ejabberd(visitor, jid).transport.offline(jid),
      () => !wasOnline,
    );
    const actual = actualOf(jid);
    if (actual.grouped === false) return;
    await attempt.step('leave the group', () =>
      ejabberd(visitor, jid).admin.leaveGroup(jid, rosterGroups(tenant).visitors),
    );
    actual.grouped = false;
  }

  async function unregister({ visitor, jid, attempt }: Work): Promise<void> {
    if (actualOf(jid).account !== false) {
      await attempt.step('unregister', () => ejabberd(visitor, jid).admin.unregister(jid));
    }
    actuals.delete(jid);
  }

  async function hide(work: Work): Promise<void> {
    await withdraw(work);
    await reports.hidden(work);
  }

  return {
    show,
    hide,
    async remove(work) {
      await hide(work);
      await unregister(work);
    },
    async leave(work) {
      await withdraw(work);
      // An account that may belong to another log stays. Each comparison asks again.
      if (await mayRemove(work.tenant)) await unregister(work);
      else actuals.delete(work.jid);
    },
    found(jid, { account, grouped }) {
      const actual = actualOf(jid);
      const nick = account ? actual.nick : null;
      actuals.set(jid, { ...actual, account, grouped, nick });
    },
    has: (jid) => actuals.has(jid),
    forget: (jid) => void actuals.delete(jid),
    known: () => actuals.keys(),
  };
}
