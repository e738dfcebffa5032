/**
 * Leases: who of the processes on one log acts for which partition (docs/adr/0010). No two clocks are compared: an owner counts its
 * lease from before its last append, everybody else from when they heard of it, so the owner always stops first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { EventStore, Position } from '../../eventstore/port.ts';
import { backoff } from '../../kit/backoff.ts';
import type { CommitListener } from '../pending-work.ts';
import { createLeaseLog, LEASES } from './log.ts';
import type { Ownership } from './ownership.ts';
import { applyLease, expiredOwners, type LeaseFact, shiftOf } from './state.ts';

const DURATION_MS = 8_000;
const RENEW_EVERY_MS = 2_500;
const LOOK_EVERY_MS = 500;
/** An owner stops so long before its lease ends: an effect that was begun takes its time. */
const MARGIN_MS = 1_000;
const HAND_OVER_WITHIN_MS = 2_000;
/** Time in which this process did not look at the log does not count against others. */
const DEAF_MS = 3_000;
const TRIES = 10;
/** When another process appended to the leases first. */
export const LEASE_CONFLICT_RETRY = { firstMs: 20, mostMs: 200 };

export interface Leases extends Ownership, CommitListener {
  /** Joins the processes on this log. Resolves when that is in the log. @throws {AppError} when it cannot be read */
  start(): Promise<void>;
  /**
   * Hands everything over and leaves.
   * @param withinMs for what is under way, and as long again for the word to the others
   * @returns how many other processes live that take over; 0 when they could not be told
   */
  stop(withinMs: number): Promise<{ others: number }>;
  /** Partitions that this process acts for now. */
  owned(): readonly number[];
  /** Processes that live, as the log has it. */
  living(): number;
}

export interface LeasesOptions {
  readonly store: EventStore;
  /** The same over restarts of a process on the same data, and never that of two living ones. */
  readonly owner: string;
  /** For people who read the log. */
  readonly name: string;
  /** Resolves when this process has folded the log up to there. */
  readonly waitFor: (position: Position, deadlineMs: number) => Promise<void>;
  /** Whether this process can fold the log now. One that cannot leaves the work to others until it can. */
  readonly follows: () => boolean;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default 8,000 ms. */
  readonly durationMs?: number;
  /** Default Node's. */
  readonly timers?: Timers;
}

export interface Timers {
  /** Holds up no end of the process. */
  delay(ms: number): Promise<unknown>;
  /** @returns ends it */
  every(ms: number, deed: () => void): () => void;
}

const NODE_TIMERS: Timers = {
  delay: (ms) => delay(ms, undefined, { ref: false }),
  every(ms, deed) {
    const timer = setInterval(deed, ms);
    return () => clearInterval(timer);
  },
};

