/** Rooms of visitors' chats with an ejabberd that is slow, away, or has lost them. Real ones are in test/ejabberd/. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { VisitorKey } from '../../../src/actors/ids.ts';
import { AppError } from '../../../src/errors.ts';
import {
  MAKING_MOST_MS,
  type OpenRoom,
  ROOM_NICK_CHARACTERS,
} from '../../../src/reactors/rooms/room-making.ts';
import {
  CALLS_OF_VISITOR_ROOM,
  createVisitorRooms,
} from '../../../src/reactors/rooms/visitor-rooms.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import type { OutgoingMessage, TransportListener } from '../../../src/xmpp/port.ts';
import { fakeRooms } from '../../support/fake-rooms.ts';
import { tenantId, username, visitorKey } from '../../support/names.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const HOST = 'xmpp.test';
const WAIT_MS = 200;
const ACCOUNTS = tenantWith({ id: tenantId('acme'), host: HOST, apiKey: 'key-of-acme-0123456789' });
const COMPONENT = { ...ACCOUNTS, transport: 'component' } as const;
const KEY = visitorKey('7');
const ROOM = `visitor.7@conference.${HOST}`;
const ADDRESS = `visitor.7@${HOST}`;
const AT_COMPONENT = `visitor.7@visitors.${HOST}`;
const [OLGA, SUSI] = [username('olga'), username('susi')];
const open = (nick = 'Anna', ...members: string[]): OpenRoom => ({
  nick,
  members: members.map(username),
});
const text = (id: string) => ({ id, body: `text ${id}` });

function world() {
  const ejabberd = fakeRooms();
  const online = new Set([ADDRESS, AT_COMPONENT]);
  const listeners: TransportListener[] = [];
  const sent: string[] = [];
  const lines: { reason: string }[] = [];
  const state = {
    now: 0,
    /** Whether facts say that the visitor is there. */
    presence: 'online',
    send: async (message: OutgoingMessage): Promise<void> => {
      ejabberd.take(message);
    },
  };
  const rooms = createVisitorRooms({
    rooms: ejabberd.rooms,
    transport: {
      isOnline: (jid) => online.has(jid),
      listen: (listener) => void listeners.push(listener),
      async send(message) {
        sent.push(`session ${message.id}`);
        await state.send(message);
      },
    },
    admin: {
      async sendMessage(message) {
        sent.push(`api ${message.id}`);
        // The answer of the room does not come back.
        await state.send(message).catch(() => undefined);
      },
    },
    actors: {
      // Of a visitor's state only this is read.
      visitor: () => ({ state: async () => ({ presence: state.presence }) }) as never,
    },
    ownership: soleOwner,
    logger: pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    monotonic: () => state.now,
    random: () => 1,
    waitMs: WAIT_MS,
    rest: { firstMs: 1_000, mostMs: 4_000 },
  });
  const sender = (tenant = ACCOUNTS, key: VisitorKey = KEY) => ({
    tenant,
    key,
    mayAct: () => true,
  });
  const room = () => ejabberd.all.get(ROOM);
  return {
    ...ejabberd,
    ejabberd: ejabberd.rooms,
    rooms,
    room,
    sender,
    online,
    listeners,
    sent,
    lines,
    control: state,
  };
}

const isResting = { code: 'unavailable', details: { isResting: true } };

it('makes a room with all of its options, lets members and the visitor in, and does it once', async () => {
  const { rooms, room, sender, calls } = world();
  await rooms.ensure(sender(), open('Anna', 'olga', 'susi'));
  expect(Object.fromEntries(room()?.options ?? [])).toEqual({
    members_only: 'true',
    public: 'false',
    persistent: 'true',
    anonymous: 'false',
    moderated: 'false',
    allow_voice_requests: 'false',
    allow_query_users: 'false',
    allow_subscription: 'true',
    allow_user_invites: 'false',
    allow_change_subj: 'false',
    mam: 'false',
    // Clients keep it in bookmarks.
    title: 'Chat with visitor 7',
  });
  const forMembers = `setOption ${ROOM} members_only true`;
  expect(calls.slice(0, 5), 'or a member who is quick is thrown out').toEqual([
    `create ${ROOM}`,
    ...[ADDRESS, `olga@${HOST}`, `susi@${HOST}`].map((jid) => `addMember ${ROOM} ${jid}`),
    forMembers,
  ]);
  expect(calls.at(-1), 'or the room is open after a restart of ejabberd').toBe(forMembers);
  expect([...(room()?.members ?? [])]).toEqual([ADDRESS, `olga@${HOST}`, `susi@${HOST}`]);
  expect([...(room()?.subscribers ?? [])]).toEqual([[ADDRESS, 'Anna']]);
  const made = calls.length;
  await rooms.ensure(sender(), open('Anna', 'olga', 'susi'));
  expect(calls).toHaveLength(made);
  await rooms.ensure(sender(), open('Anna Maria', 'olga', 'susi', 'paul'));
  expect(calls.slice(made)).toEqual([
    `addMember ${ROOM} paul@${HOST}`,
    `subscribe ${ROOM} ${ADDRESS} Anna Maria`,
    forMembers,
  ]);
  await rooms.invite(sender(), [OLGA, SUSI], 'Chat 7');
  expect(room()?.invited).toEqual([`olga@${HOST}`, `susi@${HOST}`]);
});

