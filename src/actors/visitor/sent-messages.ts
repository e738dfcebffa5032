/** Messages of a visitor by their ids: what was sent before, and the fact that another one is sent. */
import { AppError } from '../../errors.ts';
import { shortHash } from '../../kit/hash.ts';
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import { saysOther } from '../machine/idempotency.ts';
import type { ConversationCommand } from './conversation.ts';
import type { VisitorFact, VisitorFile } from './facts.ts';
import { knownMessage } from './message-changes.ts';
import type { VisitorContext } from './state.ts';

type CommandOf<T extends ConversationCommand['type']> = Extract<ConversationCommand, { type: T }>;

/** Open messages of one visitor. A further message is refused. */
export const MAX_OPEN_MESSAGES = 1000;

/** A message's id that cannot be used, because a message that was sent cannot be changed. */
export const otherMessage = (how: string, field?: string): AppError =>
  new AppError(
    'conflict',
    `a message with this id was sent before, ${how}; a sent message stays as it is, and a new one needs an id of its own`,
    field === undefined ? {} : { field },
  );

/**
 * True if the message of this command was sent before.
 * @param chatId the chat that the message is for; null if it may be any
 * @throws {AppError} `conflict` if another message has its id: with another text, or in another chat
 */
export function isSent(
  context: VisitorContext,
  command: CommandOf<'StartChat'> | CommandOf<'SendMessage'>,
  chatId: string | null,
): boolean {
  const isStart = command.type === 'StartChat';
  const message = isStart ? command.message : { ...command, id: command.messageId };
  const known = message && knownMessage(context, message.id);
  if (!known) return false;
  const [, , digest, chat] = known;
  const field = isStart ? 'message.id' : 'id';
  if (digest !== undefined && message.digest !== undefined && saysOther(digest, message.digest)) {
    throw otherMessage('with another text', field);
  }
  if (chat !== undefined && chatId !== null && chat !== shortHash(chatId)) {
    throw otherMessage('in another chat', field);
  }
  return true;
}

/**
 * The fact that the visitor has sent a message.
 * @param address to whom LHC addresses it first, and whether it opens the chat for them
 * @throws {AppError} `refused` if too many messages wait
 */
export function visitorMessageSent(
  context: VisitorContext,
  chatId: string,
  {
    id: messageId,
    body,
    digest,
    file,
  }: { id: string; body: string; digest?: string | undefined; file?: VisitorFile },
  address: { to?: Username; opens?: true } = {},
): Extract<VisitorFact, { type: 'VisitorMessageSent' }> {
  if (context.openMessages.length >= MAX_OPEN_MESSAGES) {
    return refuse(
      `${MAX_OPEN_MESSAGES} messages wait for an operator; send more when an operator has received them`,
    );
  }
  const data = { chatId, messageId, ...(digest !== undefined && { digest }), ...address };
  const personal = { body, ...(file !== undefined && { file }) };
  return { type: 'VisitorMessageSent', data, personal };
}
