/** What would have happened: a branch from any point of a stream, with the effects that would follow, and a test of it. */
import type { z } from 'zod';
import { operatorFact, visitorFact } from '../actors/facts.ts';
import type { Core } from '../actors/machine/decider.ts';
import { operatorState } from '../actors/operator/decisions.ts';
import { SCHEMAS } from '../actors/schemas.ts';
import { visitorState } from '../actors/visitor/decisions.ts';
import { type Effect, effectsOfOperator, effectsOfVisitor } from '../effects/effects.ts';
import type { Flavour } from '../effects/lhc.ts';
import { AppError } from '../errors.ts';
import { inOurWords } from '../kit/schema-words.ts';
import { type Action, act, type BranchFact, type BranchStep, branchAt } from './branch.ts';
import type { Checkpoints } from './checkpoints.ts';
import { type ActorStream, foldTo, type StreamReader } from './fold.ts';
import { MAX_PAGE_CHARACTERS, type StateView, type Step, stateView } from './steps.ts';
import { type Played, testOf } from './test-file.ts';

/** Actions of one branch. */
export const MAX_ACTIONS = 64;
/** The longest wait: ten years, in ms. */
export const MAX_WAIT_MS = 10 * 366 * 24 * 3_600_000;

/** Where a branch begins: after a fact, or at a time in ms since 1970. */
export type BranchPoint = { readonly revision: number } | { readonly time: number };

export interface WhatIfItem {
  readonly action: Action;
  readonly refused: { readonly code: string; readonly reason: string } | null;
  readonly steps: readonly Step<BranchFact>[];
  readonly effects: readonly (Effect & { readonly revision: number })[];
}

export interface WhatIf {
  readonly base: { readonly revision: number; readonly state: StateView };
  readonly items: readonly WhatIfItem[];
  /** A vitest file (test-file.ts). */
  readonly test: string;
}

type Issue = z.core.$ZodIssue;

/**
 * What is wrong with actions. What a decision gets is always of its schema.
 * @returns no issues if all is well. Their paths begin at the list of actions
 */
export function faultsOf(kind: ActorStream['actor']['kind'], actions: readonly Action[]): Issue[] {
  const { commands, facts } = SCHEMAS[kind];
  return actions.flatMap((action, index): Issue[] => {
    const found = (schema: z.ZodType, value: unknown, ...path: string[]): Issue[] =>
      (schema.safeParse(value, { error: inOurWords }).error?.issues ?? []).map((issue) => ({
        ...issue,
        path: [index, ...path, ...issue.path],
      }));
    const unknown = (type: string, what: 'command' | 'fact'): Issue[] => [
      {
        code: 'custom',
        path: [index, what, 'type'],
        message: `is no ${what} of a ${kind} that can be made up: ${type}`,
        input: type,
      },
    ];
    if ('command' in action) {
      const { type } = action.command;
      const schema = Object.hasOwn(commands, type) ? commands[type] : undefined;
      return schema ? found(schema, action.command, 'command') : unknown(type, 'command');
    }
    if ('wait' in action) return [];
    const { type, data, personal } = action.fact;
    const schema = Object.hasOwn(facts, type) ? facts[type] : undefined;
    if (!schema) return unknown(type, 'fact');
    return [
      ...found(schema.data, data, 'fact', 'data'),
      ...(personal === undefined || schema.personal === null
        ? []
        : found(schema.personal, personal, 'fact', 'personal')),
    ];
  });
}

/**
 * Carries out actions on a branch in memory.
 * @param actions without {@link faultsOf}
 * @param flavour of the tenant's callbacks
 * @throws {AppError} `too-large`
 */
export async function whatIf(
  reader: StreamReader,
  found: ActorStream,
  point: BranchPoint,
  actions: readonly Action[],
  flavour: Flavour,
  checkpoints: Checkpoints,
): Promise<WhatIf> {
  const until = 'revision' in point ? point : { at: point.time };
  const base = await foldTo(reader, found, until, checkpoints);
  const from = { revision: base.through, state: stateView(base.decider.machine, base.state) };
  let branch = branchAt(base, 'time' in point ? point.time : base.state.core.at);
  const start = branch.now;
  const played: Played[] = [];
  const items: WhatIfItem[] = [];
  let characters = 0;
  for (const action of actions) {
    const outcome = act(branch, action);
    for (const { step } of outcome.steps) characters += JSON.stringify(step.state.context).length;
    if (characters > MAX_PAGE_CHARACTERS) {
      throw new AppError(
        'too-large',
        'the states of this branch are too large; send fewer actions',
      );
    }
    branch = outcome.branch;
    const { refused, steps } = outcome;
    played.push({ action, refused, facts: steps.map(({ step }) => step.event) });
    items.push({
      action,
      refused,
      steps: steps.map(({ step }) => step),
      effects: steps.flatMap((step) => effectsOf(found, step, flavour)),
    });
  }
  const test = await testOf(reader, found, { from, start, played, end: branch });
  return { base: from, items, test };
}

function effectsOf(
  { stream, actor }: ActorStream,
  { before, after, step }: BranchStep,
  flavour: Flavour,
): readonly (Effect & { readonly revision: number })[] {
  const { event, revision } = step;
  const recorded = { ...event, stream };
  const visitor = visitorFact(recorded);
  const operator = operatorFact(recorded);
  // The cores are of the stream's kind.
  const core = after.state.core as Core<never>;
  const effects = visitor
    ? effectsOfVisitor(
        visitor,
        visitorState(before.state.core as Core<never>),
        visitorState(core),
        flavour,
      )
    : operator
      ? effectsOfOperator(operator, operatorState(core).context.registered, flavour)
      : [];
  return actor.kind === 'tenant' ? [] : effects.map((effect) => ({ revision, ...effect }));
}
