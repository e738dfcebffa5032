/**
 * How many presences and logins of an operator become facts. A client that changes its presence all the time must not
 * fill the log. What is left out is not lost: after a pause the service asks ejabberd (docs/adr/0025).
 */
import type { PresenceBudget } from './facts.ts';

/** An operator's presences and logins are stored at this rate in the long run: one in so many ms. */
export const PRESENCE_EVERY_MS = 5_000;
/** Presences and logins in a row that are stored, whatever the rate. A login is two facts. */
export const PRESENCE_BURST = 20;
/** How long the rest is left out once the burst is spent. Then ejabberd is asked. */
export const PRESENCE_PAUSE_MS = 10_000;

/** The budget when it is spent to the end, in ms ahead of the time. */
const ALL_SPENT_MS = PRESENCE_BURST * PRESENCE_EVERY_MS;

/** What is spent at a time, in ms. More than all is from before the clock was set back, and says nothing. */
function spentAt({ presencesPaidUntil }: PresenceBudget, at: number): number {
  const spent = Math.max(0, presencesPaidUntil - at);
  return spent > ALL_SPENT_MS ? 0 : spent;
}

/** The budget after one presence or login. A comparison with ejabberd may bring more than a burst, at no later cost. */
export const paidUntil = (budget: PresenceBudget, at: number): number =>
  at + Math.min(spentAt(budget, at) + PRESENCE_EVERY_MS, ALL_SPENT_MS);

/** True if the next presence or login is one too many. @param now ms since 1970 */
export const isSpent = (budget: PresenceBudget, now: number): boolean =>
  spentAt(budget, now) > ALL_SPENT_MS - PRESENCE_EVERY_MS;
