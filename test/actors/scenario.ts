/** given / when / then for actors. Assertions are on facts. */
import { expect } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type ActorState,
  type Decider,
  decide,
  emptyState,
  type Fact,
  fold,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import { nextDue } from '../../src/actors/machine/timers.ts';
import { stored } from './stream.ts';

/** Facts for a comparison. The personal part counts only if a test names it. */
const told = (facts: readonly Fact[]): unknown[] =>
  facts.map(({ type, data, personal }) =>
    personal === undefined ? { type, data } : { type, data, personal },
  );

export function scenario<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
) {
  let state: ActorState<S> = emptyState(decider);
  const steps = {
    /** Facts that have happened, at a time in ms. */
    given(facts: readonly Fact[], at = state.core.at) {
      const { revision } = state.core;
      const metadata = { at, commandId: 'auto:' };
      const history = facts.map((fact, i) => stored(fact, revision + 1 + i, metadata));
      state = fold(decider, state, history);
      return steps;
    },
    /** Sends a command, at a time in ms. */
    when(command: C | Wake, now = state.core.at) {
      const ask = () => decide(decider, state, command, now);
      return {
        // biome-ignore lint/suspicious/noThenProperty: part of given/when/then; nothing awaits this object
        then: (facts: readonly Fact[]) => expect(told(ask().facts)).toEqual(told(facts)),
        refused: (reason: RegExp) => expect(ask).toThrow(reason),
        asked: ask,
      };
    },
    /** Expects the actor's next timer at this time, in ms; no timer if undefined. */
    wakesAt(due: number | undefined, after?: number) {
      expect(nextDue(state.core, after)).toBe(due);
      return steps;
    },
    state: () => state,
  };
  return steps;
}
