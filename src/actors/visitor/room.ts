/**
 * The chat room of a chat, and whispers (docs/adr/0062). Any operator may open a room for the open chat. Who writes there
 * writes to the visitor, and the chat keeps its operator.
 */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import { isByLhc } from './addressed.ts';
import { chatAssigned } from './chat-facts.ts';
import type { Of, VisitorFact } from './facts.ts';
import type { Change } from './message-changes.ts';
import { openChat, refuseForeign, SOMEBODY_IN_LHC } from './open-chat.ts';
import type { Chat, ChatRoom, VisitorContext } from './state.ts';
import { ownMessage } from './written.ts';

/** Operators who are let into one room. */
export const MAX_ROOM_MEMBERS = 20;

export const NO_ROOM: Pick<VisitorContext, 'room' | 'endedRoom'> = { room: null, endedRoom: null };

export type RoomCommand =
  /** @param operators who are let in beside the one who asks and the chat's operator */
  | { type: 'OpenRoom'; operator: Username; operators: readonly Username[] }
  /** @param operator null: ejabberd could not make it */
  | { type: 'CloseRoom'; chatId: string | null; operator: Username | null }
  /**
   * A word to colleagues.
   * @param room it was written in the room
   * @param replaces the id of the message that it corrects (XEP-0308)
   */
  | {
      type: 'Whisper';
      operator: Username;
      messageId: string;
      body: string;
      room?: boolean;
      replaces?: string;
    };

type CommandOf<T extends RoomCommand['type']> = Extract<RoomCommand, { type: T }>;

/** A message that the visitor has stays a message. */
export const KEEPS_MESSAGE =
  'the visitor has the message that you have corrected; write the command as a message of its own';
/** A whisper that was corrected into words for the visitor. */
export const KEEPS_WHISPER =
  'what you have corrected was a whisper, and stays one; write to the visitor in a message of its own';

/** In the room stands more than the visitor has: private messages, commands, what was refused. */
export const CORRECTS_UNKNOWN =
  'the visitor has no message of yours that it corrects; write it as a message of its own';
export const QUOTES_UNKNOWN =
  'what it quotes is no message between you and the visitor; write it without the quotation';

/** The room in which what a fact says belongs; null if there was none then. @param revision of the fact */
export function roomAt(
  { room, endedRoom }: Pick<VisitorContext, 'room' | 'endedRoom'>,
  revision: number,
): ChatRoom | null {
  if (room && revision >= room.revision) return room;
  const isInEnded =
    endedRoom !== null && revision >= endedRoom.revision && revision <= endedRoom.until;
  return isInEnded ? endedRoom : null;
}

const together = (members: readonly Username[], more: readonly Username[]): Username[] => [
  ...new Set([...members, ...more]),
];

export const openedRoom = ({ data, revision }: Of<'RoomOpened'>): Change => ({
  room: { chatId: data.chatId, revision, members: data.members },
});

/** Whoever gets the chat is let in, also where the room is full: then the first ones are no members any more. */
export const joinedRoom = ({ room }: VisitorContext, { data }: Of<'RoomJoined'>): Change =>
  room
    ? {
        room: { ...room, members: together(room.members, data.operators).slice(-MAX_ROOM_MEMBERS) },
      }
    : {};

export const endedRoom = ({ room }: VisitorContext, revision: number): Change =>
  room ? { room: null, endedRoom: { ...room, until: revision } } : {};

function open(context: VisitorContext, command: CommandOf<'OpenRoom'>): VisitorFact[] {
  const { operator } = command;
  const { room } = context;
  const chat = context.chat ?? refuse('this visitor has no open chat, and a room is for one');
  // What a visitor writes then waits for an operator, and what is behind it waits too (docs/adr/0062).
  if (chat.operator === null && !chat.inLhc)
    return refuse('nobody has this chat; write !take first');
  if (isByLhc(context)) return refuse('LHC picks the operators of this chat, and it has no room');
  const asked = together([operator], command.operators);
  const members = together(room?.members ?? (chat.operator ? [chat.operator] : []), asked);
  if (members.length > MAX_ROOM_MEMBERS) {
    return refuse(`at most ${MAX_ROOM_MEMBERS} operators are let into a room`);
  }
  const { id: chatId } = chat;
  if (room) return [{ type: 'RoomJoined', data: { chatId, operators: asked, by: operator } }];
  return [{ type: 'RoomOpened', data: { chatId, operator, members } }];
}

