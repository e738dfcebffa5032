/** What was said in a chat before an operator had it: what he has not read yet. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { Chat, OpenMessage, VisitorFact } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backwards, eventAt } from '../../eventstore/reading.ts';

/** Messages that are shown of what was said before; of more, the last. */
const HISTORY_MOST = 50;
/** Facts that are looked through for them: page views of a long chat lie between. */
const LOOKED_AT_MOST = 5_000;

/** A chat in the log of its visitor. */
export interface ChatInLog {
  readonly stream: string;
  readonly chat: Chat;
  /** Revision of the fact with which it began. */
  readonly startedAt: number;
  readonly openMessages: readonly OpenMessage[];
}

/**
 * Messages before this revision that this operator has not seen, the oldest first: the last {@link HISTORY_MOST}, and
 * all that nobody has received yet, or they would be lost with whoever had the chat.
 */
export type Unseen = (
  of: ChatInLog,
  operator: Username,
  before: number,
) => Promise<readonly RecordedEvent[]>;

export function createUnseen(store: Pick<EventStore, 'readStream'>): Unseen {
  async function lastOnes(
    { stream, chat, startedAt }: ChatInLog,
    operator: Username,
    before: number,
  ): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    /** How many there were when somebody took the chat from him, or from several who were asked. */
    let sinceTaken: number | null = null;
    const from = before - 1;
    for await (const event of backwards(store, stream, { from, most: LOOKED_AT_MOST })) {
      const fact = visitorFact(event);
      if (!fact) continue;
      // What invited the visitor belongs to it, for whoever did not write it.
      const foreignInvitation = chat.invitedBy !== null && chat.invitedBy !== operator;
      if (event.revision < startedAt && !foreignInvitation) return found;
      if (lostBy(fact, operator)) return found;
      if (fact.type === 'ChatAssigned') {
        if (fact.data.operator === operator) return found.slice(0, sinceTaken ?? found.length);
        // Only asked, he may have missed what was said last: it comes again, by the same id.
        if (fact.data.others?.includes(operator)) sinceTaken ??= found.length;
      }
      if (isMessage(fact)) found.push(event);
      if (found.length >= HISTORY_MOST || fact.type === 'Invited') return found;
    }
    return found;
  }

  return async (of, operator, before) => {
    const { stream, chat, startedAt, openMessages } = of;
    const nothingBefore = chat.invitedBy === null && before <= startedAt + 1;
    const found = nothingBefore ? [] : await lastOnes(of, operator, before);
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

/** He had the chat until this fact: what was before it he has. */
const lostBy = (fact: VisitorFact, operator: Username): boolean =>
  (fact.type === 'ChatUnassigned' &&
    !fact.data.broadcast &&
    fact.data.operators.includes(operator)) ||
  (fact.type === 'ChatTransferred' && fact.data.from === operator);
