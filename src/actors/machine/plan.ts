/**
 * Fast transitions. The exited states, entered states and actions of a fact depend on the active states and on the outcomes
 * of its guards alone. So XState works them out once for each of these, and they are kept as a plan. A plan is kept only if
 * its first run had the same result as XState. XState itself takes every other transition: those with guards that are no
 * plain functions, nested entries, or actions that are neither assigns nor timers. A differential test compares both over
 * random histories.
 */
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate';

type Event = { readonly type: string };
type Context = Record<string, unknown>;
/** The argument of XState's guards, assigns and delays. */
type Scope = { readonly context: Context; readonly event: Event };

/** An action of a transition, as XState reports it. */
export interface Action {
  readonly type: string;
  readonly params: unknown;
}
/** The result of a transition. */
export interface Step {
  snapshot: AnyMachineSnapshot;
  actions: readonly Action[];
}
/** A transition function. */
export type Advance = (
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
) => Step;

type Operation =
  | { readonly kind: 'assign'; readonly change: (scope: Scope) => Context }
  | { readonly kind: 'cancel'; readonly action: Action }
  | { readonly kind: 'arm'; readonly id: string; readonly delay: (scope: Scope) => number };

interface Plan {
  readonly operations: readonly Operation[];
  /** Guards of eventless transitions that may follow. If one is true, XState has to take the step. */
  readonly eventless: readonly Guard[];
  readonly nodes: AnyMachineSnapshot['_nodes'];
  readonly value: AnyMachineSnapshot['value'];
  readonly tags: AnyMachineSnapshot['tags'];
}

type Guard = (scope: Scope) => boolean;

/** The plans of one type of fact in the same active states. */
interface Choice {
  /** Of this type in these states. */
  readonly guards: readonly Guard[];
  /** By the outcomes of the guards, one bit each. null: cannot be planned. */
  readonly plans: Map<number, Plan | null>;
}

/** One bit for each in a number. */
const MAX_GUARDS = 16;

/** By type of fact. null: this type cannot be planned. */
type Choices = Map<string, Choice | null>;

interface PlanCache {
  /** By the array of active states. Plans return the same arrays, so this is nearly always a hit. */
  readonly byNodes: WeakMap<object, Choices>;
  /** By the ids of the active states, for a restored snapshot. */
  readonly byIds: Map<string, Choices>;
}

const caches = new WeakMap<AnyStateMachine, PlanCache>();

function choicesOf(machine: AnyStateMachine, nodes: readonly AnyStateNode[]): Choices {
  let cache = caches.get(machine);
  if (!cache) {
    cache = { byNodes: new WeakMap(), byIds: new Map() };
    caches.set(machine, cache);
  }
  const found = cache.byNodes.get(nodes);
  if (found) return found;
  const ids = nodes.map((node) => node.id).join(' ');
  const choices: Choices = cache.byIds.get(ids) ?? new Map();
  cache.byIds.set(ids, choices);
  cache.byNodes.set(nodes, choices);
  return choices;
}

/** @returns null if a guard is no plain function, or if a wildcard may take the fact */
function choiceFor(
  machine: AnyStateMachine,
  nodes: readonly AnyStateNode[],
  type: string,
): Choice | null {
  const guards: Guard[] = [];
  for (const { transitions } of nodes) {
    if ([...transitions.keys()].some((key) => key.includes('*'))) return null;
    for (const { guard } of transitions.get(type) ?? []) {
      if (guard === undefined) continue;
      const predicate = predicateOf(machine, guard);
      if (!predicate) return null;
      guards.push(predicate);
    }
  }
  return guards.length <= MAX_GUARDS ? { guards, plans: new Map() } : null;
}

function outcomeOf(guards: readonly Guard[], scope: Scope): number {
  let outcome = 0;
  for (const guard of guards) outcome = outcome * 2 + (guard(scope) ? 1 : 0);
  return outcome;
}

