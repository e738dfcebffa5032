/**
 * Ends the time of visitors' histories after their tenant's `retention` (docs/adr/0050). A look decides in steps what is
 * over, by facts; then the streams behind those facts are cut or deleted, with their data keys and lanes. A process that
 * was killed at any point does the rest after its next start. The entry point is {@link createRetention}.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  actorOf,
  keyOfGeneration,
  laneStream,
  sealingKeyOf,
  type TenantId,
} from '../../actors/ids.ts';
import { AHEAD_MOST_MS } from '../../actors/machine/timers.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { type EventStore, WrongExpectedRevision } from '../../eventstore/port.ts';
import { eventAt, firstEvent, lastEvent } from '../../eventstore/reading.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, Vault } from '../../runtime/ports.ts';
import {
  type After,
  FROM_THE_START,
  type Over,
  type RetentionTables,
  type RetentionWork,
} from './retention-table.ts';

/** How often the service looks for histories whose time is over. */
export const RETENTION_EVERY_MS = 3_600_000;
/** Histories that are decided in one step. Then the work behind them is done, and the next step follows. */
export const RETENTION_STEP_HISTORIES = 500;
/** Histories that are decided, or done, at the same time. */
const AT_ONCE = 4;
/** Part of the time that retention takes of the event store: others' appends wait behind a deletion. */
export const RETENTION_SHARE = 0.5;
/** A process that does not own a visitor looks after so long whether the owner has done the work. */
export const OTHERS_WORK_MS = 3_600_000;
/** If the newest fact of the log is so old at a start, the clock may be wrong, … */
export const LONG_SILENCE_MS = 86_400_000;
/** … and an administrator has so long to see it, before anything is deleted. */
export const SILENCE_HELD_MS = 86_400_000;

export interface RetentionOptions {
  readonly tables: RetentionTables;
  readonly store: Pick<EventStore, 'readStream' | 'truncateBefore' | 'deleteStream'>;
  readonly vault: Pick<Vault, 'retire' | 'forget'>;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenants: Pick<TenantDirectory, 'all' | 'isComplete'>;
  readonly ownership: Ownership;
  /** The names of the destinations that have lanes. */
  readonly destinations: readonly string[];
  /** Resolves when the tables contain everything up to the present end of the log. */
  readonly caughtUp: () => Promise<void>;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly logger: Logger;
  /** Default {@link RETENTION_STEP_HISTORIES}. */
  readonly step?: number;
  /** Default {@link RETENTION_SHARE}. */
  readonly share?: number;
  /** A failpoint of tests, before each change of the log. */
  readonly onStep?: () => void;
}

export interface Retention extends CommitListener {
  /**
   * Begins. @param newestAt time of the newest fact of the log at the start, in ms since 1970; null for an empty log
   */
  start(newestAt: number | null): void;
  /** Asks this check before it decides. @param check rejects while the clock may be wrong */
  watchClock(check: () => Promise<void>): void;
  /** Looks once. One look at a time. Never rejects: the next look tries again. */
  look(): Promise<void>;
  /** Ends after what is running. */
  stop(): Promise<void>;
}

/** What a look has done. */
interface Tally {
  cut: number;
  forgotten: number;
}

interface State extends RetentionOptions {
  clockChecks: (() => Promise<void>)[];
  /** Nothing is decided before this time of the monotonic clock. */
  heldUntil: number;
  looking: Promise<void> | null;
  readonly stopping: AbortController;
}

