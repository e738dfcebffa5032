/** The stream of leases as one process knows it. All times in here are of this process's own clocks. */
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import { type EventStore, type Position, WrongExpectedRevision } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';
import { createServiceFacts, type ServiceFact, type ServiceFacts } from '../service-facts.ts';
import { applyLease, type LeaseFact, type LeaseState, parseLeaseFact } from './state.ts';

export const LEASES = 'lease-partitions';

const PAGE_FACTS = 500;
/** The stream is cut after so many facts. Each fact lists all that its owner holds, so the last few are enough. */
export const CUT_EVERY_FACTS = 1_000;

export interface LeaseLog {
  /** As of the last read or append. */
  state(): LeaseState;
  /** Reads on to the end. @throws {AppError} when the store is away */
  refresh(): Promise<void>;
  /**
   * Appends behind what was read.
   * @param onAppend called when the log has the facts and the state does not yet
   * @returns the position of the last fact; null on a conflict: refresh and decide again
   */
  append(facts: readonly LeaseFact[], onAppend: () => void): Promise<Position | null>;
  /** How long ago the append of this process's last fact was begun, in ms; infinite before the first. */
  sinceBegun(): number;
}

export interface LeaseLogOptions {
  readonly store: EventStore;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
  /** Time without a read does not count against others if it is longer than this, in ms. */
  readonly deafMs: number;
}

interface Log extends LeaseLogOptions {
  readonly facts: ServiceFacts;
  state: LeaseState;
  revision: number;
  lookedAt: number | null;
  begunAt: { readonly monotonic: number; readonly wall: number } | null;
}

export function createLeaseLog(options: LeaseLogOptions): LeaseLog {
  const { now, monotonic } = options;
  const log: Log = {
    ...options,
    facts: createServiceFacts(options),
    state: new Map(),
    revision: -1,
    lookedAt: null,
    begunAt: null,
  };
  return {
    state: () => log.state,
    refresh: () => refresh(log),
    append: (leases, onAppend) => append(log, leases, onAppend),
    // While a machine sleeps its monotonic clock stands still. When its time is set its wall clock jumps.
    sinceBegun: () =>
      log.begunAt === null
        ? Number.POSITIVE_INFINITY
        : Math.max(monotonic() - log.begunAt.monotonic, now() - log.begunAt.wall),
  };
}

async function refresh(log: Log): Promise<void> {
  const { store, monotonic } = log;
  for (;;) {
    const first = log.revision < 0;
    const page = first
      ? (await store.readStream(LEASES, { direction: 'backwards', limit: PAGE_FACTS })).toReversed()
      : await store.readStream(LEASES, { from: log.revision + 1, limit: PAGE_FACTS });
    const at = monotonic();
    const next = page.at(0)?.revision ?? 0;
    if (!first && next > log.revision + 1) {
      // The stream was cut past what this process has read. Owners that expired in the gap, this one too, hold nothing.
      log.state = new Map();
      log.revision = -1;
      continue;
    }
    for (const event of page) {
      const fact = parseLeaseFact(event.type, event.data);
      if (fact) log.state = applyLease(log.state, fact, at);
      log.revision = event.revision;
    }
    if (first || page.length < PAGE_FACTS) break;
  }
  discountDeafness(log);
}

async function append(
  log: Log,
  leases: readonly LeaseFact[],
  onAppend: () => void,
): Promise<Position | null> {
  const { now, monotonic, facts } = log;
  const begunAt = { monotonic: monotonic(), wall: now() };
  try {
    const before = log.revision;
    const expected = before < 0 ? 'no-stream' : before;
    const { revision, position } = await facts.append(LEASES, leases.map(serviceFact), expected);
    onAppend();
    discountDeafness(log); // the expected revision says that nobody else has written
    log.revision = revision;
    for (const fact of leases) log.state = applyLease(log.state, fact, monotonic());
    log.begunAt = begunAt;
    cut(log, before);
    return position;
  } catch (error) {
    if (error instanceof WrongExpectedRevision) return null;
    throw error;
  }
}

const serviceFact = ({ type, data }: LeaseFact): ServiceFact => ({
  type,
  data: data as unknown as JsonObject, // strings, numbers and lists of them
  tenant: null,
});

/** A process that does not read hears nobody. The leases of others are counted without that time. */
function discountDeafness(log: Log): void {
  const at = log.monotonic();
  const deafFor = log.lookedAt === null ? 0 : at - log.lookedAt;
  log.lookedAt = at;
  if (deafFor <= log.deafMs) return;
  log.state = new Map(
    [...log.state].map(([id, holder]) => [
      id,
      { ...holder, heardAt: Math.min(at, holder.heardAt + deafFor) },
    ]),
  );
}

function cut({ store, logger, revision }: Log, before: number): void {
  if (Math.floor(before / CUT_EVERY_FACTS) === Math.floor(revision / CUT_EVERY_FACTS)) return;
  store
    .truncateBefore(LEASES, Math.max(0, revision - PAGE_FACTS))
    .catch((error) => logger.warn({ reason: messageOf(error) }, 'stream of leases not cut'));
}
