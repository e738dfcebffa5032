/**
 * The partitions of this process: gained when it has read what earlier owners did, lost when its lease ends or another
 * process has them, handed over when another process gets them.
 */
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { Position } from '../../eventstore/port.ts';
import type { LeaseLog } from './log.ts';

export const LEASE_MS = 8_000;
/** An owner stops so long before its lease ends, because an effect that has begun takes its time. */
export const MARGIN_MS = 1_000;

export interface Timers {
  /** Does not keep the process alive. */
  delay(ms: number): Promise<unknown>;
  /** @returns a function that ends the interval */
  every(ms: number, action: () => void): () => void;
}

type ChangeListener = (partition: number, owned: boolean) => void;
type HandOverListener = (partitions: ReadonlySet<number>, withinMs: number) => Promise<void>;

export interface PartitionState {
  readonly owner: string;
  readonly durationMs: number;
  /** Resolves when this process has folded the log up to there. */
  readonly waitFor: (position: Position, deadlineMs: number) => Promise<void>;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly log: LeaseLog;
  readonly changeListeners: ChangeListener[];
  readonly takenListeners: ((partition: number) => void)[];
  readonly handOverListeners: HandOverListener[];
  /** Partitions that this process lost, as long as the log does not say who has them. */
  readonly untold: Set<number>;
  /** Partitions that this process acts for, while its lease is valid. */
  readonly active: Set<number>;
  /** Partitions that are being handed over. */
  readonly leaving: Set<number>;
  /**
   * Partitions by the log that wait until this process has read the log. Each wait has an object of its own: a partition
   * may leave and come back during one.
   */
  readonly activating: Map<number, object>;
  /** This process gains nothing any more. */
  stopped: boolean;
}

/** Times are for a lease of {@link LEASE_MS}; a shorter lease has shorter ones. */
export const scaled = ({ durationMs }: PartitionState, ms: number): number =>
  (ms * durationMs) / LEASE_MS;

/** The partitions of this process by the log. */
export const heldPartitions = ({ log, owner }: PartitionState): readonly number[] =>
  log.state().get(owner)?.partitions ?? [];

/** True if the lease of this process has not ended by its clock. */
export const isValid = (state: PartitionState): boolean =>
  state.log.sinceBegun() < state.durationMs - scaled(state, MARGIN_MS);

function announce({ changeListeners }: PartitionState, partition: number, owned: boolean): void {
  for (const listener of changeListeners) listener(partition, owned);
}

/** This process acts for them no longer. */
export function lose(state: PartitionState, partitions: Iterable<number>): void {
  const lost = [...partitions].filter((partition) => state.active.delete(partition));
  if (lost.length > 0) state.logger.info({ partitions: lost }, 'partitions lost');
  for (const partition of lost) {
    state.untold.add(partition);
    announce(state, partition, false);
  }
}

/** Tells of lost partitions that others have by the log. */
export function tellTaken({ log, owner, untold, takenListeners }: PartitionState): void {
  if (untold.size === 0) return;
  for (const holder of log.state().values()) {
    if (holder.owner === owner) continue;
    for (const partition of holder.partitions) {
      if (!untold.delete(partition)) continue;
      for (const listener of takenListeners) listener(partition);
    }
  }
}

/** Loses the partitions whose lease has ended by the clock, or which another process has by the log. */
export function lapse(state: PartitionState): void {
  const { active, activating } = state;
  const held = new Set(isValid(state) ? heldPartitions(state) : []);
  for (const partition of activating.keys()) {
    if (!held.has(partition)) activating.delete(partition);
  }
  lose(
    state,
    [...active].filter((partition) => !held.has(partition)),
  );
}

/** Acts for the held partitions as soon as this process has seen what earlier owners did. */
export async function activate(state: PartitionState, position: Position): Promise<void> {
  const { active, leaving, activating, logger } = state;
  const waiting = heldPartitions(state).filter(
    (n) => !active.has(n) && !leaving.has(n) && !activating.has(n),
  );
  if (waiting.length === 0) return;
  const turn = {};
  for (const partition of waiting) activating.set(partition, turn);
  try {
    await state.waitFor(position, state.durationMs);
    lapse(state);
    if (state.stopped) return;
    const gained = waiting.filter((n) => activating.get(n) === turn && !leaving.has(n));
    for (const partition of gained) {
      active.add(partition);
      state.untold.delete(partition);
    }
    if (gained.length > 0) logger.info({ partitions: gained }, 'partitions gained');
    for (const partition of gained) announce(state, partition, true);
  } catch (error) {
    // The next renewal tries again.
    logger.warn({ reason: messageOf(error) }, 'partitions held, but the log is not read yet');
  } finally {
    for (const partition of waiting) {
      if (activating.get(partition) === turn) activating.delete(partition);
    }
  }
}

/** Waits for the effects of these partitions that are running. `owns` is false for them from the beginning. */
export async function handOver(
  state: PartitionState,
  partitions: readonly number[],
  withinMs: number,
): Promise<void> {
  const { leaving, handOverListeners, timers, logger } = state;
  for (const partition of partitions) leaving.add(partition);
  const set = new Set(partitions);
  const finished = Promise.all(
    handOverListeners.map((finish) =>
      finish(set, withinMs).catch((error) =>
        logger.warn({ reason: messageOf(error) }, 'effects not finished before a hand-over'),
      ),
    ),
  );
  await Promise.race([finished, timers.delay(withinMs)]);
}
