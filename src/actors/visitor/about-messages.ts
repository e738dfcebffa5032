/** Decisions about messages that were sent before: an operator takes one back; operator or visitor react to one. */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import type { VisitorFact } from './facts.ts';
import { revisionOf } from './message-changes.ts';
import { hasAnswered, isForeign, refuseForeign } from './open-chat.ts';
import type { Chat, VisitorContext } from './state.ts';
import { idInLhc, messageOfVisitor, ownMessage } from './written.ts';

export type AboutMessage =
  /** @param messageId of the message that is taken back */
  | { type: 'RetractOperatorMessage'; operator: Username; messageId: string; room?: boolean }
  /** @param messageId of the visitor's message @param reactions all that there are now @param room in the chat's room */
  | {
      type: 'ReactToMessage';
      operator: Username;
      messageId: string;
      reactions: string[];
      room?: boolean;
    }
  /** The visitor reacts. @param messageId of an operator's message */
  | { type: 'ReactToOperatorMessage'; messageId: string; reactions: string[] };

type CommandOf<T extends AboutMessage['type']> = Extract<AboutMessage, { type: T }>;

/** The id in LHC of a message that the visitor or an operator has sent lately; undefined if there is none. */
export function idOfKnown(context: VisitorContext, id: string): string | undefined {
  if (revisionOf(context, id) !== null) return id;
  const written = messageOfVisitor(context, id);
  return written && idInLhc(written, id);
}

function retract(
  context: VisitorContext,
  { operator, messageId, room }: CommandOf<'RetractOperatorMessage'>,
): VisitorFact[] {
  const known = ownMessage(context, operator, messageId);
  if (!known) return refuse('the visitor has no such message of yours');
  if (known.whisper)
    return refuse('your colleagues have read the whisper; the visitor never had it');
  if (known.retracted) return [];
  const { revision, over } = known;
  const chatId = over ? null : (context.chat?.id ?? null);
  const toRoom = context.room !== null && !room;
  const inLhc = { operator, messageId: idInLhc(known, messageId), revision, chatId };
  return [{ type: 'OperatorMessageRetracted', data: { ...inLhc, ...(toRoom && { toRoom }) } }];
}

/** A reaction must not accept a chat: nobody would have said anything. */
function react(
  context: VisitorContext,
  { operator, messageId, reactions, room }: CommandOf<'ReactToMessage'>,
): VisitorFact[] {
  const { chat } = context;
  if (!chat) return refuse('the chat is over');
  if (room) {
    // One to a colleague's words stays in the room.
    if (!context.room || revisionOf(context, messageId) === null) return [];
    return reacted(chat, operator, messageId, reactions);
  }
  if (isForeign(chat, operator)) return refuseForeign(chat);
  if (!hasAnswered(chat, operator)) return refuse('answer the chat first, with a message');
  if (revisionOf(context, messageId) === null) {
    return refuse('visitors see reactions to their own last messages alone');
  }
  return reacted(chat, operator, messageId, reactions);
}

const reacted = (
  { id: chatId }: Chat,
  operator: Username,
  messageId: string,
  reactions: string[],
): VisitorFact[] => [
  { type: 'MessageReacted', data: { operator, messageId, chatId }, personal: { reactions } },
];

/** What the service does not know any more was said long ago, and nobody is told. */
function reactToOperator(
  context: VisitorContext,
  { messageId, reactions }: CommandOf<'ReactToOperatorMessage'>,
): VisitorFact[] {
  const known = messageOfVisitor(context, messageId);
  if (!known || known.retracted || (!known.reacted && reactions.length === 0)) return [];
  const { operator, revision, reacted } = known;
  const data = { operator, messageId, revision, ...(!reacted && { first: true as const }) };
  return [{ type: 'OperatorMessageReacted', data, personal: { reactions } }];
}

/** The facts that a command causes; none for a repeat. @throws {AppError} `refused` with the reason */
export function decideAboutMessage(context: VisitorContext, command: AboutMessage): VisitorFact[] {
  switch (command.type) {
    case 'RetractOperatorMessage':
      return retract(context, command);
    case 'ReactToMessage':
      return react(context, command);
    case 'ReactToOperatorMessage':
      return reactToOperator(context, command);
  }
}
