/** What a fact of a chat changes in a visitor's context (changes.ts). The chat itself: chat.ts. */
import { NOTHING_ADDRESSED } from './addressed.ts';
import { type ChatEvent, chatAfter } from './chat.ts';
import type { Of } from './facts.ts';
import type { Change } from './message-changes.ts';
import { toldAfter } from './profile.ts';
import type { VisitorContext } from './state.ts';

/** Length of the list in the context: reservations that were used up or revoked. */
export const MAX_REVOKED_RESERVATIONS = 32;

/** The chat's reservation is used up. A late second assignment with it is refused, as after a revocation. */
const useUpReservation = ({ chat, revokedReservations }: VisitorContext): Change =>
  chat?.reservation ? revokeReservation(revokedReservations, chat.reservation) : {};

export const revokeReservation = (known: readonly string[], reservation: string) => ({
  revokedReservations: [...known, reservation].slice(-MAX_REVOKED_RESERVATIONS),
});

/** The change by a chat's fact beside the chat itself. */
function changeBesideChat(context: VisitorContext, event: FactOfChat): Change {
  switch (event.type) {
    case 'ChatStarted':
      return {
        lastSeen: event.at,
        inviter: null,
        lastChatId: event.data.chatId,
        chats: context.chats + 1,
        chatMessages: 0,
        ...NOTHING_ADDRESSED,
        // Release 0.1.0 does not say whether there is a name.
        told: toldAfter(context, event.revision, event.data.told ?? ['name']),
      };
    case 'ChatUnassigned': {
      const { operators, reason } = event.data;
      const { lastOperator } = context;
      // Who takes nothing from this visitor must not be asked first for the next chat.
      const isRefuser =
        reason === 'refused' && lastOperator !== null && operators.includes(lastOperator);
      return { ...useUpReservation(context), ...(isRefuser && { lastOperator: null }) };
    }
    case 'ChatAssigned':
    case 'ChatTransferred':
    case 'ChatTakenInLhc':
      return useUpReservation(context);
    case 'ChatAccepted':
      return { lastOperator: event.data.operator };
    case 'ChatClosed':
      return endChat(context, event);
    case 'ChatOffered':
    case 'VisitorNotified':
      return {};
  }
}

/** Arrivals and time-outs change more than the chat, and have cases of their own in changes.ts. */
type FactOfChat = Exclude<ChatEvent, Of<'VisitorArrived' | 'TimedOut'>>;

/** What a fact of a chat changes, the chat itself included. */
export function changeChat(context: VisitorContext, event: FactOfChat): Change {
  const chat = chatAfter(context.chat, event);
  const sameRound = chat !== null && chat.searchRevision === context.chat?.searchRevision;
  return {
    chat,
    firstWaiting: sameRound ? context.firstWaiting : null,
    returnedInRow: sameRound ? context.returnedInRow : 0,
    ...changeBesideChat(context, event),
  };
}

const endChat = ({ chat }: VisitorContext, { data, at }: Of<'ChatClosed'>): Change => ({
  endedChat: chat?.operator && data.by !== 'operator' ? { operator: chat.operator, at } : null,
});
