/** Effects of a visitor's facts in XMPP: messages to operators, openings of chats, receipts, and notices. */
import { visitorFact } from '../../actors/facts.ts';
import type { TenantId, Username, VisitorKey } from '../../actors/ids.ts';
import type { VisitorFact, VisitorFacts, VisitorState } from '../../actors/visitor/facts.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { type Notice, noticesOf } from '../texts/notices.ts';
import type { Broadcast } from './broadcast.ts';
import type { Delivery, Line, Sender } from './delivery.ts';
import { type Opening, opensAt } from './opening.ts';
import type { RecipientOf } from './recipient.ts';

const NO_OPERATOR = 'no operator took the chat';

const done: Outcome = { kind: 'done' };
/** The lane stops at this fact until a later fact of the stream gives the chat an operator. */
const parked: Outcome = { kind: 'parked' };

export interface VisitorEffectParts {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly personal: Pick<PersonalData, 'bodyOf' | 'profileOf'>;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly answers: Pick<Answers, 'confirmationsOf'>;
  readonly recipientOf: RecipientOf;
  readonly delivery: Delivery;
  readonly opening: Opening;
  readonly broadcast: Broadcast;
  /** A failpoint of tests, between a stanza that was taken and its fact. */
  readonly afterTaken?: (messageId: string) => Promise<void>;
}

/** LHC hears that a message failed. */
export const reportFailed = (
  { actors }: VisitorEffectParts,
  tenant: TenantId,
  key: VisitorKey,
  messageId: string,
  reason: string,
) => actors.visitor(tenant, key).send({ type: 'ReportMessageFailed', messageId, reason });

/** @param again a person sends it again, out of order */
async function sendVisitorMessage(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
  again: boolean,
): Promise<Outcome> {
  const { actors, personal, recipientOf, delivery, opening, broadcast } = parts;
  const { tenant, key } = sender;
  const { openMessages, chat, firstWaiting } = state.context;
  const open = openMessages.find((each) => each.id === id);
  if (!again && (!open || open.taken)) return done;
  const operator = await recipientOf(event, chatId, state);
  if (operator === undefined && !chat?.offeredTo.length) return parked;
  const body = await personal.bodyOf(event);
  if (operator === null || body === null) {
    const reason = body === null ? 'the visitor was erased' : NO_OPERATOR;
    await reportFailed(parts, tenant.id, key, id, reason);
    return done;
  }
  if (operator === undefined) {
    await broadcast.show(sender, state);
    return parked; // it is received when the chat's owner has it
  }
  const current = chat?.id === chatId ? chat : null;
  if (current && !again && event.revision < current.searchRevision) {
    // The message is from before the current search for an operator, so it is part of the opening.
    const refusals = await opening.open(sender, state, [operator], current.searchRevision);
    const reason = refusals.get(id);
    if (reason !== undefined) return { kind: 'dead', reason };
  } else {
    if (current && firstWaiting === event.revision) {
      await opening.open(sender, state, [operator], event.revision);
    }
    await delivery.send(sender, operator, { id, body });
  }
  await parts.afterTaken?.(id);
  await actors.visitor(tenant.id, key).send({ type: 'ReportMessageTaken', messageIds: [id] });
  return done;
}

/** Opens the chat for the operators to whom this fact gave or offered it, as far as that is still true. */
async function openChat(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  { revision }: RecordedEvent,
  given: { chatId: string; operators: readonly Username[]; askedBefore?: boolean },
): Promise<void> {
  const { chat } = state.context;
  if (chat?.id !== given.chatId || !(given.askedBefore || opensAt(state.context, revision))) return;
  const operators = given.operators.filter(
    (operator) => chat.operator === operator || chat.offeredTo.includes(operator),
  );
  const refusals = await parts.opening.open(sender, state, operators, revision);
  if (chat.operator === null) return;
  for (const [messageId, reason] of refusals) {
    await reportFailed(parts, sender.tenant.id, sender.key, messageId, reason);
  }
}

/** Messages that an operator took who has lost the chat since. Nobody has the chat, so nobody can get them again. */
async function failTaken(
  parts: VisitorEffectParts,
  { tenant, key }: Sender,
  state: VisitorState,
  closed: string,
): Promise<void> {
  for (const { id, chatId, taken } of state.context.openMessages) {
    if (chatId === closed && taken) await reportFailed(parts, tenant.id, key, id, NO_OPERATOR);
  }
}

/** Effects of a visitor's fact beside its notices. */
async function performVisitorFact(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<void> {
  switch (fact.type) {
    case 'ChatOffered':
      return openChat(parts, sender, state, event, fact.data);
    case 'ChatAssigned': {
      const { chatId, operator, withdrawnFrom } = fact.data;
      // Other operators were asked, so the messages may have been sent to them before this fact.
      const given = { chatId, operators: [operator], askedBefore: withdrawnFrom !== undefined };
      return openChat(parts, sender, state, event, given);
    }
    case 'ChatTransferred': {
      const { chatId, operator } = fact.data;
      if (operator === null) return;
      return openChat(parts, sender, state, event, { chatId, operators: [operator] });
    }
    case 'ChatClosed':
      if (fact.data.operator !== null) return;
      return failTaken(parts, sender, state, fact.data.chatId);
    case 'OperatorMessageAccepted':
    case 'OperatorMessageDisplayed': {
      const { operator, messageId } = fact.data;
      const what = fact.type === 'OperatorMessageAccepted' ? 'received' : 'displayed';
      return parts.delivery.acknowledge(sender, operator, what, messageId);
    }
  }
}

/** The notices of a fact, with people's names. */
async function writeNotices(
  { personal, names }: VisitorEffectParts,
  { tenant, key }: Sender,
  state: VisitorState,
  fact: VisitorFact,
): Promise<readonly Notice[]> {
  const { of: nameOf } = await names.of(tenant.id);
  const isClosing = fact.type === 'ChatClosed'; // the only notice with the visitor's name
  const profile = isClosing ? (await personal.profileOf(tenant.id, key, state)).profile : {};
  return noticesOf(fact, nameOf, profile.nick || 'The visitor');
}

/**
 * Performs what a visitor's fact calls for.
 * @param again a person sends it again, out of order
 */
export async function performVisitorEvent(
  parts: VisitorEffectParts,
  sender: Sender,
  event: RecordedEvent,
  again: boolean,
): Promise<Outcome> {
  const { actors, answers, delivery } = parts;
  const { tenant, key } = sender;
  const state = await actors.visitor(tenant.id, key).state();
  const fact = visitorFact(event);
  if (!state || !fact) return done;
  if (fact.type === 'VisitorMessageSent') {
    return sendVisitorMessage(parts, sender, state, event, fact.data, again);
  }
  await performVisitorFact(parts, sender, state, event, fact);
  const written = await writeNotices(parts, sender, state, fact);
  const notices = [...written, ...(await answers.confirmationsOf(tenant, fact))];
  const lines = notices.map(({ to, text }, index) => lineOf(event, index, to, text));
  await delivery.sendLines(sender, lines);
  return done;
}

/** The lines of one fact have different ids by their place. */
export const lineOf = ({ id }: RecordedEvent, index: number, to: Username, text: string): Line => ({
  to,
  text,
  id: index === 0 ? `notice-${id}` : `notice-${id}.${index}`,
});
