/**
 * The length of a visitor's history. `retention` cuts a stream before a clean-up alone, so each history has to end, also if
 * its visitor comes every day or never stops to view pages (docs/adr/0050).
 */
import type { VisitorContext } from './state.ts';

const DAY_MS = 86_400_000;

/** A history with so many facts, … */
export const LONG_HISTORY_FACTS = 1_000;
/** … or of this age, is long: it ends … */
export const LONG_HISTORY_MS = 7 * DAY_MS;
/** … so long after its visitor has timed out, and not after the tenant's `cleanupAfter`, if that is longer. */
export const LONG_HISTORY_CLEANUP_MS = 60_000;
/** A page view without a conversation begins a new history behind one with so many facts, … */
export const HISTORY_MOST_FACTS = 5_000;
/** … or of this age. */
export const HISTORY_MOST_MS = 30 * DAY_MS;

/** A visitor's message that is neither delivered nor failed holds its history for so long after the history's end. */
export const OPEN_MESSAGE_HOLDS_MS = DAY_MS;

/**
 * Whether a message of before this revision is open still: it may have to be sent again.
 * @param at the last moment of the history at the latest, and `now`: ms since 1970
 */
export const holdsOpenMessage = (
  { openMessages }: Pick<VisitorContext, 'openMessages'>,
  { before, at, now }: { readonly before: number; readonly at: number; readonly now: number },
): boolean =>
  now - at < OPEN_MESSAGE_HOLDS_MS && openMessages.some(({ revision }) => revision < before);

/** The latest fact. `at`: ms since 1970. */
interface Latest {
  readonly revision: number;
  readonly at: number;
}

/** True if the history has so many facts, or is so old. */
const hasReached = (
  { history }: Pick<VisitorContext, 'history'>,
  { revision, at }: Latest,
  most: { readonly facts: number; readonly ms: number },
): boolean =>
  history !== null && (revision - history.revision >= most.facts || at - history.at >= most.ms);

export const isLong = (context: Pick<VisitorContext, 'history'>, latest: Latest): boolean =>
  hasReached(context, latest, { facts: LONG_HISTORY_FACTS, ms: LONG_HISTORY_MS });

export const isTooLong = (context: Pick<VisitorContext, 'history'>, latest: Latest): boolean =>
  hasReached(context, latest, { facts: HISTORY_MOST_FACTS, ms: HISTORY_MOST_MS });
