/**
 * A machine as a decider: facts move it, commands only ask. Nothing here runs: a transition is a pure function, timers
 * are numbers, and effects belong to reactors (docs/xstate.md).
 */
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition } from 'xstate';
import { AppError } from '../../errors.ts';
import type { JsonObject, JsonValue } from '../../kit/json.ts';
import type { Advance, Step } from './plan.ts';
import { type Hook, Seen, type SeenSummary } from './seen.ts';
import { planned, step } from './step.ts';

/** A fact as a decision yields it. `personal` is sealed before it is stored; a machine never sees it. */
export interface Fact {
  readonly type: string;
  readonly data: JsonObject;
  readonly personal?: JsonObject | undefined;
}

/** What folding needs of a stored fact. */
export interface StoredFact {
  readonly type: string;
  readonly data: JsonObject;
  readonly revision: number;
  readonly metadata: {
    readonly at: number;
    readonly commandId: string;
    readonly hook?: Hook;
  };
}

/** A fact as a machine meets it. */
export interface MachineEvent {
  readonly type: string;
  readonly data: JsonObject;
  /** ms since 1970 */
  readonly at: number;
  readonly revision: number;
}

/** The facts of one kind of actor, as its decisions yield them: from a map of what each type says, and its personal part. */
export type FactOf<Facts, Personal = Record<never, never>> = {
  [T in keyof Facts]: {
    readonly type: T;
    readonly data: Facts[T];
    readonly personal?: T extends keyof Personal ? Personal[T] | undefined : undefined;
  };
}[keyof Facts];

/** The same facts as its machine meets them. */
export type EventOf<Facts> = {
  [T in keyof Facts]: Omit<MachineEvent, 'type' | 'data'> & {
    readonly type: T;
    readonly data: Facts[T];
  };
}[keyof Facts];

/** The part of an actor's state that is immutable: where its machine is, what is due, and when it last moved. */
export interface Core<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly snapshot: S;
  /** Timer id → when it is due, ms since 1970. */
  readonly timers: ReadonlyMap<string, number>;
  /** `at` of the last fact. */
  readonly at: number;
  /** Of the last fact; -1 for an actor that has none. */
  readonly revision: number;
}

/** An actor's state: folded from its stream, or restored from a snapshot of the same machine version. */
export interface ActorState<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly core: Core<S>;
  /** Command ids and webhook numbers that were carried out. */
  readonly seen: Seen;
}

/** A command's environment: time and ids are given to a decision, never taken inside. */
export interface DecisionContext {
  readonly now: number;
}

/** One kind of actor. */
export interface Decider<C, S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  /** Raised by hand when the machine folds recorded histories differently (golden files tell). */
  readonly version: string;
  readonly machine: AnyStateMachine;
  /** Yields the facts that the command causes; none when there is nothing to do. @throws {AppError} `refused` */
  decide(core: Core<S>, command: C, context: DecisionContext): readonly Fact[];
  /** Adds to a fact that summarises its stream what later decisions need. */
  complete?(fact: Fact, state: ActorState<S>): Fact;
  /** The summary in a fact, when it has one. */
  summaryOf?(fact: StoredFact): SeenSummary | null;
}

/** The wish that was refused, with a reason that a person can read (HTTP 409). */
export const refuse = (reason: string, details: Record<string, unknown> = {}): never => {
  throw new AppError('refused', reason, details);
};

/** A delayed raise (a timer armed) or a cancel, as xstate's built-in actions describe them. */
type TimerParams = { readonly id?: string; readonly sendId?: string; readonly delay?: number };

function armTimers(
  timers: ReadonlyMap<string, number>,
  actions: Step['actions'],
  at: number,
): ReadonlyMap<string, number> {
  let next: Map<string, number> | null = null;
  for (const { type, params } of actions) {
    if (type === 'xstate.cancel') {
      const { sendId } = params as TimerParams; // the shape of xstate's own action, see docs/xstate.md
      if (sendId !== undefined && (next ?? timers).has(sendId)) {
        next ??= new Map(timers);
        next.delete(sendId);
      }
    } else if (type === 'xstate.raise') {
      const { id, delay } = params as TimerParams; // the shape of xstate's own action, see docs/xstate.md
      if (id === undefined || delay === undefined) continue;
      next ??= new Map(timers);
      next.set(id, at + delay);
    }
  }
  return next ?? timers;
}

/** The state of an actor that has no facts yet. */
export function emptyCore<S extends AnyMachineSnapshot>(decider: Decider<never, S>): Core<S> {
  const { machine } = decider;
  const snapshot = initials.get(machine) ?? initialTransition(machine)[0];
  initials.set(machine, snapshot);
  // It is this machine's own; the map is one for all of them.
  return { snapshot: snapshot as S, timers: NO_TIMERS, at: 0, revision: -1 };
}

/** The state and memory of an actor that has no facts yet. */
export const emptyState = <S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
): ActorState<S> => ({ core: emptyCore(decider), seen: new Seen() });

/** Snapshots are immutable: all actors of a kind begin with the same one. */
const initials = new WeakMap<AnyStateMachine, AnyMachineSnapshot>();

const NO_TIMERS: ReadonlyMap<string, number> = new Map();

