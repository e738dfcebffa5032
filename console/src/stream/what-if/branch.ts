/** A branch: what somebody tries from a step on. It is kept in the browser alone and sent whole each time. */
import type { Json, JsonObject, Step } from '../../api/debugger.ts';

export type Action =
  | { readonly command: JsonObject }
  | {
      readonly fact: {
        readonly type: string;
        readonly data: JsonObject;
        readonly personal?: JsonObject;
      };
    }
  /** Lets time pass, in ms. */
  | { readonly wait: number };

export interface Branch {
  /** The last real fact. */
  readonly revision: number;
  readonly actions: readonly Action[];
  /** Actions that were taken back, the last first. */
  readonly undone: readonly Action[];
}

/** The service takes no more. */
export const MAX_ACTIONS = 64;

/** An answer of `/debug/streams/{stream}/what-if`. */
export interface BranchResult {
  readonly base: { readonly revision: number; readonly state: Step['state'] };
  readonly items: readonly BranchItem[];
  /** A file for vitest with the same facts and actions. */
  readonly test: string;
}

export interface BranchItem {
  readonly action: Action;
  readonly refused: { readonly code: string; readonly reason: string } | null;
  readonly steps: readonly Step[];
  readonly effects: readonly FollowingEffect[];
}

/** An effect that would follow. Nothing is performed. */
export interface FollowingEffect {
  readonly revision: number;
  readonly destination: string;
  readonly name: string;
  /** For people; null if the name says all. */
  readonly detail: string | null;
}

export const branchAt = (revision: number): Branch => ({ revision, actions: [], undone: [] });

/** A new action makes what was undone unreachable. */
export const added = (branch: Branch, action: Action): Branch => ({
  ...branch,
  actions: [...branch.actions, action],
  undone: [],
});

export function undone(branch: Branch): Branch {
  const last = branch.actions.at(-1);
  if (!last) return branch;
  return { ...branch, actions: branch.actions.slice(0, -1), undone: [last, ...branch.undone] };
}

export function redone(branch: Branch): Branch {
  const [next, ...rest] = branch.undone;
  if (!next) return branch;
  return { ...branch, actions: [...branch.actions, next], undone: rest };
}

/** All steps of a branch, in order, with the action that caused each. */
export const stepsOf = ({ items }: BranchResult): { step: Step; item: BranchItem }[] =>
  items.flatMap((item) => item.steps.map((step) => ({ step, item })));

/** The state and the time at the end of a branch. */
export function endOf(result: BranchResult): { state: Step['state']; now: number } {
  let state = result.base.state;
  let now = state.at;
  for (const { action, steps } of result.items) {
    if ('wait' in action) now += action.wait;
    state = steps.at(-1)?.state ?? state;
    now = Math.max(now, state.at);
  }
  return { state, now };
}

/** How long to wait until the next timer is due; null if none is. */
export function untilNextTimer(result: BranchResult): { id: string; ms: number } | null {
  const { state, now } = endOf(result);
  let next: { id: string; ms: number } | null = null;
  for (const [id, due] of Object.entries(state.timers)) {
    // A timer that was due before met a guard that said no, and is spent.
    if (due > now && (next === null || due - now < next.ms)) next = { id, ms: due - now };
  }
  return next;
}

/** A branch as text, for the browser to keep. */
export const encode = (branch: Branch): string => JSON.stringify(branch);

/** @returns null if the text is no branch */
export function decode(text: string): Branch | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { revision, actions, undone: back } = value as Record<string, unknown>;
  if (typeof revision !== 'number' || !Number.isInteger(revision)) return null;
  if (!Array.isArray(actions) || !Array.isArray(back)) return null;
  if (![...actions, ...back].every(isAction)) return null;
  return { revision, actions, undone: back };
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isAction(value: unknown): value is Action {
  if (!isObject(value)) return false;
  if ('wait' in value) return typeof value.wait === 'number' && value.wait >= 0;
  if ('command' in value) return isObject(value.command);
  const fact: Json | undefined = value.fact;
  return isObject(fact) && typeof fact.type === 'string' && isObject(fact.data);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The service takes no longer wait. */
export const MAX_WAIT_MS = 3_650 * 86_400_000;

/** `90 s`, `1h 30min`, `250ms`, `2d`. @returns ms; null if it is no duration, or too long a one */
export function parseDuration(text: string): number | null {
  const parts = [
    ...text
      .trim()
      .toLowerCase()
      .matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy),
  ];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text.trim().toLowerCase()) {
    return null;
  }
  let ms = 0;
  for (const [, count, unit] of parts) {
    const size = UNITS_MS[unit ?? ''];
    if (size === undefined) return null;
    ms += Number(count) * size;
  }
  return ms <= MAX_WAIT_MS ? Math.round(ms) : null;
}