it('is made anew for a new chat, once: whoever is left in the one before is out', async () => {
  const { rooms, room, sender, calls, state, control } = world();
  await rooms.open(sender(), open('Anna', 'olga', 'susi'), 'chat 1');
  calls.length = 0;
  await rooms.open(sender(), open('Anna', 'olga'), 'chat 2');
  expect(calls.slice(0, 2)).toEqual([`destroy ${ROOM}`, `create ${ROOM}`]);
  expect([...(room()?.members ?? [])]).toEqual([ADDRESS, `olga@${HOST}`]);
  calls.length = 0;
  await rooms.open(sender(), open('Anna', 'olga'), 'chat 2');
  expect(calls).toEqual([]);
  // A try that fails in the middle goes on with the room that it has made.
  state.before = async (call) => {
    if (call.includes('title')) throw new AppError('unavailable', 'ejabberd is away');
  };
  await expect(rooms.open(sender(), open('Anna', 'olga'), 'chat 3')).rejects.toThrow('away');
  state.before = async () => {};
  control.now += 60_000;
  calls.length = 0;
  await rooms.open(sender(), open('Anna', 'olga'), 'chat 3');
  expect(calls).not.toContain(`destroy ${ROOM}`);
  expect(room()?.options.get('members_only')).toBe('true');
});

it('a room of an instance has its name, and members of the instance', async () => {
  const { rooms, all, sender } = world();
  const tenant = tenantWith({
    id: tenantId('acme'),
    host: HOST,
    instance: 'shop',
    apiKey: 'key-of-acme-0123456789',
  });
  await rooms.ensure(sender(tenant), open('Anna', 'olga'));
  const room = all.get(`visitor.7.shop@conference.${HOST}`);
  expect([...(room?.members ?? [])]).toEqual([`visitor.7.shop@${HOST}`, `olga.shop@${HOST}`]);
});

it.each([
  ['', 'visitor 7'],
  ['a\u0000b\n c\u2028', 'ab c'],
  ['x'.repeat(ROOM_NICK_CHARACTERS + 1), 'x'.repeat(ROOM_NICK_CHARACTERS)],
])('a name that no room takes: %j', async (name, nick) => {
  const { rooms, room, sender } = world();
  await rooms.ensure(sender(), open(name));
  expect(room()?.subscribers.get(ADDRESS)).toBe(nick);
});

it('a name that somebody in the room has: the visitor gets another one', async () => {
  const { rooms, room, sender, ejabberd } = world();
  await ejabberd.create({ name: 'visitor.7', service: `conference.${HOST}` });
  room()?.subscribers.set(`anna@${HOST}`, 'Anna');
  await rooms.ensure(sender(), open('Anna'));
  expect(room()?.subscribers.get(ADDRESS)).toBe('Anna (visitor)');
});

it('a room that is gone, or does not know the visitor any more, is made anew, once', async () => {
  const { rooms, room, all, sender, sent, calls } = world();
  await rooms.send(sender(), open(), text('1'));
  all.delete(ROOM);
  await rooms.send(sender(), open('Anna', 'olga'), text('2'));
  expect(room()?.texts).toEqual(['Anna: text 2']);
  expect(room()?.members).toContain(`olga@${HOST}`);
  room()?.subscribers.clear();
  await rooms.send(sender(), open(), text('3'));
  expect(room()?.texts).toEqual(['Anna: text 2', 'Anna: text 3']);
  expect(sent).toEqual(['session 1', 'session 2', 'session 3', 'session 3']);
  expect(calls.filter((call) => call.startsWith('create'))).toHaveLength(3);
});

