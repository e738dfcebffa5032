/**
 * What facts `RetentionApplied` call for: a stream is cut, or deleted with its data keys and lanes (docs/adr/0050).
 * retention-table.ts has what is left to do.
 */
import { actorOf, keyOfGeneration, laneStream, sealingKeyOf } from '../../actors/ids.ts';
import { type EventStore, WrongExpectedRevision } from '../../eventstore/port.ts';
import { eventAt, firstEvent, lastEvent } from '../../eventstore/reading.ts';
import { ownsStream } from '../../runtime/leases/ownership.ts';
import type { Vault } from '../../runtime/ports.ts';
import { eachOwn, type PaceOptions } from './retention-pace.ts';
import type { RetentionTables, RetentionWork } from './retention-table.ts';

/** Histories that are decided in one step. Then the work behind them is done, and the next step follows. */
export const RETENTION_STEP_HISTORIES = 500;
/** A process that does not own a visitor looks after so long whether the owner has done the work. */
export const OTHERS_WORK_MS = 3_600_000;

export interface WorkOptions extends Omit<PaceOptions, 'stopping'> {
  readonly tables: RetentionTables;
  readonly store: Pick<EventStore, 'readStream' | 'truncateBefore' | 'deleteStream'>;
  readonly vault: Pick<Vault, 'retire'>;
  /** The names of the destinations that have lanes. */
  readonly destinations: readonly string[];
  /** ms since 1970 */
  readonly now: () => number;
  /** Default {@link RETENTION_STEP_HISTORIES}. */
  readonly step?: number;
}

type Work = WorkOptions & PaceOptions;

/** What a look has done. */
export interface Tally {
  cut: number;
  forgotten: number;
}

/** Does what the facts in the log call for. */
export async function workAll(state: Work, tally: Tally): Promise<void> {
  const { tables, ownership, now, step = RETENTION_STEP_HISTORIES, stopping } = state;
  for (let after = ''; !stopping.signal.aborted; ) {
    const all = tables.work(after, step);
    const last = all.at(-1);
    if (!last) return;
    after = last.stream;
    await eachOwn(state, all, async (work) => {
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

async function cutStream({ tables, store }: Work, work: RetentionWork, tally: Tally) {
  const { stream, before } = work;
  if (tables.isHeld(stream, before)) return; // a table that was built anew: the lane's progress follows
  await store.truncateBefore(stream, before);
  tables.done(work);
  tally.cut += 1;
}

/** Destroys the keys, then deletes the stream if the visitor has not come back meanwhile, then its lanes. */
async function endOf(state: Work, work: RetentionWork, generation: number, tally: Tally) {
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
