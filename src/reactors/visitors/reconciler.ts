/**
 * Visitors in XMPP: account, roster membership, presence. Desired state, not a list of deeds: the latest wish wins and
 * older ones are dropped, so there is no storm of hour-old presences and no unregister that overtakes a return.
 *
 * Of several processes the one that owns a visitor's partition acts. Who loses a partition leaves its sessions as they
 * are, for the next owner's logins to replace; who gains one compares it with ejabberd at once and mends what differs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { actorOf, personOf, visitorJid } from '../../actors/ids.ts';
import { isRefused, messageOf } from '../../errors.ts';
import { backoff } from '../../kit/backoff.ts';
import { debounce } from '../../kit/debounce.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { PARTITIONS, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import { createVisitorAccounts, HandedOver, type VisitorAccountsOptions } from './accounts.ts';
import { type ComparisonOptions, createComparison } from './comparison.ts';
import type { Visitor } from './desired.ts';
import { createShown } from './visible.ts';

/** One visitor's presence changes at most so often; the last one counts. */
const PRESENCE_EVERY_MS = 2_000;
const TICK_MS = 100;
/**
 * Newer status texts in one tick, over all visitors; the oldest first, the latest text counts. Each costs some 2 ms of
 * ejabberd's CPU and ours, and nobody reads fifty in a second. Who comes, leaves or chats does not wait for them.
 */
const REFRESHES_PER_TICK = 5;
export const VISITOR_RETRY = { firstMs: 500, mostMs: 30_000 };
/** A refusal does not go away by itself, but it may be mended by hand. */
const REFUSED_RETRY_MS = 60_000;
/**
 * Another login took its place: a late one of ours, or of a process that was paused. So it comes back soon; where two
 * services fight for an account, ever more seldom.
 */
export const SESSION_TAKEN_RETRY = { firstMs: 3_000, mostMs: 60_000 };
const TAKEN_REMEMBERED_MS = 10 * 60_000;
const AT_ONCE = 32;
/** How long a session waits for the next owner to replace it; then it is ended. 500 logins take 3-5 s. */
const RELEASE_MS = 30_000;
/** Partitions that are gained at the same moment are compared together. */
const GAINED_MS = 50;
/** When sessions come back after a loss: once they have stopped doing so, but not later than this. */
const RETURNED_MS = { quiet: 1_000, most: 10_000 };

