/**
 * Visitors in XMPP: account, roster group and presence. This is the entry of `visitors/`; the composition (src/service)
 * imports it.
 *
 * The reconciler compares the desired state with ejabberd and repairs the difference. There is no list of pending
 * operations: a newer state replaces an older one. So no old presences are sent after an outage, and no late removal
 * hits a visitor who is back.
 *
 * The process that owns a visitor's partition acts. A process that loses a partition leaves the sessions connected, for
 * the next owner's logins to replace (docs/adr/0012). A process that gains a partition compares it with ejabberd at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { actorOf, personOf, type TenantId } from '../../actors/ids.ts';
import { tenantsNotKnown } from '../../actors/tenant/directory.ts';
import { changesLook } from '../../effects/presence.ts';
import { AppError, isRefused, messageOf, publicMessageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { debounce } from '../../kit/debounce.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { PARTITIONS, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import { MOST_CONTACTS } from '../../xmpp/port.ts';
import { createVisitorAccounts, type VisitorAccountsOptions } from './accounts.ts';
import { type AccountsLogOptions, createAccountsLog, type KeptAccounts } from './accounts-log.ts';
import { type Attempt, type AttemptsOptions, createAttempts, type Running } from './attempts.ts';
import { type ComparisonOptions, createComparison } from './comparison.ts';
import { createVisitorContacts, type VisitorContactsOptions } from './contacts.ts';
import type { Visitor } from './desired.ts';
import { createLeftovers, LEFTOVERS_AFTER_MS } from './leftovers.ts';
import { createLooks, type LooksOptions } from './looks.ts';
import { HandedOver } from './place.ts';
import { createVisitorPlaces, isDoneHere, type Moves } from './places.ts';
import { createReleasedSessions } from './released-sessions.ts';
import { createPlaceReports } from './reports.ts';
import { createSchedule, idOf } from './schedule.ts';
import { createTakeovers } from './takeovers.ts';
import { createTransportChanges } from './transport-changes.ts';
import { createVisibleVisitors } from './visible.ts';
import { createWays, TICK_MS } from './ways.ts';

/** Waits between the tries for one visitor. */
export const VISITOR_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** A refusal does not go away by itself, but an administrator may repair its cause. */
export const REFUSED_RETRY_MS = 60_000;
/**
 * Another login has replaced the session: a late one of ours, or one of a process that was paused. So the session comes
 * back soon. If two services fight for an account, it comes back less and less often.
 */
export const SESSION_TAKEN_RETRY: RetryPolicy = { firstMs: 3_000, mostMs: 60_000 };
/** A released session waits this long for the next owner's login, then it ends. 500 logins take 3-5 s. */
export const SESSION_RELEASE_MS = 30_000;
/**
 * The same while nobody can tell whether there is a next owner, because the event store is away. If another process has the
 * visitor, its login replaces the session. If not, the visitor stays. A session that nobody looks after ends after this.
 */
export const SESSION_KEPT_MS = 3_600_000;
/** Partitions that are gained within this time are compared together. */
const GAIN_QUIET_MS = 50;
/** After an outage, ejabberd is compared when no more sessions return for `quiet`, and after `most` in any case. */
const RETURN_MS = { quiet: 1_000, most: 10_000 };

export interface Reconciler extends CommitListener {
  /** The visitor's session ended, and the transport does not bring it back by itself. */
  sessionLost(visitor: Visitor): void;
  /** Starts to work with a comparison. Resolves when the first comparison has succeeded. */
  start(): Promise<void>;
  /** Compares with ejabberd again: when mod_lhc started, and every few minutes. */
  compare(): Promise<void>;
  /** Resolves when no reconciliation is running. The transport closes the sessions. */
  stop(): Promise<void>;
  /** Visitors that have to be reconciled. */
  pending(): number;
  /** Tenants whose accounts in ejabberd belong to another log, as far as that is known. */
  kept(): ReadonlyMap<TenantId, KeptAccounts>;
}

export type ReconcilerOptions = VisitorAccountsOptions &
  VisitorContactsOptions &
  LooksOptions &
  AccountsLogOptions &
  AttemptsOptions &
  Pick<
    ComparisonOptions,
    | 'desired'
    | 'contactTable'
    | 'tenants'
    | 'ownership'
    | 'operatorsOf'
    | 'adoptOperator'
    | 'caughtUp'
    | 'random'
    | 'logger'
  > & {
    readonly moved: Moves['moved'];
    /** Default {@link SESSION_RELEASE_MS}. */
    readonly releaseMs?: number | undefined;
    /** Default {@link LEFTOVERS_AFTER_MS}. */
    readonly leftoversMs?: number | undefined;
  };

