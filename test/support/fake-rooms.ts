/** Rooms of ejabberd for tests of reactors, in memory. They keep the promises of `EjabberdRooms` in src/xmpp/port.ts. */
import { AppError } from '../../src/errors.ts';
import type { EjabberdRooms, OutgoingMessage, Room } from '../../src/xmpp/port.ts';

export interface FakeRoom {
  readonly options: Map<string, string>;
  readonly members: Set<string>;
  /** Nicks by JID. */
  readonly subscribers: Map<string, string>;
  readonly invited: string[];
  /** What was written into it: `from: body`. */
  readonly texts: string[];
}

const jidOf = ({ name, service }: Room): string => `${name}@${service}`;

export function fakeRooms() {
  const all = new Map<string, FakeRoom>();
  /** The call and its arguments, in order. */
  const calls: string[] = [];
  const state = {
    /** Runs before each call. It may throw or wait. */
    before: async (_call: string): Promise<void> => {},
  };

  async function called(...parts: readonly string[]): Promise<void> {
    const call = parts.join(' ');
    calls.push(call);
    await state.before(call);
  }

  function there(room: Room): FakeRoom {
    const known = all.get(jidOf(room));
    if (known) return known;
    throw new AppError('refused', 'ejabberd refused it: 400 Room not found');
  }

  const rooms: EjabberdRooms = {
    async list(service, take) {
      await called('list', service);
      const names = [...all.keys()].filter((jid) => jid.endsWith(`@${service}`));
      take(names.map((jid) => jid.slice(0, jid.lastIndexOf('@'))));
    },
    async create(room) {
      await called('create', jidOf(room));
      if (all.has(jidOf(room))) return;
      all.set(jidOf(room), {
        options: new Map(),
        members: new Set(),
        subscribers: new Map(),
        invited: [],
        texts: [],
      });
    },
    async setOption(room, option, value) {
      await called('setOption', jidOf(room), option, value);
      there(room).options.set(option, value);
    },
    async addMember(room, jid) {
      await called('addMember', jidOf(room), jid);
      there(room).members.add(jid);
    },
    async subscribe(room, jid, nick) {
      await called('subscribe', jidOf(room), jid, nick);
      const { subscribers } = there(room);
      const isTaken = [...subscribers].some(([other, name]) => name === nick && other !== jid);
      if (isTaken) throw new AppError('refused', 'ejabberd refused it: 400 That nickname is taken');
      subscribers.set(jid, nick);
    },
    async unsubscribe(room, jid) {
      await called('unsubscribe', jidOf(room), jid);
      all.get(jidOf(room))?.subscribers.delete(jid);
    },
    async invite(room, jids) {
      await called('invite', jidOf(room), ...jids);
      there(room).invited.push(...jids);
    },
    async say(room, from, _id, body) {
      await called('say', jidOf(room), from);
      all.get(jidOf(room))?.texts.push(`${from}: ${body}`);
    },
    async destroy(room) {
      await called('destroy', jidOf(room));
      all.delete(jidOf(room));
    },
  };

  /** What a room does with a message, as ejabberd does it. @throws {AppError} `refused`: it comes back */
  function take({ to, from, body }: OutgoingMessage): void {
    const room = all.get(to);
    const returned = (condition: string) =>
      new AppError('refused', condition, { condition, returned: true });
    if (!room) throw returned('item-not-found');
    const nick = room.subscribers.get(from);
    if (nick === undefined) throw returned('not-acceptable');
    room.texts.push(`${nick}: ${body}`);
  }

  return { rooms, all, calls, state, take };
}
