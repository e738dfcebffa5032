/** Whom a visitor's message is for: who has its chat now, or had it at its end. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { VisitorState } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';

/** How far behind a message its chat's end is looked for, at once. */
const SEARCH_PAGE = 500;

/** Who has, or had, the chat of a message; null: nobody took it; undefined: it is open and nobody has it yet. */
export type ReceiverOf = (
  event: RecordedEvent,
  chatId: string,
  state: VisitorState,
) => Promise<Username | null | undefined>;

export function createReceivers(store: Pick<EventStore, 'readStream'>): ReceiverOf {
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
