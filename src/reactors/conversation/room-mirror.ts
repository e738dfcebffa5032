/**
 * Shows the room of a chat what is said in the chat (docs/adr/0062). The private window keeps every promise: a room that
 * fails is left out, and holds nobody up but while the visitor's session is on its way, which the window waits for as well.
 */
import type { Logger } from 'pino';
import { streamOf, type VisitorKey, visitorRef } from '../../actors/ids.ts';
import { roomAt } from '../../actors/visitor/room.ts';
import type { ChatRoom, VisitorState } from '../../actors/visitor/state.ts';
import { AppError, isExpected, isRefused, messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import type { PersonalData } from '../personal-data.ts';
import type { OpenRoom } from '../rooms/room-making.ts';
import type { VisitorRooms } from '../rooms/visitor-rooms.ts';
import { marked } from '../texts/mark.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { laneLost, type Sender } from './delivery.ts';
import type { Shown, VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

/** This process does not send the same into a room again within this time. mod_lhc drops repeats too. */
const SENT_REMEMBERED_MS = 10 * 60_000;
const MESSAGES_REMEMBERED = 5_000;
/** Messages that wait for an operator, shown in the room at once. The others come when somebody has the chat. */
export const ROOM_MAX_WAITING = 50;

export interface MirrorOptions {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'of' | 'profileOf'>;
  readonly files: VisitorFiles;
  readonly rooms: VisitorRooms;
  readonly now: () => number;
  readonly logger: Logger;
}

/** A line of the service in a room. */
export interface RoomLine {
  /** The stanza's id. */
  readonly id: string;
  readonly text: string;
}

export interface RoomMirror {
  /** The room in which a fact of this revision belongs; null if the chat had none then. */
  roomOf(state: VisitorState, revision: number): ChatRoom | null;
  /** The visitor's name in rooms. It says that it is the visitor's: they choose it, and might take an operator's. */
  nameOf(sender: Sender, state: VisitorState): Promise<string>;
  /** The room for ejabberd. */
  openRoom(sender: Sender, state: VisitorState, room: ChatRoom): Promise<OpenRoom>;
  /**
   * Shows the visitor's words. @throws {AppError} as {@link RoomMirror.line}
   */
  say(
    sender: Sender,
    state: VisitorState,
    room: ChatRoom,
    message: { readonly id: string } & Shown,
  ): Promise<void>;
  /** Shows what the visitor has written since this revision while the chat has no operator. @throws {AppError} as above */
  showWaiting(sender: Sender, state: VisitorState, from: number): Promise<void>;
  /**
   * Writes a line of the service.
   * @returns false if the room did not take it
   * @throws {AppError} `unavailable` if the visitor's session is on its way, or another process has the visitor
   */
  line(sender: Sender, state: VisitorState, room: ChatRoom, line: RoomLine): Promise<boolean>;
}

export function createRoomMirror(options: MirrorOptions): RoomMirror {
  const { store, personal, rooms, now, logger } = options;
  const sent = new Lru<number>(MESSAGES_REMEMBERED);

  const wasSent = (key: string): boolean => {
    const at = sent.get(key);
    return at !== undefined && now() - at < SENT_REMEMBERED_MS;
  };

  async function nameOf({ tenant, key }: Sender, state: VisitorState): Promise<string> {
    const { profile } = await personal.profileOf(tenant.id, key, state);
    return visitorAs(key, profile);
  }

  const openRoom: RoomMirror['openRoom'] = async (sender, state, { members }) => ({
    members,
    nick: await nameOf(sender, state),
  });

  const streamIn = ({ tenant, key }: Sender): string => streamOf(visitorRef(tenant.id, key));

  async function send(
    sender: Sender,
    state: VisitorState,
    room: ChatRoom,
    content: Parameters<VisitorRooms['send']>[2],
  ): Promise<boolean> {
    const key = `${streamIn(sender)} ${room.revision} ${content.id}`;
    if (wasSent(key)) return true;
    try {
      await rooms.send(sender, await openRoom(sender, state, room), content);
    } catch (error) {
      return leftOut(logger, sender, error);
    }
    sent.set(key, now());
    return true;
  }

  const say: RoomMirror['say'] = async (sender, state, room, message) => {
    await send(sender, state, room, message);
  };

  return {
    roomOf: ({ context }, revision) => roomAt(context, revision),
    nameOf,
    openRoom,
    say,
    async showWaiting(sender, state, from) {
      const { chat, openMessages } = state.context;
      const waiting = openMessages.filter(
        ({ chatId, revision, taken }) => chatId === chat?.id && revision >= from && !taken,
      );
      for (const { id, revision } of waiting.slice(0, ROOM_MAX_WAITING)) {
        const room = roomAt(state.context, revision);
        if (!room || wasSent(`${streamIn(sender)} ${room.revision} ${id}`)) continue;
        const event: RecordedEvent | null = await eventAt(store, streamIn(sender), revision);
        const shown = event && (await shownOf(options, sender.tenant, event));
        if (shown) await say(sender, state, room, { id, ...shown });
      }
    },
    line: (sender, state, room, { id, text }) =>
      send(sender, state, room, { id, body: marked(text), notice: true }),
  };
}

/**
 * A room that failed is left out.
 * @returns false @throws {AppError} if the effect has to be tried again as a whole
 */
export function leftOut(
  logger: Logger,
  { tenant, key, mayAct }: { tenant: Sender['tenant']; key: VisitorKey; mayAct: () => boolean },
  error: unknown,
): false {
  if (!(error instanceof AppError) || isExpected(error)) throw error;
  if (!mayAct()) throw laneLost();
  const about = { tenant: tenant.id, visitor: key, refused: isRefused(error) };
  logger.debug({ ...about, reason: messageOf(error) }, 'the room of a chat was left out');
  return false;
}
