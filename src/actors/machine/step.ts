/** One transition of a machine. No action runs. */
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyTransitionDefinition,
  createActor,
  transition,
} from 'xstate';
import { plannedBy, type Step } from './plan.ts';

type InertScope = Parameters<AnyStateMachine['transition']>[2];

interface ScopeWithActions {
  readonly scope: InertScope;
  /** Actions of the latest transition. */
  actions: { type: string; params: unknown }[];
}

/** A transition with what XState did in it. */
export interface TracedStep extends Step {
  /** In order: those by the event, then those by themselves. */
  readonly taken: readonly { definition: AnyTransitionDefinition; before: AnyMachineSnapshot }[];
}

/**
 * One inert scope for each machine. XState's `transition()` makes a new scope with a new actor on each call, which is two
 * thirds of its cost (docs/xstate.md, Cost). A differential test compares both.
 */
const scopes = new WeakMap<AnyStateMachine, ScopeWithActions>();

function inertScope(machine: AnyStateMachine): ScopeWithActions {
  const known = scopes.get(machine);
  if (known) return known;
  const inert = newScope(machine);
  scopes.set(machine, inert);
  return inert;
}

function newScope(machine: AnyStateMachine): ScopeWithActions {
  const self = createActor(machine);
  const inert: ScopeWithActions = {
    actions: [],
    scope: {
      self,
      id: '',
      sessionId: '',
      logger: () => {},
      defer: () => {},
      system: self.system,
      stopChild: () => {},
      emit: () => {},
      actionExecutor: ({ type, params }: { type: string; params: unknown }) => {
        inert.actions.push({ type, params });
      },
    } as InertScope, // XState does not export the whole type of a scope. The differential test covers it
  };
  return inert;
}

/** As {@link step}, with the transitions as XState's own inspection reports them. */
export function tracedStep(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { type: string },
): TracedStep {
  const taken: { definition: AnyTransitionDefinition; before: AnyMachineSnapshot }[] = [];
  const { scope, actions } = newScope(machine);
  let before = snapshot;
  const inspection = scope.system.inspect((inspected) => {
    if (inspected.type !== '@xstate.microstep') return;
    for (const definition of inspected._transitions) taken.push({ definition, before });
    before = inspected.snapshot as AnyMachineSnapshot; // a microstep of a machine ends in a snapshot of that machine
  });
  const next = machine.transition(snapshot as never, event as never, scope); // `never`: see `step`
  inspection.unsubscribe();
  return { snapshot: next as AnyMachineSnapshot, actions, taken }; // as in `step`
}

/** XState's transition without its throw-away actors. */
export function step(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { type: string },
): Step {
  const inert = inertScope(machine);
  inert.actions = [];
  // `never`: AnyStateMachine accepts no snapshot by type. This snapshot is from the same machine.
  const next = machine.transition(snapshot as never, event as never, inert.scope);
  // A transition of a machine ends in a snapshot of that machine.
  return { snapshot: next as AnyMachineSnapshot, actions: inert.actions };
}

/** A transition that uses a plan where it can (plan.ts). */
export const planned = plannedBy(step);

/** A transition by XState's public function. Tests compare {@link step} and {@link planned} with it. */
export function referenceStep(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { type: string },
): Step {
  const [next, actions] = transition(machine, snapshot as never, event as never); // `never`: see `step`
  return { snapshot: next as AnyMachineSnapshot, actions };
}