export function createLeases(options: LeasesOptions): Leases {
  const { owner, name, monotonic, random, logger } = options;
  const { timers = NODE_TIMERS } = options;
  const durationMs = options.durationMs ?? DURATION_MS;
  const pace = durationMs / DURATION_MS;
  const changed: ((partition: number, owned: boolean) => void)[] = [];
  const finishers: ((partitions: ReadonlySet<number>, withinMs: number) => Promise<void>)[] = [];

  const log = createLeaseLog({ ...options, deafMs: DEAF_MS * pace });
  const active = new Set<number>();
  const leaving = new Set<number>();
  /** Held, and waiting for the log to be read; an object for each wait, as a partition may come back before its end. */
  const activating = new Map<number, object>();
  let looking: Promise<void> | null = null;
  let lookAgain = false;
  let endTicks: (() => void) | undefined;
  let stopped = false;

  const mine = (): readonly number[] => log.state().get(owner)?.partitions ?? [];
  const holding = (partitions: readonly number[]) => ({ owner, name, durationMs, partitions });

  const isValid = (): boolean => log.sinceBegun() < durationMs - MARGIN_MS * pace;

  function tell(partition: number, owned: boolean): void {
    for (const listener of changed) listener(partition, owned);
  }

  function lose(partitions: Iterable<number>): void {
    const lost = [...partitions].filter((partition) => active.delete(partition));
    if (lost.length > 0) logger.info({ partitions: lost }, 'partitions left');
    for (const partition of lost) tell(partition, false);
  }

  /** What ended by the clock, or what the log says another has. */
  function lapse(): void {
    const held = new Set(isValid() ? mine() : []);
    for (const partition of activating.keys()) {
      if (!held.has(partition)) activating.delete(partition);
    }
    lose([...active].filter((partition) => !held.has(partition)));
  }

  // What ended while an append was under way was lost, and is told so before it is gained anew.
  const append = (facts: readonly LeaseFact[]): Promise<Position | null> =>
    log.append(facts, lapse);

  /** What this process appends now; null when there is nothing. */
  function due(): LeaseFact[] | null {
    const state = log.state();
    const gone = expiredOwners(state, owner, monotonic());
    let living = state;
    const facts: LeaseFact[] = gone.map((each) => ({
      type: 'LeaseExpired',
      data: { owner: each, by: owner },
    }));
    for (const fact of facts) living = applyLease(living, fact, 0);
    const { take } = shiftOf(living, owner);
    if (take.length > 0) {
      facts.push({ type: 'LeaseTaken', data: holding([...mine(), ...take]) });
    } else if (!state.has(owner) || facts.length > 0 || log.sinceBegun() >= RENEW_EVERY_MS * pace) {
      facts.push({ type: 'LeaseRenewed', data: holding(mine()) });
    }
    for (const each of gone) logger.warn({ owner: each }, 'a process is gone: its lease ended');
    return facts.length > 0 ? facts : null;
  }

  /** Acts for what it holds as soon as it has seen what was done before it had it. */
  async function activate(position: Position): Promise<void> {
    const wanted = mine().filter((n) => !active.has(n) && !leaving.has(n) && !activating.has(n));
    if (wanted.length === 0) return;
    const turn = {};
    for (const partition of wanted) activating.set(partition, turn);
    try {
      await options.waitFor(position, durationMs);
      lapse();
      if (stopped) return;
      const gained = wanted.filter((n) => activating.get(n) === turn && !leaving.has(n));
      for (const partition of gained) active.add(partition);
      if (gained.length > 0) logger.info({ partitions: gained }, 'partitions gained');
      for (const partition of gained) tell(partition, true);
    } catch (error) {
      // With the next renewal it is tried again.
      logger.warn({ reason: messageOf(error) }, 'partitions are held, but the log is not read yet');
    } finally {
      for (const partition of wanted) {
        if (activating.get(partition) === turn) activating.delete(partition);
      }
    }
  }

  /** Finishes what is under way for these. `owns` is false for them from the beginning. */
  async function handOver(partitions: readonly number[], withinMs: number): Promise<void> {
    for (const partition of partitions) leaving.add(partition);
    const set = new Set(partitions);
    const finished = Promise.all(
      finishers.map((finish) =>
        finish(set, withinMs).catch((error) =>
          logger.warn({ reason: messageOf(error) }, 'not finished before a hand-over'),
        ),
      ),
    );
    await Promise.race([finished, timers.delay(withinMs)]);
  }

  async function give(): Promise<boolean> {
    const { give: surplus } = shiftOf(log.state(), owner);
    if (surplus.length === 0) return false;
    try {
      await handOver(surplus, HAND_OVER_WITHIN_MS * pace);
      if (stopped) return false; // `stop` gives everything; a word behind its own would be of a process that lives
      const kept = mine().filter((partition) => !surplus.includes(partition));
      return (await append([{ type: 'LeaseReleased', data: holding(kept) }])) !== null;
    } finally {
      // On a conflict or a failure it is decided anew; what is kept after all becomes active with the next renewal.
      lose(surplus);
      for (const partition of surplus) leaving.delete(partition);
    }
  }

  /** @returns whether the others know that this process ends */
  async function leave(withinMs: number): Promise<boolean> {
    const until = monotonic() + withinMs;
    try {
      // Not later: the next process on the same data has the same name.
      for (let tries = 1; tries <= TRIES && monotonic() < until; tries++) {
        if (await append([{ type: 'LeaseEnded', data: { owner } }])) return true;
        await log.refresh();
      }
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, 'not told that this process ends: it is noticed');
    }
    return false;
  }

  /** Out of the group, what it held handed over: it comes back when it can follow the log again. */
  async function stepOut(): Promise<void> {
    if (!log.state().has(owner)) return;
    logger.error('this process cannot follow the log: its partitions go to others');
    const held = mine();
    try {
      await handOver(held, HAND_OVER_WITHIN_MS * pace);
      if (!stopped) await append([{ type: 'LeaseEnded', data: { owner } }]);
    } finally {
      lose(held);
      for (const partition of held) leaving.delete(partition);
    }
  }

  async function look(): Promise<void> {
    await log.refresh();
    lapse();
    if (!options.follows()) return stepOut();
    for (let tries = 1; tries <= TRIES && !stopped; tries++) {
      const facts = due();
      const position = facts && (await append(facts));
      if (position) void activate(position);
      else if (facts || !(await give())) {
        if (!facts) return;
        await timers.delay(backoff(tries, LEASE_CONFLICT_RETRY, random));
        await log.refresh();
      }
      lapse();
    }
  }

  /** One look at a time. */
  function lookNow(): Promise<void> {
    lookAgain = looking !== null;
    looking ??= look()
      .catch((error) => {
        lapse();
        logger.warn({ reason: messageOf(error) }, 'leases could not be renewed; again soon');
      })
      .finally(() => {
        looking = null;
        if (lookAgain && !stopped) void lookNow();
      });
    return looking;
  }

  return {
    owns: (partition) => active.has(partition) && !leaving.has(partition) && isValid(),
    onChange: (listener) => void changed.push(listener),
    onHandOver: (finish) => void finishers.push(finish),
    onCommit(events) {
      const others = events.some(({ stream, data }) => stream === LEASES && data.owner !== owner);
      if (others && endTicks) void lookNow();
    },
    async start() {
      await log.refresh();
      await look();
      endTicks = timers.every(LOOK_EVERY_MS * pace, () => {
        lapse();
        void lookNow();
      });
    },
    async stop(withinMs) {
      stopped = true;
      endTicks?.();
      endTicks = undefined;
      const looked = Promise.race([looking ?? undefined, timers.delay(withinMs)]);
      await Promise.all([looked, handOver([...active], withinMs)]);
      const told = await Promise.race([leave(withinMs), timers.delay(withinMs).then(() => false)]);
      lose(active);
      leaving.clear();
      if (!told) return { others: 0 };
      const state = log.state();
      const expired = new Set(expiredOwners(state, owner, monotonic()));
      return { others: [...state.keys()].filter((id) => !expired.has(id) && id !== owner).length };
    },
    owned: () => (isValid() ? [...active].filter((n) => !leaving.has(n)) : []),
    living: () => log.state().size,
  };
}
