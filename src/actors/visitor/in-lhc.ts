/** Decisions about people who work in LHC's own pages: who of them has a chat, and what they write there (docs/adr/0044). */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import { isByLhc } from './addressed.ts';
import { chatAssigned, transferred, withdrawal } from './chat-facts.ts';
import type { VisitorFact } from './facts.ts';
import { openChat } from './open-chat.ts';
import type { Chat, VisitorContext } from './state.ts';

/** A person in LHC's own pages. */
interface LhcPerson {
  readonly lhcUserId: number;
  readonly name?: string | undefined;
  /** The registered operator who they are; null if they are none. */
  readonly operator: Username | null;
  /** This operator has a client in XMPP, so they can have the chat there. */
  readonly isOnline: boolean;
}

export type LhcCommand =
  /** LHC says who has the chat. `accepted` false: who is asked to answer it. */
  | ({ type: 'SetOwner'; chatId: string; accepted: boolean } & LhcPerson)
  /** Somebody wrote in LHC. A person who writes into a chat that nobody has answered has it then. */
  | ({ type: 'WriteInLhc'; chatId: string; messageId: string; body: string } & LhcPerson);

type CommandOf<T extends LhcCommand['type']> = Extract<LhcCommand, { type: T }>;

const ofName = (name: string | undefined) => (name ? { name } : {});

/** The fact that LHC's own operator has the chat, and before it that they have what nobody in XMPP has received. */
function takenInLhc(
  { openMessages }: VisitorContext,
  chat: Chat,
  { lhcUserId, name, operator }: LhcPerson,
  accepted: boolean,
): VisitorFact[] {
  const { id: chatId } = chat;
  const messageIds = openMessages.filter((each) => each.chatId === chatId).map(({ id }) => id);
  const taken: VisitorFact = {
    type: 'ChatTakenInLhc',
    data: {
      chatId,
      lhcUserId,
      accepted,
      ...(operator !== null && { operator }),
      from: chat.operator,
      ...withdrawal(chat.offeredTo),
    },
    personal: ofName(name),
  };
  return messageIds.length > 0 ? [inLhcToo(chatId, messageIds), taken] : [taken];
}

/** Whoever has the chat in LHC reads these messages there. So their outcome is known. */
export const inLhcToo = (chatId: string, messageIds: string[]): VisitorFact => ({
  type: 'MessageDelivered',
  data: { messageIds, by: 'lhc', chatId },
});

/** The facts by which an operator has the chat in XMPP because LHC says so. */
function givenTo(chat: Chat, operator: Username, accepted: boolean): VisitorFact[] {
  const { id: chatId } = chat;
  const answer: VisitorFact[] = accepted
    ? [{ type: 'ChatAccepted', data: { chatId, operator, by: 'lhc' } }]
    : [];
  if (chat.operator === operator) return answer;
  // Who answers a chat that nobody has answered takes it. Everything else is a transfer.
  const isTaken = accepted && !chat.accepted && chat.inLhc === null;
  const given = isTaken
    ? chatAssigned(chat, operator, 'taken', { byLhc: true })
    : transferred(chat, { operator, department: null, reservation: null }, 'lhc');
  return [given, ...answer];
}

/** The facts that this person has the chat; none if they have it as LHC says. */
function ownedBy(
  context: VisitorContext,
  chat: Chat,
  person: LhcPerson,
  accepted: boolean,
): VisitorFact[] {
  const { operator, lhcUserId, isOnline } = person;
  const isTheirs =
    chat.operator === null ? chat.inLhc?.lhcUserId === lhcUserId : chat.operator === operator;
  if (isTheirs && (chat.accepted || !accepted)) return [];
  if (operator !== null && isOnline) return givenTo(chat, operator, accepted);
  // LHC asks them itself. Whoever has answered goes on to have the chat until they take it.
  return chat.accepted && !accepted ? [] : takenInLhc(context, chat, person, accepted);
}

/** The open chat; null if it is over: LHC may say something of it a moment later. @throws {AppError} `refused` */
const chatOrOver = (context: VisitorContext, chatId: string): Chat | null =>
  context.chat === null && context.lastChatId === chatId ? null : openChat(context, chatId);

function setOwner(context: VisitorContext, command: CommandOf<'SetOwner'>): VisitorFact[] {
  const chat = chatOrOver(context, command.chatId);
  if (chat && isByLhc(context)) {
    return refuse('LHC picks the operators of this chat by its messages (routing.by)');
  }
  return chat ? ownedBy(context, chat, command, command.accepted) : [];
}

/** Who has the chat, because this person writes into it. */
function ownerByWriting(
  context: VisitorContext,
  chat: Chat,
  writer: CommandOf<'WriteInLhc'>,
): VisitorFact[] {
  if (writer.lhcUserId < 1 || isByLhc(context)) return [];
  if (!chat.accepted) return ownedBy(context, chat, writer, true);
  // They have left XMPP, and go on in LHC. Nobody may take the chat away because they are not in XMPP.
  const hasLeft = chat.operator !== null && chat.operator === writer.operator && !writer.isOnline;
  return hasLeft ? takenInLhc(context, chat, writer, true) : [];
}

/** The operator who has a chat after these facts about who has it. */
const operatorAfter = ({ operator }: Chat, facts: readonly VisitorFact[]): Username | null =>
  facts.reduce((owner, { type, data }) => {
    if (type === 'ChatTakenInLhc') return null;
    return type === 'ChatAssigned' || type === 'ChatTransferred' ? data.operator : owner;
  }, operator);

function writeInLhc(context: VisitorContext, command: CommandOf<'WriteInLhc'>): VisitorFact[] {
  const { chatId, messageId, lhcUserId, name, operator, body } = command;
  const chat = chatOrOver(context, chatId);
  const owner = chat ? ownerByWriting(context, chat, command) : [];
  const to = chat && operatorAfter(chat, owner);
  const message: VisitorFact = {
    type: 'MessageWrittenInLhc',
    data: {
      chatId,
      messageId,
      lhcUserId,
      ...(operator !== null && { operator }),
      ...(to !== null && { to }),
    },
    personal: { ...ofName(name), body },
  };
  return [...owner, message];
}

/** The facts that a command causes; none if nothing changes. @throws {AppError} `refused` with the reason */
export const decideInLhc = (context: VisitorContext, command: LhcCommand): VisitorFact[] =>
  command.type === 'SetOwner' ? setOwner(context, command) : writeInLhc(context, command);
