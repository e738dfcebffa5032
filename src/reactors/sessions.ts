/**
 * Visitors in XMPP: account, roster membership, presence. Desired state, not a list of deeds: the latest wish wins and
 * older ones are dropped, so there is no storm of hour-old presences and no unregister that overtakes a return.
 */
import { visitorJid } from '../actors/ids.ts';
import { AppError, messageOf } from '../errors.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { backoff } from '../runtime/backoff.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { type ComparisonOptions, createComparison } from './comparison.ts';
import { createShown } from './shown.ts';
import { createVisitorAccounts, type VisitorAccountsOptions } from './visitor-accounts.ts';
import type { Visitor } from './wanted.ts';

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

export type SessionsOptions = VisitorAccountsOptions &
  Pick<
    ComparisonOptions,
    'wanted' | 'tenants' | 'ownership' | 'operatorsOf' | 'caughtUp' | 'random' | 'logger'
  > & { readonly now: () => number };

export function createSessions(options: SessionsOptions): Sessions {
  const { wanted, tenants, now, random, logger } = options;
  const accounts = createVisitorAccounts(options);
  /** Visitors to look at, not before when, and whether only because their status text may be newer. */
  const due = new Map<string, { visitor: Visitor; at: number; refresh: boolean }>();
  const busy = new Set<string>();
  const presentAt = new Map<string, number>();
  const failures = new Map<string, number>();
  const slots = new Semaphore(AT_ONCE);
  const work = new Set<Promise<void>>();
  let ticker: NodeJS.Timeout | undefined;
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

  /** One that fails keeps to its backoff, but what is new while it is tried has to be looked at afterwards. */
  function changeOf(visitor: Visitor, at = now(), refresh = false): void {
    const id = idOf(visitor);
    if (!failures.has(id) || busy.has(id)) mark(visitor, at, refresh);
  }

  const shown = createShown({ wanted, tenants, now, changed: (visitor) => changeOf(visitor) });
  const comparison = createComparison({
    ...options,
    ...{ accounts, busy, idOf },
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
    if (!row.gone) return accounts.hide(tenant, visitor, jid);
    await accounts.remove(tenant, visitor, jid);
    wanted.removed(visitor);
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
        await accounts
          .report(visitor, { type: 'ReportSessionFailed', reason: messageOf(error) })
          .catch((failure) => logger.error({ err: failure }, 'the failure could not be noted'));
      }
      const wait = refused ? REFUSED_RETRY_MS : backoff(attempts, RETRY, random);
      due.set(id, { visitor, at: now() + wait, refresh: false });
    } finally {
      busy.delete(id);
    }
  }

  function tick(): void {
    shown.refresh();
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

  return {
    changed(visitor, event) {
      if (event.type === 'PageViewed') {
        // Presence at most so often; what a page view changes is only that.
        const last = presentAt.get(idOf(visitor));
        const at = last === undefined ? now() : Math.max(now(), last + PRESENCE_EVERY_MS);
        changeOf(visitor, at, last !== undefined);
      } else if (SHOWS.has(event.type)) changeOf(visitor);
      else return;
      shown.moved(visitor.tenant);
    },
    lost: (visitor) => mark(visitor, now() + REFUSED_RETRY_MS),
    async start() {
      ticker = setInterval(tick, TICK_MS);
      await this.compare();
    },
    compare: () => comparison.run(),
    async stop() {
      stopped = true;
      comparison.stop();
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
