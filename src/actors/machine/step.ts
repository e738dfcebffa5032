/** One step of a machine, without running anything. */
import { type AnyMachineSnapshot, type AnyStateMachine, createActor, transition } from 'xstate';
import { plannedBy, type Step } from './plan.ts';

type InertScope = Parameters<AnyStateMachine['transition']>[2];

/**
 * One inert scope for each machine. `transition()` of xstate makes a new one, an actor included, on every call, which
 * is two thirds of its cost (docs/xstate.md, Cost); a differential test holds this equal to it.
 */
const scopes = new WeakMap<AnyStateMachine, { scope: InertScope; actions: Step['actions'] }>();

function inertScope(machine: AnyStateMachine): { scope: InertScope; actions: Step['actions'] } {
  const known = scopes.get(machine);
  if (known) return known;
  const self = createActor(machine);
  const made = {
    actions: [] as { type: string; params: unknown }[],
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
        made.actions.push({ type, params });
      },
    } as InertScope, // the scope's type is not exported in full by xstate; the differential test watches it
  };
  scopes.set(machine, made);
  return made;
}

/** Moves a machine by one event without running anything: xstate's own step, without its throw-away actors. */
export function step(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { type: string },
): Step {
  const inert = inertScope(machine);
  inert.actions = [];
  // AnyStateMachine's transition is typed for its own snapshot; it is that machine's snapshot by construction.
  const next = machine.transition(snapshot as never, event as never, inert.scope);
  return { snapshot: next as AnyMachineSnapshot, actions: inert.actions };
}

/** The same for facts, most of which go by a plan (see plan.ts). */
export const planned = plannedBy(step);

/** The same by xstate's public function: the reference that `step` is held to. */
export function referenceStep(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: { type: string },
): Step {
  const [next, actions] = transition(machine, snapshot as never, event as never);
  return { snapshot: next as AnyMachineSnapshot, actions };
}
