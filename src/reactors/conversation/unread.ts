/** The messages of a chat that an operator has not read: everything that was said before they had the chat. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { Chat, OpenMessage, VisitorFact } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backwards, eventAt } from '../../eventstore/reading.ts';

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

/**
 * Messages before this revision that this operator has not read, oldest first: the last {@link UNREAD_MAX_MESSAGES},
 * and all messages that nobody has received. Without the latter, messages would be lost with the previous operator.
 */
export type Unread = (
  chatInLog: ChatInLog,
  operator: Username,
  before: number,
) => Promise<readonly RecordedEvent[]>;

type Store = Pick<EventStore, 'readStream'>;

async function lastMessages(
  store: Store,
  { stream, chat, startRevision }: ChatInLog,
  operator: Username,
  before: number,
): Promise<RecordedEvent[]> {
  const found: RecordedEvent[] = [];
  /** How many were found when the search reached the fact that took the chat from this operator, among others. */
  let atLoss: number | null = null;
  const options = { from: before - 1, most: UNREAD_SEARCH_MAX_FACTS };
  for await (const event of backwards(store, stream, options)) {
    const fact = visitorFact(event);
    if (!fact) continue;
    // An operator who did not invite the visitor reads the invitation too.
    const foreignInvitation = chat.invitedBy !== null && chat.invitedBy !== operator;
    if (event.revision < startRevision && !foreignInvitation) return found;
    if (lostBy(fact, operator)) return found;
    if (fact.type === 'ChatAssigned') {
      if (fact.data.operator === operator) return found.slice(0, atLoss ?? found.length);
      // An operator who was only asked may have missed the last messages. They come again, with the same ids.
      if (fact.data.withdrawnFrom?.includes(operator)) atLoss ??= found.length;
    }
    if (isMessage(fact)) found.push(event);
    if (found.length >= UNREAD_MAX_MESSAGES || fact.type === 'Invited') return found;
  }
  return found;
}

export function createUnread(store: Store): Unread {
  return async (chatInLog, operator, before) => {
    const { stream, chat, startRevision, openMessages } = chatInLog;
    const nothingBefore = chat.invitedBy === null && before <= startRevision + 1;
    const found = nothingBefore ? [] : await lastMessages(store, chatInLog, operator, before);
    const known = new Set(found.map(({ revision }) => revision));
    for (const { chatId, revision } of openMessages) {
      if (chatId !== chat.id || revision >= before || known.has(revision)) continue;
      const event = await eventAt(store, stream, revision);
      if (event) found.push(event);
    }
    return found.sort((a, b) => a.revision - b.revision);
  };
}

const isMessage = ({ type }: VisitorFact): boolean =>
  type === 'VisitorMessageSent' || type === 'OperatorMessageReceived';

/** True if this fact took the chat from the operator: they have read everything before it. */
const lostBy = (fact: VisitorFact, operator: Username): boolean =>
  (fact.type === 'ChatUnassigned' &&
    !fact.data.broadcast &&
    fact.data.operators.includes(operator)) ||
  (fact.type === 'ChatTransferred' && fact.data.from === operator);
