/** The facts of a decision as events for the store: with their envelope, and with the personal part sealed. */
import { DECIDERS } from '../../actors/deciders.ts';
import { type ActorRef, sealingKeyOf, streamOf } from '../../actors/ids.ts';
import type { Decision } from '../../actors/machine/decider.ts';
import { nextDue } from '../../actors/machine/timers.ts';
import { visitorState } from '../../actors/visitor/decisions.ts';
import type { EventMetadata, NewEvent } from '../../eventstore/port.ts';
import type { Origin, Vault } from '../ports.ts';

/** How often this actor was erased. It is decided on the revision that the append expects. */
const generationAt = ({ kind }: ActorRef, { core }: Decision): number =>
  kind === 'visitor' ? visitorState(core).context.erasure.generation : 0;

/**
 * @param ids of what caused the facts
 * @throws {AppError} `unavailable` if the vault cannot be read now; `conflict` if the state is of before an erasure
 */
export async function sealedEvents(
  { vault, newId }: { readonly vault: Vault; readonly newId: () => string },
  ref: ActorRef,
  decision: Decision,
  { commandId, hook, said, request }: Origin,
  ids: Pick<EventMetadata, 'correlationId' | 'causationId' | 'traceparent' | 'tracestate'>,
): Promise<NewEvent[]> {
  const wakeAt = nextDue(decision.core);
  const metadata = {
    tenant: ref.tenant,
    at: decision.at,
    ...(wakeAt !== undefined && { wakeAt }),
    commandId,
    ...ids,
    machine: DECIDERS[ref.kind].version,
    ...(hook && { hook }),
    ...(said && { said }),
    ...(request !== undefined && { request }),
  };
  // No personal fact stands in one append with the fact that begins the next generation (decisions.ts of the visitor).
  const key = sealingKeyOf(ref, generationAt(ref, decision));
  const stream = streamOf(ref);
  const isFirst = decision.core.revision + 1 === decision.facts.length;
  const events: NewEvent[] = [];
  for (const { type, data, personal } of decision.facts) {
    const id = newId();
    events.push({
      id,
      type,
      schemaVersion: 1,
      data,
      personal: personal ? await vault.seal(key, personal, { stream, type, id }, isFirst) : null,
      metadata,
    });
  }
  return events;
}
