/** A state as JSON, for a stored snapshot. A snapshot is a cache: it is dropped when the machine's version differs. */
import type { AnyMachineSnapshot } from 'xstate';
import type { JsonObject, JsonValue } from '../../kit/json.ts';
import type { ActorState, Core, Decider } from './decider.ts';
import { Seen, type SeenSummary } from './idempotency.ts';

export const serialize = ({ core, seen }: ActorState): JsonObject => ({
  ...serializeCore(core),
  seen: seen.summary() as unknown as JsonValue, // a summary is plain JSON by its type
});

/** A state without the memory of commands. */
export const serializeCore = ({ snapshot, timers, at, revision }: Core): JsonObject => ({
  value: snapshot.value as JsonValue, // names of states
  context: snapshot.context as JsonValue, // contexts of our machines are plain JSON
  timers: Object.fromEntries(timers),
  at,
  revision,
});

/** The inverse of {@link serialize}. @throws if the machine no longer has the state. The caller then folds all facts */
export function deserialize<S extends AnyMachineSnapshot>(
  decider: Decider<never, S>,
  json: JsonObject,
): ActorState<S> {
  // `serialize` wrote it, for a machine of this version. `resolveState` has a type of its own for each machine.
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
      // `resolveState` makes a snapshot of its own machine, which the type of a machine with any state does not say.
      snapshot: decider.machine.resolveState({ value, context }) as unknown as S,
      timers: new Map(Object.entries(timers)),
      at,
      revision,
    },
    seen: memory,
  };
}