const unfit = (core: Core, event: MachineEvent, cause?: unknown): AppError =>
  new AppError(
    'unfit',
    `${event.type} does not fit the state at revision ${core.revision}`,
    { fact: event.type, revision: event.revision, state: core.snapshot.value },
    { cause },
  );

/** A guard or an assign that throws (data that it does not know) throws out of xstate: that fact does not fit either. */
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
 * Moves the state by one fact.
 * @throws {AppError} `unfit` when no state of the machine accepts it: the machine was changed under its history
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
  // xstate drops what no state accepts and hands the same snapshot back; `can` tells that from a fact without effect.
  // (`never`: any machine's event; whether it is one of this machine is what is asked.)
  if (snapshot === core.snapshot && !core.snapshot.can(event as never)) {
    throw unfit(core, event);
  }
  return {
    snapshot: snapshot as S, // a machine's transition yields its own kind of snapshot
    timers: armTimers(core.timers, actions, at),
    at,
    revision: fact.revision,
  };
}

/** Folds stored facts, in order, into a state. @throws {AppError} `unfit` */
export function fold<S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
  state: ActorState<S>,
  facts: readonly StoredFact[],
): ActorState<S> {
  let core = state.core;
  for (const fact of facts) {
    core = evolve(decider.machine, core, fact, fact.metadata.at);
    state.seen.remember(fact.metadata.commandId, fact.metadata.at, fact.metadata.hook);
    const summary = decider.summaryOf?.(fact);
    if (summary) state.seen.merge(summary);
  }
  return { core, seen: state.seen };
}

/** The next time this actor has to be woken; undefined when nothing is due. */
export function nextDue(core: Core, after = Number.NEGATIVE_INFINITY): number | undefined {
  let due: number | undefined;
  for (const at of core.timers.values()) {
    if (at > after && (due === undefined || at < due)) due = at;
  }
  return due;
}

/**
 * The facts that due timers call for: each timer's event is sent to the state, and what the machine emits is a fact.
 * A timer whose state was left, or whose guard says no, yields nothing.
 */
export function wake(machine: AnyStateMachine, core: Core, now: number): readonly Fact[] {
  const due = [...core.timers].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]);
  const facts: Fact[] = [];
  let probe = core;
  for (const [id] of due) {
    // A fact of this very wake may have stopped the timer, or armed it anew for later.
    if ((probe.timers.get(id) ?? Number.POSITIVE_INFINITY) > now) continue;
    const { actions } = step(machine, probe.snapshot, { type: id });
    for (const { type, params } of actions) {
      if (type !== 'xstate.emit') continue;
      // What our machines emit are facts; xstate types the emitted event loosely (docs/xstate.md, gotcha 8).
      const fact = (params as { event: Fact }).event;
      facts.push(fact);
      probe = evolve(machine, probe, { ...fact, revision: probe.revision + 1 }, now);
    }
  }
  return facts;
}

/** What deciding a command came to. */
export interface Decision<S extends AnyMachineSnapshot = AnyMachineSnapshot> {
  readonly facts: readonly Fact[];
  /** The state after the facts, not yet true: it is when they are appended. */
  readonly core: Core<S>;
  /** `at` of the facts: now, but never before the last fact of the stream. */
  readonly at: number;
}

export interface Wake {
  readonly type: 'Wake';
}

/**
 * Decides a command: its facts, each checked against the state that it will meet.
 * @throws {AppError} `refused` with a reason; `unfit` for a decision that its own machine does not accept (a defect)
 */
export function decide<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
  state: ActorState<S>,
  command: C | Wake,
  now: number,
): Decision<S> {
  const at = Math.max(now, state.core.at);
  const wished = isWake(command)
    ? wake(decider.machine, state.core, at)
    : decider.decide(state.core, command, { now: at });
  const facts = decider.complete
    ? wished.map((fact) => decider.complete?.(fact, state) ?? fact)
    : wished;
  let core = state.core;
  for (const fact of facts) {
    core = evolve(decider.machine, core, { ...fact, revision: core.revision + 1 }, at);
  }
  return { facts, core, at };
}

const isWake = (command: { readonly type: string }): command is Wake => command.type === 'Wake';

/** A state as JSON, for a snapshot: a cache, thrown away when the machine's version differs. */
export function serialize(state: ActorState): JsonObject {
  const { snapshot, timers, at, revision } = state.core;
  return {
    value: snapshot.value as JsonValue, // names of states
    context: snapshot.context as JsonValue, // contexts of our machines are plain JSON
    timers: Object.fromEntries(timers),
    at,
    revision,
    seen: state.seen.summary() as unknown as JsonValue, // a summary is plain JSON by its type
  };
}

/** The inverse of {@link serialize}. @throws when the machine no longer knows the state; the caller folds anew */
export function deserialize<S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
  json: JsonObject,
): ActorState<S> {
  // `serialize` wrote it, for a machine of this version; `resolveState` is typed for each machine apart.
  const { value, context, timers, at, revision, seen } = json as unknown as {
    value: never;
    context: never;
    timers: Record<string, number>;
    at: number;
    revision: number;
    seen: SeenSummary;
  };
  const memory = new Seen();
  memory.merge(seen);
  return {
    core: {
      snapshot: decider.machine.resolveState({ value, context }) as unknown as S,
      timers: new Map(Object.entries(timers)),
      at,
      revision,
    },
    seen: memory,
  };
}