export interface Sessions extends CommitListener {
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

export type SessionsOptions = VisitorAccountsOptions &
  Pick<
    ComparisonOptions,
    'wanted' | 'tenants' | 'ownership' | 'operatorsOf' | 'caughtUp' | 'random' | 'logger'
  > & {
    readonly now: () => number;
    /** Default 30 s. */
    readonly releaseMs?: number;
  };

export function createSessions(options: SessionsOptions): Sessions {
  const { wanted, tenants, transport, ownership, now, random, logger } = options;
  const { releaseMs = RELEASE_MS } = options;
  const idOf = ({ tenant, key }: Visitor): string => `${tenant}.${key}`;
  const partition = (visitor: Visitor): number => partitionOf(idOf(visitor));
  const owns = (visitor: Visitor): boolean => ownership.owns(partition(visitor));
  const accounts = createVisitorAccounts(options, owns);
  /** Partitions of whose loss nothing was said yet: a lease may lapse and be renewed after all. */
  const held = new Set<number>();
  for (let each = 0; each < PARTITIONS; each++) if (ownership.owns(each)) held.add(each);
  /** Visitors to look at, not before when, and whether only because their status text may be newer. */
  const due = new Map<string, { visitor: Visitor; at: number; refresh: boolean }>();
  const busy = new Set<string>();
  const presentAt = new Map<string, number>();
  const failures = new Map<string, number>();
  /** How often a visitor's session was taken, in a row. */
  const taken = new Map<string, { readonly times: number; readonly at: number }>();
  const limited = createLimiter(AT_ONCE);
  /** What is under way, with its partition. */
  const work = new Map<Promise<void>, number>();
  let ticker: NodeJS.Timeout | undefined;
  let started = false;
  let stopped = false;

  /** What is wished for it is kept here, though it may have to wait. */
  const keeps = (visitor: Visitor): boolean => held.has(partition(visitor)) || owns(visitor);

  function mark(visitor: Visitor, at: number, refresh = false): void {
    if (!keeps(visitor)) return;
    const id = idOf(visitor);
    const known = due.get(id);
    if (!known) {
      due.set(id, { visitor, at, refresh });
      return;
    }
    known.at = Math.min(known.at, at);
    known.refresh &&= refresh;
  }

  /** One that fails keeps to its backoff, but what is new while it is tried has to be looked at afterwards. */
  function changeOf(visitor: Visitor, at = now(), refresh = false): void {
    const id = idOf(visitor);
    if (!failures.has(id) || busy.has(id)) mark(visitor, at, refresh);
  }

  const shown = createShown({ wanted, tenants, now, changed: (visitor) => changeOf(visitor) });
  const comparison = createComparison({
    ...options,
    accounts,
    busy,
    idOf,
    mark: (visitor) => mark(visitor, now()),
  });

  async function reconcile(visitor: Visitor): Promise<void> {
    const tenant = tenants.get(visitor.tenant);
    const row = wanted.get(visitor);
    if (!tenant || !row) return;
    const jid = visitorJid(tenant, visitor.key);
    if (row.online && shown.has(tenant, visitor.key)) {
      await accounts.show(tenant, visitor, jid);
      presentAt.set(idOf(visitor), now());
      return;
    }
    presentAt.delete(idOf(visitor));
    taken.delete(idOf(visitor));
    if (!row.gone) return accounts.hide(tenant, visitor, jid);
    await accounts.remove(tenant, visitor, jid);
    wanted.removed(visitor);
  }

  async function attend(visitor: Visitor): Promise<void> {
    const id = idOf(visitor);
    try {
      await limited(() => (stopped ? Promise.resolve() : reconcile(visitor)));
      failures.delete(id);
    } catch (error) {
      if (stopped) return;
      if (error instanceof HandedOver || !owns(visitor)) {
        failures.delete(id);
        mark(visitor, now()); // where it is held still, its turn comes when it may be acted for again
        return;
      }
      const attempts = (failures.get(id) ?? 0) + 1;
      failures.set(id, attempts);
      const refused = isRefused(error);
      logger[attempts === 1 ? 'warn' : 'debug'](
        { tenant: visitor.tenant, visitor: visitor.key, reason: messageOf(error) },
        'a visitor could not be brought into XMPP; again later',
      );
      if (refused) {
        // The same reason again is no news: it is told once.
        await accounts
          .report(visitor, { type: 'ReportSessionFailed', reason: messageOf(error) })
          .catch((failure) => logger.error({ err: failure }, 'the failure could not be noted'));
      }
      const wait = refused ? REFUSED_RETRY_MS : backoff(attempts, VISITOR_RETRY, random);
      if (keeps(visitor)) due.set(id, { visitor, at: now() + wait, refresh: false });
      else failures.delete(id);
    } finally {
      busy.delete(id);
    }
  }

  function tick(): void {
    shown.refresh();
    const at = now();
    let refreshes = REFRESHES_PER_TICK;
    for (const [id, entry] of due) {
      if (entry.at > at || busy.has(id) || !owns(entry.visitor)) continue;
      if (busy.size >= AT_ONCE * 4) return;
      if (entry.refresh && refreshes-- <= 0) continue;
      due.delete(id);
      busy.add(id);
      const attending = attend(entry.visitor);
      work.set(attending, partition(entry.visitor));
      attending.finally(() => work.delete(attending));
    }
  }

  /** @param type of a fact of this visitor */
  function follow(visitor: Visitor, type: string): void {
    if (type === 'PageViewed') {
      // Presence at most so often; what a page view changes is only that.
      const last = presentAt.get(idOf(visitor));
      const at = last === undefined ? now() : Math.max(now(), last + PRESENCE_EVERY_MS);
      changeOf(visitor, at, last !== undefined);
    } else if (SHOWS.has(type)) changeOf(visitor);
    else return;
    shown.moved(visitor.tenant);
  }

  const gained = new Set<number>();
  const compareGained = debounce(() => {
    if (started) void comparison.run(gained);
    gained.clear();
  }, GAINED_MS);
  let away = false;
  const compareReturned = debounce(
    () => {
      away = false;
      if (started) void comparison.run();
    },
    RETURNED_MS.quiet,
    RETURNED_MS.most,
  );

  /** Nothing is done any more for visitors of these partitions; their sessions are the next owner's to replace. */
  function release(partitions: ReadonlySet<number>): void {
    const isTheirs = (jid: string): boolean => {
      const person = personOf(jid, tenants.ofHost);
      if (person?.kind !== 'visitor') return false;
      return partitions.has(partition({ tenant: person.tenant, key: person.name }));
    };
    for (const jid of transport.sessions()) if (isTheirs(jid)) transport.release(jid, releaseMs);
    for (const jid of [...accounts.known()]) if (isTheirs(jid)) accounts.forget(jid);
    for (const known of [due, failures, presentAt, taken]) {
      for (const id of known.keys()) if (partitions.has(partitionOf(id))) known.delete(id);
    }
  }

  ownership.onChange((changed, owned) => {
    if (owned) {
      held.add(changed);
      gained.add(changed);
      compareGained.ask();
    } else {
      held.delete(changed);
      gained.delete(changed);
      release(new Set([changed]));
    }
  });
  ownership.onHandOver(async (partitions, withinMs) => {
    for (const each of partitions) held.delete(each);
    release(partitions);
    const underWay = [...work].flatMap(([each, of]) => (partitions.has(of) ? [each] : []));
    await Promise.race([Promise.all(underWay), delay(withinMs, undefined, { ref: false })]);
  });

  // ejabberd was away: only one process hears from mod_lhc that it started, the others see it by their sessions.
  transport.listen({
    sessionLost(_jid, _reason, final) {
      away ||= !final;
    },
    sessionStarted() {
      if (away) compareReturned.ask();
    },
  });

  return {
    onCommit(events) {
      // Before that it is history: the first comparison sees what of it is pending.
      if (!started) return;
      for (const { stream, type } of events) {
        const actor = actorOf(stream);
        if (actor?.kind === 'visitor') follow({ tenant: actor.tenant, key: actor.name }, type);
      }
    },
    lost(visitor) {
      const id = idOf(visitor);
      const before = taken.get(id);
      const again = before !== undefined && now() - before.at < TAKEN_REMEMBERED_MS;
      const times = again ? before.times + 1 : 1;
      if (keeps(visitor)) taken.set(id, { times, at: now() });
      mark(visitor, now() + backoff(times, SESSION_TAKEN_RETRY, random));
    },
    async start() {
      started = true;
      ticker = setInterval(tick, TICK_MS);
      await this.compare();
    },
    compare: () => comparison.run(),
    async stop() {
      stopped = true;
      comparison.stop();
      compareGained.stop();
      compareReturned.stop();
      clearInterval(ticker);
      await Promise.all(work.keys());
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
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
]);