export function createRetention(options: RetentionOptions): Retention {
  const state: State = {
    ...options,
    clockChecks: [],
    heldUntil: Number.POSITIVE_INFINITY,
    looking: null,
    stopping: new AbortController(),
  };
  const look = (): Promise<void> => {
    state.looking ??= lookOnce(state).finally(() => {
      state.looking = null;
    });
    return state.looking;
  };
  return {
    start(newestAt) {
      state.heldUntil = state.monotonic();
      if (newestAt === null || state.now() - newestAt <= LONG_SILENCE_MS) return;
      state.heldUntil += SILENCE_HELD_MS;
      const hours = Math.round((state.now() - newestAt) / 3_600_000);
      state.logger.warn(
        { hours },
        'the newest fact of the log is old, or the clock is wrong: nothing is deleted after its retention for a day',
      );
    },
    onCommit(events) {
      for (const { stream, type, data } of events) {
        if (type !== 'RetentionApplied' || typeof data.generation !== 'number') continue;
        const actor = actorOf(stream);
        if (actor) state.vault.forget(sealingKeyOf(actor), data.generation, true);
      }
    },
    watchClock: (check) => void state.clockChecks.push(check),
    look,
    async stop() {
      state.stopping.abort();
      await state.looking;
    },
  };
}

async function lookOnce(state: State): Promise<void> {
  const { logger, stopping } = state;
  const tally: Tally = { cut: 0, forgotten: 0 };
  try {
    await state.caughtUp();
    await workAll(state, tally); // what was left by an earlier run
    if (await mayDecide(state)) await decideAll(state, tally);
  } catch (error) {
    if (!stopping.signal.aborted) {
      logger.warn({ reason: messageOf(error) }, 'retention was not applied; trying again later');
    }
  }
  if (tally.cut + tally.forgotten > 0) {
    logger.info(tally, 'histories whose retention is over were deleted');
  }
}

async function mayDecide({ clockChecks, heldUntil, monotonic, tenants, logger }: State) {
  if (!tenants.isComplete() || monotonic() < heldUntil) return false;
  try {
    await Promise.all(clockChecks.map((check) => check()));
    return true;
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'nothing is deleted while the clock may be wrong');
    return false;
  }
}

async function decideAll(state: State, tally: Tally): Promise<void> {
  for (const { id, retention, removing } of state.tenants.all()) {
    if (removing) continue;
    const until = state.now() - retention * 1000;
    await redate(state, id);
    await inSteps(
      state,
      tally,
      (after, limit) => state.tables.gone(id, until, after, limit),
      forget,
    );
    await inSteps(state, tally, (after, limit) => state.tables.ended(id, until, after, limit), cut);
  }
}

/** Clean-ups from the future get the right time: their histories would be kept until then. */
async function redate(state: State, tenant: TenantId): Promise<void> {
  const { tables, now, step = RETENTION_STEP_HISTORIES } = state;
  const ahead = tables.goneAfter(tenant, now() + AHEAD_MOST_MS, step);
  await eachOf(state, ahead, async ({ stream }) => {
    await visitorOf(state, stream)?.send({ type: 'CleanUp' });
  });
}

type Decide = (state: State, over: Over) => Promise<void>;

async function inSteps(
  state: State,
  tally: Tally,
  read: (after: After, limit: number) => readonly Over[],
  decide: Decide,
): Promise<void> {
  const { step = RETENTION_STEP_HISTORIES, stopping, caughtUp } = state;
  for (let after = FROM_THE_START; !stopping.signal.aborted; ) {
    const due = read(after, step);
    const last = due.at(-1);
    if (!last) return;
    after = last;
    await eachOf(state, due, (over) => decide(state, over));
    await caughtUp();
    await workAll(state, tally);
  }
}

/** Everything of a visitor who has not come back is over. */
async function forget(state: State, { stream, revision }: Over): Promise<void> {
  const { vault, store } = state;
  const actor = actorOf(stream);
  if (actor?.kind !== 'visitor' || state.tables.isHeld(stream, revision + 1)) return;
  if (state.tables.hasAccount(actor.tenant, actor.name)) return;
  const visitor = state.actors.visitor(actor.tenant, actor.name);
  const generation = (await visitor.state())?.context.erasure.generation ?? 0;
  // A key for facts behind the end of an earlier life, whose append was refused. Nothing is sealed with it.
  await vault.retire(
    keyOfGeneration(sealingKeyOf(actor), generation + 1),
    async () => (await lastEvent(store, stream))?.revision === revision,
  );
  await visitor.send({ type: 'Forget', revision });
}

