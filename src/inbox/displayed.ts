/**
 * Which message of the visitor a displayed marker (XEP-0333) is about. Some clients mark the newest message alone. Where
 * that is a line of the service, the marker means the visitor's messages before that line. The id of the line says where
 * it stands (`lineIdOf` in src/reactors/conversation/delivery.ts), and the log says what stood before it, after a restart
 * too.
 */
import { visitorFact } from '../actors/facts.ts';
import { streamOf, type Username } from '../actors/ids.ts';
import type { VisitorFact } from '../actors/visitor/facts.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import type { EventStore } from '../eventstore/port.ts';
import { backwards } from '../eventstore/reading.ts';
import type { Visitor } from './people.ts';

/** Facts to search for the message before a line. Page views stand between the messages. */
export const DISPLAYED_SEARCH_MAX_FACTS = 1_000;

/** Lines of releases up to 0.1.0 had other ids, and no marker. */
const LINE = /^line-(\d{1,15})-/;

/** Whose chat it is by this fact, or was until it; undefined if the fact does not say. */
function ownersBy({ type, data }: VisitorFact): readonly (Username | null)[] | undefined {
  switch (type) {
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatTransferred':
    case 'ChatClosed':
      return [data.operator];
    case 'ChatTakenInLhc':
      return [data.from];
    case 'ChatUnassigned':
      return data.operators;
    default:
      return undefined;
  }
}

/**
 * A client can write any id, so only what was sent to this operator counts: a message that ejabberd has taken, in a chat
 * that they have or had last.
 * @returns the id of the message; null if the marker is about none
 */
export async function displayedMessage(
  store: Pick<EventStore, 'readStream'>,
  visitor: Visitor,
  { context: { chat, lastChatId, lastOperator, openMessages } }: VisitorState,
  { operator, id }: { operator: Username; id: string },
): Promise<string | null> {
  const line = LINE.exec(id)?.[1];
  if (line === undefined || openMessages.some((message) => message.id === id)) return id;
  if (chat && chat.operator !== operator) return null;
  // The last chat may have been closed before its operator answered. The log knows whose it was.
  let isTheirs = chat ? true : undefined;
  let found: string | null = null;
  const waiting = new Set(openMessages.filter(({ taken }) => !taken).map((each) => each.id));
  const options = { from: Number(line), most: DISPLAYED_SEARCH_MAX_FACTS };
  for await (const event of backwards(store, streamOf(visitor), options)) {
    const fact = visitorFact(event);
    if (!fact) continue;
    isTheirs ??= ownersBy(fact)?.includes(operator);
    if (isTheirs === false) return null;
    if (fact.type === 'VisitorMessageSent') {
      if (fact.data.chatId !== (chat?.id ?? lastChatId)) return null;
      if (!waiting.has(fact.data.messageId)) found ??= fact.data.messageId;
    }
    if (found !== null && isTheirs) return found;
  }
  return lastOperator === operator ? found : null;
}
