/**
 * Leases: which of the processes on one log acts for which partition (docs/adr/0010). No two clocks are compared. An owner
 * counts its lease from before its last append, all others from when they heard of it, so the owner always stops first.
 *
 * {@link createLeases} is the entry point, for src/service alone. All others ask the {@link Ownership}. This file joins,
 * renews, takes and gives; partitions.ts says what this process does with the partitions that it gains and loses.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { EventStore, Position } from '../../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { CommitListener } from '../pending-work.ts';
import { createLeaseLog, LEASES } from './log.ts';
import type { Ownership } from './ownership.ts';
import {
  activate,
  handOver,
  heldPartitions,
  isValid,
  LEASE_MS,
  lapse,
  lose,
  type PartitionState,
  scaled,
  type Timers,
  tellTaken,
} from './partitions.ts';
import { applyLease, expiredOwners, type LeaseFact, shiftOf } from './state.ts';

export const RENEW_EVERY_MS = 2_500;
export const LOOK_EVERY_MS = 500;
/** How long a hand-over waits for effects that are running. */
export const HAND_OVER_MS = 2_000;
/** A process that has not read the log for longer does not count that time against others. */
export const DEAF_MS = 3_000;
/** Tries of one look when another process appends first each time. */
export const LEASE_TRIES = 10;
/** Waits between these tries. */
export const LEASE_CONFLICT_RETRY: RetryPolicy = { firstMs: 20, mostMs: 200 };

export interface Leases extends Ownership, CommitListener {
  /** Joins the processes on this log. Resolves when the log has that. @throws {AppError} when it cannot be read */
  start(): Promise<void>;
  /**
   * Hands everything over and leaves.
   * @param withinMs for the effects that are running, and as long again for the append that tells the others
   * @returns how many other processes take over; 0 if they could not be told
   */
  stop(withinMs: number): Promise<{ others: number }>;
  /** Partitions that this process acts for now. */
  owned(): readonly number[];
  /** The number of processes on this log, this one included. */
  processes(): number;
}

export interface LeasesOptions {
  readonly store: EventStore;
  /** Stays the same over restarts on the same data. No two living processes have the same. */
  readonly owner: string;
  /** For people who read the log. */
  readonly name: string;
  /** Resolves when this process has folded the log up to there. */
  readonly waitFor: (position: Position, deadlineMs: number) => Promise<void>;
  /** True if this process can fold the log now. If not, it leaves the work to others until it can. */
  readonly follows: () => boolean;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link LEASE_MS}. All other times here shrink or grow with it. */
  readonly durationMs?: number;
  /** Default Node's. */
  readonly timers?: Timers;
}

const NODE_TIMERS: Timers = {
  delay: (ms) => delay(ms, undefined, { ref: false }),
  every(ms, action) {
    const timer = setInterval(action, ms);
    return () => clearInterval(timer);
  },
};

interface State extends LeasesOptions, PartitionState {
  readonly durationMs: number;
  readonly timers: Timers;
  looking: Promise<void> | null;
  lookAgain: boolean;
  endTicks: (() => void) | undefined;
}

export function createLeases(options: LeasesOptions): Leases {
  const { durationMs = LEASE_MS, timers = NODE_TIMERS } = options;
  const deafMs = (DEAF_MS * durationMs) / LEASE_MS;
  const state: State = {
    ...options,
    durationMs,
    timers,
    log: createLeaseLog({ ...options, deafMs }),
    changeListeners: [],
    takenListeners: [],
    handOverListeners: [],
    untold: new Set(),
    active: new Set(),
    leaving: new Set(),
    activating: new Map(),
    looking: null,
    lookAgain: false,
    endTicks: undefined,
    stopped: false,
  };
  const { active, leaving, log, owner } = state;
  return {
    owns: (partition) => active.has(partition) && !leaving.has(partition) && isValid(state),
    onChange: (listener) => void state.changeListeners.push(listener),
    onTaken: (listener) => void state.takenListeners.push(listener),
    onHandOver: (listener) => void state.handOverListeners.push(listener),
    onCommit(events) {
      const others = events.some(({ stream, data }) => stream === LEASES && data.owner !== owner);
      if (others && state.endTicks) void lookNow(state);
    },
    async start() {
      await log.refresh();
      if (state.stopped) return;
      const first = look(state);
      // A stop waits for it: nothing may follow the fact that this process has left.
      state.looking = first
        .catch(() => undefined)
        .finally(() => {
          state.looking = null;
        });
      await first;
      if (state.stopped) return;
      state.endTicks = timers.every(scaled(state, LOOK_EVERY_MS), () => {
        lapse(state);
        void lookNow(state);
      });
    },
    stop: (withinMs) => stop(state, withinMs),
    owned: () => (isValid(state) ? [...active].filter((n) => !leaving.has(n)) : []),
    processes: () => log.state().size,
  };
}

const holding = ({ owner, name, durationMs }: State, partitions: readonly number[]) => ({
  owner,
  name,
  durationMs,
  partitions,
});

/** Appends behind what was read. @returns null on a conflict */
const append = (state: State, facts: readonly LeaseFact[]): Promise<Position | null> =>
  // A lease that ended during the append is announced as lost before it is gained again.
  state.log.append(facts, () => lapse(state));

