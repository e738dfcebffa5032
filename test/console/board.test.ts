/** The live board: how rows and events make what it shows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Board,
  type Change,
  type Chat,
  changed,
  changeOf,
  countsOf,
  EMPTY,
  linesOf,
  MAX_VISITORS,
  type Operator,
  operatorsOf,
  type Visitor,
} from '../../console/src/board/model.ts';

const visitor = (key: string, more: Partial<Visitor> = {}): Change => ({
  type: 'visitor',
  row: {
    key,
    presence: 'online',
    conversation: 'none',
    chatId: null,
    operator: null,
    inLhc: null,
    department: null,
    nick: null,
    page: null,
    title: null,
    country: null,
    arrivedAt: 0,
    lastSeen: 0,
    revision: 0,
    ...more,
  },
});
const chat = (of: string, more: Partial<Chat> = {}): Change => ({
  type: 'chat',
  row: {
    chatId: `c${of}`,
    visitor: of,
    state: 'waiting',
    operator: null,
    department: null,
    startedAt: 10,
    waitingSince: 10,
    acceptedAt: null,
    offered: [],
    revision: 1,
    ...more,
  },
});
const operator = (username: string, more: Partial<Operator> = {}): Change => ({
  type: 'operator',
  username,
  row: {
    username,
    name: null,
    availability: 'available',
    away: false,
    unresponsive: false,
    capacity: 3,
    onlineSince: 0,
    chats: [],
    revision: 0,
    ...more,
  },
});

const listed = (board: Board) =>
  linesOf(board).map(({ visitor: { key }, state }) => `${key} ${state}`);

describe('visitors', () => {
  it('are listed by how urgent they are: the longest wait first', () => {
    const board = changed(EMPTY, [
      visitor('1', { arrivedAt: 5 }),
      visitor('2', { conversation: 'chatting' }),
      visitor('3', { conversation: 'waiting', chatId: 'c3' }),
      visitor('4', { conversation: 'waiting', chatId: 'c4' }),
      visitor('5', { arrivedAt: 6 }),
      visitor('6', { conversation: 'invited' }),
      chat('3', { waitingSince: 200 }),
      chat('4', { waitingSince: 100 }),
    ]);
    expect(listed(board)).toEqual([
      '4 waiting',
      '3 waiting',
      '2 chatting',
      '6 invited',
      '5 online',
      '1 online',
    ]);
    expect(countsOf(board, linesOf(board))).toMatchObject({
      online: 6,
      waiting: 2,
      longestSince: 100,
      chatting: 1,
    });
  });

  it('who leave stay while their chat waits', () => {
    let board = changed(EMPTY, [
      visitor('1', { conversation: 'waiting' }),
      chat('1'),
      visitor('1', { presence: 'timedOut', conversation: 'waiting', revision: 2 }),
    ]);
    expect(listed(board)).toEqual(['1 waiting']);
    board = changed(board, [visitor('1', { presence: 'timedOut', revision: 3 })]);
    expect([board.visitors.size, board.chats.size]).toEqual([0, 0]);
  });

  it('are left out past the bound, but for those in conversations', () => {
    const crowd = Array.from({ length: MAX_VISITORS + 10 }, (_, i) =>
      visitor(`v${i}`, { lastSeen: i }),
    );
    const board = changed(EMPTY, [
      visitor('w', { conversation: 'waiting', lastSeen: -1 }),
      ...crowd,
    ]);
    expect(board.visitors.size).toBe(MAX_VISITORS);
    expect([board.visitors.has('w'), board.visitors.has('v0'), board.visitors.has('v11')]).toEqual([
      true,
      false,
      true,
    ]);
  });
});

it('a chat leaves with its own end, and not with the end of the one before', () => {
  let board = changed(EMPTY, [chat('1', { chatId: 'new', revision: 5 })]);
  board = changed(board, [chat('1', { chatId: 'old', state: 'closed', revision: 6 })]);
  expect(board.chats.get('1')?.chatId).toBe('new');
  board = changed(board, [chat('1', { chatId: 'new', state: 'closed', revision: 7 })]);
  expect(board.chats.size).toBe(0);
});

it('operators are listed by who can take a chat, and leave when they are removed', () => {
  const board = changed(EMPTY, [
    operator('b', { availability: 'offline', chats: [] }),
    operator('a', { availability: 'busy' }),
    operator('c', { chats: [{ chatId: '1', visitor: '1', state: 'open' }] }),
    operator('gone'),
    { type: 'operator', username: 'gone', row: null },
  ]);
  expect(operatorsOf(board).map(({ username }) => username)).toEqual(['c', 'a', 'b']);
  expect(countsOf(board, [])).toMatchObject({
    operatorsOnline: 2,
    operatorsAvailable: 1,
    placesUsed: 1,
    places: 6,
  });
});

it('events that come twice or late change nothing', () => {
  const event = fc.record({
    key: fc.constantFrom('1', '2', '3'),
    conversation: fc.constantFrom('none', 'waiting', 'chatting'),
    presence: fc.constantFrom('online', 'timedOut'),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), fc.nat(20), (events, from) => {
      const changes = events.map(
        ({ key, ...row }, revision) => visitor(key, { ...row, revision } as Partial<Visitor>), // constants of the lists above
      );
      const once = changed(EMPTY, changes);
      // A reader who reconnects gets the last events again.
      const again = changed(once, changes.slice(from));
      const present = ({ visitors }: Board) => [...visitors.entries()].toSorted();
      expect(present(again)).toEqual(present(once));
    }),
  );
});

it('what the board does not know is no change', () => {
  expect(changeOf('message', '{"message":{}}')).toBe(null);
  expect(changeOf('visitor', 'no json')).toBe(null);
  expect(changeOf('visitor', '{}')).toBe(null);
  expect(changeOf('operator', '{"username":"olga","operator":null}')).toEqual({
    type: 'operator',
    username: 'olga',
    row: null,
  });
  expect(changed(EMPTY, [])).toBe(EMPTY);
});
