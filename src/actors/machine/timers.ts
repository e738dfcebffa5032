/** The timers of an actor: due times that follow from its facts. No timer runs here. */
import type { Core } from './decider.ts';
import type { Step } from './plan.ts';

/**
 * How far the last fact of a stream may be ahead of the clock. Clocks of processes differ a little, and then the time of the
 * stream stands still. A fact that is further ahead was written while a clock was wrong: the next fact has the right time
 * again, and the timers move with it. Otherwise the actor would wait until the wrong time has come.
 */
export const AHEAD_MOST_MS = 600_000;

/** Parameters of XState's built-in actions: a delayed raise arms a timer, and a cancel removes it. */
type TimerParams = { readonly id?: string; readonly sendId?: string; readonly delay?: number };

/** The timers after a transition. @param at time of its fact, in ms since 1970 */
export function armTimers(
  timers: ReadonlyMap<string, number>,
  actions: Step['actions'],
  at: number,
): ReadonlyMap<string, number> {
  let next: Map<string, number> | null = null;
  for (const { type, params } of actions) {
    if (type === 'xstate.cancel') {
      const { sendId } = params as TimerParams; // see docs/xstate.md
      if (sendId !== undefined && (next ?? timers).has(sendId)) {
        next ??= new Map(timers);
        next.delete(sendId);
      }
    } else if (type === 'xstate.raise') {
      const { id, delay } = params as TimerParams; // see docs/xstate.md
      if (id === undefined || delay === undefined) continue;
      next ??= new Map(timers);
      next.set(id, at + delay);
    }
  }
  return next ?? timers;
}

/**
 * True for so many ms from a time on. A time from the future was written while a clock was wrong, and says nothing.
 * @param since ms since 1970 @param now ms since 1970
 */
export const isWithin = (ms: number, since: number, now: number): boolean =>
  ms > 0 && now - since > -AHEAD_MOST_MS && now - since < ms;

/** True if the last fact was written while a clock was wrong. @param now ms since 1970 */
export const isFromTheFuture = (core: Core, now: number): boolean => now < core.at - AHEAD_MOST_MS;

/** The timers of a state at the time of its next fact: each has the same time left, if the clock was set back. */
export function timersAt(core: Core, at: number): ReadonlyMap<string, number> {
  if (!isFromTheFuture(core, at) || core.timers.size === 0) return core.timers;
  return new Map([...core.timers].map(([id, due]) => [id, due - core.at + at]));
}

/** The due time of the actor's next timer after `after`, in ms since 1970; undefined if there is none. */
export function nextDue(core: Core, after = Number.NEGATIVE_INFINITY): number | undefined {
  let due: number | undefined;
  for (const at of core.timers.values()) {
    if (at > after && (due === undefined || at < due)) due = at;
  }
  return due;
}
