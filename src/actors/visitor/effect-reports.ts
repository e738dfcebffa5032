/** Decisions about reports: outcomes of effects in XMPP and LHC. They are accepted in every state. */
import { shortHash } from '../../kit/hash.ts';
import type { Username } from '../ids.ts';
import { copyOf, isByLhc } from './addressed.ts';
import { chatUnassigned } from './chat-facts.ts';
import type { VisitorCommand } from './decisions.ts';
import type { VisitorFact } from './facts.ts';
import { revisionOf } from './message-changes.ts';
import type { OpenMessage, VisitorContext } from './state.ts';

export type VisitorReport =
  | { type: 'ReportAccountReady' }
  | { type: 'ReportLoggedIn' }
  | { type: 'ReportLoggedOut'; reason: string }
  | { type: 'ReportSessionFailed'; reason: string }
  /** @param operator the one for whom ejabberd has processed them, if LHC addressed them to operators */
  | { type: 'ReportMessageTaken'; messageIds: readonly string[]; operator?: Username }
  /** @param operator the operator whose client has the messages, if known */
  | {
      type: 'ReportMessageDelivered';
      messageIds: readonly string[];
      by: string;
      operator?: Username;
    }
  /** The operator's client has displayed a message of the visitor, and all before it. */
  | { type: 'ReportMessageDisplayed'; messageId: string; operator: Username }
  /** LHC has accepted an operator's message. */
  | { type: 'ReportOperatorMessageAccepted'; messageId: string; operator: Username }
  /** The visitor has seen an operator's message, and all before it. */
  | { type: 'ReportOperatorMessageDisplayed'; messageId: string }
  /**
   * @param operator the operator from whom the message came back, if it was taken before
   * @param unreachable the operator's address takes nothing from this visitor
   */
  | {
      type: 'ReportMessageFailed';
      messageId: string;
      reason: string;
      operator?: Username;
      unreachable?: true;
    };

/** A reason in a fact at most, in UTF-16 units. Servers and clients write some of them. */
export const MAX_REPORTED_REASON_CHARACTERS = 500;

/**
 * So many messages in a row that an operator returned, whatever the conditions, and the operator loses the chat. One for a
 * reason of its own does not count for more than itself.
 */
export const RETURNED_IN_ROW_MAX = 3;

const shortReason = (reason: string): string =>
  reason.slice(0, MAX_REPORTED_REASON_CHARACTERS).toWellFormed();

/** Those of these messages that are still open. So a message has at most one final outcome. */
const openMessagesAmong = (context: VisitorContext, ids: readonly string[]): OpenMessage[] =>
  context.openMessages.filter((message) => ids.includes(message.id));

/** One fact for each chat, because messages of an earlier chat may be delivered during the next one. */
function messageDelivered(messages: readonly OpenMessage[], by: string): VisitorFact[] {
  const chats = Map.groupBy(messages, (message) => message.chatId);
  return [...chats].map(([chatId, ofChat]) => ({
    type: 'MessageDelivered',
    data: { messageIds: ofChat.map((message) => message.id), by, chatId },
  }));
}

/**
 * True if what became of the message at this operator counts. Others may have it, too: after a broadcast or as a former
 * owner. Of operators whom LHC addressed, the first to have it counts.
 */
const isReceiver = (
  { chat }: VisitorContext,
  message: OpenMessage,
  operator: Username | undefined,
): boolean => {
  if (operator === undefined) return true;
  if (message.to) return message.to.includes(operator);
  return chat?.id !== message.chatId || chat.operator === operator;
};

function messageTaken(
  context: VisitorContext,
  { messageIds: ids, operator }: Extract<VisitorReport, { type: 'ReportMessageTaken' }>,
): VisitorFact[] {
  const messageIds = openMessagesAmong(context, ids)
    .filter((message) => !message.taken)
    .map((message) => message.id);
  if (operator === undefined) {
    return messageIds.length ? [{ type: 'MessageTaken', data: { messageIds } }] : [];
  }
  // Another operator may have the message already.
  const taken = ids.filter((id) => {
    const copy = copyOf(context, id, operator);
    return copy ? !copy.taken : messageIds.includes(id);
  });
  return taken.length ? [{ type: 'MessageTaken', data: { messageIds: taken, operator } }] : [];
}

