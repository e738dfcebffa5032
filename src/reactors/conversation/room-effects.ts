/** Effects of the facts of a chat's room, and of what is said there and in the conversation (docs/adr/0062). */
import type { Username } from '../../actors/ids.ts';
import type { Of, VisitorEvent } from '../../actors/visitor/facts.ts';
import type { ChatRoom, VisitorState } from '../../actors/visitor/state.ts';
import { isRefused } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import type { VisitorRooms } from '../rooms/visitor-rooms.ts';
import {
  askedIn,
  inTheRoom,
  madeRoom,
  notMade,
  reasonToCome,
  roomLink,
  welcome,
  whisperedTo,
  whisperOf,
  wordsOf,
} from '../texts/room.ts';
import { type Delivery, type Line, lineIdOf, lineOf, type Sender } from './delivery.ts';
import { leftOut, type MirrorOptions, type RoomMirror } from './room-mirror.ts';

/** How long the lane tries to make a room. What the visitor writes waits behind it. */
export const ROOM_MAKING_MOST_MS = 5_000;

/** Facts whose only effects are those here. */
const OF_ROOMS = [
  'RoomOpened',
  'RoomJoined',
  'RoomClosed',
  'Whispered',
  'OperatorMessageReceived',
  'OperatorMessageRetracted',
] as const;
const types: ReadonlySet<string> = new Set(OF_ROOMS);

type RoomEvent = Of<(typeof OF_ROOMS)[number]>;

export const isOfRoom = (fact: VisitorEvent): fact is RoomEvent => types.has(fact.type);

export interface RoomEffectParts extends Pick<MirrorOptions, 'now' | 'logger'> {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly personal: Pick<PersonalData, 'bodyOf' | 'ownerInLhc'>;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly answers: Pick<Answers, 'saidBefore'>;
  readonly delivery: Pick<Delivery, 'sendLines'>;
  readonly rooms: VisitorRooms;
  readonly mirror: RoomMirror;
}

interface At {
  readonly sender: Sender;
  readonly state: VisitorState;
  readonly event: RecordedEvent;
}

/** Performs what a fact of a room calls for. @throws {AppError} as {@link Delivery}, and while a room is being made */
export async function performRoomFact(
  parts: RoomEffectParts,
  at: At,
  fact: RoomEvent,
): Promise<void> {
  switch (fact.type) {
    case 'RoomOpened':
      return makeRoom(parts, at, fact.data);
    case 'RoomJoined':
      return letIn(parts, at, fact.data);
    case 'RoomClosed': {
      const { by, chatId } = fact.data;
      if (by !== null) return;
      const asked = at.state.context.endedRoom?.members ?? [];
      return privately(
        parts,
        at,
        asked.map((to) => ({ to, text: notMade(chatId) })),
      );
    }
    case 'Whispered':
      return showWhisper(parts, at, fact.data);
    case 'OperatorMessageReceived':
      return showWords(parts, at, fact.data);
    case 'OperatorMessageRetracted':
      return; // the notice says it
  }
}

/** Lines for operators in their conversation with the visitor. */
const privately = (
  { delivery }: RoomEffectParts,
  { sender, event }: At,
  lines: readonly Pick<Line, 'to' | 'text' | 'inRoom'>[],
): Promise<void> =>
  delivery.sendLines(
    sender,
    lines.map((line, index) => lineOf(event, event.revision, index, line)),
  );

/**
 * Makes the room and lets its members in.
 * @param isNew nobody else may be in it
 * @returns false if ejabberd does not do it
 * @throws {AppError} if it may do so in a moment
 */
async function ready(
  parts: RoomEffectParts,
  { sender, state, event }: At,
  room: ChatRoom,
  isNew = false,
): Promise<boolean> {
  const { rooms, mirror, now, logger } = parts;
  try {
    const open = await mirror.openRoom(sender, state, room);
    if (isNew) await rooms.open(sender, open, event.id);
    else await rooms.ensure(sender, open);
    return true;
  } catch (error) {
    const isOver = now() - event.metadata.at > ROOM_MAKING_MOST_MS;
    if (!isRefused(error) && !isOver) throw error;
    return leftOut(logger, sender, error);
  }
}

async function invite(
  { rooms, mirror, logger }: RoomEffectParts,
  { sender, state }: At,
  operators: readonly Username[],
  chatId: string,
): Promise<void> {
  const reason = reasonToCome(chatId, await mirror.nameOf(sender, state));
  await rooms
    .invite(sender, operators, reason)
    // A line says where the room is.
    .catch((error) => leftOut(logger, sender, error));
}