/** @returns null for a guard that is not a plain function */
function predicateOf(machine: AnyStateMachine, guard: unknown): Guard | null {
  const predicate: unknown =
    typeof guard === 'string' ? machine.implementations.guards[guard] : null;
  return typeof predicate === 'function' && !('check' in predicate)
    ? (scope) => predicate(scope)
    : null;
}

/** A transition function that uses plans, and `slow` where there is none. Each new plan is compared with `slow`. */
export const plannedBy =
  (slow: Advance): Advance =>
  (machine, snapshot, event) => {
    const choices = choicesOf(machine, snapshot._nodes);
    let choice = choices.get(event.type);
    if (choice === undefined) {
      choice = choiceFor(machine, snapshot._nodes, event.type);
      choices.set(event.type, choice);
    }
    if (choice === null) return slow(machine, snapshot, event);
    const { guards, plans } = choice;
    // Contexts of machines are objects.
    const outcome = outcomeOf(guards, { context: snapshot.context as Context, event });
    const plan = plans.get(outcome);
    if (plan) return carryOut(plan, snapshot, event) ?? slow(machine, snapshot, event);
    const step = slow(machine, snapshot, event);
    if (plan === undefined) {
      const result = planFor(machine, snapshot, event, step);
      if (result !== undefined) plans.set(outcome, result);
    }
    return step;
  };

/** @returns null if an eventless transition follows: then XState has to take the step */
function carryOut(plan: Plan, snapshot: AnyMachineSnapshot, event: Event): Step | null {
  const actions: Action[] = [];
  let context = snapshot.context as Context; // contexts of machines are objects
  for (const operation of plan.operations) {
    if (operation.kind === 'assign') {
      context = { ...context, ...operation.change({ context, event }) };
    } else if (operation.kind === 'cancel') {
      actions.push(operation.action);
    } else {
      const { id } = operation;
      const delay = operation.delay({ context, event });
      actions.push({ type: 'xstate.raise', params: { id, delay } });
    }
  }
  if (plan.eventless.some((isEnabled) => isEnabled({ context, event }))) return null;
  const { nodes, value, tags } = plan;
  return { snapshot: { ...snapshot, context, value, tags, _nodes: nodes }, actions };
}

/**
 * The plan of a step that XState has just taken.
 * @returns null if such a step cannot be planned; undefined if this step does not show it
 */
function planFor(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
  reference: Step,
): Plan | null | undefined {
  const actions = actionsOf(machine, snapshot, event);
  const operations = actions?.map((action) => operationOf(machine, action));
  if (!operations?.every((operation) => operation !== null)) return null;
  const { _nodes: nodes, value, tags } = reference.snapshot;
  const eventless = eventlessGuards(machine, nodes);
  if (!eventless.every((guard) => guard !== null)) return null;
  // If an eventless transition is possible, only a step that changed no state shows that none was taken.
  if (eventless.length > 0 && nodes !== snapshot._nodes) return undefined;
  const plan = { operations, eventless, nodes, value, tags };
  const result = carryOut(plan, snapshot, event);
  if (!result) return undefined;
  return sameStep(result, reference) ? plan : null;
}

const timersIn = (actions: readonly Action[]): string =>
  JSON.stringify(
    actions.map(({ type, params }) => {
      const { id, sendId, delay } = params as Record<string, unknown>; // of raise and cancel
      return [type, id, sendId, delay];
    }),
  );

const sameStep = (a: Step, b: Step): boolean =>
  JSON.stringify(a.snapshot.context) === JSON.stringify(b.snapshot.context) &&
  timersIn(a.actions) === timersIn(b.actions);

const isWithin = (node: AnyStateNode, ancestor: AnyStateNode): boolean =>
  node.parent !== undefined && (node.parent === ancestor || isWithin(node.parent, ancestor));

