/** The recipient of a visitor's message: the operator who has its chat, or who had it when it was closed. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';

/** Events to read at once in the search for the end of a chat. */
const SEARCH_PAGE = 500;

/** The operator of a message's chat; null if nobody took the chat; undefined if the chat is open and has no operator yet. */
export type RecipientOf = (
  event: RecordedEvent,
  chatId: string,
  state: VisitorState,
) => Promise<Username | null | undefined>;

export function createRecipients(store: Pick<EventStore, 'readStream'>): RecipientOf {
  return async (event, chatId, state) => {
    const { chat } = state.context;
    if (chat?.id === chatId) return chat.operator ?? undefined;
    for (let from = event.revision + 1; ; ) {
      const page = await store.readStream(event.stream, { from, limit: SEARCH_PAGE });
      for (const later of page) {
        const fact = visitorFact(later);
        if (fact?.type === 'ChatClosed' && fact.data.chatId === chatId) return fact.data.operator;
      }
      const last = page.at(-1);
      if (!last || page.length < SEARCH_PAGE) return null;
      from = last.revision + 1;
    }
  };
}
