/** A budget for lines of the log that many can cause at once: strangers, or all visitors when ejabberd goes away. */
import { Lru } from './lru.ts';
import { type Rate, TokenBucket } from './token-bucket.ts';

/** Lines of one kind. */
export const LINE_RATE: Rate = { burst: 10, perSecond: 1 / 10 };
/** Kinds that are remembered. */
export const KINDS_OF_LINES = 1_000;

interface Kind {
  readonly bucket: TokenBucket;
  /** Lines since the last one within the budget. */
  leftOut: number;
}

/**
 * Charges one line.
 * @param kind what the line says, and for which tenant: one tenant's lines must not use up the budget of another's
 * @returns what to log with it: `leftOut`, how many lines of the kind were over the budget since the last one that was not,
 *   if there are any; null if this one is over the budget: then it belongs to the level `debug`
 */
export type LineBudget = (kind: string) => { readonly leftOut?: number } | null;

/** @param monotonic ms, never backwards */
export function createLineBudget(monotonic: () => number = () => performance.now()): LineBudget {
  const kinds = new Lru<Kind>(KINDS_OF_LINES);
  return (name) => {
    const kind = kinds.get(name) ?? { bucket: new TokenBucket(LINE_RATE), leftOut: 0 };
    kinds.set(name, kind);
    if (!kind.bucket.take(monotonic())) {
      kind.leftOut += 1;
      return null;
    }
    const { leftOut } = kind;
    kind.leftOut = 0;
    return leftOut > 0 ? { leftOut } : {};
  };
}
