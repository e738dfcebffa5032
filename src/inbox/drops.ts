/** Events of a batch that were dropped, counted for one line in the log. */

/** Reasons in the log's line about events that were dropped. Events with other reasons are counted together. */
export const DROP_REASONS_LOGGED = 10;
/** A reason in that line, at most. It may hold the name of a field that somebody chose. */
const LOGGED_REASON_MAX_CHARACTERS = 300;

/** The events of a batch that were dropped, by type and reason. */
export function createDrops() {
  const reasons = new Map<
    string,
    { type: string; reason: string; events: number; seq: number | null }
  >();
  let events = 0;
  return {
    /** @param seq the number of the event; null if it has none */
    add(type: unknown, reason: string, seq: number | null): void {
      events += 1;
      const known = { type: typeof type === 'string' ? type : '', reason: cut(reason) };
      const key = JSON.stringify(known);
      const entry = reasons.get(key);
      if (entry) entry.events += 1;
      else if (reasons.size < DROP_REASONS_LOGGED) reasons.set(key, { ...known, events: 1, seq });
    },
    /** For the log: how many, and why. `seq` is that of the first event with this reason. Null if there are none. */
    summary: () => (events === 0 ? null : { events, reasons: [...reasons.values()] }),
  };
}

const cut = (text: string): string => text.slice(0, LOGGED_REASON_MAX_CHARACTERS);