function close(context: VisitorContext, command: CommandOf<'CloseRoom'>): VisitorFact[] {
  const { operator, chatId } = command;
  const { room, chat } = context;
  if (operator === null) {
    // Another one may have been opened meanwhile.
    return room?.chatId === chatId && room !== null
      ? [{ type: 'RoomClosed', data: { chatId: room.chatId, by: null } }]
      : [];
  }
  if (!room) return refuse('this chat has no room');
  if (!room.members.includes(operator) && chat?.operator !== operator) {
    return refuse('you were not let into this room; write !room to come in');
  }
  return [{ type: 'RoomClosed', data: { chatId: room.chatId, by: operator } }];
}

function whisper(context: VisitorContext, command: CommandOf<'Whisper'>): VisitorFact[] {
  const { operator, messageId, body, room = false, replaces } = command;
  const corrected = replaces === undefined ? null : ownMessage(context, operator, replaces);
  if (corrected && !corrected.whisper) return refuse(KEEPS_MESSAGE);
  const { chat } = context;
  if (!chat) return refuse('this visitor has no open chat, so nobody would read it');
  if (room && !context.room) return refuse('this chat has no room now');
  const to = chat.operator === operator ? null : chat.operator;
  if (!context.room && to === null) return refuse(unread(chat));
  return [
    {
      type: 'Whispered',
      data: {
        chatId: chat.id,
        operator,
        messageId,
        ...(room && { room }),
        ...(context.room && !room && { toRoom: true }),
        ...(to !== null && { to }),
        ...(corrected && { corrects: corrected.revision }),
        ...(replaces !== undefined && !corrected && { insteadOf: replaces }),
      },
      personal: { body },
    },
  ];
}

/** Why nobody would read a whisper. */
function unread({ operator, inLhc }: Chat): string {
  if (operator !== null) return 'you have this chat alone, so nobody would read it';
  return inLhc
    ? `${SOMEBODY_IN_LHC} has this chat, and reads no whispers; write !note`
    : 'nobody has this chat, so nobody would read it';
}

/** The facts that a command causes. @throws {AppError} `refused` with the reason */
export function decideRoom(context: VisitorContext, command: RoomCommand): VisitorFact[] {
  switch (command.type) {
    case 'OpenRoom':
      return open(context, command);
    case 'CloseRoom':
      return close(context, command);
    case 'Whisper':
      return whisper(context, command);
  }
}

/** Whoever has the chat by these facts is let into its room. */
export function withOwnerInRoom(
  { room }: VisitorContext,
  facts: readonly VisitorFact[],
): readonly VisitorFact[] {
  if (!room) return facts;
  return facts.flatMap((fact): VisitorFact[] => {
    if (fact.type !== 'ChatAccepted' || room.members.includes(fact.data.operator)) return [fact];
    const { chatId, operator } = fact.data;
    return [fact, { type: 'RoomJoined', data: { chatId, operators: [operator], by: null } }];
  });
}

/** The open chat in whose room an operator writes. @throws {AppError} `refused` */
export function chatOfRoom(context: VisitorContext): Chat {
  const { chat, room } = context;
  if (!chat) return refuse('the chat of this room is over');
  if (!room) return refuse('this chat has no room now; write !room, or write to the visitor');
  return openChat(context, room.chatId);
}

/**
 * The facts beside the message itself by which somebody writes in the room. The chat keeps its operator; one that nobody has
 * goes to the writer, as it does outside the room.
 * @throws {AppError} `refused` if nobody has answered the chat, and others are asked
 */
export function answerInRoom(chat: Chat, operator: Username): VisitorFact[] {
  const { id: chatId } = chat;
  const accepted: VisitorFact = { type: 'ChatAccepted', data: { chatId, operator } };
  if (chat.operator === operator) return chat.accepted ? [] : [accepted];
  if (chat.accepted || chat.departmentTransfer?.by === operator) return [];
  if (chat.operator === null && !chat.inLhc) {
    return [chatAssigned(chat, operator, 'answered'), accepted];
  }
  return chat.answered ? [] : refuseForeign(chat);
}
