/**
 * src/actors/machine: how XState machines are used as pure functions (docs/xstate.md). A fact moves a machine. A command
 * is decided into facts. A timer is a due time, and no timer runs here. Effects belong to reactors.
 *
 * This file is the entry point: `decide`, `fold` and `wake`. `timers.ts` has the due times, `state-json.ts` states as JSON.
 * `idempotency.ts` remembers commands, `step.ts` and `plan.ts` make transitions fast. The folders of actors define deciders, and the runtime calls them. This folder
 * imports no actor.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition } from 'xstate';
import { AppError } from '../../errors.ts';
import type { JsonObject } from '../../kit/json.ts';
import { Seen, type SeenSummary, type Source } from './idempotency.ts';
import type { Advance, Step } from './plan.ts';
import { planned, step } from './step.ts';
import { armTimers, isFromTheFuture, timersAt } from './timers.ts';

/** A new fact, as a decision returns it. `personal` is encrypted before it is stored. A machine never sees it. */
export interface Fact {
  readonly type: string;
  readonly data: JsonObject;
  readonly personal?: JsonObject | undefined;
}

/** The parts of a stored fact that folding needs. */
export interface StoredFact {
  readonly type: string;
  readonly data: JsonObject;
  readonly revision: number;
  readonly metadata: Source & {
    readonly at: number;
    readonly commandId: string;
  };
}

/** A fact as a machine receives it. */
export interface MachineEvent {
  readonly type: string;
  readonly data: JsonObject;
  /** ms since 1970 */
  readonly at: number;
  readonly revision: number;
}

/**
 * The union of new facts of one kind of actor.
 * @typeParam Facts type of fact → its data
 * @typeParam Personal type of fact → its personal part, for those that have one
 */
export type FactOf<Facts, Personal = Record<never, never>> = {
  [T in keyof Facts]: {
    readonly type: T;
    readonly data: Facts[T];
    readonly personal?: T extends keyof Personal ? Personal[T] | undefined : undefined;
  };
}[keyof Facts];

/** The union of facts of one kind of actor as its machine receives them. */
export type EventOf<Facts> = {
  [T in keyof Facts]: Omit<MachineEvent, 'type' | 'data'> & {
    readonly type: T;
    readonly data: Facts[T];
  };
}[keyof Facts];

/** The immutable part of an actor's state. */
export interface Core<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly snapshot: S;
  /** Timer id → due time in ms since 1970. */
  readonly timers: ReadonlyMap<string, number>;
  /** Time of the last fact, in ms since 1970. 0 for an actor without facts. */
  readonly at: number;
  /** Revision of the last fact. -1 for an actor without facts. */
  readonly revision: number;
}

/** An actor's state: folded from its stream, or restored from a snapshot of the same machine version. */
export interface ActorState<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly core: Core<S>;
  /** Commands and webhook events that this actor has carried out. */
  readonly seen: Seen;
}

/** The environment of a decision. A decision never reads a clock itself. */
export interface DecisionContext {
  /** ms since 1970. Never before the actor's last fact, unless that is further ahead than AHEAD_MOST_MS (timers.ts). */
  readonly now: number;
}

/** A kind of actor: its machine and its decisions. */
export interface Decider<C, S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  /** Raise it by hand when the machine folds recorded histories differently. Golden files in test/actors show that. */
  readonly version: string;
  readonly machine: AnyStateMachine;
  /**
   * @returns the facts that the command causes; none if there is nothing to do
   * @throws {AppError} `refused` with a reason that a person can read
   */
  decide(core: Core<S>, command: C, context: DecisionContext): readonly Fact[];
  /** @returns the revision of the fact that a command is about, such as the message of a receipt; null if there is none */
  aboutOf?(core: Core<S>, command: C): number | null;
  /** Refuses a repeat, known by its command id, that says something else than before. @throws {AppError} `conflict` */
  checkRepeat?(core: Core<S>, command: C): void;
  /** Adds to a fact what later decisions need if the stream is truncated before this fact. */
  complete?(fact: Fact, state: ActorState<S>): Fact;
  /** Facts that nobody waits for. They may share a flush to the disk with later ones. */
  readonly patient?: ReadonlySet<string>;
  /** The commands that a fact summarises; null if the fact has no summary. */
  summaryOf?(fact: StoredFact): SeenSummary | null;
}

/**
 * Refuses a command (HTTP 409).
 * @param reason a sentence that operators and API callers read. An operator's username has an @ before it: lines to
 * operators have the name instead
 * @throws {AppError} `refused`
 */
export const refuse = (reason: string, details: Record<string, unknown> = {}): never => {
  throw new AppError('refused', reason, details);
};

/** The state of an actor without facts. */
export function emptyCore<S extends AnyMachineSnapshot>(decider: Decider<never, S>): Core<S> {
  const { machine } = decider;
  const snapshot = initials.get(machine) ?? initialTransition(machine)[0];
  initials.set(machine, snapshot);
  // The map holds snapshots of all machines; this one is from `machine`.
  return { snapshot: snapshot as S, timers: NO_TIMERS, at: 0, revision: -1 };
}

/** The state and memory of an actor without facts. */
export const emptyState = <S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
): ActorState<S> => ({ core: emptyCore(decider), seen: new Seen() });