const visitorPartition = (visitor: Visitor): number => partitionOf(idOf(visitor));

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { desired, tenants, transport, ownership, now, random, logger } = options;
  const { releaseMs = SESSION_RELEASE_MS, leftoversMs = LEFTOVERS_AFTER_MS } = options;
  const owns = (visitor: Visitor): boolean => ownership.owns(visitorPartition(visitor));
  /** Partitions whose loss was not announced yet. A lease may lapse and be renewed after all. */
  const kept = new Set<number>();
  for (let each = 0; each < PARTITIONS; each++) if (ownership.owns(each)) kept.add(each);
  const keeps = (visitor: Visitor): boolean => kept.has(visitorPartition(visitor)) || owns(visitor);

  const schedule = createSchedule(now, keeps);
  const accountsLog = createAccountsLog(options);
  const reports = createPlaceReports(options.actors, createLooks(options));
  const accounts = createVisitorAccounts(options, reports, owns, accountsLog.isOwn);
  const contacts = createVisitorContacts(options, reports, owns);
  const places = createVisitorPlaces({ accounts, contacts }, options);
  const visible = createVisibleVisitors({
    desired,
    tenants,
    now,
    onSwitch: (visitor) => schedule.change(visitor),
  });
  const leftovers = createLeftovers({ ...options, accountsLog, afterMs: leftoversMs });
  const comparison = createComparison({
    ...options,
    accounts,
    contacts,
    accountsLog,
    leftovers,
    busy: schedule.busy,
    idOf,
    mark: (visitor) => schedule.add(visitor, now()),
  });
  const attempts = createAttempts(options);
  const takeovers = createTakeovers(now);
  const ways = createWays(({ tenant }) => tenants.get(tenant)?.transport ?? 'accounts');
  const transports = createTransportChanges(tenants);
  const lines = createLineBudget();
  /** Running reconciliations, with their partitions. */
  const running = new Map<Promise<void>, number>();
  let ticker: NodeJS.Timeout | undefined;
  let started = false;
  let stopped = false;

  async function reconcile(visitor: Visitor, attempt: Attempt): Promise<void> {
    const tenant = tenants.get(visitor.tenant);
    if (!tenant && tenants.standing(visitor.tenant) === 'pending') throw tenantsNotKnown();
    const row = desired.get(visitor);
    if (!tenant || !row) return;
    const task = { tenant, visitor, attempt };
    if (row.online && visible.has(tenant, visitor.key)) {
      try {
        await places.show(task);
      } catch (error) {
        if (isDoneHere(error)) schedule.presenceSent(visitor);
        throw error;
      }
      schedule.presenceSent(visitor);
      return;
    }
    schedule.presenceEnded(visitor);
    takeovers.forget((id) => id === idOf(visitor));
    // An account that may belong to another log stays. Each comparison asks again.
    if (!row.gone || !(await accountsLog.isOwn(tenant))) return places.hide(task);
    await places.remove(task);
    desired.accountRemoved(visitor);
  }

  async function afterFailure(visitor: Visitor, error: unknown, running: Running): Promise<void> {
    if (stopped) return;
    if (error instanceof HandedOver || !owns(visitor)) {
      schedule.succeeded(visitor);
      schedule.add(visitor, now()); // for the case that this process gets the partition back
      return;
    }
    const most = error instanceof AppError ? error.details[MOST_CONTACTS] : undefined;
    if (typeof most === 'number') visible.bounded(visitor.tenant, most);
    const tries = schedule.failed(visitor, !isDoneHere(error));
    // Without ejabberd all visitors fail.
    const line = tries === 1 ? lines(visitor.tenant) : null;
    logger[line ? 'warn' : 'debug'](
      { tenant: visitor.tenant, visitor: visitor.key, reason: messageOf(error), ...line },
      'a visitor could not be shown in XMPP; the next try follows',
    );
    const refused = isRefused(error);
    if (refused) {
      // The actor ignores a repeated reason, so LHC hears of it once.
      await options.actors
        .visitor(visitor.tenant, visitor.key)
        .send({ type: 'ReportSessionFailed', reason: publicMessageOf(error) })
        .catch((failure) => logger.error({ err: failure }, 'the failure could not be recorded'));
    }
    const wait = refused ? REFUSED_RETRY_MS : backoff(tries, VISITOR_RETRY, random);
    schedule.retry(visitor, now() + wait);
    await running.failed(error, tries);
  }

  async function attempt(visitor: Visitor): Promise<void> {
    const running = attempts.begin(visitor);
    try {
      await reconcile(visitor, running);
      schedule.succeeded(visitor);
      await running.succeeded();
    } catch (error) {
      await afterFailure(visitor, error, running);
    }
  }

  async function attend(visitor: Visitor): Promise<void> {
    try {
      await ways.run(visitor, () => (stopped ? Promise.resolve() : attempt(visitor)));
    } finally {
      schedule.busy.delete(idOf(visitor));
    }
  }

  function takeDue(): void {
    const visitors = ways.take((room) =>
      schedule.take(({ visitor, refresh }) => {
        return owns(visitor) ? room(visitor, refresh) : false;
      }),
    );
    for (const visitor of visitors) {
      const attending = attend(visitor);
      running.set(attending, visitorPartition(visitor));
      attending.finally(() => {
        running.delete(attending);
        // A contact of the component takes less than a millisecond. Thousands must not wait for the next tick.
        if (!stopped && ways.hasRoomAgain(visitor)) takeDue();
      });
    }
  }

  function tick(): void {
    visible.refresh();
    leftovers.tick();
    ways.tick();
    takeDue();
  }

  const gained = new Set<number>();
  const compareGained = debounce(() => {
    if (started) void comparison.run(gained);
    gained.clear();
  }, GAIN_QUIET_MS);
  /** ejabberd was away since the last comparison. */
  let away = false;
  const compareAfterReturn = debounce(
    () => {
      away = false;
      if (started) void comparison.run();
    },
    RETURN_MS.quiet,
    RETURN_MS.most,
  );

  const released = createReleasedSessions(options);

  /** Everybody who is at a place that the tenant does not have any more. */
  function moveIfChanged(id: TenantId): void {
    const tenant = transports.changed(id);
    if (!tenant) return;
    logger.info(
      { tenant: id, transport: tenant.transport },
      'the transport of a tenant has changed',
    );
    leftovers.mark(id);
    for (const row of desired.pending(id)) schedule.add(row, now());
    for (const jid of places.former(tenant)) {
      const person = personOf(jid, tenants.ofHost);
      if (person?.kind !== 'visitor' || person.tenant !== id) continue;
      schedule.add({ tenant: id, key: person.name }, now());
    }
  }

  /** Stops acting for the visitors of these partitions. The next owner replaces their sessions. */
  function release(partitions: ReadonlySet<number>, withinMs: number): void {
    released.release(partitions, withinMs);
    places.forget((jid) => released.isIn(partitions, jid));
    const isForgotten = (id: string): boolean => partitions.has(partitionOf(id));
    schedule.forget(isForgotten);
    attempts.forget(isForgotten);
    takeovers.forget(isForgotten);
  }

  ownership.onChange((partition, owned) => {
    if (owned) {
      kept.add(partition);
      released.cameBack(partition);
      gained.add(partition);
      compareGained.trigger();
    } else {
      kept.delete(partition);
      gained.delete(partition);
      release(new Set([partition]), SESSION_KEPT_MS);
    }
  });
  ownership.onTaken((partition) => released.taken(partition, releaseMs));
  ownership.onHandOver(async (partitions, withinMs) => {
    for (const partition of partitions) kept.delete(partition);
    release(partitions, releaseMs);
    const unfinished = [...running].flatMap(([each, of]) => (partitions.has(of) ? [each] : []));
    await Promise.race([Promise.all(unfinished), delay(withinMs, undefined, { ref: false })]);
  });

  // mod_lhc reports its start to one process. The other processes notice an outage by their sessions.
  transport.listen({
    sessionLost(_jid, _reason, final) {
      away ||= !final;
    },
    sessionStarted() {
      if (away) compareAfterReturn.trigger();
    },
    streamLost() {
      away = true;
    },
    streamStarted() {
      // The first comparison waits for the first stream by itself.
      if (away) compareAfterReturn.trigger();
    },
  });

  return {
    onCommit(events) {
      // Earlier facts are history. The first comparison finds what of it is pending.
      if (!started) return;
      for (const { stream, type, revision } of events) {
        const actor = actorOf(stream);
        if (type === 'TenantConfigured' && actor) {
          visible.changed(actor.tenant); // how many are visible is a setting
          moveIfChanged(actor.tenant);
        }
        if (actor?.kind !== 'visitor') continue;
        const visitor = { tenant: actor.tenant, key: actor.name };
        // It changes no presence, and operators who are asked have to get the visitor's words.
        if (type === 'ChatOffered') visible.changed(visitor.tenant);
        if (type === 'PageViewed') schedule.pageView(visitor);
        else if (changesLook(type)) schedule.change(visitor);
        else continue;
        if (keeps(visitor)) attempts.serves(visitor, revision, type === 'PageViewed');
        if (type === 'CleanedUp') leftovers.mark(visitor.tenant);
        visible.changed(visitor.tenant);
      }
    },
    sessionLost(visitor) {
      const times = takeovers.count(visitor, keeps(visitor));
      schedule.add(visitor, now() + backoff(times, SESSION_TAKEN_RETRY, random));
    },
    async start() {
      started = true;
      transports.begin();
      ticker = setInterval(tick, TICK_MS);
      await comparison.run();
    },
    compare: () => comparison.run(),
    async stop() {
      stopped = true;
      comparison.stop();
      compareGained.stop();
      compareAfterReturn.stop();
      clearInterval(ticker);
      await Promise.all([...running.keys(), leftovers.stop()]);
    },
    pending: () => schedule.size(),
    kept: accountsLog.kept,
  };
}
