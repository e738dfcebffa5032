/**
 * The stream of leases as one process knows it: what it read, what it appended, when it heard of each owner. All its
 * times are of this process's own clocks.
 */
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import { type EventStore, type Position, WrongExpectedRevision } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';
import { createServiceFacts, type ServiceFact } from '../service-facts.ts';
import { applyLease, type LeaseFact, type LeaseState, parseLeaseFact } from './state.ts';

export const LEASES = 'lease-partitions';

const PAGE = 500;
/** Each fact says all that its owner holds, so the last few are enough; the rest is cut now and then. */
const CUT_EVERY = 1_000;

export interface LeaseLog {
  /** As it was read, or appended, last. */
  state(): LeaseState;
  /** Reads on to the end. @throws {AppError} when the store is away */
  refresh(): Promise<void>;
  /**
   * Appends behind what was read.
   * @param made called when the facts are in the log, before they are in the state
   * @returns where the last one stands; null on a conflict: refresh and decide anew
   */
  append(facts: readonly LeaseFact[], made: () => void): Promise<Position | null>;
  /** How long ago the append of our last fact was begun, in ms; infinite before the first. */
  sinceBegun(): number;
}

export function createLeaseLog(options: {
  store: EventStore;
  /** ms since 1970 */
  now: () => number;
  /** ms, never backwards */
  monotonic: () => number;
  newId: () => string;
  logger: Logger;
  /** Time in which this process did not look at the log for longer than this does not count against others, in ms. */
  deafMs: number;
}): LeaseLog {
  const { store, now, monotonic, logger, deafMs } = options;
  const serviceFacts = createServiceFacts(options);
  let state: LeaseState = new Map();
  let revision = -1;
  let lookedAt: number | null = null;
  let begunAt: { readonly monotonic: number; readonly wall: number } | null = null;

  async function refresh(): Promise<void> {
    for (;;) {
      const first = revision < 0;
      const page = first
        ? (await store.readStream(LEASES, { direction: 'backwards', limit: PAGE })).toReversed()
        : await store.readStream(LEASES, { from: revision + 1, limit: PAGE });
      const at = monotonic();
      const next = page.at(0)?.revision ?? 0;
      if (!first && next > revision + 1) {
        // It was cut while this process did not look: who expired in the gap, this one too, holds nothing any more.
        state = new Map();
        revision = -1;
        continue;
      }
      for (const event of page) {
        const fact = parseLeaseFact(event.type, event.data);
        if (fact) state = applyLease(state, fact, at);
        revision = event.revision;
      }
      if (first || page.length < PAGE) break;
    }
    hear();
  }

  /** While we could not look nobody could be heard: others' leases are counted without that time. */
  function hear(): void {
    const at = monotonic();
    const deaf = lookedAt === null ? 0 : at - lookedAt;
    lookedAt = at;
    if (deaf <= deafMs) return;
    state = new Map(
      [...state].map(([id, holder]) => [
        id,
        { ...holder, heardAt: Math.min(at, holder.heardAt + deaf) },
      ]),
    );
  }

  function cut(before: number): void {
    if (Math.floor(before / CUT_EVERY) === Math.floor(revision / CUT_EVERY)) return;
    store
      .truncateBefore(LEASES, Math.max(0, revision - PAGE))
      .catch((error) => logger.warn({ reason: messageOf(error) }, 'leases could not be cut'));
  }

  return {
    state: () => state,
    refresh,
    async append(leases, made) {
      const begun = { monotonic: monotonic(), wall: now() };
      try {
        const expected = revision < 0 ? 'no-stream' : revision;
        const result = await serviceFacts.append(LEASES, leases.map(serviceFact), expected);
        made();
        hear(); // with this revision nobody else has written
        const before = revision;
        revision = result.revision;
        for (const fact of leases) state = applyLease(state, fact, monotonic());
        begunAt = begun;
        cut(before);
        return result.position;
      } catch (error) {
        if (error instanceof WrongExpectedRevision) return null;
        throw error;
      }
    },
    // A machine that slept has a monotonic clock that stood still, and one whose time was set a wall clock that jumps.
    sinceBegun: () =>
      begunAt === null
        ? Number.POSITIVE_INFINITY
        : Math.max(monotonic() - begunAt.monotonic, now() - begunAt.wall),
  };
}

const serviceFact = ({ type, data }: LeaseFact): ServiceFact => ({
  type,
  data: data as unknown as JsonObject, // strings, numbers and lists of them
  tenant: null,
});