it('a room that is being destroyed looks as if it existed: it is made once more', async () => {
  const { rooms, room, all, sender, state } = world();
  let isEnding = true;
  state.before = async (call) => {
    if (isEnding && call.startsWith('addMember')) {
      isEnding = false;
      all.delete(ROOM);
    }
  };
  await rooms.ensure(sender(), open('Anna', 'olga'));
  expect(room()?.members).toContain(`olga@${HOST}`);
});

it('a room that takes no message even when it is new is left alone for a while, longer each time', async () => {
  const { rooms, sender, sent, control, lines } = world();
  const no = new AppError('refused', 'not-acceptable', { returned: true });
  control.send = async () => {
    throw no;
  };
  const send = (id: string) => rooms.send(sender(), open(), text(id));
  await expect(send('1')).rejects.toBe(no);
  expect(sent).toHaveLength(2);
  await expect(send('2')).rejects.toMatchObject(isResting);
  await expect(rooms.ensure(sender(), open())).rejects.toMatchObject(isResting);
  expect(sent, 'nothing is tried').toHaveLength(2);
  control.now = 999;
  await expect(send('3')).rejects.toMatchObject(isResting);
  control.now = 1_000;
  await expect(send('4')).rejects.toBe(no);
  control.now = 2_999;
  await expect(send('5'), 'twice as long').rejects.toMatchObject(isResting);
  control.now = 3_000;
  control.send = async () => {};
  await send('6');
  control.send = async () => {
    throw no;
  };
  await expect(send('7')).rejects.toBe(no);
  control.now = 4_000;
  await expect(send('8'), 'a success begins anew').rejects.toBe(no);
  expect(lines.map(({ reason }) => reason)).toEqual(Array(4).fill('not-acceptable'));
  expect(JSON.stringify(lines)).not.toContain('text');
});

it('nobody waits for a slow ejabberd, and what has begun goes on', async () => {
  const { rooms, room, sender, state, calls } = world();
  const { promise: answering, resolve: answer } = Promise.withResolvers<void>();
  state.before = () => answering;
  await expect(rooms.send(sender(), open(), text('1'))).rejects.toMatchObject({ code: 'timeout' });
  await expect(rooms.send(sender(), open(), text('2'))).rejects.toMatchObject(isResting);
  expect(calls).toEqual([`create ${ROOM}`]);
  answer();
  // The room is there in the end, so it rests no longer. What nobody waited for is not sent.
  await waitFor(() => room()?.subscribers.has(ADDRESS) === true);
  await rooms.send(sender(), open(), text('3'));
  expect(room()?.texts).toEqual(['Anna: text 3']);
  expect(calls.filter((call) => call.startsWith('create'))).toHaveLength(1);
});

it('what waited behind it, and nobody waits for any more, is not done', async () => {
  const { rooms, room, sender, state, calls } = world();
  const { promise: answering, resolve: answer } = Promise.withResolvers<void>();
  state.before = () => answering;
  const both = [rooms.ensure(sender(), open()), rooms.invite(sender(), [OLGA], 'Chat 7')];
  for (const { status } of await Promise.allSettled(both)) expect(status).toBe('rejected');
  answer();
  await waitFor(() => room()?.subscribers.has(ADDRESS) === true);
  await rooms.ensure(sender(), open('Anna', 'susi'));
  expect(calls.filter((call) => call.startsWith('invite'))).toEqual([]);
});

it('a message that is too long is refused, and no reason to make the room anew', async () => {
  const { rooms, sender, control, calls, sent } = world();
  const no = new AppError('refused', 'The message has 200001 bytes', { id: '1' });
  control.send = async () => {
    throw no;
  };
  await expect(rooms.send(sender(), open(), text('1'))).rejects.toBe(no);
  expect(sent).toEqual(['session 1']);
  expect(calls.filter((call) => call.startsWith('create'))).toHaveLength(1);
});

it('a room that did not answer is set up again before the next message', async () => {
  const { rooms, sender, control, calls } = world();
  control.send = async () => {
    throw new AppError('unavailable', 'the room does not answer');
  };
  await expect(rooms.send(sender(), open(), text('1'))).rejects.toMatchObject({
    code: 'unavailable',
  });
  control.send = async () => {};
  control.now = 1_000;
  await rooms.send(sender(), open(), text('2'));
  expect(calls.filter((call) => call.startsWith('create'))).toHaveLength(2);
});

it('the making of a room has an end', async () => {
  const { rooms, sender, state, control, calls } = world();
  state.before = async () => {
    control.now += MAKING_MOST_MS / 4;
  };
  await expect(rooms.ensure(sender(), open())).rejects.toMatchObject({ code: 'timeout' });
  expect(calls).toHaveLength(5);
});

