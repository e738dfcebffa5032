/**
 * How the room of a visitor's chat is made at ejabberd (docs/adr/0062): its options, its members, the visitor's place in it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  operatorJid,
  otherVisitorJid,
  type Username,
  type VisitorKey,
  visitorJid,
} from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, isRefused } from '../../errors.ts';
import { cut } from '../../kit/cut.ts';
import { legibleText } from '../../kit/xml-text.ts';
import type { EjabberdRooms, Room } from '../../xmpp/port.ts';

/** The making of a room is given up after this time. It goes on behind the call that began it. */
export const MAKING_MOST_MS = 30_000;
/** How long a room that is destroyed may take to end. Measured: some ms. */
const ENDING_MS = 100;
/** Characters of a visitor's name in a room. */
export const ROOM_NICK_CHARACTERS = 100;

/**
 * Every option that matters, whatever ejabberd's default is. Members only comes first: it throws out whoever is no member
 * and has come in before.
 * Persistent: a restart of ejabberd keeps the room.
 */
const OPTIONS: Readonly<Record<string, string>> = {
  members_only: 'true',
  public: 'false',
  persistent: 'true',
  anonymous: 'false',
  // A subscriber has no voice in a moderated room of 23.01.
  moderated: 'false',
  allow_voice_requests: 'false',
  allow_query_users: 'false',
  allow_subscription: 'true',
  allow_user_invites: 'false',
  allow_change_subj: 'false',
  mam: 'false',
};
/** ejabberd knows no such node, so a subscriber gets nothing of the room. It wants one. */
const NO_NODE = 'urn:xmpp-chat:room:1';

/** The room of a visitor's chat, from the visitor's state. */
export interface OpenRoom {
  /** Operators who were let in. */
  readonly members: readonly Username[];
  /** The visitor's name. */
  readonly nick: string;
}

/** A visitor, by whose name a room is called. */
export interface RoomOwner {
  readonly tenant: Tenant;
  readonly key: VisitorKey;
}

/** What ejabberd has of a room, as far as this process knows. */
export interface Ready {
  /** The visitor's, who is subscribed. */
  readonly address: string;
  readonly nick: string;
  readonly members: Set<string>;
}

/** A room, and what this process knows of it. */
export interface RoomInMaking {
  /** As its last call had it: the tenant's transport may change. */
  owner: RoomOwner;
  readonly room: Room;
  ready: Ready | null;
  /** ejabberd has had it. */
  wasMade: boolean;
}

export const late = (): AppError => new AppError('timeout', 'ejabberd has not done it in time');

/**
 * Without the visitor's name: clients keep the title with a bookmark in the operator's account, where no erasure finds it.
 */
const titleOf = ({ key }: RoomOwner): string => `Chat with visitor ${key}`;

/** The visitor's name, as a nick of a room can be. */
const shortName = (name: string): string =>
  cut(legibleText(name).replace(/[\p{Cc}\p{Z}]+/gu, ' '), ROOM_NICK_CHARACTERS).trim();

/** What to try: somebody in the room may have the name, or ejabberd takes no such name. */
const nicksOf = (nick: string, key: VisitorKey): readonly string[] => [
  ...(nick === '' ? [] : [nick, `${nick} (visitor)`]),
  `visitor ${key}`,
];

export function createRoomMaking({
  rooms,
  monotonic,
}: {
  readonly rooms: EjabberdRooms;
  readonly monotonic: () => number;
}) {
  /** Gives the visitor their place, by which they may write without being there. */
  async function subscribe(
    { room, owner }: RoomInMaking,
    address: string,
    nick: string,
  ): Promise<void> {
    const nicks = nicksOf(nick, owner.key);
    for (const [index, each] of nicks.entries()) {
      try {
        await rooms.subscribe(room, address, each, NO_NODE);
        break;
      } catch (error) {
        if (!isRefused(error) || index === nicks.length - 1) throw error;
      }
    }
    // ejabberd stores a room with a new subscriber as open to everybody, for its next start. This stores it anew.
    await rooms.setOption(room, 'members_only', 'true');
  }

  /** Makes the room, or sets all of it again. */
  async function makeAnew(entry: RoomInMaking, open: OpenRoom): Promise<void> {
    const endsAt = monotonic() + MAKING_MOST_MS;
    entry.ready = null;
    await rooms.create(entry.room);
    entry.wasMade = true;
    try {
      await setUp(entry, open, endsAt);
    } catch (error) {
      if (!isRefused(error)) throw error;
      // ejabberd answers before a room that it destroys has ended, and takes it for one that exists.
      await delay(ENDING_MS);
      await rooms.create(entry.room);
      await setUp(entry, open, endsAt);
    }
  }

  async function setUp(
    entry: RoomInMaking,
    { members, nick }: OpenRoom,
    endsAt: number,
  ): Promise<void> {
    const { room, owner } = entry;
    const step = async (work: Promise<void>): Promise<void> => {
      await work;
      if (monotonic() > endsAt) throw late();
    };
    const address = visitorJid(owner.tenant, owner.key);
    const name = shortName(nick);
    const ready: Ready = { address, nick: name, members: new Set() };
    await step(rooms.addMember(room, address));
    await letIn(entry, ready, members);
    // One after the other: ejabberd reads all options, changes one, and writes all.
    for (const [option, value] of Object.entries({ ...OPTIONS, title: titleOf(owner) })) {
      await step(rooms.setOption(room, option, value));
    }
    // After a change of the transport the other address has the name still.
    await step(rooms.unsubscribe(room, otherVisitorJid(owner.tenant, owner.key)));
    await step(subscribe(entry, address, name));
    entry.ready = ready;
  }

  async function letIn(
    { room, owner }: RoomInMaking,
    { members }: Ready,
    operators: readonly Username[],
  ): Promise<void> {
    for (const operator of operators) {
      const jid = operatorJid(owner.tenant, operator);
      if (members.has(jid)) continue;
      await rooms.addMember(room, jid);
      members.add(jid);
    }
  }

  /** What differs from what is ready. @throws {AppError} `refused`: the room may be gone */
  async function change(
    entry: RoomInMaking,
    ready: Ready,
    { members, nick }: OpenRoom,
  ): Promise<void> {
    const name = shortName(nick);
    await letIn(entry, ready, members);
    if (name === ready.nick) return;
    await subscribe(entry, ready.address, name);
    entry.ready = { ...ready, nick: name };
  }

  /** Makes the room as it has to be, if it is not so already. */
  async function makeReady(entry: RoomInMaking, open: OpenRoom): Promise<void> {
    const { ready, owner } = entry;
    if (ready?.address !== visitorJid(owner.tenant, owner.key)) return makeAnew(entry, open);
    try {
      await change(entry, ready, open);
    } catch (error) {
      if (!isRefused(error)) throw error;
      await makeAnew(entry, open);
    }
  }

  return { makeReady, makeAnew, subscribe };
}
