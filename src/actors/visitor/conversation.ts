/** Decisions about a conversation: starting and closing a chat, messages. */
import type { Username } from '../ids.ts';
import { type DecisionContext, refuse } from '../machine/decider.ts';
import { type AboutMessage, decideAboutMessage, idOfKnown } from './about-messages.ts';
import { isByLhc } from './addressed.ts';
import { chatAssigned, chatClosed } from './chat-facts.ts';
import type { CloseParty, VisitorFact, VisitorFile } from './facts.ts';
import { inLhcToo } from './in-lhc.ts';
import { hasAnswered, isForeign, openChat, refuseForeign } from './open-chat.ts';
import { ownChat } from './own-chat.ts';
import { answerOfPicked } from './picked.ts';
import {
  answerInRoom,
  CORRECTS_UNKNOWN,
  chatOfRoom,
  KEEPS_WHISPER,
  QUOTES_UNKNOWN,
} from './room.ts';
import { isSent, otherMessage, visitorMessageSent } from './sent-messages.ts';
import type { Chat, VisitorContext, VisitorState, WrittenMessage } from './state.ts';
import { QUOTES_WHISPER, whisperIn } from './whisper-form.ts';
import { decideWithLhc, type LhcCommand } from './with-lhc.ts';
import { idInLhc, ownMessage, writtenMessage } from './written.ts';

export type ConversationCommand =
  | {
      type: 'StartChat';
      chatId: string;
      department: string | null;
      nick?: string | undefined;
      /** The visitor's, BCP 47. Without it, that of the page views. */
      language?: string | undefined;
      message?: { id: string; body: string; digest?: string; file?: VisitorFile } | undefined;
    }
  /**
   * @param digest a keyed fingerprint of the text
   * @param file the text is its address
   */
  | {
      type: 'SendMessage';
      messageId: string;
      chatId: string | null;
      body: string;
      digest?: string;
      file?: VisitorFile;
    }
  | {
      type: 'ReceiveOperatorMessage';
      operator: Username;
      messageId: string;
      body: string;
      /** The client asks for a receipt (XEP-0184), and for a displayed marker (XEP-0333). */
      receipt?: boolean;
      markable?: boolean;
      /** The id of the message that this one corrects (XEP-0308). */
      replaces?: string;
      /** The id of the message that it replies to (XEP-0461), and the text without the quotation of that one. */
      reply?: { to: string; plain: string };
      /** It was written in the chat's room. `canned`: its text does not stand there. */
      room?: boolean;
      canned?: boolean;
      /** The chat of a visitor who is known by it alone: once it is over, LHC has nobody to invite. */
      onlyChat?: string;
    }
  | LhcCommand
  | AboutMessage
  /**
   * @param operator the operator who closes it by `!close`. `chatId` null: the open chat
   * @param name of the person in LHC who closes it
   */
  | {
      type: 'CloseChat';
      chatId: string | null;
      by: CloseParty;
      reason: string | null;
      operator?: Username;
      name?: string | undefined;
    };

type CommandOf<T extends ConversationCommand['type']> = Extract<ConversationCommand, { type: T }>;

/**
 * An operator's message this soon after the end of their chat was probably written before the end. A late "Bye" must not
 * invite the visitor again.
 */
export const LATE_MESSAGE_MS = 10_000;

function startChat(context: VisitorContext, command: CommandOf<'StartChat'>): VisitorFact[] {
  const { chatId, message } = command;
  if (context.chat && context.chat.id !== chatId) {
    return refuse(`chat ${context.chat.id} is open; close it first`, { chatId });
  }
  const facts: VisitorFact[] = [];
  if (!context.chat) facts.push(chatStarted(context, command));
  const isKnown = isSent(context, command, chatId);
  // A chat must not begin without its first words.
  if (isKnown && !context.chat) throw otherMessage('in an earlier chat', 'message.id');
  if (message && !isKnown) facts.push(...messageSent(context, chatId, message));
  return facts;
}

/** The facts that the visitor has sent a message. Whoever has the chat in LHC reads it there. */
const messageSent = (
  context: VisitorContext,
  chatId: string,
  message: { id: string; body: string; digest?: string | undefined; file?: VisitorFile },
): VisitorFact[] => [
  visitorMessageSent(context, chatId, message),
  ...(context.chat?.inLhc ? [inLhcToo(chatId, [message.id])] : []),
];

/** The fact that a chat begins. @param byLhc LHC picks its operators */
export const chatStarted = (
  context: VisitorContext,
  {
    chatId,
    department,
    nick,
    language = context.language ?? undefined,
  }: Pick<CommandOf<'StartChat'>, 'chatId' | 'department' | 'nick' | 'language'>,
  byLhc = false,
): VisitorFact => ({
  type: 'ChatStarted',
  data: {
    chatId,
    department: department ?? context.department,
    invitedBy: context.inviter,
    lastOperator: context.lastOperator,
    ...(language !== undefined && { language }),
    told: nick === undefined ? [] : ['name'],
    ...(byLhc && { byLhc }),
  },
  personal: nick === undefined ? undefined : { nick },
});

function sendMessage(context: VisitorContext, command: CommandOf<'SendMessage'>): VisitorFact[] {
  const chatId = command.chatId ?? context.chat?.id;
  if (chatId === undefined) return refuse('this visitor has no open chat; start one first');
  const { id } = openChat(context, chatId);
  if (isSent(context, command, id)) return [];
  return messageSent(context, id, { ...command, id: command.messageId });
}

