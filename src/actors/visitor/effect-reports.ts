/** What came of effects outside, reported to the visitor that they were for: accepted in every state. */
import type { Username } from '../ids.ts';
import type { OpenMessage, VisitorContext, VisitorFact } from './facts.ts';

export type VisitorReport =
  | { type: 'ReportAccountReady' }
  | { type: 'ReportLoggedIn' }
  | { type: 'ReportLoggedOut'; reason: string }
  | { type: 'ReportSessionFailed'; reason: string }
  | { type: 'ReportMessageTaken'; messageIds: readonly string[] }
  /** @param operator whose client has them, where that is known */
  | {
      type: 'ReportMessageDelivered';
      messageIds: readonly string[];
      by: string;
      operator?: Username;
    }
  /** The operator's client has shown a message of the visitor, and all before. */
  | { type: 'ReportMessageDisplayed'; messageId: string; operator: Username }
  /** An operator's message reached LHC. */
  | { type: 'ReportOperatorMessageAccepted'; messageId: string; operator: Username }
  /** The visitor has seen an operator's message, and all before. */
  | { type: 'ReportOperatorMessageDisplayed'; messageId: string }
  | { type: 'ReportMessageFailed'; messageId: string; reason: string };

/** Of these messages, those with no final outcome: a message has at most one. */
const stillOpen = (context: VisitorContext, ids: readonly string[]): OpenMessage[] =>
  context.openMessages.filter((message) => ids.includes(message.id));

/** One fact for each chat: messages of an earlier one may be delivered while the next is open. */
function messageDelivered(messages: readonly OpenMessage[], by: string): VisitorFact[] {
  const chats = Map.groupBy(messages, (message) => message.chatId);
  return [...chats].map(([chatId, ofChat]) => ({
    type: 'MessageDelivered',
    data: { messageIds: ofChat.map((message) => message.id), by, chatId },
  }));
}

/** Who was asked by a broadcast has a message too, and who had the chat before: only its owner counts. */
const isReceiver = (
  { chat }: VisitorContext,
  message: OpenMessage,
  operator: Username | undefined,
): boolean => operator === undefined || chat?.id !== message.chatId || chat.operator === operator;

function messageDisplayed(
  context: VisitorContext,
  messageId: string,
  operator: Username,
): VisitorFact[] {
  const open = context.openMessages.find(({ id }) => id === messageId);
  if (!open && !context.settledMessages.includes(messageId)) return []; // no message of this visitor
  if (context.lastDisplayedId === messageId) return [];
  const { chat } = context;
  if (chat !== null && chat.operator !== operator) return [];
  const chatId = open?.chatId ?? chat?.id ?? context.lastChatId;
  return [{ type: 'MessageDisplayed', data: { operator, messageId, chatId } }];
}

/** The facts that an outcome is worth: none for what is known already. */
export function decideReport(context: VisitorContext, command: VisitorReport): VisitorFact[] {
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
    case 'ReportMessageTaken': {
      const messageIds = stillOpen(context, command.messageIds)
        .filter((message) => !message.taken)
        .map((message) => message.id);
      return messageIds.length ? [{ type: 'MessageTaken', data: { messageIds } }] : [];
    }
    case 'ReportMessageDelivered':
      return messageDelivered(
        stillOpen(context, command.messageIds).filter((message) =>
          isReceiver(context, message, command.operator),
        ),
        command.by,
      );
    case 'ReportMessageDisplayed':
      return messageDisplayed(context, command.messageId, command.operator);
    case 'ReportOperatorMessageAccepted': {
      const { messageId, operator } = command;
      return [{ type: 'OperatorMessageAccepted', data: { operator, messageId } }];
    }
    case 'ReportOperatorMessageDisplayed':
      return context.markable
        .filter(({ id }) => id === command.messageId)
        .map(({ id: messageId, operator }) => ({
          type: 'OperatorMessageDisplayed',
          data: { operator, messageId },
        }));
    case 'ReportMessageFailed': {
      const { messageId, reason } = command;
      return stillOpen(context, [messageId]).map(({ chatId }) => ({
        type: 'MessageFailed',
        data: { messageId, reason, chatId },
      }));
    }
  }
}
