/** One actor with its stream in memory. It works as in the runtime: decide, append, remember. */
import type { AnyMachineSnapshot } from 'xstate';
import {
  type ActorState,
  type Decider,
  decide,
  emptyState,
  type Fact,
  fold,
  type StoredFact,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import type { Hook, Source } from '../../src/actors/machine/idempotency.ts';

export const stored = (
  fact: Fact,
  revision: number,
  metadata: StoredFact['metadata'],
): StoredFact => ({ type: fact.type, data: fact.data, revision, metadata });

/** A fact after storage as JSON. A fact that changes by that would fold differently after a restart. */
export const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value));

export class MemoryStream<C extends { readonly type: string }, S extends AnyMachineSnapshot> {
  readonly decider: Decider<C, S>;
  readonly facts: StoredFact[] = [];
  state: ActorState<S>;

  constructor(decider: Decider<C, S>) {
    this.decider = decider;
    this.state = emptyState(decider);
  }

  /** Carries out a command, once for each command id and hook. @throws {AppError} as `decide` */
  send(
    command: C | Wake,
    now: number,
    commandId = 'auto:',
    hook?: Hook,
    more: Source = {},
  ): readonly Fact[] {
    const { seen } = this.state;
    if (seen.hasCommand(commandId) || (hook && seen.hasHook(hook))) return [];
    const { facts, core, at } = decide(this.decider, this.state, command, now);
    for (const fact of facts) {
      const metadata = { at, commandId, ...(hook ? { hook } : {}), ...more };
      this.facts.push(throughJson(stored(fact, this.facts.length, metadata)));
      seen.remember(commandId, at, metadata);
    }
    this.state = { core, seen };
    return facts;
  }

  /** The state after a restart without a snapshot. */
  refold(from = 0): ActorState<S> {
    return fold(this.decider, emptyState(this.decider), this.facts.slice(from));
  }
}
