/** The state of an actor at some point of its history, by the same fold that the runtime uses. */
import { type ActorKind, actorOf } from '../../actors/ids.ts';
import {
  type ActorState,
  type Decider,
  emptyCore,
  fold,
  serialize,
} from '../../actors/machine/decider.ts';
import { Seen } from '../../actors/machine/seen.ts';
import { operatorDecider } from '../../actors/operator/decisions.ts';
import { tenantDecider } from '../../actors/tenant/machine.ts';
import { visitorDecider } from '../../actors/visitor/decisions.ts';
import { hasCode } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';

/** Folding needs no commands: a decider of any kind will do. */
const DECIDERS: Readonly<Record<ActorKind, Decider<never>>> = {
  visitor: visitorDecider as unknown as Decider<never>,
  operator: operatorDecider as unknown as Decider<never>,
  tenant: tenantDecider as unknown as Decider<never>,
};

const PAGE = 1000;

/**
 * Folds a stream.
 * @param until the last revision, or the last time (ms since 1970), that counts
 * @returns null for a stream that has nothing so early, or is no actor's; `unfit` names a fact that does not fit
 */
export async function foldStream(
  store: Pick<EventStore, 'readStream'>,
  stream: string,
  until: { readonly revision?: number | undefined; readonly at?: number | undefined },
): Promise<JsonObject | null> {
  const actor = actorOf(stream);
  if (!actor) return null;
  const { revision = Number.POSITIVE_INFINITY, at = Number.POSITIVE_INFINITY } = until;
  const decider = DECIDERS[actor.kind];
  let state: ActorState = { core: emptyCore(decider), seen: new Seen() };
  const shown = (more: JsonObject = {}): JsonObject | null =>
    state.core.revision < 0
      ? null
      : { stream, machine: decider.version, ...serialize(state), ...more };

  for (let from = 0; ; ) {
    const events = await store.readStream(stream, { from, limit: PAGE });
    for (const event of events) {
      if (event.revision > revision || event.metadata.at > at) return shown();
      try {
        state = fold(decider, state, [event]);
      } catch (error) {
        if (!hasCode(error, 'unfit')) throw error;
        const { revision: where, type } = event;
        return shown({ unfit: { revision: where, type, reason: error.message } });
      }
    }
    const last = events.at(-1);
    if (!last || events.length < PAGE) return shown();
    from = last.revision + 1;
  }
}