/** @returns the message that is corrected; null if the visitor has none of this id @throws {AppError} `refused` */
function correctable(
  context: VisitorContext,
  operator: Username,
  replaces: string,
): WrittenMessage | null {
  const known = ownMessage(context, operator, replaces);
  if (known?.whisper) return refuse(KEEPS_WHISPER);
  if (known?.retracted) return refuse('you have taken the message back that it corrects');
  if (known?.over) return refuse('the chat is over in which you wrote what it corrects');
  return known;
}

/** An answer accepts the chat if it has no operator or is offered to this one. @param now ms since 1970 */
function acceptByMessage(
  context: VisitorContext,
  chat: Chat,
  operator: Username,
  now: number,
): VisitorFact[] {
  if (isByLhc(context)) return answerOfPicked(context, chat, operator, now);
  const { id: chatId } = chat;
  if (isForeign(chat, operator)) return refuseForeign(chat);
  const accepted: VisitorFact = { type: 'ChatAccepted', data: { chatId, operator } };
  if (chat.operator === operator) return chat.accepted ? [] : [accepted];
  if (chat.departmentTransfer?.by === operator) {
    // A last message after a transfer must not take the chat back.
    return refuse(`you transferred this chat to ${chat.department}; write !take to take it back`);
  }
  return [chatAssigned(chat, operator, 'answered'), accepted];
}

function receive(
  { presence, conversation, context }: VisitorState,
  command: CommandOf<'ReceiveOperatorMessage'>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { operator, messageId, body, receipt, markable, replaces, reply, onlyChat } = command;
  const { room = false, canned = false } = command;
  const { inviter } = context;
  const chat = room ? chatOfRoom(context) : context.chat;
  const whisper = whisperIn(body);
  if (whisper !== null) return refuse(whisper);
  if (reply && writtenMessage(context, reply.to)?.whisper) return refuse(QUOTES_WHISPER);
  const corrected = replaces === undefined ? null : correctable(context, operator, replaces);
  const replyTo = reply && idOfKnown(context, reply.to);
  // What the visitor does not have may be meant for colleagues.
  if (room && replaces !== undefined && !corrected) return refuse(CORRECTS_UNKNOWN);
  if (room && reply && replyTo === undefined && reply.plain !== body) return refuse(QUOTES_UNKNOWN);
  const message = (invitation: boolean, invites = false): VisitorFact => ({
    type: 'OperatorMessageReceived',
    data: {
      operator,
      messageId,
      chatId: chat?.id ?? null,
      invitation,
      ...(receipt && { receipt }),
      ...(markable && { markable }),
      ...(replaces !== undefined &&
        corrected && { replaces: idInLhc(corrected, replaces), corrects: corrected.revision }),
      // What corrects no message of theirs is one like any other.
      ...(replaces !== undefined && !corrected && { insteadOf: replaces }),
      ...(replyTo !== undefined && { replyTo }),
      ...(invites && { invites }),
      ...(room && !canned && { room }),
      ...(context.room && (!room || canned) && { toRoom: true }),
    },
    personal: {
      body,
      ...(reply && replyTo !== undefined && reply.plain !== body && { plain: reply.plain }),
    },
  });
  if (room && chat) return [...(corrected ? [] : answerInRoom(chat, operator)), message(false)];
  if (chat && corrected && !isByLhc(context) && !hasAnswered(chat, operator)) {
    if (isForeign(chat, operator)) return refuseForeign(chat);
    return refuse('you do not have this chat; write it as a new message to answer');
  }
  if (chat) return [...acceptByMessage(context, chat, operator, now), message(false)];
  if (presence !== 'online') return refuse('this visitor has left');
  if (onlyChat !== undefined && context.lastChatId === onlyChat) {
    return refuse('this chat is over, and LHC knows the visitor by it alone');
  }
  if (conversation === 'invited') {
    if (inviter !== operator) {
      return refuse(`@${inviter} has just invited this visitor`, { owner: inviter });
    }
    return [message(true)];
  }
  if (replaces !== undefined) {
    return refuse(
      'no chat is open, and a correction does not invite the visitor; write it as a new message',
    );
  }
  if (context.endedChat?.operator === operator && now - context.endedChat.at < LATE_MESSAGE_MS) {
    return refuse(
      'the chat had ended before this message arrived; write it again to invite the visitor',
    );
  }
  const standsMs = context.delays.invitationTimeout;
  return [{ type: 'Invited', data: { operator, standsMs } }, message(true, true)];
}

function closeChat(
  context: VisitorContext,
  command: CommandOf<'CloseChat'>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { chatId, by, reason } = command;
  const whisper = by === 'operator' && reason ? whisperIn(reason) : null;
  if (whisper !== null) return refuse(whisper);
  // Closing a closed chat is no error: both sides may close it.
  if (chatId !== null && context.chat === null && context.lastChatId === chatId) return [];
  if (command.operator === undefined) openChat(context, chatId);
  else ownChat(context, command.operator, now, chatId);
  // LHC carries out a `!close` of an operator, so one has to be named.
  const closer = isByLhc(context) ? command.operator : null;
  const said = { name: command.name, reason };
  return [chatClosed(context, by, null, closer, said, command.operator)];
}

/** The facts that a command causes; none for a repeat. @throws {AppError} `refused` with the reason */
export function decideConversation(
  state: VisitorState,
  command: ConversationCommand,
  decision: DecisionContext,
): VisitorFact[] {
  const { context } = state;
  switch (command.type) {
    case 'StartChat':
      return startChat(context, command);
    case 'SendMessage':
      return sendMessage(context, command);
    case 'ReceiveOperatorMessage':
      return receive(state, command, decision);
    case 'CloseChat':
      return closeChat(context, command, decision);
    case 'RetractOperatorMessage':
    case 'ReactToMessage':
    case 'ReactToOperatorMessage':
      return decideAboutMessage(context, command);
    default:
      return decideWithLhc(state, command, decision);
  }
}
