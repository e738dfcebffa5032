/**
 * How many visitors are reconciled at the same time, by each transport: a component that hangs must not hold up the visitors
 * with accounts, nor the other way round.
 */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { Visitor } from './desired.ts';

/** Visitors that are reconciled at the same time. */
export const RECONCILIATIONS_AT_ONCE = 32;
/** The same by the component: each waits for the answer to one IQ, which has up to 100 of them in it. */
export const CONTACTS_AT_ONCE = 512;
/** How often {@link Ways.tick} is called. */
export const TICK_MS = 100;
/**
 * Status texts that are sent in one tick, for all visitors together. Each costs some 2 ms of CPU in ejabberd and here,
 * and nobody reads fifty in a second. Arrivals, departures and chats do not wait for them.
 */
export const STATUS_TEXTS_PER_TICK = 5;
/** The same by the component: each costs a fifth of that. */
export const CONTACT_TEXTS_PER_TICK = 20;
/** For each of both: so many more wait for their turn at most; the others stay in the schedule. */
const BUSY_FACTOR = 4;

export interface Ways {
  /** A new tick: as many status texts may be sent again. */
  tick(): void;
  /**
   * Takes visitors of the schedule.
   * @param take calls its argument with each visitor that is due, and whether their status text alone may have changed.
   *   `true`: taken. `false`: there is no room for this one now. `null`: there is no room for anybody
   */
  take<T>(take: (room: (visitor: Visitor, refresh: boolean) => boolean | null) => T): T;
  /** Runs the work for a visitor when it is their turn. */
  run(visitor: Visitor, work: () => Promise<void>): Promise<void>;
  /** True if the last look left some of this visitor's transport, and there is room for more by now. */
  hasRoomAgain(visitor: Visitor): boolean;
}

type Transport = Tenant['transport'];

/** Reconciliations by one transport. */
interface Way {
  readonly atOnce: number;
  readonly textsPerTick: number;
  /** Status texts that may be sent yet in this tick. */
  texts: number;
  readonly limited: ReturnType<typeof createLimiter>;
  /** Those that run or wait for their turn. */
  busy: number;
  /** In the look at the schedule that goes on. */
  taken: number;
  /** The last look left some, because too many were at work. */
  mayHaveMore: boolean;
}

const createWay = (atOnce: number, textsPerTick: number): Way => ({
  atOnce,
  textsPerTick,
  texts: 0,
  limited: createLimiter(atOnce),
  busy: 0,
  taken: 0,
  mayHaveMore: false,
});

/** @param transportOf that of a visitor's tenant now */
export function createWays(transportOf: (visitor: Visitor) => Transport): Ways {
  const ways: Record<Transport, Way> = {
    accounts: createWay(RECONCILIATIONS_AT_ONCE, STATUS_TEXTS_PER_TICK),
    component: createWay(CONTACTS_AT_ONCE, CONTACT_TEXTS_PER_TICK),
  };
  const all = Object.values(ways);
  const wayOf = (visitor: Visitor): Way => ways[transportOf(visitor)];

  return {
    tick() {
      for (const way of all) way.texts = way.textsPerTick;
    },
    take(take) {
      for (const way of all) way.mayHaveMore = false;
      const taken = take((visitor, refresh) => {
        const way = wayOf(visitor);
        if (refresh && way.texts <= 0) return false;
        if (way.busy + way.taken >= way.atOnce * BUSY_FACTOR) {
          way.mayHaveMore = true;
          return all.every(({ mayHaveMore }) => mayHaveMore) ? null : false;
        }
        way.taken += 1;
        if (refresh) way.texts -= 1;
        return true;
      });
      for (const way of all) way.taken = 0;
      return taken;
    },
    async run(visitor, work) {
      const way = wayOf(visitor);
      way.busy += 1;
      try {
        await way.limited(work, visitor.tenant);
      } finally {
        way.busy -= 1;
      }
    },
    hasRoomAgain(visitor) {
      const way = wayOf(visitor);
      return way.mayHaveMore && way.busy <= way.atOnce;
    },
  };
}