/** What this process has to append now; null if nothing. */
function nextFacts(state: State): LeaseFact[] | null {
  const { log, owner, monotonic, logger } = state;
  const leases = log.state();
  const gone = expiredOwners(leases, owner, monotonic());
  const facts: LeaseFact[] = gone.map((each) => ({
    type: 'LeaseExpired',
    data: { owner: each, by: owner },
  }));
  const { take } = shiftOf(
    facts.reduce((rest, fact) => applyLease(rest, fact, 0), leases),
    owner,
  );
  if (take.length > 0) {
    facts.push({ type: 'LeaseTaken', data: holding(state, [...heldPartitions(state), ...take]) });
  } else if (!leases.has(owner) || facts.length > 0 || isRenewalDue(state)) {
    facts.push({ type: 'LeaseRenewed', data: holding(state, heldPartitions(state)) });
  }
  for (const each of gone) logger.warn({ owner: each }, 'a process is gone: its lease has ended');
  return facts.length > 0 ? facts : null;
}

const isRenewalDue = (state: State): boolean =>
  state.log.sinceBegun() >= scaled(state, RENEW_EVERY_MS);

/** Gives what is above the share of this process. @returns whether something was given */
async function giveSurplus(state: State): Promise<boolean> {
  const { give: surplus } = shiftOf(state.log.state(), state.owner);
  if (surplus.length === 0) return false;
  try {
    await handOver(state, surplus, scaled(state, HAND_OVER_MS));
    // `stop` gives everything. A fact after its own would say that this process is still there.
    if (state.stopped) return false;
    const rest = heldPartitions(state).filter((partition) => !surplus.includes(partition));
    return (await append(state, [{ type: 'LeaseReleased', data: holding(state, rest) }])) !== null;
  } finally {
    // After a conflict or a failure the next look decides again. What stays here is activated with the next renewal.
    lose(state, surplus);
    for (const partition of surplus) state.leaving.delete(partition);
  }
}

/** Leaves the group and hands its partitions over. This process comes back when it can follow the log again. */
async function stepOut(state: State): Promise<void> {
  if (!state.log.state().has(state.owner)) return;
  state.logger.error('this process cannot follow the log: its partitions go to others');
  const partitions = heldPartitions(state);
  try {
    await handOver(state, partitions, scaled(state, HAND_OVER_MS));
    if (!state.stopped) {
      await append(state, [{ type: 'LeaseEnded', data: { owner: state.owner } }]);
    }
  } finally {
    lose(state, partitions);
    for (const partition of partitions) state.leaving.delete(partition);
  }
}

/** Reads the log, then renews, takes and gives until there is nothing to append. */
async function look(state: State): Promise<void> {
  const { log, timers, random } = state;
  await log.refresh();
  lapse(state);
  tellTaken(state);
  if (!state.follows()) return stepOut(state);
  for (let tries = 1; tries <= LEASE_TRIES && !state.stopped; tries++) {
    const facts = nextFacts(state);
    const position = facts && (await append(state, facts));
    if (position) void activate(state, position);
    else if (facts || !(await giveSurplus(state))) {
      if (!facts) return;
      await timers.delay(backoff(tries, LEASE_CONFLICT_RETRY, random));
      await log.refresh();
    }
    lapse(state);
  }
}

/** One look at a time. A call during a look causes one more look after it. */
function lookNow(state: State): Promise<void> {
  state.lookAgain = state.looking !== null;
  state.looking ??= look(state)
    .catch((error) => {
      lapse(state);
      state.logger.warn({ reason: messageOf(error) }, 'leases not renewed; trying again');
    })
    .finally(() => {
      state.looking = null;
      if (state.lookAgain && !state.stopped) void lookNow(state);
    });
  return state.looking;
}

async function stop(state: State, withinMs: number): Promise<{ others: number }> {
  const { active, leaving, timers, log, owner, monotonic } = state;
  state.stopped = true;
  state.endTicks?.();
  state.endTicks = undefined;
  const looked = Promise.race([state.looking ?? undefined, timers.delay(withinMs)]);
  await Promise.all([looked, handOver(state, [...active], withinMs)]);
  const announced = await Promise.race([
    leave(state, withinMs),
    timers.delay(withinMs).then(() => false),
  ]);
  lose(state, active);
  leaving.clear();
  if (!announced) return { others: 0 };
  const leases = log.state();
  const expired = new Set(expiredOwners(leases, owner, monotonic()));
  return { others: [...leases.keys()].filter((id) => !expired.has(id) && id !== owner).length };
}

/** @returns whether the log says that this process has ended */
async function leave(state: State, withinMs: number): Promise<boolean> {
  const { log, owner, monotonic, logger } = state;
  const until = monotonic() + withinMs;
  try {
    // Not later: the next process on the same data has the same name.
    for (let tries = 1; tries <= LEASE_TRIES && monotonic() < until; tries++) {
      if (await append(state, [{ type: 'LeaseEnded', data: { owner } }])) return true;
      await log.refresh();
    }
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'the end of this process is not in the log');
  }
  return false;
}
