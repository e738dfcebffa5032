/** What may be said in a visitor's conversation, and who has it: begun, assigned, answered, closed. */
import { refuse } from './decider.ts';
import type {
  Chat,
  CloseParty,
  VisitorContext,
  VisitorFact,
  VisitorState,
} from './visitor-facts.ts';

export type ConversationCommand =
  | {
      type: 'StartChat';
      chatId: string;
      department: string | null;
      nick?: string | undefined;
      message?: { id: string; body: string } | undefined;
    }
  | { type: 'SendMessage'; messageId: string; chatId: string | null; body: string }
  | { type: 'ReceiveOperatorMessage'; operator: string; messageId: string; body: string }
  | {
      type: 'AssignChat';
      chatId: string;
      operator: string;
      reservation: string | null;
      reason: string;
    }
  | { type: 'RevokeReservation'; reservation: string }
  | { type: 'CloseChat'; chatId: string; by: CloseParty; reason: string | null };

type Wish<T extends ConversationCommand['type']> = Extract<ConversationCommand, { type: T }>;

/** Messages of one visitor that nobody has received yet; one more is refused. */
export const MAX_OPEN_MESSAGES = 1000;

const openChat = (context: VisitorContext, chatId: string): Chat => {
  const { chat } = context;
  if (chat === null) return refuse(`chat ${chatId} is not open`, { chatId });
  if (chat.id !== chatId) return refuse(`chat ${chat.id} is open, not ${chatId}`, { chatId });
  return chat;
};

function startChat(context: VisitorContext, command: Wish<'StartChat'>): VisitorFact[] {
  const { chatId, nick, message } = command;
  if (context.chat && context.chat.id !== chatId) {
    return refuse(`chat ${context.chat.id} is open; close it first`, { chatId });
  }
  const facts: VisitorFact[] = [];
  if (!context.chat) {
    const department = command.department ?? context.department;
    facts.push({
      type: 'ChatStarted',
      data: { chatId, department, invitedBy: context.inviter },
      personal: nick === undefined ? undefined : { nick },
    });
  }
  if (message) facts.push(...sent(context, chatId, message.id, message.body));
  return facts;
}

function sent(
  context: VisitorContext,
  chatId: string,
  messageId: string,
  body: string,
): VisitorFact[] {
  if (context.settledMessages.includes(messageId)) return [];
  if (context.openMessages.some((message) => message.id === messageId)) return [];
  if (context.openMessages.length >= MAX_OPEN_MESSAGES) {
    return refuse(
      `${MAX_OPEN_MESSAGES} messages wait for an operator; send more when one has them`,
    );
  }
  return [{ type: 'VisitorMessageSent', data: { chatId, messageId }, personal: { body } }];
}

function sendMessage(context: VisitorContext, command: Wish<'SendMessage'>): VisitorFact[] {
  const chatId = command.chatId ?? context.chat?.id;
  if (chatId === undefined) return refuse('this visitor has no open chat; start one first');
  return sent(context, openChat(context, chatId).id, command.messageId, command.body);
}

function receive(
  { presence, conversation, context }: VisitorState,
  command: Wish<'ReceiveOperatorMessage'>,
): VisitorFact[] {
  const { operator, messageId, body } = command;
  const { chat, inviter } = context;
  const message = (invitation: boolean): VisitorFact => ({
    type: 'OperatorMessageReceived',
    data: { operator, messageId, chatId: chat?.id ?? null, invitation },
    personal: { body },
  });
  if (chat) {
    if (chat.operator !== null && chat.operator !== operator) {
      return refuse(`this chat belongs to ${chat.operator}`, { owner: chat.operator });
    }
    const facts: VisitorFact[] = [];
    if (chat.operator === null) {
      // Nobody has it yet: who answers takes it.
      facts.push({
        type: 'ChatAssigned',
        data: { chatId: chat.id, operator, reservation: null, reason: 'answered' },
      });
    }
    if (!chat.accepted) {
      facts.push({ type: 'ChatAccepted', data: { chatId: chat.id, operator } });
    }
    return [...facts, message(false)];
  }
  if (presence !== 'online') return refuse('this visitor has left');
  if (conversation === 'invited') {
    if (inviter !== operator) {
      return refuse(`${inviter} has just invited this visitor`, { owner: inviter });
    }
    return [message(true)];
  }
  return [{ type: 'Invited', data: { operator } }, message(true)];
}

function assignChat(context: VisitorContext, command: Wish<'AssignChat'>): VisitorFact[] {
  const { chatId, operator, reservation, reason } = command;
  if (reservation !== null && context.revokedReservations.includes(reservation)) {
    return refuse('this reservation was revoked', { reservation });
  }
  const chat = openChat(context, chatId);
  if (chat.operator === operator && chat.reservation === reservation) return [];
  if (chat.operator !== null) {
    return refuse(`this chat belongs to ${chat.operator}`, { owner: chat.operator });
  }
  return [{ type: 'ChatAssigned', data: { chatId, operator, reservation, reason } }];
}

function revoke(
  context: VisitorContext,
  { reservation }: Wish<'RevokeReservation'>,
): VisitorFact[] {
  if (context.chat?.reservation === reservation) {
    return refuse('the chat was assigned with this reservation', { reservation });
  }
  return context.revokedReservations.includes(reservation)
    ? []
    : [{ type: 'ReservationRevoked', data: { reservation } }];
}

function closeChat(context: VisitorContext, command: Wish<'CloseChat'>): VisitorFact[] {
  const { chatId, by, reason } = command;
  // Closing what is closed is no mistake: both sides do it.
  if (context.chat === null && context.lastChatId === chatId) return [];
  const { operator } = openChat(context, chatId);
  return [{ type: 'ChatClosed', data: { chatId, operator, by, reason } }];
}

/** The facts that a wish is worth: none for what was done already. @throws {AppError} `refused`, with the reason */
export function converse(state: VisitorState, command: ConversationCommand): VisitorFact[] {
  const { context } = state;
  switch (command.type) {
    case 'StartChat':
      return startChat(context, command);
    case 'SendMessage':
      return sendMessage(context, command);
    case 'ReceiveOperatorMessage':
      return receive(state, command);
    case 'AssignChat':
      return assignChat(context, command);
    case 'RevokeReservation':
      return revoke(context, command);
    case 'CloseChat':
      return closeChat(context, command);
  }
}
