/**
 * Visitors in XMPP: account, roster membership, presence. Desired state, not a list of deeds: the latest wish wins and
 * older ones are dropped, so there is no storm of hour-old presences and no unregister that overtakes a return.
 */
import type { Logger } from 'pino';
import {
  operatorJid,
  personOf,
  rosterGroups,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../actors/ids.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { type VisitorCommand, visitorState } from '../actors/visitor-decisions.ts';
import { AppError, messageOf } from '../errors.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { backoff } from '../runtime/backoff.ts';
import type { ActorHost } from '../runtime/host.ts';
import { type Ownership, partitionOf } from '../runtime/ownership.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import type { EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';
import type { PersonalData } from './personal.ts';
import { presenceOf } from './presence-text.ts';
import type { Visitor, Wanted } from './wanted.ts';

/** One visitor's presence changes at most so often; the last one counts. */
const PRESENCE_EVERY_MS = 2_000;
const TICK_MS = 100;
/**
 * Newer status texts in one tick, over all visitors; the oldest first, the latest text counts. Each costs some 2 ms of
 * ejabberd's CPU and ours, and nobody reads fifty in a second. Who comes, leaves or chats does not wait for them.
 */
const REFRESHES_PER_TICK = 5;
const RETRY = { firstMs: 500, mostMs: 30_000 };
/** A refusal does not go away by itself, but it may be mended by hand. */
const REFUSED_RETRY_MS = 60_000;
const AT_ONCE = 32;
const SHOWN_EVERY_MS = 1_000;

/** What ejabberd has; null: this process does not know. */
interface Actual {
  account: boolean | null;
  grouped: boolean | null;
  nick: string | null;
}

export interface Sessions {
  /** A fact of this visitor was committed. */
  changed(visitor: Visitor, event: RecordedEvent): void;
  /** Its session ended and the transport does not bring it back by itself. */
  lost(visitor: Visitor): void;
  /** Compares with what ejabberd has, and begins to work. Resolves when the comparison was made once. */
  start(): Promise<void>;
  /** Compares again: at start, when mod_lhc started, and every few minutes (orphans). */
  compare(): Promise<void>;
  /** Resolves when nothing is being done any more; sessions themselves are the transport's to close. */
  stop(): Promise<void>;
  pending(): number;
}

export function createSessions(options: {
  wanted: Wanted;
  host: ActorHost;
  admin: EjabberdAdmin;
  transport: VisitorTransport;
  tenants: TenantDirectory;
  personal: PersonalData;
  ownership: Ownership;
  passwordOf: (jid: string) => string;
  /** Registered operators, as the log has them. */
  operatorsOf: (tenant: TenantId) => readonly Username[];
  /** Resolves when the table of what is wanted has seen the whole log. */
  caughtUp: () => Promise<void>;
  now: () => number;
  newId: () => string;
  random: () => number;
  logger: Logger;
}): Sessions {
  const { wanted, host, admin, transport, tenants, personal, now, random, logger } = options;
  const actual = new Map<string, Actual>();
  /** Visitors to look at, not before when, and whether only because their status text may be newer. */
  const due = new Map<string, { visitor: Visitor; at: number; refresh: boolean }>();
  const busy = new Set<string>();
  const presentAt = new Map<string, number>();
  const failures = new Map<string, number>();
  /** Who is shown, when not everybody can be. */
  const shown = new Map<TenantId, { set: ReadonlySet<string> | null; at: number }>();
  /** Tenants where somebody came, left or was seen: others may have to be shown. */
  const moved = new Set<TenantId>();
  const slots = new Semaphore(AT_ONCE);
  const work = new Set<Promise<void>>();
  let ticker: NodeJS.Timeout | undefined;
  let comparing: Promise<void> | null = null;
  let stopped = false;

  const idOf = ({ tenant, key }: Visitor): string => `${tenant}.${key}`;

  function mark(visitor: Visitor, at: number, refresh = false): void {
    const id = idOf(visitor);
    const known = due.get(id);
    if (!known) {
      due.set(id, { visitor, at, refresh });
      return;
    }
    known.at = Math.min(known.at, at);
    known.refresh &&= refresh;
  }

  const report = (visitor: Visitor, command: VisitorCommand): Promise<unknown> =>
    host.dispatch(
      visitor.tenant,
      { kind: 'visitor', name: visitor.key, command },
      { commandId: `auto:${options.newId()}` },
    );

  /** Whether this visitor is among those that a tenant's operators see. */
  function isShown(tenant: TenantSettings, key: VisitorKey): boolean {
    const known = shown.get(tenant.id);
    const set = known && now() - known.at < SHOWN_EVERY_MS ? known.set : choose(tenant);
    return set?.has(key) ?? true;
  }

  /** Chooses anew, and has those looked at who fell out or came back. */
  function choose(tenant: TenantSettings): ReadonlySet<string> | null {
    const before = shown.get(tenant.id);
    const set = wanted.mostRecent(tenant.id, tenant.maxVisibleVisitors);
    shown.set(tenant.id, { set, at: now() });
    if (!before || before.set === set) return set;
    // Where one of the two is everybody, everybody is asked for.
    const everybody = function* () {
      for (const row of wanted.pending(tenant.id)) if (row.online) yield row.key;
    };
    const was = before.set;
    for (const key of was && set ? was.symmetricDifference(set) : everybody()) {
      const visitor = { tenant: tenant.id, key: key as VisitorKey }; // keys of our own table
      if ((was?.has(key) ?? true) !== (set?.has(key) ?? true)) changeOf(visitor);
    }
    return set;
  }

  function chooseWhereMoved(): void {
    for (const id of moved) {
      if (now() - (shown.get(id)?.at ?? 0) < SHOWN_EVERY_MS) continue;
      moved.delete(id);
      const tenant = tenants.get(id);
      if (tenant) choose(tenant);
    }
  }

  /** One that fails keeps to its backoff, but what is new while it is tried has to be looked at afterwards. */
  function changeOf(visitor: Visitor, at = now(), refresh = false): void {
    const id = idOf(visitor);
    if (!failures.has(id) || busy.has(id)) mark(visitor, at, refresh);
  }

  function actualOf(jid: string): Actual {
    let known = actual.get(jid);
    if (!known) {
      known = { account: null, grouped: null, nick: null };
      actual.set(jid, known);
    }
    return known;
  }

  async function show(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    const state = await host.load(visitorRef(visitor.tenant, visitor.key));
    if (!state) return;
    const view = visitorState(state.core);
    const profile = await personal.profileOf(visitor.tenant, visitor.key, state);
    const presence = presenceOf(visitor.key, profile, view);
    const has = actualOf(jid);
    if (!has.account) {
      await admin.register(jid, options.passwordOf(jid));
      has.account = true;
    }
    if (!view.context.account) await report(visitor, { type: 'ReportAccountReady' });
    if (has.nick !== presence.nick) {
      // Before the group: the roster's name for the contact is taken from it then (EJABBERD.md).
      await admin.setNickname(jid, presence.nick);
      has.nick = presence.nick;
    }
    if (!has.grouped) {
      await admin.joinGroup(jid, rosterGroups(tenant).visitors);
      has.grouped = true;
    }
    await transport.online(jid, presence);
    presentAt.set(idOf(visitor), now());
    if (!view.context.loggedIn) await report(visitor, { type: 'ReportLoggedIn' });
  }

  async function hide(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await transport.offline(jid);
    const has = actualOf(jid);
    if (has.grouped !== false) {
      await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      has.grouped = false;
    }
    presentAt.delete(idOf(visitor));
    const state = await host.load(visitorRef(visitor.tenant, visitor.key));
    if (state && visitorState(state.core).context.loggedIn) {
      await report(visitor, { type: 'ReportLoggedOut', reason: 'not shown' });
    }
  }

  async function remove(tenant: TenantSettings, visitor: Visitor, jid: string): Promise<void> {
    await hide(tenant, visitor, jid);
    if (actualOf(jid).account !== false) await admin.unregister(jid);
    actual.delete(jid);
    wanted.removed(visitor);
  }

  async function reconcile(visitor: Visitor): Promise<void> {
    const tenant = tenants.get(visitor.tenant);
    const row = wanted.get(visitor);
    if (!tenant || !row) return;
    const jid = visitorJid(tenant, visitor.key);
    if (row.gone) await remove(tenant, visitor, jid);
    else if (row.online && isShown(tenant, visitor.key)) await show(tenant, visitor, jid);
    else await hide(tenant, visitor, jid);
  }

  async function attend(visitor: Visitor): Promise<void> {
    const id = idOf(visitor);
    try {
      await slots.use(() => (stopped ? Promise.resolve() : reconcile(visitor)));
      failures.delete(id);
    } catch (error) {
      if (stopped) return;
      const attempts = (failures.get(id) ?? 0) + 1;
      failures.set(id, attempts);
      const refused = error instanceof AppError && error.code === 'refused';
      logger[attempts === 1 ? 'warn' : 'debug'](
        { tenant: visitor.tenant, visitor: visitor.key, reason: messageOf(error) },
        'a visitor could not be brought into XMPP; again later',
      );
      if (refused) {
        // The same reason again is no news: it is told once.
        await report(visitor, { type: 'ReportSessionFailed', reason: messageOf(error) }).catch(
          (failure) => logger.error({ err: failure }, 'the failure could not be noted'),
        );
      }
      const wait = refused ? REFUSED_RETRY_MS : backoff(attempts, RETRY, random);
      due.set(id, { visitor, at: now() + wait, refresh: false });
    } finally {
      busy.delete(id);
    }
  }

  function tick(): void {
    chooseWhereMoved();
    const at = now();
    let refreshes = REFRESHES_PER_TICK;
    for (const [id, entry] of due) {
      if (entry.at > at || busy.has(id)) continue;
      if (busy.size >= AT_ONCE * 4) return;
      if (entry.refresh && refreshes-- <= 0) continue;
      due.delete(id);
      busy.add(id);
      const attending = attend(entry.visitor);
      work.add(attending);
      attending.finally(() => work.delete(attending));
    }
  }

  async function compareTenant(tenant: TenantSettings): Promise<void> {
    const groups = rosterGroups(tenant);
    await admin.ensureGroups(tenant.host, groups);
    // First ejabberd's side, then the log to its head, then the comparison: in another order a newborn is taken for
    // an orphan (DESIGN.md, Effects).
    const [accounts, members, operators] = await Promise.all([
      admin.accounts(tenant.host),
      admin.groupMembers(tenant.host, groups.visitors),
      admin.groupMembers(tenant.host, groups.operators),
    ]);
    await options.caughtUp();
    const existing = new Set(accounts);
    const grouped = new Set(operators);
    for (const username of options.operatorsOf(tenant.id)) {
      // A kill of ejabberd forgets what Mnesia took in its last two seconds (measured).
      const jid = operatorJid(tenant, username);
      const local = jid.slice(0, -(tenant.host.length + 1));
      if (!existing.has(local)) {
        logger.error(
          { tenant: tenant.id, username },
          'ejabberd has lost an account: set a password',
        );
      } else if (!grouped.has(jid)) {
        await admin.joinGroup(jid, groups.operators);
      }
    }
    const visitorOf = (jid: string): Visitor | null => {
      const person = personOf(jid, () => [tenant]);
      return person?.kind === 'visitor' ? { tenant: tenant.id, key: person.name } : null;
    };
    const found = new Map<string, { visitor: Visitor; account: boolean; grouped: boolean }>();
    const note = (jid: string, what: 'account' | 'grouped'): void => {
      const visitor = visitorOf(jid);
      if (!visitor) return;
      const known = found.get(jid) ?? { visitor, account: false, grouped: false };
      known[what] = true;
      found.set(jid, known);
    };
    for (const local of accounts) note(`${local}@${tenant.host}`, 'account');
    for (const member of members) note(member, 'grouped');
    for (const [jid, { visitor, account, grouped }] of found) {
      if (!busy.has(idOf(visitor))) {
        const nick = account ? (actual.get(jid)?.nick ?? null) : null;
        actual.set(jid, { account, grouped, nick });
      }
      const row = wanted.get(visitor);
      if (!row) await removeOrphan(tenant, visitor, jid);
      else if (!row.online && (grouped || row.gone)) mark(visitor, now());
    }
    for (const jid of actual.keys()) {
      const visitor = found.has(jid) ? null : visitorOf(jid);
      if (visitor && !busy.has(idOf(visitor))) actual.delete(jid);
    }
    for (const row of wanted.pending(tenant.id)) mark(row, now());
  }

  /** An account or a member that no fact of ours calls for, also one that ejabberd forgot to have removed. */
  async function removeOrphan(
    tenant: TenantSettings,
    visitor: Visitor,
    jid: string,
  ): Promise<void> {
    const id = idOf(visitor);
    if (busy.has(id)) return;
    busy.add(id); // who comes meanwhile is shown afterwards
    try {
      const state = await host.load(visitorRef(visitor.tenant, visitor.key));
      if (state && visitorState(state.core).presence !== 'cleanedUp') return;
      logger.info({ tenant: tenant.id, visitor: visitor.key }, 'removing an orphan from ejabberd');
      await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      await admin.unregister(jid);
      actual.delete(jid);
    } finally {
      busy.delete(id);
    }
  }

  async function compareAll(): Promise<void> {
    for (let attempt = 1; !stopped; attempt++) {
      try {
        for (const tenant of tenants.all()) {
          if (options.ownership.owns(partitionOf(tenant.id))) await compareTenant(tenant);
        }
        return;
      } catch (error) {
        const wait = backoff(attempt, RETRY, random);
        logger[attempt === 1 ? 'warn' : 'debug'](
          { reason: messageOf(error) },
          'ejabberd could not be compared with the log; again later',
        );
        await new Promise((resolve) => setTimeout(resolve, wait).unref());
      }
    }
  }

  return {
    changed(visitor, event) {
      if (event.type === 'PageViewed') {
        // Presence at most so often; what a page view changes is only that.
        const last = presentAt.get(idOf(visitor));
        const at = last === undefined ? now() : Math.max(now(), last + PRESENCE_EVERY_MS);
        changeOf(visitor, at, last !== undefined);
      } else if (SHOWS.has(event.type)) changeOf(visitor);
      else return;
      moved.add(visitor.tenant);
    },
    lost: (visitor) => mark(visitor, now() + REFUSED_RETRY_MS),
    async start() {
      ticker = setInterval(tick, TICK_MS);
      await this.compare();
    },
    compare() {
      comparing ??= compareAll().finally(() => {
        comparing = null;
      });
      return comparing;
    },
    async stop() {
      stopped = true;
      clearInterval(ticker);
      await Promise.all(work);
    },
    pending: () => due.size + busy.size,
  };
}

/** Facts after which something else may have to be shown. */
const SHOWS = new Set([
  'VisitorArrived',
  'TimedOut',
  'CleanedUp',
  'ChatStarted',
  'ChatAssigned',
  'ChatAccepted',
  'ChatClosed',
]);
