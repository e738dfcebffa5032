/** A stream step by step: what each fact did to its actor. */
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate';
import { transitionOf } from '../actors/machine/chart.ts';
import { type ActorState, type StoredFact, wake } from '../actors/machine/decider.ts';
import type { Advance } from '../actors/machine/plan.ts';
import { type TracedStep, tracedStep } from '../actors/machine/step.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';
import { type Change, changesBetween, type TimerChange, timerChangesBetween } from './changes.ts';
import type { Checkpoints } from './checkpoints.ts';
import {
  type ActorStream,
  type Folded,
  factsOf,
  foldOne,
  foldTo,
  type StreamReader,
} from './fold.ts';

/** A state as people look at it. */
export interface StateView {
  /** The names of the active states. */
  readonly value: JsonValue;
  readonly context: JsonObject;
  /** Due times in ms since 1970, by the timers' ids. */
  readonly timers: Readonly<Record<string, number>>;
  /**
   * Ids of timers that would cause no fact in this state, because a guard says no: the hard time-out of a visitor whom an
   * operator has answered. One that is overdue and not among these is late.
   */
  readonly held: readonly string[];
  /** Time of the last fact, in ms since 1970; 0 before the first. */
  readonly at: number;
}

/** A transition that was taken. */
export interface Taken {
  /** As in the machine's chart. */
  readonly id: string;
  /** The state that was active, and the one that is active now. */
  readonly from: string;
  readonly to: string;
}

export interface Step<E extends StoredFact = RecordedEvent> {
  readonly revision: number;
  readonly event: E;
  /** After the fact. */
  readonly state: StateView;
  readonly taken: readonly Taken[];
  /** Of the context. */
  readonly changes: readonly Change[];
  readonly timerChanges: readonly TimerChange[];
  /** The fact does not fit the machine of this version. The state stays as it was. */
  readonly unfit: { readonly reason: string } | null;
}

/** Characters of a page's contexts as JSON; a page ends with the step that reaches them. */
export const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

export function stateView(machine: AnyStateMachine, { core }: ActorState): StateView {
  const { snapshot, timers, at } = core;
  const isHeld = ([id, due]: [string, number]): boolean =>
    wake(machine, { ...core, timers: new Map([[id, due]]) }, Math.max(due, at)).length === 0;
  return {
    value: snapshot.value as JsonValue, // names of states
    context: snapshot.context as JsonObject, // contexts of our machines are plain JSON
    timers: Object.fromEntries(timers),
    held: [...timers].filter(isHeld).map(([id]) => id),
    at,
  };
}

/** One fact: the state after it, and what it did. `before` must not be used any more: its memory of commands moves on. */
export function stepOver<E extends StoredFact>(
  before: Folded,
  event: E,
): { readonly after: Folded; readonly step: Step<E> } {
  const { machine } = before.decider;
  const { core } = before.state;
  let traced: TracedStep['taken'] = [];
  const advance: Advance = (...args) => {
    const step = tracedStep(...args);
    traced = step.taken;
    return step;
  };
  // The first unfit fact of the stream may be an earlier one. Here this fact counts alone.
  const { unfit, ...after } = foldOne({ ...before, unfit: null }, event, advance);
  const step: Step<E> = {
    revision: event.revision,
    event,
    state: stateView(machine, after.state),
    taken: unfit ? [] : traced.map((each) => takenBy(machine, each)),
    changes: changesBetween(
      core.snapshot.context as JsonObject, // as in `stateView`
      after.state.core.snapshot.context as JsonObject,
    ),
    timerChanges: timerChangesBetween(core.timers, after.state.core.timers),
    unfit: unfit && { reason: unfit.reason },
  };
  return { after: { ...after, unfit: before.unfit ?? unfit }, step };
}

function takenBy(
  machine: AnyStateMachine,
  { definition, before }: TracedStep['taken'][number],
): Taken {
  const { id } = transitionOf(machine, definition);
  const from = activeIn(definition.source, before).id;
  return { id, from, to: definition.target?.[0]?.id ?? from };
}

/** The active state within a region; the node itself if it is a state, or has several regions. */
function activeIn(node: AnyStateNode, { _nodes }: AnyMachineSnapshot): AnyStateNode {
  if (node.type !== 'compound') return node;
  const nodes: readonly AnyStateNode[] = _nodes;
  const child = nodes.find(({ parent }) => parent === node);
  return child ? activeIn(child, { _nodes } as AnyMachineSnapshot) : node; // it reads this field alone
}

/** Some steps in a row. */
export interface Steps {
  readonly items: readonly Step[];
  /** The revision of the next step; null at the end of the stream. */
  readonly next: number | null;
}

/**
 * The steps from a revision on.
 * @param limit the number of steps at most; fewer come if the states are large
 */
export async function stepsFrom(
  reader: StreamReader,
  found: ActorStream,
  { from, limit }: { readonly from: number; readonly limit: number },
  checkpoints: Checkpoints,
): Promise<Steps> {
  const start = Math.max(from, found.first);
  let folded = await foldTo(reader, found, { revision: start - 1 }, checkpoints);
  const items: Step[] = [];
  let characters = 0;
  for await (const fact of factsOf(reader, found.stream, start)) {
    if (items.length >= limit || characters >= MAX_PAGE_CHARACTERS) {
      return { items, next: fact.revision };
    }
    const { after, step } = stepOver(folded, fact);
    folded = after;
    checkpoints.keep(found.key, folded);
    items.push(step);
    characters += JSON.stringify(step.state.context).length;
  }
  return { items, next: null };
}
