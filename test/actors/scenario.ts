/** given / when / then for actors, asserting on facts. */
import { expect } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type ActorState,
  type Decider,
  decide,
  emptyState,
  type Fact,
  fold,
  nextDue,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import { stored } from './stream.ts';

/** Facts as they are told apart by a reader: what is personal only where a test names it. */
const told = (facts: readonly Fact[]): unknown[] =>
  facts.map(({ type, data, personal }) =>
    personal === undefined ? { type, data } : { type, data, personal },
  );

export function scenario<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
) {
  let state: ActorState<S> = emptyState(decider);
  const steps = {
    /** Facts that happened, at a time in ms. */
    given(facts: readonly Fact[], at = state.core.at) {
      const { revision } = state.core;
      const metadata = { at, commandId: 'auto:' };
      const history = facts.map((fact, i) => stored(fact, revision + 1 + i, metadata));
      state = fold(decider, state, history);
      return steps;
    },
    /** Asks, at a time in ms. */
    when(command: C | Wake, now = state.core.at) {
      const ask = () => decide(decider, state, command, now);
      return {
        // biome-ignore lint/suspicious/noThenProperty: given/when/then is how such tests read; nobody awaits this
        then: (facts: readonly Fact[]) => expect(told(ask().facts)).toEqual(told(facts)),
        refused: (reason: RegExp) => expect(ask).toThrow(reason),
        asked: ask,
      };
    },
    /** The actor asks to be woken at this time, ms; never when undefined. */
    wakesAt(due: number | undefined, after?: number) {
      expect(nextDue(state.core, after)).toBe(due);
      return steps;
    },
    state: () => state,
  };
  return steps;
}