/** Initial snapshots. Snapshots are immutable, so all actors of a kind share one. */
const initials = new WeakMap<AnyStateMachine, AnyMachineSnapshot>();

const NO_TIMERS: ReadonlyMap<string, number> = new Map();

const unfit = (core: Core, event: MachineEvent, cause?: unknown): AppError =>
  new AppError(
    'unfit',
    `${event.type} does not fit the state at revision ${core.revision}`,
    { fact: event.type, revision: event.revision, state: core.snapshot.value },
    { cause },
  );

/** Runs a transition. If a guard or an assign throws on the data of a fact, the fact does not fit the machine. */
function advanced(
  machine: AnyStateMachine,
  core: Core,
  event: MachineEvent,
  advance: Advance,
): Step {
  try {
    return advance(machine, core.snapshot, event);
  } catch (error) {
    throw unfit(core, event, error);
  }
}

/**
 * The state after a fact.
 * @param at time of the fact, in ms since 1970
 * @throws {AppError} `unfit` if no state of the machine accepts the fact. For a stored fact this means that the machine was
 *   changed and no longer fits its history
 */
export function evolve<S extends AnyMachineSnapshot>(
  machine: AnyStateMachine,
  core: Core<S>,
  fact: Pick<StoredFact, 'type' | 'data' | 'revision'>,
  at: number,
  advance: Advance = planned,
): Core<S> {
  const event: MachineEvent = { type: fact.type, data: fact.data, at, revision: fact.revision };
  const { snapshot, actions } = advanced(machine, core, event, advance);
  // XState drops a fact that no state accepts, and returns the same snapshot. `can` distinguishes that from an accepted
  // fact without effect. (`never`: the event type of any machine. Whether this machine accepts the event is the question.)
  if (snapshot === core.snapshot && !core.snapshot.can(event as never)) {
    throw unfit(core, event);
  }
  return {
    snapshot: snapshot as S, // a machine returns its own type of snapshot
    timers: armTimers(timersAt(core, at), actions, at),
    at,
    revision: fact.revision,
  };
}

/** The state after these stored facts, in order. Adds their commands to `state.seen`. @throws {AppError} `unfit` */
export function fold<S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
  state: ActorState<S>,
  facts: readonly StoredFact[],
  advance: Advance = planned,
): ActorState<S> {
  let core = state.core;
  for (const fact of facts) {
    core = evolve(decider.machine, core, fact, fact.metadata.at, advance);
    const { commandId, at } = fact.metadata;
    state.seen.remember(commandId, at, fact.metadata);
    const summary = decider.summaryOf?.(fact);
    if (summary) state.seen.merge(summary);
  }
  return { core, seen: state.seen };
}

/**
 * The facts that due timers call for. The event of each due timer is sent to the machine, and each event that the machine
 * emits is a new fact. A timer causes no fact if the machine has left its state, or if its guard is false.
 * @param now ms since 1970
 */
export function wake(machine: AnyStateMachine, core: Core, now: number): readonly Fact[] {
  const due = [...core.timers].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]);
  const facts: Fact[] = [];
  let probe = core;
  for (const [id] of due) {
    // An earlier fact of this wake may have cancelled the timer or armed it again for later.
    if ((probe.timers.get(id) ?? Number.POSITIVE_INFINITY) > now) continue;
    const { actions } = step(machine, probe.snapshot, { type: id });
    for (const { type, params } of actions) {
      if (type !== 'xstate.emit') continue;
      // Our machines emit only facts. XState types emitted events loosely (docs/xstate.md, gotcha 8).
      const fact = (params as { event: Fact }).event;
      facts.push(fact);
      probe = evolve(machine, probe, { ...fact, revision: probe.revision + 1 }, now);
    }
  }
  return facts;
}

/** The result of a decision. */
export interface Decision<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly facts: readonly Fact[];
  /** The state after the facts. It becomes the actor's state when the facts are appended. */
  readonly core: Core<S>;
  /** Time of the facts, in ms since 1970: now, but never before the last fact of the stream, as in {@link DecisionContext}. */
  readonly at: number;
}

/** The command of the runtime that fires due timers. */
export interface Wake {
  readonly type: 'Wake';
}

/**
 * Decides a command. Each new fact is checked against the state that it will meet.
 * @param now ms since 1970
 * @throws {AppError} `refused` with a reason; `unfit` if the machine does not accept a fact of its own decision (a defect)
 */
export function decide<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
  state: ActorState<S>,
  command: C | Wake,
  now: number,
): Decision<S> {
  const at = isFromTheFuture(state.core, now) ? now : Math.max(now, state.core.at);
  const decided = isWake(command)
    ? wake(decider.machine, state.core, at)
    : decider.decide(state.core, command, { now: at });
  const facts = decider.complete
    ? decided.map((fact) => decider.complete?.(fact, state) ?? fact)
    : decided;
  let core = state.core;
  for (const fact of facts) {
    core = evolve(decider.machine, core, { ...fact, revision: core.revision + 1 }, at);
  }
  return { facts, core, at };
}

const isWake = (command: { readonly type: string }): command is Wake => command.type === 'Wake';
