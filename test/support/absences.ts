/** How long contacts look absent to an operator's client. */
import type { Operator } from './operator.ts';

export interface Absences {
  /** Stops to look. */
  end(): {
    /** The longest absence of each contact that was absent at all, in ms; one that has not ended counts until now. */
    readonly longest: ReadonlyMap<string, number>;
  };
}

/** Looks every few ms from now on. */
export function watchAbsences(operator: Operator, jids: readonly string[]): Absences {
  const since = new Map<string, number>();
  const longest = new Map<string, number>();
  const look = (): void => {
    const now = performance.now();
    for (const jid of jids) {
      const begun = since.get(jid);
      if (begun !== undefined) longest.set(jid, Math.max(longest.get(jid) ?? 0, now - begun));
      if (operator.presences.get(jid)?.available) since.delete(jid);
      else if (begun === undefined) since.set(jid, now);
    }
  };
  const timer = setInterval(look, 2);
  return {
    end() {
      clearInterval(timer);
      look();
      return { longest };
    },
  };
}