async function makeRoom(
  parts: RoomEffectParts,
  at: At,
  { chatId, operator, members }: Of<'RoomOpened'>['data'],
): Promise<void> {
  const { sender, state, event } = at;
  const { room, chat } = state.context;
  // It was closed meanwhile.
  if (room?.revision !== event.revision) return;
  if (!(await ready(parts, at, room, true))) {
    const command = { type: 'CloseRoom', chatId, operator: null } as const;
    const visitor = parts.actors.visitor(sender.tenant.id, sender.key);
    await visitor.send(command, { commandId: `no-room:${event.id}` });
    return;
  }
  const { of: nameOf } = await parts.names.of(sender.tenant.id);
  const visitorName = await parts.mirror.nameOf(sender, state);
  const inLhc = await parts.personal.ownerInLhc(sender.tenant.id, sender.key, state, nameOf);
  const owner = chat?.operator ? nameOf(chat.operator) : inLhc;
  // Whoever comes in later gets these from the room itself, so they are there before anybody is asked in.
  const said = await parts.answers.saidBefore(sender.tenant.id, sender.key, event.revision);
  const lines = [welcome(chatId, visitorName, owner), ...said];
  for (const [index, text] of lines.entries()) {
    const id = lineIdOf(event.revision, `room-${event.id}.${index}`);
    await parts.mirror.line(sender, state, room, { id, text });
  }
  await invite(parts, at, members, chatId);
  const link = roomLink(sender.tenant, sender.key);
  const others = members.filter((each) => each !== operator);
  await privately(parts, at, [
    { to: operator, text: madeRoom(chatId, link, others.map(nameOf)) },
    ...others.map((to) => ({ to, text: askedIn(chatId, link, nameOf(operator)) })),
  ]);
}

async function letIn(
  parts: RoomEffectParts,
  at: At,
  { chatId, operators, by }: Of<'RoomJoined'>['data'],
): Promise<void> {
  const { sender, state, event } = at;
  const { room } = state.context;
  if (!room || room.revision > event.revision) return;
  await ready(parts, at, room);
  await invite(parts, at, operators, chatId);
  const { of: nameOf } = await parts.names.of(sender.tenant.id);
  const link = roomLink(sender.tenant, sender.key);
  const others = operators.filter((each) => each !== by);
  await privately(parts, at, [
    ...(by === null ? [] : [{ to: by, text: madeRoom(chatId, link, others.map(nameOf)) }]),
    ...others.map((to) => ({ to, text: askedIn(chatId, link, by === null ? null : nameOf(by)) })),
  ]);
}

/** A line in the room. @returns false if there is no room, or it did not take the line */
async function inRoom({ mirror }: RoomEffectParts, { sender, state, event }: At, text: string) {
  const room = mirror.roomOf(state, event.revision);
  if (!room) return false;
  const id = lineIdOf(event.revision, `room-${event.id}`);
  return mirror.line(sender, state, room, { id, text });
}

/** What an operator writes in the conversation, for the room; and what is written there, for who has the chat. */
async function showWords(
  parts: RoomEffectParts,
  at: At,
  { operator, chatId, room, toRoom, corrects }: Of<'OperatorMessageReceived'>['data'],
): Promise<void> {
  const { sender, state, event } = at;
  const body = await parts.personal.bodyOf(event);
  if (body === null) return; // erased with the visitor
  const { of: nameOf } = await parts.names.of(sender.tenant.id);
  const isCorrection = corrects !== undefined;
  if (toRoom) await inRoom(parts, at, wordsOf(nameOf(operator), body, isCorrection));
  const { chat, lastChatId, lastOperator } = state.context;
  // Of a chat that has ended meanwhile it is whoever had it last.
  const last = chat === null && lastChatId === chatId ? lastOperator : null;
  const owner = chat?.id === chatId ? chat.operator : last;
  // What they wrote in the conversation stands there.
  if (owner === null || (owner === operator && !room)) return;
  const author = inTheRoom(owner === operator ? 'You' : nameOf(operator));
  await privately(parts, at, [
    { to: owner, text: wordsOf(author, body, isCorrection), inRoom: true },
  ]);
}

async function showWhisper(
  parts: RoomEffectParts,
  at: At,
  { operator, to, room, toRoom, corrects }: Of<'Whispered'>['data'],
): Promise<void> {
  const { sender, event } = at;
  const body = await parts.personal.bodyOf(event);
  if (body === null) return; // erased with the visitor
  const { of: nameOf } = await parts.names.of(sender.tenant.id);
  const text = whisperOf(nameOf(operator), body, corrects !== undefined);
  const isThere = room === true || (toRoom === true && (await inRoom(parts, at, text)));
  const lines: Pick<Line, 'to' | 'text' | 'inRoom'>[] = [];
  if (to) lines.push({ to, text, ...(isThere && { inRoom: true }) });
  if (!room) lines.push({ to: operator, text: whisperedTo(to ? nameOf(to) : null, isThere) });
  await privately(parts, at, lines);
}
