/** Effects of a visitor's facts in XMPP: messages to operators, openings of chats, receipts, and notices. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { VisitorFact, VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import { acknowledgedBy, addressedBy, type Opens, openedBy } from '../../effects/xmpp.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import { marked } from '../texts/mark.ts';
import { openByAnswer, sendAddressed } from './addressed-messages.ts';
import { lineIdOf, lineOf, type Sender } from './delivery.ts';
import { showFromLhc } from './lines-from-lhc.ts';
import { writeNotices, writeRoomNotice } from './notices.ts';
import { opensAt } from './opening.ts';
import { behindOpening } from './pauses.ts';
import { isOfRoom, performRoomFact } from './room-effects.ts';
import { wasAskedBefore } from './unread.ts';
import {
  messageRefused,
  NO_OPERATOR,
  reportFailed,
  sendVisitorMessage,
  type VisitorEffectParts,
} from './visitor-messages.ts';

const done: Outcome = { kind: 'done' };

/**
 * Opens the chat for the operators to whom this fact gave or offered it, as far as that is still true.
 * @returns after how many ms it has to be called again; 0: all is done
 */
async function openChat(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  { stream, revision }: RecordedEvent,
  given: Pick<Opens, 'chatId' | 'operators' | 'othersWereAsked'>,
): Promise<number> {
  const { chat } = state.context;
  const opens = given.othersWereAsked || opensAt(state.context, revision);
  if (chat?.id !== given.chatId || !opens) return 0;
  const operators: Username[] = [];
  for (const operator of given.operators) {
    if (chat.operator !== operator && !chat.offeredTo.includes(operator)) continue;
    const isOpened =
      given.othersWereAsked &&
      (await wasAskedBefore(parts.store, { stream, chat }, operator, revision));
    if (!isOpened) operators.push(operator);
  }
  const { refusals, waitMs } = await parts.opening.open(sender, state, operators, revision);
  if (waitMs > 0 || chat.operator === null) return waitMs;
  for (const [messageId, reason] of refusals) {
    await messageRefused(parts, sender, chat.operator, messageId, reason);
  }
  return 0;
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

/** Effects of a visitor's fact beside its notices. @returns as {@link openChat} */
async function performVisitorFact(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<number> {
  const opened = openedBy(fact, state.context.chat);
  const [operator] = opened?.operators ?? [];
  if (opened?.byAnswer && operator !== undefined) {
    return openByAnswer(parts, sender, state, event, { chatId: opened.chatId, operator });
  }
  if (opened) return openChat(parts, sender, state, event, opened);
  if (fact.type === 'ChatClosed' && fact.data.operator === null) {
    await failTaken(parts, sender, state, fact.data.chatId);
  }
  const acknowledged = acknowledgedBy(fact);
  if (acknowledged) {
    const { operator: to, what, messageId } = acknowledged;
    await parts.delivery.acknowledge(sender, to, what, messageId);
  }
  return 0;
}

/** A line in the chat's room, if it has one. @returns false if it has none, or it did not take the line */
async function lineInRoom(
  { mirror }: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  text: string,
): Promise<boolean> {
  const room = mirror.roomOf(state, event.revision);
  if (!room) return false;
  const id = lineIdOf(event.revision, `room-${event.id}`);
  return mirror.line(sender, state, room, { id, text });
}

/** Those in the chat's room read what becomes of it. */
async function noticeInRoom(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<void> {
  if (!parts.mirror.roomOf(state, event.revision)) return;
  const text = await writeRoomNotice(parts, sender, event, fact);
  if (text !== null) await lineInRoom(parts, sender, state, event, text);
}

/**
 * The visitor's reactions to a message of an operator. Clients that know none show a line at the first ones, and at no
 * change of them: a visitor may click as often as they like.
 */
async function showReactions(
  parts: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  { operator, messageId, first }: VisitorFacts['OperatorMessageReacted'],
): Promise<void> {
  const emojis = await parts.personal.reactionsOf(event);
  if (!emojis) return; // erased with the visitor
  const text = `The visitor has reacted with ${emojis.join(' ')}`;
  if (first) await lineInRoom(parts, sender, state, event, text);
  await parts.delivery.send(sender, operator, {
    id: lineIdOf(event.revision, event.id),
    body: first ? marked(text) : '',
    notice: true,
    reactions: { to: messageId, emojis },
  });
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
  const { actors, answers, delivery, pauses } = parts;
  const { tenant, key } = sender;
  const state = await actors.visitor(tenant.id, key).state();
  const fact = visitorFact(event);
  if (!state || !fact) return done;
  const addressed = addressedBy(fact);
  if (addressed) return sendAddressed(parts, sender, state, event, addressed, again);
  if (fact.type === 'VisitorMessageSent') {
    return sendVisitorMessage(parts, sender, state, event, fact.data, again);
  }
  if (fact.type === 'MessageWrittenInLhc') {
    const inRoom = parts.mirror.roomOf(state, event.revision)
      ? (text: string) => lineInRoom(parts, sender, state, event, text)
      : null;
    const lookMs = await showFromLhc(parts, sender, state, event, fact.data, again, inRoom);
    return lookMs > 0 ? behindOpening(lookMs) : done;
  }
  if (fact.type === 'OperatorMessageReacted') {
    await showReactions(parts, sender, state, event, fact.data);
    return done;
  }
  if (isOfRoom(fact)) {
    await performRoomFact(parts, { sender, state, event }, fact);
    if (!again) await noticeInRoom(parts, sender, state, event, fact);
    return done;
  }
  const waitMs = await performVisitorFact(parts, sender, state, event, fact);
  if (waitMs > 0 && !again) return behindOpening(waitMs);
  const written = await writeNotices(parts, sender, state, event, fact);
  const notices = [...written, ...(await answers.confirmationsOf(tenant, fact))];
  // Other notices are about what their reader has just written there, or about a chat that they have lost.
  const surprised = fact.type === 'ChatClosed' && fact.data.by !== 'operator' && fact.data.operator;
  const lookMs = surprised && !again ? pauses.leftFor(event.stream, state, [surprised]) : 0;
  if (lookMs > 0) return behindOpening(lookMs);
  if (!again) await noticeInRoom(parts, sender, state, event, fact);
  const lines = notices.map(({ to, text }, index) =>
    lineOf(event, event.revision, index, { to, text }),
  );
  await delivery.sendLines(sender, lines);
  return done;
}
