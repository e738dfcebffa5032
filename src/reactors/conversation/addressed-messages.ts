/**
 * Messages that LHC addresses to operators itself (docs/adr/0037). Each fact is one stanza for one operator, under the
 * message's id. An operator's presence does not count: ejabberd stores what is for somebody who is offline.
 */
import type { TenantId, Username } from '../../actors/ids.ts';
import { copyOf } from '../../actors/visitor/addressed.ts';
import type { Chat, VisitorState } from '../../actors/visitor/state.ts';
import type { Addressed } from '../../effects/xmpp.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Delivery, Sender } from './delivery.ts';
import type { Opening } from './opening.ts';
import { behindOpening, type Pauses } from './pauses.ts';
import { isReturned } from './returned-messages.ts';
import { chatBefore } from './unread.ts';
import type { VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

const done: Outcome = { kind: 'done' };

interface Parts {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'of'>;
  readonly files: VisitorFiles;
  readonly delivery: Delivery;
  readonly opening: Pick<Opening, 'openWith'>;
  readonly pauses: Pauses;
  /** True if nobody will report that this operator's client has a message. */
  readonly isTakenAll?: (tenant: TenantId, operator: Username) => Promise<boolean>;
  readonly afterTaken?: (messageId: string) => Promise<void>;
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

/** The chat, also if it has ended since: what was said in it may be in no other stanza. */
const chatOf = async (
  { store }: Parts,
  { stream, revision }: RecordedEvent,
  { context: { chat } }: VisitorState,
  chatId: string,
): Promise<Chat | null> =>
  chat?.id === chatId ? chat : chatBefore(store, stream, chatId, revision + 1);

const inChat = (state: VisitorState, chat: Chat): VisitorState => ({
  ...state,
  context: { ...state.context, chat },
});

/**
 * Shows the chat to an operator who answered it without the last message.
 * @returns after how many ms it has to be called again; 0: all is done
 */
export async function openByAnswer(
  parts: Parts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  { chatId, operator }: { readonly chatId: string; readonly operator: Username },
): Promise<number> {
  const chat = await chatOf(parts, event, state, chatId);
  if (!chat) return 0;
  const at = { event, message: null };
  return (await parts.opening.openWith(sender, inChat(state, chat), operator, at)).waitMs;
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
  const { actors, delivery, opening, pauses } = parts;
  const { messageId: id, chatId, operator, opens, isShown } = addressed;
  const visitor = actors.visitor(sender.tenant.id, sender.key);
  if (isShown || (!again && copyOf(state.context, id, operator)?.taken)) return done;
  const isFirst = addressed.revision === event.revision;
  const message = isFirst ? event : await eventAt(parts.store, event.stream, addressed.revision);
  const shown = message && (await shownOf(parts, sender.tenant, message));
  if (!message || !shown) {
    return returnedBy(parts, sender, state, addressed, 'the visitor was erased');
  }
  let isSent = false;
  const opensIn = opens && !again ? await chatOf(parts, event, state, chatId) : null;
  if (opensIn) {
    const at = { event, message };
    const opened = await opening.openWith(sender, inChat(state, opensIn), operator, at);
    if (opened.waitMs > 0) return behindOpening(opened.waitMs);
    const refused = opened.refusals.get(id);
    if (refused !== undefined) return returnedBy(parts, sender, state, addressed, refused);
    isSent = opened.sent.get(operator)?.has(id) === true;
  }
  if (!isSent) {
    const lookMs = again ? 0 : pauses.leftFor(event.stream, state, [operator]);
    if (lookMs > 0) return behindOpening(lookMs);
    try {
      await delivery.send(sender, operator, { id, ...shown });
    } catch (error) {
      if (again || !isReturned(error)) throw error;
      return returnedBy(parts, sender, state, addressed, error.message);
    }
  }
  await parts.afterTaken?.(id);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [id], operator });
  if (await parts.isTakenAll?.(sender.tenant.id, operator)) {
    const messageIds = [id];
    await visitor.send({ type: 'ReportMessageDelivered', messageIds, by: 'taken', operator });
  }
  return done;
}