function messageDisplayed(
  context: VisitorContext,
  messageId: string,
  operator: Username,
): VisitorFact[] {
  const { chat, displayedRevision } = context;
  const revision = revisionOf(context, messageId);
  if (revision === null) return []; // not a message of this visitor
  // A marker means all messages before it, too. An older one says nothing new.
  if (displayedRevision !== null && revision <= displayedRevision) return [];
  const isPicked = chat?.accepted && context.picked?.operators.includes(operator);
  if (chat !== null && chat.operator !== operator && !isPicked) return [];
  const open = context.openMessages.find(({ id }) => id === messageId);
  const chatId = open?.chatId ?? chat?.id ?? context.lastChatId;
  return [{ type: 'MessageDisplayed', data: { operator, messageId, chatId } }];
}

/** The message failed; or the operator who returned it loses the chat, and it goes on to somebody else with the chat. */
function messageFailed(
  context: VisitorContext,
  command: Extract<VisitorReport, { type: 'ReportMessageFailed' }>,
): VisitorFact[] {
  const { messageId, operator, unreachable } = command;
  const { chat, returnedInRow } = context;
  const [message] = openMessagesAmong(context, [messageId]);
  if (!message || !isReceiver(context, message, operator)) return [];
  const { chatId } = message;
  if (operator !== undefined && message.to && message.to.length > 1) {
    const reason = shortReason(command.reason);
    return [{ type: 'MessageReturned', data: { messageId, operator, reason } }];
  }
  if (
    operator !== undefined &&
    chat?.id === chatId &&
    !isByLhc(context) &&
    (unreachable || returnedInRow + 1 >= RETURNED_IN_ROW_MAX)
  ) {
    return [chatUnassigned(chat, operator, 'refused')];
  }
  const reason = shortReason(command.reason);
  const returned = operator === undefined ? {} : { returned: true as const };
  return [{ type: 'MessageFailed', data: { messageId, reason, chatId, ...returned } }];
}

/** The facts that a report causes; none for an outcome that is known. */
export function decideReport(context: VisitorContext, command: VisitorReport): VisitorFact[] {
  switch (command.type) {
    case 'ReportAccountReady':
      return context.account ? [] : [{ type: 'AccountReady', data: {} }];
    case 'ReportLoggedIn':
      return context.loggedIn ? [] : [{ type: 'LoggedIn', data: {} }];
    case 'ReportLoggedOut': {
      const reason = shortReason(command.reason);
      return context.loggedIn ? [{ type: 'LoggedOut', data: { reason } }] : [];
    }
    case 'ReportSessionFailed': {
      const reason = shortReason(command.reason);
      return context.failure === reason ? [] : [{ type: 'SessionFailed', data: { reason } }];
    }
    case 'ReportMessageTaken':
      return messageTaken(context, command);
    case 'ReportMessageDelivered':
      return messageDelivered(
        openMessagesAmong(context, command.messageIds).filter((message) =>
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
    case 'ReportOperatorMessageDisplayed': {
      const { messageId } = command;
      const shown = shortHash(messageId);
      return context.markable
        .filter(({ hash }) => hash === shown)
        .map(({ operator }) => ({
          type: 'OperatorMessageDisplayed',
          data: { operator, messageId },
        }));
    }
    case 'ReportMessageFailed':
      return messageFailed(context, command);
  }
}

/**
 * The revision of the fact that a report is about: the message (of several the first), or the page view that shows the
 * visitor; null for any other command.
 */
export function aboutOf(context: VisitorContext, command: VisitorCommand): number | null {
  switch (command.type) {
    case 'ReportMessageTaken':
    case 'ReportMessageDelivered': {
      const revisions = command.messageIds.map((id) => revisionOf(context, id) ?? -1);
      return revisions.find((revision) => revision >= 0) ?? null;
    }
    case 'ReportMessageFailed':
    case 'ReportMessageDisplayed': {
      const revision = revisionOf(context, command.messageId) ?? -1;
      return revision < 0 ? null : revision;
    }
    case 'ReportAccountReady':
    case 'ReportLoggedIn':
    case 'ReportSessionFailed':
      return context.profileRevision < 0 ? null : context.profileRevision;
    default:
      return null;
  }
}
