/** The messages of a chat that an operator has not read: everything that was said before they had the chat. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import { type ChatEvent, chatAfter, isChatEvent } from '../../actors/visitor/chat.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import type { Chat, OpenMessage } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backwards, eventAt, READ_PAGE_EVENTS } from '../../eventstore/reading.ts';

/** Earlier messages that an operator is shown. */
export const UNREAD_MAX_MESSAGES = 50;
/** Facts to search for them. Page views of a long chat stand between the messages. */
export const UNREAD_SEARCH_MAX_FACTS = 5_000;

/** A chat in the log of its visitor. */
export interface ChatInLog {
  readonly stream: string;
  readonly chat: Chat;
  /** Revision of the chat's first fact. */
  readonly startRevision: number;
  readonly openMessages: readonly OpenMessage[];
}

/** What an operator does not know of a chat. */
export interface UnreadPart {
  /**
   * Messages that they have not read, oldest first: the last {@link UNREAD_MAX_MESSAGES}, and all messages that nobody
   * has received. Without the latter, messages would be lost with the previous operator. An operator's message that LHC has
   * refused is none: the visitor never had it.
   */
  readonly messages: readonly RecordedEvent[];
  /** They had the chat, or an offer of it, before. */
  readonly hadChat: boolean;
}

/** Looks at the facts before this revision. */
export type Unread = (
  chatInLog: ChatInLog,
  operator: Username,
  before: number,
) => Promise<UnreadPart>;

type Store = Pick<EventStore, 'readStream'>;

/** Notes revisions of messages, and of corrections and retractions, that the visitor does not have. Read backwards. */
function leaveOut(leftOut: Set<number>, event: RecordedEvent, fact: VisitorFact): void {
  const isRetraction = fact.type === 'OperatorMessageRetracted' && !leftOut.has(event.revision);
  if (fact.type === 'LhcRefused' || isRetraction) leftOut.add(fact.data.revision);
}

/** What was refused or taken back, and a correction of what was taken back. */
const isLeftOut = (
  leftOut: ReadonlySet<number>,
  { revision }: RecordedEvent,
  fact: VisitorFact,
): boolean => {
  const corrects = fact.type === 'OperatorMessageReceived' ? fact.data.corrects : undefined;
  return leftOut.has(revision) || (corrects !== undefined && leftOut.has(corrects));
};

async function lastMessages(
  store: Store,
  { stream, chat, startRevision }: ChatInLog,
  operator: Username,
  before: number,
): Promise<{ found: RecordedEvent[]; hadChat: boolean }> {
  const found: RecordedEvent[] = [];
  let hadChat = false;
  const refused = new Set<number>();
  /** How many were found when the search reached the fact that took the chat from this operator, among others. */
  let atLoss: number | null = null;
  const options = { from: before - 1, most: UNREAD_SEARCH_MAX_FACTS };
  for await (const event of backwards(store, stream, options)) {
    const fact = visitorFact(event);
    if (!fact) continue;
    // An operator who did not invite the visitor reads the invitation too.
    const foreignInvitation = chat.invitedBy !== null && chat.invitedBy !== operator;
    if (event.revision < startRevision && !foreignInvitation) break;
    if (lostBy(fact, operator)) return { found, hadChat: true };
    // In this round they are about to get it.
    hadChat ||= event.revision < chat.searchRevision && isOfferTo(fact, operator);
    if (fact.type === 'ChatAssigned') {
      if (fact.data.operator === operator) {
        return { found: found.slice(0, atLoss ?? found.length), hadChat };
      }
      // An operator who was only asked may have missed the last messages. They come again, with the same ids.
      if (fact.data.withdrawnFrom?.includes(operator)) atLoss ??= found.length;
    }
    leaveOut(refused, event, fact);
    if (isMessage(fact) && !isLeftOut(refused, event, fact)) found.push(event);
    if (found.length >= UNREAD_MAX_MESSAGES || fact.type === 'Invited') break;
  }
  return { found, hadChat };
}

export function createUnread(store: Store): Unread {
  return async (chatInLog, operator, before) => {
    const { stream, chat, startRevision, openMessages } = chatInLog;
    const nothingBefore = chat.invitedBy === null && before <= startRevision + 1;
    const { found, hadChat } = nothingBefore
      ? { found: [], hadChat: false }
      : await lastMessages(store, chatInLog, operator, before);
    const known = new Set(found.map(({ revision }) => revision));
    for (const { chatId, revision } of openMessages) {
      if (chatId !== chat.id || revision >= before || known.has(revision)) continue;
      const event = await eventAt(store, stream, revision);
      if (event) found.push(event);
    }
    return { messages: found.sort((a, b) => a.revision - b.revision), hadChat };
  };
}

/** Facts of one operator and one message that LHC addressed to them, by revision. */
export interface AddressedAt {
  /** The fact that addressed them. */
  readonly fact: number;
  /** The fact that the visitor sent the message. */
  readonly message: number;
}

/**
 * What an operator does not know when LHC addresses them with a message: everything since a message that they got, or since
 * they had the chat. The message itself is not part of it.
 */
