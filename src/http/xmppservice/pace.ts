/**
 * How fast a tenant's calls are carried out: as fast as its requests of the native API (docs/adr/0027). LHC never sends a
 * call again, so one that comes too fast waits for its turn.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { Lru } from '../../kit/lru.ts';
import { TokenBucket } from '../../kit/token-bucket.ts';
import type { Callee } from './callee.ts';
import type { Holder } from './deps.ts';

/** Calls that a tenant which was quiet may make at once, in seconds of its rate. */
const BURST_SECONDS = 2;
/** The part of the burst that is kept for chats and messages. */
const KEPT_SHARE = 1 / 4;
/** A call waits so long for its turn at most. Behind it there is still time to carry it out. */
export const TURN_WAIT_MS = 1_000;
/** Tenants whose pace is known. One more begins anew with a full budget. */
const TENANTS_REMEMBERED = 10_000;

interface Budget {
  readonly perSecond: number;
  readonly calls: TokenBucket;
}

/** @returns waits for the turn of a call; false if it does not come in time */
export type Pace = (callee: Callee, urgent: boolean, leftMs: number) => Promise<boolean>;

export function createPace(monotonic: () => number): Pace {
  const budgets = new Lru<Budget>(TENANTS_REMEMBERED);

  function budgetOf({
    id,
    requestsPerSecond: perSecond,
  }: Pick<Holder, 'id' | 'requestsPerSecond'>): Budget {
    const known = budgets.get(id);
    if (known?.perSecond === perSecond) return known;
    const calls = new TokenBucket({ burst: perSecond * BURST_SECONDS, perSecond });
    const budget = { perSecond, calls };
    budgets.set(id, budget);
    return budget;
  }

  return async ({ tenant, template }, urgent, leftMs) => {
    const holder = tenant ?? template;
    if (!holder) return true;
    const { calls, perSecond } = budgetOf(holder);
    const kept = urgent ? 0 : perSecond * BURST_SECONDS * KEPT_SHARE;
    const until = monotonic() + Math.min(TURN_WAIT_MS, leftMs);
    while (!calls.take(monotonic(), kept)) {
      const waitMs = Math.max(1, calls.waitMs(monotonic(), kept));
      if (monotonic() + waitMs > until) return false;
      await delay(waitMs);
    }
    return true;
  };
}
