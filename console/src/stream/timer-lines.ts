/** Timers as lines of a table. */
import type { TimerChange } from '../api/debugger.ts';
import { duration } from '../times.ts';

export interface TimerLine {
  readonly id: string;
  /** The delay's name: `hardTimeout`. */
  readonly name: string;
  /** ms since 1970; null: cancelled by this fact. */
  readonly due: number | null;
  /** When it was due before this fact. */
  readonly before: number | null;
  readonly did: 'armed' | 'moved' | 'cancelled' | null;
}

/** Ids of timers are XState's: `xstate.after.hardTimeout.visitor.presence.online`. */
export const timerName = (id: string): string => /^xstate\.after\.([^.]+)\./.exec(id)?.[1] ?? id;

/** The timers that are pending, the next one first, and behind them those that the fact cancelled. */
export function timerLines(
  timers: Readonly<Record<string, number>>,
  changes: readonly TimerChange[],
): readonly TimerLine[] {
  const changed = new Map(changes.map((change) => [change.id, change]));
  const pending = Object.entries(timers).map(([id, due]): TimerLine => {
    const change = changed.get(id);
    const before = change?.before ?? null;
    const did = change ? (before === null ? 'armed' : 'moved') : null;
    return { id, name: timerName(id), due, before, did };
  });
  const cancelled = changes
    .filter(({ after }) => after === null)
    .map(
      ({ id, before }): TimerLine => ({
        id,
        name: timerName(id),
        due: null,
        before,
        did: 'cancelled',
      }),
    );
  return [...pending.sort((a, b) => (a.due ?? 0) - (b.due ?? 0)), ...cancelled];
}

/**
 * When a timer is due, and whether it then does something.
 * @param ms after the fact
 * @param isHeld it would do nothing in this state
 */
export function dueText(ms: number, isHeld: boolean): string {
  const text = ms === 0 ? 'at once' : ms > 0 ? duration(ms) : `${duration(-ms)} before`;
  if (isHeld) return `${text}, does nothing in this state`;
  return ms < 0 ? `${text}: late` : text;
}
