/** Effects of a visitor's facts in XMPP: messages to operators, openings of chats, receipts, and notices. */
import { visitorFact } from '../../actors/facts.ts';
import type { TenantId, Username, VisitorKey } from '../../actors/ids.ts';
import type { VisitorFact, VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import { acknowledgedBy, addressedBy, type Opens, openedBy } from '../../effects/xmpp.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors, ActorView } from '../../runtime/ports.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { marked } from '../texts/mark.ts';
import { openByAnswer, sendAddressed } from './addressed-messages.ts';
import type { Broadcast } from './broadcast.ts';
import { type Delivery, lineIdOf, lineOf, type Sender } from './delivery.ts';
import { showFromLhc } from './lines-from-lhc.ts';
import { writeNotices, writeRoomNotice } from './notices.ts';
import { type Opened, type Opening, opensAt } from './opening.ts';
import { behindOpening, type Pauses } from './pauses.ts';
import type { RecipientOf } from './recipient.ts';
import { isReturned } from './returned-messages.ts';
import { isOfRoom, performRoomFact, type RoomEffectParts } from './room-effects.ts';
import { firstAskedAt, wasAskedBefore, wasAskedOnlyAfter } from './unread.ts';
import type { VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

const NO_OPERATOR = 'no operator took the chat';

const done: Outcome = { kind: 'done' };
/** The lane stops at this fact until a later fact of the stream gives the chat an operator. */
const unowned: Outcome = { kind: 'parked', reason: 'no operator has the chat' };

export interface VisitorEffectParts extends RoomEffectParts {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<
    PersonalData,
    'of' | 'reasonOf' | 'bodyOf' | 'reactionsOf' | 'profileOf' | 'ownerInLhc'
  >;
  readonly files: VisitorFiles;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly answers: Pick<Answers, 'confirmationsOf' | 'saidBefore'>;
  readonly recipientOf: RecipientOf;
  readonly delivery: Delivery;
  readonly opening: Opening;
  readonly broadcast: Broadcast;
  readonly pauses: Pauses;
  /** True if nobody will report that this operator's client has a message. */
  readonly isTakenAll?: (tenant: TenantId, operator: Username) => Promise<boolean>;
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

/**
 * The operator's address returned this message for a reason of its own.
 * @returns a dead letter; nothing if this was one too many, and the message goes on to somebody else with the chat
 */
async function messageRefused(
  { actors }: VisitorEffectParts,
  { tenant, key }: Sender,
  operator: Username,
  messageId: string,
  reason: string,
): Promise<Outcome> {
  const visitor = actors.visitor(tenant.id, key);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [messageId] });
  await visitor.send({ type: 'ReportMessageFailed', messageId, reason, operator });
  const { openMessages = [] } = (await visitor.state())?.context ?? {};
  return openMessages.some(({ id }) => id === messageId) ? done : { kind: 'dead', reason };
}

/** Shows the message in the chat's room, before the private window: whoever is there reads it there, and once. */
async function showInRoom(
  { mirror, ...parts }: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  id: string,
): Promise<void> {
  const room = mirror.roomOf(state, event.revision);
  if (!room) return;
  const { openMessages, chat } = state.context;
  const open = openMessages.find((each) => each.id === id);
  // What somebody has in LHC was never on its way here.
  if (open ? open.taken : chat?.inLhc == null) return;
  const shown = await shownOf(parts, sender.tenant, event);
  if (shown) await mirror.say(sender, state, room, { id, ...shown });
}

/** @param again a person sends it again, out of order */
async function sendVisitorMessage(
  parts: VisitorEffectParts,
  sender: Sender,
  state: ActorView<VisitorState>,
  event: RecordedEvent,
  { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
  again: boolean,
): Promise<Outcome> {
  const { actors, recipientOf, delivery, opening, broadcast, pauses, mirror } = parts;
  const { tenant, key } = sender;
  const { openMessages, chat, firstWaiting } = state.context;
  const open = openMessages.find((each) => each.id === id);
  if (!again) await showInRoom(parts, sender, state, event, id);
  if (!again && (!open || open.taken)) return done;
  const operator = await recipientOf(event, chatId, state);
  if (operator === undefined && !again) await mirror.showWaiting(sender, state, event.revision);
  if (operator === undefined && !chat?.offeredTo.length) return unowned;
  const shown = await shownOf(parts, tenant, event);
  if (operator === null || shown === null) {
    const reason = shown === null ? 'the visitor was erased' : NO_OPERATOR;
    await reportFailed(parts, tenant.id, key, id, reason);
    return done;
  }
  if (operator === undefined) {
    const lookMs = await broadcast.show(sender, state);
    return lookMs > 0 ? behindOpening(lookMs) : unowned; // it is received when the chat's owner has it
  }
  const current = chat?.id === chatId ? chat : null;
  const before = current && { round: current.searchRevision, own: event.revision };
  let opened: Opened | null = null;
  if (before && !again && before.own < before.round) {
    // The message is from before the current search for an operator, so it is part of the opening. So is what was said in
    // LHC since, until the place where the opening would stand without it.
    const asked = await firstAskedAt(
      parts.store,
      { stream: event.stream, chat: current },
      operator,
    );
    const end = Math.min(firstWaiting ?? Number.POSITIVE_INFINITY, asked ?? before.round);
    opened = await opening.open(sender, state, [operator], end);
  } else if (before && firstWaiting === before.own) {
    // A person sends it again: then it is among the words, and must not be in the opening too.
    const through = again ? before.own : before.own + 1;
    opened = await opening.open(sender, state, [operator], through);
  } else if (current && before && !again) {
    // Somebody else got the messages before this one, and the operator has taken the chat from them since.
    const at = { revision: before.own, head: state.revision };
    if (
      await wasAskedOnlyAfter(parts.store, { stream: event.stream, chat: current }, operator, at)
    ) {
      opened = await opening.open(sender, state, [operator], before.own + 1);
    }
  }
  if (opened && opened.waitMs > 0) return behindOpening(opened.waitMs);
  const reason = opened?.refusals.get(id);
  if (reason !== undefined) return messageRefused(parts, sender, operator, id, reason);
  const isTakenAll = (await parts.isTakenAll?.(tenant.id, operator)) ?? false;
  // What went out to all operators of a broadcast goes out again to the owner: mod_lhc drops it, and reports the delivery.
  // Where the older modules are, nobody drops it.
  const isShown =
    isTakenAll && !again && broadcast.wasShown(event.stream, state, operator, event.revision);
  if (again || !(isShown || opened?.sent.get(operator)?.has(id))) {
    const lookMs = again ? 0 : pauses.leftFor(event.stream, state, [operator]);
    if (lookMs > 0) return behindOpening(lookMs);
    try {
      await delivery.send(sender, operator, { id, ...shown });
    } catch (error) {
      if (again || !isReturned(error)) throw error;
      return messageRefused(parts, sender, operator, id, error.message);
    }
  }
  await parts.afterTaken?.(id);
  const visitor = actors.visitor(tenant.id, key);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [id] });
  if (isTakenAll) {
    const messageIds = [id];
    await visitor.send({ type: 'ReportMessageDelivered', messageIds, by: 'taken', operator });
  }
  return done;
}

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