/** The domain of a transition: all active states inside it are exited (SCXML, getTransitionDomain). */
function domainOf(source: AnyStateNode, target: AnyStateNode, reenter: boolean) {
  if (!reenter && isWithin(target, source)) return source;
  let ancestor = target.parent;
  while (ancestor && !isWithin(source, ancestor)) ancestor = ancestor.parent;
  return ancestor;
}

/**
 * All actions of a step, in SCXML's order: exit actions, transition actions, entry actions.
 * @returns null if the step has a shape that plans do not cover
 */
function actionsOf(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
): readonly unknown[] | null {
  const active: readonly AnyStateNode[] = snapshot._nodes;
  const enabled = machine.getTransitionData(snapshot as never, event); // `never`: see `step`
  if (enabled.length === 0) return null;
  const exited: AnyStateNode[] = [];
  const entered: AnyStateNode[] = [];
  for (const { source, target, reenter } of enabled) {
    if (target === undefined) continue;
    const [to, ...others] = target;
    if (!to || others.length > 0 || to.type !== 'atomic') return null;
    const domain = domainOf(source, to, reenter);
    if (!domain || to.parent !== domain || (reenter && source === domain)) return null;
    exited.push(...active.filter((node) => isWithin(node, domain)));
    entered.push(to);
  }
  // Two transitions exit the same state, so they conflict.
  if (new Set(exited).size < exited.length) return null;
  return [
    ...exited.toSorted((a, b) => b.order - a.order).flatMap((node) => node.exit),
    ...enabled.flatMap((transition) => transition.actions),
    ...entered.toSorted((a, b) => a.order - b.order).flatMap((node) => node.entry),
  ];
}

/** Properties of XState's built-in actions. XState's types do not declare them. */
interface BuiltIn {
  readonly type: string;
  readonly assignment?: ((scope: Scope) => Context) | Context;
  readonly sendId?: unknown;
  readonly id?: unknown;
  readonly delay?: unknown;
}

const isBuiltIn = (action: unknown): action is BuiltIn =>
  typeof action === 'function' && 'resolve' in action && 'type' in action;

/** @returns null for an action that is neither an assign nor a timer's */
function operationOf(machine: AnyStateMachine, action: unknown): Operation | null {
  const { actions, delays } = machine.implementations;
  const named =
    typeof action === 'object' && action !== null && 'type' in action && !('params' in action)
      ? action.type
      : action;
  const builtIn: unknown = typeof named === 'string' ? actions[named] : named;
  if (!isBuiltIn(builtIn)) return null;
  const { type, assignment, sendId, id, delay } = builtIn;
  if (type === 'xstate.assign' && typeof assignment === 'function') {
    return { kind: 'assign', change: assignment };
  }
  if (type === 'xstate.assign' && typeof assignment === 'object') {
    const isStatic = Object.values(assignment).every((value) => typeof value !== 'function');
    return isStatic ? { kind: 'assign', change: () => assignment } : null;
  }
  if (type === 'xstate.cancel' && typeof sendId === 'string') {
    return { kind: 'cancel', action: { type, params: { sendId } } };
  }
  if (type === 'xstate.raise' && typeof id === 'string') {
    const resolved: unknown = typeof delay === 'string' ? delays[delay] : delay;
    if (typeof resolved === 'number') return { kind: 'arm', id, delay: () => resolved };
    if (typeof resolved === 'function')
      return { kind: 'arm', id, delay: (scope) => resolved(scope) };
  }
  return null;
}

/** Guards of the eventless transitions of active states. null stands for a guard that is not a plain function. */
function eventlessGuards(machine: AnyStateMachine, nodes: readonly AnyStateNode[]) {
  const withAncestors = new Set<AnyStateNode>();
  for (const node of nodes) {
    for (let at: AnyStateNode | undefined = node; at; at = at.parent) withAncestors.add(at);
  }
  return [...withAncestors].flatMap((node) =>
    (node.always ?? []).map(({ guard }) => predicateOf(machine, guard)),
  );
}
