/**
 * Decisions about the messages of a visitor whose operators LHC picks itself: it addresses each message to each operator,
 * one by one, and says nothing more (docs/adr/0037).
 */
import type { Username } from '../ids.ts';
import { type DecisionContext, refuse } from '../machine/decider.ts';
import { ADDRESSED_MAX_OPERATORS, NOTHING_ADDRESSED, SAME_MESSAGE_MS } from './addressed.ts';
import { chatClosed } from './chat-facts.ts';
import { chatStarted } from './conversation.ts';
import type { VisitorDelays, VisitorFact } from './facts.ts';
import { knownMessage } from './message-changes.ts';
import { visitorMessageSent } from './sent-messages.ts';
import type { AddressedMessage, VisitorContext } from './state.ts';

/**
 * LHC addresses an operator with a message of the visitor, or with a new chat that has no message yet. An unknown or absent
 * visitor arrives, and a chat that is not open begins.
 */
export interface AddressMessage {
  readonly type: 'AddressMessage';
  readonly operator: Username;
  readonly chatId: string;
  readonly department: string | null;
  /** The visitor's name in a chat that begins. */
  readonly nick?: string | undefined;
  /**
   * `id`: used if this is a new message. `digest`: a keyed fingerprint of visitor and text alone. It tells that this is the
   * message that LHC has just addressed to another operator.
   */
  readonly message: { readonly id: string; readonly body: string; readonly digest: string } | null;
  readonly delays: VisitorDelays;
}

/** LHC counts its chats. True if the first of these ids is of an earlier chat than the second. */
const isEarlier = (id: string, than: string): boolean =>
  /^\d{1,15}$/.test(id) && /^\d{1,15}$/.test(than) && Number(id) < Number(than);

/** The context without the open chat, as the facts before a new chat leave it. */
const beforeChat = (context: VisitorContext): VisitorContext => ({
  ...context,
  ...NOTHING_ADDRESSED,
  chat: null,
});

/** The facts of an addressed message but for the visitor's arrival; none if the operator has it already. */
export function addressMessage(
  context: VisitorContext,
  command: AddressMessage,
  { now }: DecisionContext,
): VisitorFact[] {
  const { operator, chatId, message } = command;
  const { chat } = context;
  // A visitor has one conversation. A late message of an earlier chat belongs to the one that is open.
  const goesOn = chat !== null && (chat.id === chatId || isEarlier(chatId, chat.id));
  const facts: VisitorFact[] = [];
  if (chat && !goesOn) facts.push(chatClosed(context, 'system', 'LHC began another chat'));
  if (!goesOn) facts.push(chatStarted(context, command, true));
  const current = goesOn ? context : beforeChat(context);
  const id = goesOn ? chat.id : chatId;
  const sent = message && messageFor(current, operator, id, message, now);
  if (message && !sent) return facts; // the operator has it
  if (sent) facts.push(sent);
  const isAsked = current.chat?.offeredTo.includes(operator) ?? false;
  const isFree = (current.chat?.operator ?? null) === null && !current.chat?.inLhc;
  if (!isAsked && isFree) {
    if ((current.chat?.offeredTo.length ?? 0) >= ADDRESSED_MAX_OPERATORS) return tooMany();
    facts.push({
      type: 'ChatOffered',
      data: {
        chatId: id,
        operators: [operator],
        reason: 'lhc',
        ...(sent && { messageId: sent.data.messageId }),
      },
    });
  }
  return facts;
}

const tooMany = (): never =>
  refuse(`LHC may address a message to ${ADDRESSED_MAX_OPERATORS} operators at most`);

type Addressed = Extract<VisitorFact, { type: 'VisitorMessageSent' | 'MessageAddressed' }>;

/** The fact that the operator is addressed with this message; null if they were before. */
function messageFor(
  context: VisitorContext,
  operator: Username,
  chatId: string,
  message: { readonly id: string; readonly body: string; readonly digest: string },
  now: number,
): Addressed | null {
  const { addressed, picked, chat } = context;
  const known = addressed.findIndex(({ id }) => id === message.id);
  const same = (each: AddressedMessage): boolean =>
    each.digest === message.digest &&
    Math.abs(now - each.at) < SAME_MESSAGE_MS &&
    !isFor(each, operator);
  // Calls for two messages may come mixed. The oldest message that the operator does not have is meant.
  const index = known >= 0 ? known : addressed.findIndex(same);
  const entry = addressed[index];
  if (!entry) {
    if (knownMessage(context, message.id)) return null;
    const knowing = picked?.operators ?? [chat?.operator];
    const opens = knowing.includes(operator) ? {} : { opens: true as const };
    return visitorMessageSent(context, chatId, message, { to: operator, ...opens });
  }
  if (isFor(entry, operator)) return null;
  if (entry.to.length >= ADDRESSED_MAX_OPERATORS) return tooMany();
  return {
    type: 'MessageAddressed',
    data: {
      chatId,
      messageId: entry.id,
      revision: entry.revision,
      operator,
      ...howShown(entry, operator),
    },
  };
}

/** How an operator reads a message that others have already. */
function howShown(
  { shown, knowing }: AddressedMessage,
  operator: Username,
): { opens?: true; inOpening?: true } {
  if (shown.includes(operator)) return { inOpening: true };
  return knowing.includes(operator) ? {} : { opens: true };
}

const isFor = ({ to }: AddressedMessage, operator: Username): boolean =>
  to.some((copy) => copy.operator === operator);
