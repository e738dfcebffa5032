/** A branch of a history in memory: commands, facts and waiting, from any point. Nothing of it is stored or performed. */
import { decide, type Fact, type StoredFact, wake } from '../actors/machine/decider.ts';
import { nextDue } from '../actors/machine/timers.ts';
import { AppError } from '../errors.ts';
import type { JsonObject } from '../kit/json.ts';
import type { Folded } from './fold.ts';
import { type Step, stepOver } from './steps.ts';

/** What happens in a branch. @property wait ms; due timers fire as they would in the service */
export type Action =
  | { readonly command: { readonly type: string } & JsonObject }
  | { readonly fact: Fact }
  | { readonly wait: number };

/** A fact of a branch. */
export interface BranchFact extends StoredFact {
  readonly personal: JsonObject | null;
}

export interface Branch {
  readonly folded: Folded;
  /** ms since 1970 */
  readonly now: number;
}

/** A step of a branch with the state before it. */
export interface BranchStep {
  readonly before: Folded;
  readonly after: Folded;
  readonly step: Step<BranchFact>;
}

/** What an action led to. */
export interface Outcome {
  readonly branch: Branch;
  readonly refused: { readonly code: string; readonly reason: string } | null;
  readonly steps: readonly BranchStep[];
}

/** Facts that one action may lead to. A wait fires one timer after the other. */
export const MAX_FACTS_OF_ACTION = 500;
/** Times at which timers fire in one wait. */
const MAX_WAKES = 200;

/** A branch that begins at this state. @param now ms since 1970; never before the last fact */
export const branchAt = (folded: Folded, now: number): Branch => ({
  folded,
  now: Math.max(now, folded.state.core.at),
});

/** Carries out one action. The branch of before must not be used any more: its memory of commands moves on. */
export function act(branch: Branch, action: Action): Outcome {
  try {
    if ('wait' in action) return wait(branch, action.wait);
    if ('command' in action) return command(branch, action.command);
    return fact(branch, action.fact);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { branch, refused: { code: error.code, reason: error.message }, steps: [] };
  }
}

function command({ folded, now }: Branch, given: { readonly type: string }): Outcome {
  const { decider, state } = folded;
  const { facts, at } = decide(decider, state, given, now);
  return added({ folded, now }, facts, at);
}

function fact({ folded, now }: Branch, given: Fact): Outcome {
  const { branch, steps } = added({ folded, now }, [given], now);
  const unfit = steps[0]?.step.unfit;
  if (!unfit) return { branch, refused: null, steps };
  return { branch: { folded, now }, refused: { code: 'unfit', ...unfit }, steps: [] };
}

function wait(branch: Branch, ms: number): Outcome {
  const end = branch.now + ms;
  let current = branch;
  const steps: BranchStep[] = [];
  let due = nextDue(branch.folded.state.core);
  for (let woken = 0; due !== undefined && due <= end; woken += 1) {
    const at = Math.max(due, current.now);
    const { decider, state } = current.folded;
    const after = added(current, wake(decider.machine, state.core, at), at);
    current = after.branch;
    steps.push(...after.steps);
    if (woken >= MAX_WAKES || steps.length > MAX_FACTS_OF_ACTION) {
      throw new AppError('too-large', `more than ${MAX_WAKES} timers fire in this time`);
    }
    // A timer that caused no fact has fired all the same.
    due = nextDue(current.folded.state.core, at);
  }
  return { branch: { ...current, now: end }, refused: null, steps };
}

/** Adds facts to a branch, as the host appends them. */
function added({ folded }: Branch, facts: readonly Fact[], at: number): Outcome {
  const steps: BranchStep[] = [];
  let current = folded;
  for (const { type, data, personal } of facts) {
    const revision = current.through + 1;
    const { data: stored } = JSON.parse(JSON.stringify({ data })) as { data: JsonObject }; // as it would be read
    const event: BranchFact = {
      type,
      data: stored,
      personal: personal ?? null,
      revision,
      // Like a request without an id: nobody repeats it, so the memory of commands does not grow.
      metadata: { at, commandId: 'auto:what-if' },
    };
    const { after, step } = stepOver(current, event);
    steps.push({ before: current, after, step });
    current = after;
  }
  return { branch: { folded: current, now: at }, refused: null, steps };
}
