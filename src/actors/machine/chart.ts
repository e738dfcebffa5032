/** A machine as a chart: its regions, states and transitions, read from XState's own data. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

export interface ChartState {
  readonly id: string;
  /** Its name within its region. */
  readonly name: string;
  readonly initial: boolean;
}

export interface ChartTransition {
  readonly id: string;
  /** The id of a state; of a region or the machine if it leaves each of its states. */
  readonly from: string;
  /** As `from`, if no state is left. */
  readonly to: string;
  /** The type of a fact; the id of a timer; '' for a transition that needs neither. */
  readonly event: string;
  /** The name of the condition. */
  readonly guard: string | null;
  /** The name of the timer's delay. */
  readonly delay: string | null;
  /** No state is left or entered. */
  readonly internal: boolean;
  /** The facts that the timer calls for. */
  readonly emits: readonly string[];
}

export interface ChartRegion {
  readonly id: string;
  readonly states: readonly ChartState[];
  readonly transitions: readonly ChartTransition[];
}

export interface Chart {
  readonly regions: readonly ChartRegion[];
  /** Transitions of a machine with several regions that stand in none of them. */
  readonly anywhere: readonly ChartTransition[];
}

interface Drawn {
  readonly chart: Chart;
  readonly byDefinition: ReadonlyMap<AnyTransitionDefinition, ChartTransition>;
}

const drawn = new WeakMap<AnyStateMachine, Drawn>();

/** The chart of a machine. It is drawn once. */
export const chartOf = (machine: AnyStateMachine): Chart => draw(machine).chart;

/** The transition of the chart that XState means. */
export function transitionOf(
  machine: AnyStateMachine,
  definition: AnyTransitionDefinition,
): ChartTransition {
  const found = draw(machine).byDefinition.get(definition);
  if (!found) throw new Error(`${machine.id} has no such transition in its chart`);
  return found;
}

function draw(machine: AnyStateMachine): Drawn {
  const known = drawn.get(machine);
  if (known) return known;
  const byDefinition = new Map<AnyTransitionDefinition, ChartTransition>();
  const transitionsOf = (node: AnyStateNode): ChartTransition[] =>
    definitionsOf(node).map(([event, definition, index]) => {
      const transition = describe(machine, node, event, definition, index);
      byDefinition.set(definition, transition);
      return transition;
    });
  const root: AnyStateNode = machine.root;
  const nodes: readonly AnyStateNode[] =
    root.type === 'parallel' ? Object.values(root.states) : [root];
  const regions = nodes.map((region) => {
    const states = statesIn(region);
    return {
      id: region.id,
      states: states.map((state) => ({
        id: state.id,
        name: state.path.slice(region.path.length).join('.'),
        initial: state.parent?.initial.target.includes(state) ?? false,
      })),
      transitions: [region, ...states].flatMap(transitionsOf),
    };
  });
  const anywhere = root.type === 'parallel' ? transitionsOf(root) : [];
  const result = { chart: { regions, anywhere }, byDefinition };
  drawn.set(machine, result);
  return result;
}

const statesIn = (node: AnyStateNode): AnyStateNode[] =>
  Object.values<AnyStateNode>(node.states).flatMap((state) => [state, ...statesIn(state)]);

/** The transitions that stand at a state, with their event and their place among those of the same event. */
function definitionsOf(node: AnyStateNode): [string, AnyTransitionDefinition, number][] {
  const byEvents = [...node.transitions].flatMap(([event, definitions]) =>
    definitions.map((definition, index): [string, AnyTransitionDefinition, number] => [
      String(event),
      definition,
      index,
    ]),
  );
  const byThemselves = (node.always ?? []).map(
    (definition, index): [string, AnyTransitionDefinition, number] => ['', definition, index],
  );
  return [...byEvents, ...byThemselves];
}

function describe(
  machine: AnyStateMachine,
  node: AnyStateNode,
  event: string,
  definition: AnyTransitionDefinition,
  index: number,
): ChartTransition {
  const target = definition.target?.[0];
  const after = node.after.find(({ eventType }) => eventType === event);
  const label = after ? `after ${after.delay}` : event || 'always';
  return {
    id: `${node.id} ${label}${index > 0 ? ` ${index + 1}` : ''}`,
    from: node.id,
    to: target?.id ?? node.id,
    event,
    guard: guardName(definition.guard),
    delay: after ? String(after.delay) : null,
    internal: target === undefined,
    emits: definition.actions.flatMap((action) => emitted(machine, action)),
  };
}

/** A guard is a name, or one of XState's own, such as `stateIn`. */
function guardName(guard: unknown): string | null {
  if (guard === undefined) return null;
  if (typeof guard === 'string') return guard;
  if (typeof guard === 'object' && guard !== null && 'type' in guard) return String(guard.type);
  return typeof guard === 'function' ? guard.name || 'condition' : 'condition';
}

/** The type of the fact that an action emits. Our emits work on any context, so that of an actor without facts will do. */
function emitted(machine: AnyStateMachine, action: unknown): string[] {
  const name =
    typeof action === 'object' && action !== null && 'type' in action ? action.type : action;
  const builtIn: unknown = typeof name === 'string' ? machine.implementations.actions[name] : name;
  if (typeof builtIn !== 'function' || !('event' in builtIn)) return [];
  if (!('type' in builtIn) || builtIn.type !== 'xstate.emit') return [];
  const { event } = builtIn;
  const fact: unknown =
    typeof event === 'function'
      ? event({ context: machine.config.context, event: { type: '' } }, undefined)
      : event;
  const isFact = typeof fact === 'object' && fact !== null && 'type' in fact;
  return isFact ? [String(fact.type)] : [];
}