it('calls of one room have a bound, and those of another room do not wait for them', async () => {
  const { rooms, all, sender, state } = world();
  state.before = (call) => (call.includes(ROOM) ? new Promise(() => {}) : Promise.resolve());
  const calls = Array.from({ length: CALLS_OF_VISITOR_ROOM + 1 }, () =>
    rooms.ensure(sender(), open()),
  );
  const codes = (await Promise.allSettled(calls)).map((each) =>
    each.status === 'rejected' ? each.reason.code : each.status,
  );
  expect(codes.at(-1)).toBe('overloaded');
  expect(new Set(codes.slice(0, -1))).toEqual(new Set(['timeout']));
  await rooms.ensure(sender(ACCOUNTS, visitorKey('8')), open());
  expect(all.size).toBe(1);
});

it('ejabberd without rooms: refused, and asked again only after a while', async () => {
  const { rooms, sender, state, calls } = world();
  state.before = async () => {
    throw new AppError('refused', "ejabberd refused create_room: 400 Invalid 'service'");
  };
  await expect(rooms.ensure(sender(), open())).rejects.toMatchObject({ code: 'refused' });
  await expect(rooms.send(sender(), open(), text('1'))).rejects.toMatchObject(isResting);
  expect(calls).toHaveLength(1);
});

it('another process has the visitor: nothing is done, and it is no failure of the room', async () => {
  const { rooms, sender, sent, calls } = world();
  const lost = { ...sender(), mayAct: () => false };
  for (const call of [
    rooms.send(lost, open(), text('1')),
    rooms.ensure(lost, open()),
    rooms.invite(lost, [OLGA], ''),
  ]) {
    await expect(call).rejects.toMatchObject({ code: 'unavailable' });
  }
  expect([...calls, ...sent]).toEqual([]);
  await rooms.send(sender(), open(), text('2'));
  expect(sent).toEqual(['session 2']);
});

it('while the visitor has no session nothing is tried, and it is no failure of the room', async () => {
  const { rooms, sender, sent, online, calls } = world();
  online.clear();
  await expect(rooms.send(sender(), open(), text('1'))).rejects.toMatchObject({
    details: { isOnItsWay: true },
  });
  expect([...calls, ...sent]).toEqual([]);
  online.add(ADDRESS);
  await rooms.send(sender(), open(), text('2'));
  expect(sent).toEqual(['session 2']);
});

it('for a visitor who is gone the API sends, and the room is asked whether it has them', async () => {
  const { rooms, room, all, sender, sent, online, control, calls } = world();
  online.clear();
  control.presence = 'timedOut';
  await rooms.send(sender(), open(), text('1'));
  all.delete(ROOM);
  await rooms.send(sender(), open(), text('2'));
  expect(room()?.texts).toEqual(['Anna: text 2']);
  expect(sent).toEqual(['api 1', 'api 2']);
  expect(calls.at(-1), 'behind the message').toBe(`setOption ${ROOM} members_only true`);
});

it('after a change of the transport the visitor keeps the room and the name', async () => {
  const { rooms, room, sender } = world();
  await rooms.send(sender(ACCOUNTS), open('Anna', 'olga'), text('1'));
  await rooms.send(sender(COMPONENT), open('Anna', 'olga'), text('2'));
  expect([...(room()?.subscribers ?? [])]).toEqual([[AT_COMPONENT, 'Anna']]);
  await rooms.send(sender(ACCOUNTS), open('Anna', 'olga'), text('3'));
  expect(room()?.texts).toEqual(['Anna: text 1', 'Anna: text 2', 'Anna: text 3']);
});

it.each([
  ['the session', (listener: TransportListener) => listener.sessionLost(ADDRESS, 'lost', false)],
  ['the stream', (listener: TransportListener) => listener.streamLost?.(HOST, 'lost')],
])('%s was lost: everything is set again, because ejabberd may have lost it', async (_, lose) => {
  const { rooms, sender, listeners, calls } = world();
  await rooms.ensure(sender(), open());
  const made = calls.length;
  for (const listener of listeners) lose(listener);
  await rooms.ensure(sender(), open());
  expect(calls.slice(made)).toEqual(calls.slice(0, made));
  for (const listener of listeners) {
    listener.sessionLost(`visitor.8@${HOST}`, 'lost', false);
    listener.streamLost?.('other.test', 'lost');
  }
  await rooms.ensure(sender(), open());
  expect(calls, 'those of others').toHaveLength(2 * made);
});
