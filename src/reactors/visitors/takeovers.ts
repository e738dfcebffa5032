import type { Visitor } from './desired.ts';
import { idOf } from './schedule.ts';

/** After this time without such a login the count begins again. */
const SESSION_TAKEN_REMEMBERED_MS = 10 * 60_000;

/**
 * Counts logins that replaced a visitor's session, in a row.
 * @param now ms, only for intervals
 */
export function createTakeovers(now: () => number) {
  const known = new Map<string, { readonly times: number; readonly at: number }>();
  return {
    count(visitor: Visitor, remember: boolean): number {
      const last = known.get(idOf(visitor));
      const again = last !== undefined && now() - last.at < SESSION_TAKEN_REMEMBERED_MS;
      const times = again ? last.times + 1 : 1;
      if (remember) known.set(idOf(visitor), { times, at: now() });
      return times;
    },
    forget(isForgotten: (id: string) => boolean): void {
      for (const id of known.keys()) if (isForgotten(id)) known.delete(id);
    },
  };
}