async function cut(state: State, { stream, revision }: Over): Promise<void> {
  if (state.tables.isHeld(stream, revision)) return;
  await visitorOf(state, stream)?.send({ type: 'ApplyRetention', before: revision });
}

function visitorOf({ actors }: State, stream: string) {
  const actor = actorOf(stream);
  return actor?.kind === 'visitor' ? actors.visitor(actor.tenant, actor.name) : null;
}

/** Runs `task` for the streams of this process, some at a time, and leaves the event store the rest of its time. */
async function eachOf<T extends { readonly stream: string }>(
  state: State,
  items: readonly T[],
  task: (item: T) => Promise<void>,
): Promise<void> {
  const { ownership, stopping, monotonic, logger, onStep, share = RETENTION_SHARE } = state;
  const own = items.filter(({ stream }) => ownsStream(ownership, stream));
  for (let from = 0; from < own.length && !stopping.signal.aborted; from += AT_ONCE) {
    const began = monotonic();
    const group = own.slice(from, from + AT_ONCE).map(async (item) => {
      onStep?.();
      try {
        await task(item);
      } catch (error) {
        // One history that cannot be folded must not keep all others.
        logger.warn({ stream: item.stream, reason: messageOf(error) }, 'retention was not applied');
      }
    });
    await Promise.all(group);
    await delay((monotonic() - began) * (1 / share - 1));
  }
}

/** Does what the facts in the log call for. */
async function workAll(state: State, tally: Tally): Promise<void> {
  const { tables, ownership, now, step = RETENTION_STEP_HISTORIES, stopping } = state;
  for (let after = ''; !stopping.signal.aborted; ) {
    const all = tables.work(after, step);
    const last = all.at(-1);
    if (!last) return;
    after = last.stream;
    await eachOf(state, all, async (work) => {
      if (work.generation === null) await cutStream(state, work, tally);
      else await endOf(state, work, work.generation, tally);
    });
    for (const work of all) {
      if (ownsStream(ownership, work.stream) || now() - work.at < OTHERS_WORK_MS) continue;
      const first = await firstEvent(state.store, work.stream);
      if (!first || first.revision >= work.before) tables.done(work);
    }
  }
}

async function cutStream({ tables, store }: State, work: RetentionWork, tally: Tally) {
  const { stream, before } = work;
  if (tables.isHeld(stream, before)) return; // a table that was built anew: the lane's progress follows
  await store.truncateBefore(stream, before);
  tables.done(work);
  tally.cut += 1;
}

/** Destroys the keys, then deletes the stream if the visitor has not come back meanwhile, then its lanes. */
async function endOf(state: State, work: RetentionWork, generation: number, tally: Tally) {
  const { store, vault, tables, destinations } = state;
  const { stream, revision } = work;
  const actor = actorOf(stream);
  if (!actor) return;
  const isThere = async (): Promise<boolean> =>
    (await eventAt(store, stream, revision))?.type === 'RetentionApplied';
  const person = sealingKeyOf(actor);
  for (let each = 0; each < generation; each++) {
    // Once the stream is deleted, a key of that name may be one of the visitor's next life.
    await vault.retire(keyOfGeneration(person, each), isThere);
  }
  // Read before the deletion: a visitor who comes back begins new lanes.
  const lanes = await Promise.all(
    destinations.map(async (name) => {
      const lane = laneStream(stream, name);
      return { lane, last: (await lastEvent(store, lane))?.revision };
    }),
  );
  if (await deleted(store, stream, revision)) {
    for (const { lane, last } of lanes) {
      if (last !== undefined) await deleted(store, lane, last);
    }
    tally.forgotten += 1;
  } else {
    // They are back. The stream begins with the fact that forgot them.
    await store.truncateBefore(stream, revision);
    tally.cut += 1;
  }
  tables.done(work);
}

/** @returns false if the stream is at another revision: it stays */
async function deleted(
  store: Pick<EventStore, 'deleteStream'>,
  stream: string,
  expected: number,
): Promise<boolean> {
  try {
    await store.deleteStream(stream, { expected });
    return true;
  } catch (error) {
    if (error instanceof WrongExpectedRevision) return false;
    throw error;
  }
}
