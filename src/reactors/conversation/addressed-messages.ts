/**
 * Messages that LHC addresses to operators itself (docs/adr/0037). Each fact is one stanza for one operator, under the
 * message's id. An operator's presence does not count: ejabberd stores what is for somebody who is offline.
 */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import { copyOf } from '../../actors/visitor/addressed.ts';
import type { VisitorEvent, VisitorState } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Delivery, Sender } from './delivery.ts';
import type { Opening } from './opening.ts';
import type { Pauses } from './pauses.ts';
import { isReturned } from './returned-messages.ts';
import { wordsOf } from './words.ts';

const done: Outcome = { kind: 'done' };

interface Parts {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'bodyOf'>;
  readonly delivery: Delivery;
  readonly opening: Pick<Opening, 'openWith'>;
  readonly pauses: Pauses;
  readonly afterTaken?: (messageId: string) => Promise<void>;
}

/** A message for one operator whom LHC addressed with it. */
export interface Addressed {
  readonly messageId: string;
  readonly chatId: string;
  readonly operator: Username;
  /** It shows them the chat. */
  readonly opens: boolean;
  /** A later message has shown it to them. */
  readonly isShown: boolean;
}

/** What a fact addresses; null for every other fact. */
export function addressedBy(fact: VisitorEvent): Addressed | null {
  if (fact.type === 'MessageAddressed') {
    const { messageId, chatId, operator, opens = false, inOpening = false } = fact.data;
    return { messageId, chatId, operator, opens, isShown: inOpening };
  }
  if (fact.type !== 'VisitorMessageSent' || fact.data.to === undefined) return null;
  const { messageId, chatId, to: operator, opens = false } = fact.data;
  return { messageId, chatId, operator, opens, isShown: false };
}

/** The fact that the visitor sent this message; null if it is no longer in the log. */
async function sentFact(
  { store }: Parts,
  event: RecordedEvent,
  { context }: VisitorState,
  messageId: string,
): Promise<RecordedEvent | null> {
  if (event.type === 'VisitorMessageSent') return event;
  const known =
    context.addressed.find(({ id }) => id === messageId) ??
    context.openMessages.find(({ id }) => id === messageId);
  const sent = known ? await eventAt(store, event.stream, known.revision) : null;
  const fact = sent && visitorFact(sent);
  return fact?.type === 'VisitorMessageSent' && fact.data.messageId === messageId ? sent : null;
}

/** This operator does not get the message. Others may. @returns a dead letter if there are no others */
async function returnedBy(
  { actors }: Parts,
  { tenant, key }: Sender,
  { context }: VisitorState,
  { messageId, operator }: Addressed,
  reason: string,
): Promise<Outcome> {
  const visitor = actors.visitor(tenant.id, key);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [messageId], operator });
  await visitor.send({ type: 'ReportMessageFailed', messageId, reason, operator });
  const receivers = context.openMessages.find(({ id }) => id === messageId)?.to ?? [];
  return receivers.length === 1 ? { kind: 'dead', reason } : done;
}

/** @param again a person sends it again, out of order */
export async function sendAddressed(
  parts: Parts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  addressed: Addressed,
  again: boolean,
): Promise<Outcome> {
  const { actors, personal, delivery, opening, pauses } = parts;
  const { messageId: id, chatId, operator, opens, isShown } = addressed;
  const visitor = actors.visitor(sender.tenant.id, sender.key);
  if (isShown || (!again && copyOf(state.context, id, operator)?.taken)) return done;
  const message = await sentFact(parts, event, state, id);
  const words = message && (await wordsOf(personal, message));
  if (!message || words === null) {
    return returnedBy(parts, sender, state, addressed, 'the visitor was erased');
  }
  let isSent = false;
  if (opens && !again && state.context.chat?.id === chatId) {
    const opened = await opening.openWith(sender, state, operator, { event, message });
    if (opened.waitMs > 0) return { kind: 'parked', lookMs: opened.waitMs };
    const refused = opened.refusals.get(id);
    if (refused !== undefined) return returnedBy(parts, sender, state, addressed, refused);
    isSent = opened.sent.get(operator)?.has(id) === true;
  }
  if (!isSent) {
    const lookMs = again ? 0 : pauses.leftFor(event.stream, state, [operator]);
    if (lookMs > 0) return { kind: 'parked', lookMs };
    try {
      await delivery.send(sender, operator, { id, body: words });
    } catch (error) {
      if (again || !isReturned(error)) throw error;
      return returnedBy(parts, sender, state, addressed, error.message);
    }
  }
  await parts.afterTaken?.(id);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [id], operator });
  return done;
}