export async function missedBy(
  store: Store,
  { stream, chat }: Pick<ChatInLog, 'stream' | 'chat'>,
  operator: Username,
  { fact: at, message }: AddressedAt,
): Promise<UnreadPart> {
  const messages: RecordedEvent[] = [];
  const got = new Set<string>();
  const refused = new Set<number>();
  const foreignInvitation = chat.invitedBy !== null && chat.invitedBy !== operator;
  const found = (hadChat: boolean): UnreadPart => ({ messages: messages.toReversed(), hadChat });
  const options = { from: at - 1, most: UNREAD_SEARCH_MAX_FACTS };
  for await (const event of backwards(store, stream, options)) {
    const fact = visitorFact(event);
    if (!fact) continue;
    if (event.revision < chat.startRevision && !foreignInvitation) break;
    if (fact.type === 'MessageAddressed' && fact.data.operator === operator) {
      got.add(fact.data.messageId);
    }
    if (event.revision >= message) continue;
    if (showedAll(fact, operator, got)) return found(true);
    leaveOut(refused, event, fact);
    if (isMessage(fact) && !isLeftOut(refused, event, fact)) messages.push(event);
    if (messages.length >= UNREAD_MAX_MESSAGES || fact.type === 'Invited') break;
  }
  return found(false);
}

/**
 * A chat as it was before this revision, from its facts; null if they are too far back.
 * @param chatId of a chat that may have ended since
 */
export async function chatBefore(
  store: Store,
  stream: string,
  chatId: string,
  revision: number,
): Promise<Chat | null> {
  const facts: ChatEvent[] = [];
  const options = { from: revision - 1, most: UNREAD_SEARCH_MAX_FACTS };
  for await (const event of backwards(store, stream, options)) {
    const fact = visitorFact(event);
    if (!fact || !isChatEvent(fact)) continue;
    facts.push(fact);
    if (fact.type !== 'ChatStarted') continue;
    if (fact.data.chatId !== chatId) return null;
    return facts.reduceRight<Chat | null>(chatAfter, null);
  }
  return null;
}

/** True if the operator knows this fact and everything before it. */
function showedAll(fact: VisitorFact, operator: Username, got: ReadonlySet<string>): boolean {
  switch (fact.type) {
    case 'VisitorMessageSent':
      return fact.data.to === operator || got.has(fact.data.messageId);
    case 'ChatOffered':
      return fact.data.messageId === undefined && fact.data.operators.includes(operator);
    case 'ChatAssigned':
      return fact.data.operator === operator;
    default:
      return false;
  }
}

/**
 * True if the fact that began the current search, or a later one before this revision, gave or offered the chat to this
 * operator. Then the chat was opened for them there, or in the place of an earlier message.
 */
export async function wasAskedBefore(
  store: Store,
  { stream, chat }: Pick<ChatInLog, 'stream' | 'chat'>,
  operator: Username,
  before: number,
): Promise<boolean> {
  const most = Math.min(before - chat.searchRevision, UNREAD_SEARCH_MAX_FACTS);
  for await (const event of backwards(store, stream, { from: before - 1, most })) {
    const fact = visitorFact(event);
    if (fact && isOfferTo(fact, operator)) return true;
  }
  return false;
}

/**
 * True if this operator was first asked after this revision, in the same search: they took the chat from somebody who was
 * asked before them.
 * @param head the last revision of the stream
 */
export async function wasAskedOnlyAfter(
  store: Store,
  chatInLog: Pick<ChatInLog, 'stream' | 'chat'>,
  operator: Username,
  { revision, head }: { readonly revision: number; readonly head: number },
): Promise<boolean> {
  // Of most messages nothing is newer, or a few facts.
  const most = Math.min(head - revision, UNREAD_SEARCH_MAX_FACTS);
  for await (const event of backwards(store, chatInLog.stream, { from: head, most })) {
    const fact = visitorFact(event);
    if (!fact || !isOfferTo(fact, operator)) continue;
    return !(await wasAskedBefore(store, chatInLog, operator, revision));
  }
  return false;
}

/** Revision of the first fact of the current search that gave or offered the chat to this operator; null if none did. */
export async function firstAskedAt(
  store: Store,
  { stream, chat }: Pick<ChatInLog, 'stream' | 'chat'>,
  operator: Username,
): Promise<number | null> {
  let first: number | null = null;
  for await (const event of backwards(store, stream, { most: UNREAD_SEARCH_MAX_FACTS })) {
    if (event.revision < chat.searchRevision) break;
    const fact = visitorFact(event);
    if (fact && isOfferTo(fact, operator)) first = event.revision;
  }
  return first;
}

/**
 * The newest fact of a stream at a time, as far as it is among the last ones.
 * @param at ms since 1970
 * @returns its revision; 0 if there is none
 */
export async function revisionAt(store: Store, stream: string, at: number): Promise<number> {
  let oldest = 0;
  for await (const { revision, metadata } of backwards(store, stream, { most: READ_PAGE_EVENTS })) {
    oldest = revision;
    if (metadata.at <= at) break;
  }
  return oldest;
}

const isMessage = ({ type }: VisitorFact): boolean =>
  type === 'VisitorMessageSent' ||
  type === 'OperatorMessageReceived' ||
  type === 'MessageWrittenInLhc';

const isOfferTo = (fact: VisitorFact, operator: Username): boolean =>
  (fact.type === 'ChatAssigned' && fact.data.operator === operator) ||
  (fact.type === 'ChatOffered' && fact.data.operators.includes(operator)) ||
  (fact.type === 'ChatTransferred' && fact.data.operator === operator) ||
  (fact.type === 'VisitorMessageSent' && fact.data.to === operator) ||
  (fact.type === 'MessageAddressed' && fact.data.operator === operator);

/** True if this fact took the chat from the operator: they have read everything before it. */
const lostBy = (fact: VisitorFact, operator: Username): boolean =>
  (fact.type === 'ChatUnassigned' &&
    !fact.data.broadcast &&
    fact.data.operators.includes(operator)) ||
  ((fact.type === 'ChatTransferred' || fact.type === 'ChatTakenInLhc') &&
    fact.data.from === operator);
