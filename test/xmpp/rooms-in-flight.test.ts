import xml, { type Element } from '@xmpp/xml';
import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { createRoomsInFlight, type RoomPing } from '../../src/xmpp/rooms-in-flight.ts';

const ONE = 'visitor.1@conference.xmpp.test';
const TWO = 'visitor.2@conference.xmpp.test';
const ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const error = (condition: string, type = 'cancel'): Element =>
  xml('error', { type }, xml(condition, { xmlns: ERRORS }));

function recorded() {
  const settled: string[] = [];
  const rooms = createRoomsInFlight();
  return {
    rooms,
    settled,
    add(room: string, name: string) {
      const waiter = {
        resolve: () => settled.push(name),
        reject: (why: AppError) => settled.push(`${name}: ${why.code} ${why.message}`),
      };
      rooms.add(room, waiter, `${room} ${name}`);
    },
    answer: ({ room, id }: RoomPing, content = error('service-unavailable')) =>
      rooms.answered(xml('iq', { type: 'error', id, from: room }, content)),
  };
}
const only = (pings: readonly RoomPing[]): RoomPing => {
  expect(pings).toHaveLength(1);
  return pings[0] as RoomPing; // there is one
};

test('each room has pings of its own, and its answer covers what was sent before', () => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  add(ONE, 'b');
  add(TWO, 'c');
  const pings = rooms.nextPings(0);
  expect(pings.map(({ room }) => room)).toEqual([ONE, TWO]);
  expect(new Set(pings.map(({ id }) => id)).size).toBe(2);
  add(ONE, 'd');
  expect(rooms.nextPings(1), 'one is on its way').toEqual([]);
  expect(rooms.waiting).toBe(true);
  const [first, second] = pings as [RoomPing, RoomPing];
  expect(answer({ room: TWO, id: first.id })).toBe(false);
  expect(answer(first)).toBe(true);
  expect(settled).toEqual(['a', 'b']);
  expect(answer(only(rooms.nextPings(2)))).toBe(true);
  expect(rooms.answered(xml('iq', { type: 'result', id: second.id, from: TWO }))).toBe(true);
  expect(settled).toEqual(['a', 'b', 'd', 'c']);
  expect([rooms.size, rooms.waiting]).toEqual([0, false]);
});

test.each(['service-unavailable', 'feature-not-implemented'])('a room says %s', (condition) => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  answer(only(rooms.nextPings(0)), error(condition));
  expect(settled).toEqual(['a']);
});

test.each([
  ['item-not-found', 'cancel', 'refused'],
  ['remote-server-not-found', 'cancel', 'refused'],
  ['forbidden', 'auth', 'refused'],
  ['remote-server-timeout', 'wait', 'unavailable'],
])('whoever says %s is no room', (condition, type, code) => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  answer(only(rooms.nextPings(0)), error(condition, type));
  expect(settled).toEqual([`a: ${code} ${condition}`]);
  expect(rooms.size).toBe(0);
});

test('a message comes back alone', () => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  add(ONE, 'b');
  const ping = only(rooms.nextPings(0));
  const no = new AppError('refused', 'not-acceptable');
  expect(rooms.returned(TWO, `${ONE} a`, no)).toBe(false);
  expect(rooms.returned(ONE, `${ONE} a`, no)).toBe(true);
  expect(rooms.returned(ONE, `${ONE} a`, no)).toBe(false);
  answer(ping);
  expect(settled).toEqual(['a: refused not-acceptable', 'b']);
});

test('a room that hangs fails alone, and what it answers later is not for what comes then', () => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  const late = only(rooms.nextPings(0));
  rooms.nextPings(0);
  rooms.check(100, 100);
  expect(settled).toEqual([]);
  add(TWO, 'b');
  const other = only(rooms.nextPings(101));
  rooms.check(101, 100);
  expect(settled).toEqual(['a: unavailable the room does not answer']);
  add(ONE, 'c');
  const ping = only(rooms.nextPings(102));
  expect(answer(late)).toBe(false);
  expect(settled).toHaveLength(1);
  answer(ping);
  answer(other);
  expect(settled.slice(1)).toEqual(['c', 'b']);
});

test('without a stream everything fails, and nothing is remembered', () => {
  const { rooms, settled, add, answer } = recorded();
  add(ONE, 'a');
  const ping = only(rooms.nextPings(0));
  add(TWO, 'b');
  rooms.failAll(new AppError('unavailable', 'gone'));
  expect(settled).toEqual(['a: unavailable gone', 'b: unavailable gone']);
  expect(answer(ping)).toBe(false);
  expect([rooms.size, rooms.waiting, rooms.nextPings(1)]).toEqual([0, false, []]);
});
