/**
 * Moving a machine by facts, fast. For a fact that no guard is asked about, which states are left and entered and which
 * actions run depends on the active states alone: xstate works it out once, and the plan is kept. What the plan leaves
 * out (guards, nested entries, anything but assigns and timers) goes the ordinary way, and a plan is kept only when its
 * first run came to what xstate came to. A differential test holds both equal over random histories.
 */
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate';

type Event = { readonly type: string };
type Context = Record<string, unknown>;
type Given = { readonly context: Context; readonly event: Event };

/** What a step yields besides the next snapshot. */
export interface Action {
  readonly type: string;
  readonly params: unknown;
}
export interface Step {
  snapshot: AnyMachineSnapshot;
  actions: readonly Action[];
}
export type Advance = (
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
) => Step;

type Operation =
  | { readonly kind: 'assign'; readonly change: (given: Given) => Context }
  | { readonly kind: 'cancel'; readonly action: Action }
  | { readonly kind: 'arm'; readonly id: string; readonly delay: (given: Given) => number };

interface Plan {
  readonly operations: readonly Operation[];
  /** The guards of what might follow by itself; when one says yes, xstate has to take the step. */
  readonly follow: readonly ((given: Given) => boolean)[];
  readonly nodes: AnyMachineSnapshot['_nodes'];
  readonly value: AnyMachineSnapshot['value'];
  readonly tags: AnyMachineSnapshot['tags'];
}

/** By the type of the fact; null: it cannot be planned. */
type Plans = Map<string, Plan | null>;

interface Known {
  /** Active states by identity: plans hand on the same arrays, so this is nearly always a hit … */
  readonly byNodes: WeakMap<object, Plans>;
  /** … and by their ids, for a snapshot that was restored. */
  readonly byIds: Map<string, Plans>;
}

const known = new WeakMap<AnyStateMachine, Known>();

function plansOf(machine: AnyStateMachine, nodes: readonly AnyStateNode[]): Plans {
  let all = known.get(machine);
  if (!all) {
    all = { byNodes: new WeakMap(), byIds: new Map() };
    known.set(machine, all);
  }
  const found = all.byNodes.get(nodes);
  if (found) return found;
  const ids = nodes.map((node) => node.id).join(' ');
  const plans: Plans = all.byIds.get(ids) ?? new Map();
  all.byIds.set(ids, plans);
  all.byNodes.set(nodes, plans);
  return plans;
}

/** Moves by plan where there is one, else by `slow`, which also is what a new plan is measured by. */
export const plannedBy =
  (slow: Advance): Advance =>
  (machine, snapshot, event) => {
    const plans = plansOf(machine, snapshot._nodes);
    const plan = plans.get(event.type);
    if (plan) return carryOut(plan, snapshot, event) ?? slow(machine, snapshot, event);
    const step = slow(machine, snapshot, event);
    if (plan === undefined) {
      const made = planFor(machine, snapshot, event, step);
      if (made !== undefined) plans.set(event.type, made);
    }
    return step;
  };

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
  const given = { context, event };
  for (const follows of plan.follow) if (follows(given)) return null;
  const { nodes, value, tags } = plan;
  return { snapshot: { ...snapshot, context, value, tags, _nodes: nodes }, actions };
}

/** The plan of what xstate has just done; null when it cannot be planned, undefined when this run does not tell. */
function planFor(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
  done: Step,
): Plan | null | undefined {
  const content = contentOf(machine, snapshot, event);
  const operations = content?.map((action) => operationOf(machine, action));
  if (!operations?.every((operation) => operation !== null)) return null;
  const { _nodes: nodes, value, tags } = done.snapshot;
  const follow = followersOf(machine, nodes);
  if (!follow.every((guard) => guard !== null)) return null;
  // Where something may follow by itself, only a run in which no state changed shows that nothing did.
  if (follow.length > 0 && nodes !== snapshot._nodes) return undefined;
  const plan = { operations, follow, nodes, value, tags };
  const tried = carryOut(plan, snapshot, event);
  if (!tried) return undefined;
  return sameStep(tried, done) ? plan : null;
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

/** The state within which a transition moves: everything active inside is left (SCXML, getTransitionDomain). */
function domainOf(source: AnyStateNode, target: AnyStateNode, reenter: boolean) {
  if (!reenter && isWithin(target, source)) return source;
  let ancestor = target.parent;
  while (ancestor && !isWithin(source, ancestor)) ancestor = ancestor.parent;
  return ancestor;
}

/** Every action of a step in its order: of the states left, of the transitions, of the states entered. */
function contentOf(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: Event,
): readonly unknown[] | null {
  const active: readonly AnyStateNode[] = snapshot._nodes;
  for (const { transitions } of active) {
    if ([...transitions.keys()].some((type) => type.includes('*'))) return null;
    if (transitions.get(event.type)?.some(({ guard }) => guard !== undefined)) return null;
  }
  const enabled = machine.getTransitionData(snapshot as never, event); // its own snapshot, as in `step`
  if (enabled.length === 0) return null;
  const left: AnyStateNode[] = [];
  const entered: AnyStateNode[] = [];
  for (const { source, target, reenter } of enabled) {
    if (target === undefined) continue;
    const [to, ...others] = target;
    if (!to || others.length > 0 || to.type !== 'atomic') return null;
    const domain = domainOf(source, to, reenter);
    if (!domain || to.parent !== domain || (reenter && source === domain)) return null;
    left.push(...active.filter((node) => isWithin(node, domain)));
    entered.push(to);
  }
  // The same state left twice: transitions that are in each other's way.
  if (new Set(left).size < left.length) return null;
  return [
    ...left.toSorted((a, b) => b.order - a.order).flatMap((node) => node.exit),
    ...enabled.flatMap((transition) => transition.actions),
    ...entered.toSorted((a, b) => a.order - b.order).flatMap((node) => node.entry),
  ];
}

/** What xstate's own actions carry; their types do not say. */
interface BuiltIn {
  readonly type: string;
  readonly assignment?: ((given: Given) => Context) | Context;
  readonly sendId?: unknown;
  readonly id?: unknown;
  readonly delay?: unknown;
}

const isBuiltIn = (action: unknown): action is BuiltIn =>
  typeof action === 'function' && 'resolve' in action && 'type' in action;

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
    const known: unknown = typeof delay === 'string' ? delays[delay] : delay;
    if (typeof known === 'number') return { kind: 'arm', id, delay: () => known };
    if (typeof known === 'function') return { kind: 'arm', id, delay: (given) => known(given) };
  }
  return null;
}

/** The guards of transitions without an event that active states have; null among them when one cannot be asked here. */
function followersOf(machine: AnyStateMachine, nodes: readonly AnyStateNode[]) {
  const withAncestors = new Set<AnyStateNode>();
  for (const node of nodes) {
    for (let one: AnyStateNode | undefined = node; one; one = one.parent) withAncestors.add(one);
  }
  return [...withAncestors].flatMap((node) =>
    (node.always ?? []).map(({ guard }) => {
      const asked: unknown =
        typeof guard === 'string' ? machine.implementations.guards[guard] : null;
      return typeof asked === 'function' && !('check' in asked)
        ? (given: Given): boolean => asked(given)
        : null;
    }),
  );
}
