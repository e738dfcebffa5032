/**
 * Ends the time of visitors' histories after their tenant's `retention` (docs/adr/0050). A look decides in steps what is
 * over, by facts. retention-work.ts does what those facts call for. A process that was killed at any point does the rest
 * after its next start. The entry point is {@link createRetention}.
 */
import { erasedIn } from '../../actors/facts.ts';
import { actorOf, keyOfGeneration, sealingKeyOf, type TenantId } from '../../actors/ids.ts';
import { AHEAD_MOST_MS } from '../../actors/machine/timers.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, Vault } from '../../runtime/ports.ts';
import { eachOwn } from './retention-pace.ts';
import { type After, FROM_THE_START, type Over } from './retention-table.ts';
import {
  RETENTION_STEP_HISTORIES,
  type Tally,
  type WorkOptions,
  workAll,
} from './retention-work.ts';

/** How often the service looks for histories whose time is over. */
export const RETENTION_EVERY_MS = 3_600_000;
/** If the newest fact of the log is so old at a start, the clock may be wrong, … */
export const LONG_SILENCE_MS = 86_400_000;
/** … and an administrator has so long to see it, before anything is deleted. */
export const SILENCE_HELD_MS = 86_400_000;

export interface RetentionOptions extends WorkOptions {
  readonly vault: Pick<Vault, 'retire' | 'forget'>;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenants: Pick<TenantDirectory, 'all' | 'isComplete'>;
  /** Resolves when the tables contain everything up to the present end of the log. */
  readonly caughtUp: () => Promise<void>;
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

interface State extends RetentionOptions {
  readonly stopping: AbortController;
  clockChecks: (() => Promise<void>)[];
  /** Nothing is decided before this time of the monotonic clock. */
  heldUntil: number;
  looking: Promise<void> | null;
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
      for (const event of events) {
        const erased = erasedIn(event);
        if (erased?.all) state.vault.forget(erased.person, erased.generation, true);
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
  await eachOwn(state, ahead, async ({ stream }) => {
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
    await eachOwn(state, due, (over) => decide(state, over));
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
