/** The state of an actor at any point of its history, with the fold that the runtime uses. */
import { DECIDERS } from '../../actors/deciders.ts';
import { actorOf } from '../../actors/ids.ts';
import { type ActorState, emptyState, fold } from '../../actors/machine/decider.ts';
import { serialize } from '../../actors/machine/state-json.ts';
import { hasCode } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';

/** Events that are read at once. */
const PAGE_EVENTS = 1_000;

/**
 * Folds a stream.
 * @param until the last revision, or the last time (ms since 1970), to include
 * @returns null if the stream has no facts up to there, or belongs to no actor. A fact that does not fit its machine
 *   ends the fold; `unfit` names that fact
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
  let state: ActorState = emptyState(decider);
  const view = (more: JsonObject = {}): JsonObject | null =>
    state.core.revision < 0
      ? null
      : { stream, machine: decider.version, ...serialize(state), ...more };

  for (let from = 0; ; ) {
    const events = await store.readStream(stream, { from, limit: PAGE_EVENTS });
    for (const event of events) {
      if (event.revision > revision || event.metadata.at > at) return view();
      try {
        state = fold(decider, state, [event]);
      } catch (error) {
        if (!hasCode(error, 'unfit')) throw error;
        const unfit = { revision: event.revision, type: event.type, reason: error.message };
        return view({ unfit });
      }
    }
    const last = events.at(-1);
    if (!last || events.length < PAGE_EVENTS) return view();
    from = last.revision + 1;
  }
}
