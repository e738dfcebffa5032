/** What came of effects outside, reported to the visitor that they were for: accepted in every state. */
import type { OpenMessage, VisitorContext, VisitorFact } from './visitor-facts.ts';

export type VisitorReport =
  | { type: 'ReportAccountReady' }
  | { type: 'ReportLoggedIn' }
  | { type: 'ReportLoggedOut'; reason: string }
  | { type: 'ReportSessionFailed'; reason: string }
  | { type: 'ReportTaken'; messageIds: readonly string[] }
  | { type: 'ReportDelivered'; messageIds: readonly string[]; by: string }
  | { type: 'ReportFailed'; messageId: string; reason: string };

/** Of these messages, those with no final outcome: a message has at most one. */
const stillOpen = (context: VisitorContext, ids: readonly string[]): OpenMessage[] =>
  context.openMessages.filter((message) => ids.includes(message.id));

/** One fact for each chat: messages of an earlier one may be delivered while the next is open. */
function delivered(messages: readonly OpenMessage[], by: string): VisitorFact[] {
  const chats = Map.groupBy(messages, (message) => message.chatId);
  return [...chats].map(([chatId, ofChat]) => ({
    type: 'MessageDelivered',
    data: { messageIds: ofChat.map((message) => message.id), by, chatId },
  }));
}

/** The facts that an outcome is worth: none for what is known already. */
export function report(context: VisitorContext, command: VisitorReport): VisitorFact[] {
  switch (command.type) {
    case 'ReportAccountReady':
      return context.account ? [] : [{ type: 'AccountReady', data: {} }];
    case 'ReportLoggedIn':
      return context.loggedIn ? [] : [{ type: 'LoggedIn', data: {} }];
    case 'ReportLoggedOut':
      return context.loggedIn ? [{ type: 'LoggedOut', data: { reason: command.reason } }] : [];
    case 'ReportSessionFailed':
      return context.failure === command.reason
        ? []
        : [{ type: 'SessionFailed', data: { reason: command.reason } }];
    case 'ReportTaken': {
      const messageIds = stillOpen(context, command.messageIds)
        .filter((message) => !message.taken)
        .map((message) => message.id);
      return messageIds.length ? [{ type: 'MessageTaken', data: { messageIds } }] : [];
    }
    case 'ReportDelivered': {
      return delivered(stillOpen(context, command.messageIds), command.by);
    }
    case 'ReportFailed': {
      const { messageId, reason } = command;
      return stillOpen(context, [messageId]).map(({ chatId }) => ({
        type: 'MessageFailed',
        data: { messageId, reason, chatId },
      }));
    }
  }
}
