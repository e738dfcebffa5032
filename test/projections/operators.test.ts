import { afterAll, beforeAll, expect, test } from 'vitest';
import { visitorKey } from '../support/names.ts';
import { type Following, type Log, openTestLog } from './log.ts';

let log: Log;
let live: Following;
beforeAll(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
});
afterAll(() => log.close());

const row = async (username: string) => {
  await live.projections.waitFor(await log.head(), 5000);
  return live.projections.operators.get('acme', username);
};
const register = (username: string, departments: string[], name: string | null) =>
  log.operator(username, {
    type: 'Register',
    lhcUserId: 7,
    departments,
    capacity: 2,
    name,
    nameChanged: true,
  });

test('an operator is listed after the registration, with their session', async () => {
  await register('op', ['sales', 'help'], 'Olga');
  await log.operator('op', { type: 'OpenSession', session: 's1', resource: 'gajim' });
  await log.operator('op', {
    type: 'ChangePresence',
    session: 's1',
    resource: 'gajim',
    show: 'available',
    status: 'here',
  });
  expect(await row('op')).toEqual({
    username: 'op',
    lhcUserId: 7,
    name: 'Olga',
    departments: ['sales', 'help'],
    capacity: 2,
    tier: 1,
    tiers: {},
    languages: [],
    free: 2,
    availability: 'available',
    onlineSince: log.now(),
    away: false,
    unresponsive: false,
    sessions: [
      { resource: 'gajim', show: 'available', status: 'here', priority: 0, responsive: true },
    ],
    chats: [],
    revision: 2,
  });
});

test('chats are reserved, open, and released', async () => {
  const chat = {
    reservation: 'r1',
    visitor: visitorKey('v'),
    chatId: 'c1',
    department: null,
    ownerGrace: 60_000,
  };
  await log.operator('op', { type: 'ReserveChat', ...chat, departmentCapacity: null });
  const since = log.now();
  expect((await row('op'))?.chats).toEqual([
    { chatId: 'c1', visitor: 'v', state: 'reserved', since },
  ]);
  await log.operator('op', { type: 'ConfirmChat', ...chat });
  expect(await row('op')).toMatchObject({
    chats: [{ chatId: 'c1', visitor: 'v', state: 'open', since }],
    free: 1,
  });
  await log.operator('op', { type: 'ReleaseChat', ...chat, reason: 'closed' });
  expect(await row('op')).toMatchObject({ chats: [], free: 2 });
});

test('a client that does not answer pings makes the operator away until it answers again', async () => {
  const since = log.now();
  const bot = { session: 'bot', resource: 'bot' };
  await log.operator('op', { type: 'OpenSession', ...bot });
  const shown = { show: 'available', status: '', priority: -1 } as const;
  await log.operator('op', { type: 'ChangePresence', ...bot, ...shown });
  log.passes(1000);
  await log.operator('op', { type: 'ReportPing', resource: 'gajim', answered: false });
  expect(await row('op')).toMatchObject({
    availability: 'away',
    onlineSince: since,
    unresponsive: true,
    sessions: [
      { resource: 'bot', priority: -1, responsive: true },
      { resource: 'gajim', priority: 0, responsive: false },
    ],
  });
  await log.operator('op', { type: 'CloseSession', session: 'bot' });
  await log.operator('op', { type: 'ReportPing', resource: 'gajim', answered: true });
  expect(await row('op')).toMatchObject({
    availability: 'available',
    onlineSince: since,
    unresponsive: false,
  });
});

test('onlineSince is when the operator came online, whatever presence followed', async () => {
  const since = (await row('op'))?.onlineSince;
  log.passes(1000);
  await log.operator('op', {
    type: 'SetAvailability',
    away: true,
    visitor: visitorKey('v'),
    messageId: 'o1',
  });
  expect(await row('op')).toMatchObject({ availability: 'away', away: true, onlineSince: since });
  await log.operator('op', {
    type: 'SetAvailability',
    away: false,
    visitor: visitorKey('v'),
    messageId: 'o2',
  });
  expect(await row('op')).toMatchObject({ away: false, onlineSince: since });
});

test('lists are filtered, and paged by username', async () => {
  await register('ada', ['dev'], 'Ada');
  await register('bob', ['help'], null);
  await row('bob');
  const names = (filter: Partial<Parameters<typeof live.projections.operators.list>[0]>) =>
    live.projections.operators
      .list({ tenant: 'acme', limit: 10, ...filter })
      .items.map(({ username }) => username);
  expect(names({})).toEqual(['ada', 'bob', 'op']);
  expect(names({ department: 'help' })).toEqual(['bob', 'op']);
  expect(names({ state: 'available' })).toEqual(['op']);
  expect(names({ lhcUserId: 8 })).toEqual([]);
  expect(names({ lhcUserId: 7, department: 'dev' })).toEqual(['ada']);
  expect(names({ q: 'OLG' })).toEqual(['op']);
  expect(names({ tenant: 'beta' })).toEqual([]);
  await register('zane', ['dev'], 'Žanete');
  await row('zane');
  expect(names({ q: 'žan' })).toEqual(['zane']);
  await log.operator('zane', { type: 'Remove' });
  await row('zane');
  const first = live.projections.operators.list({ tenant: 'acme', limit: 2 });
  expect(first.next).not.toBeNull();
  expect(names({ cursor: first.next ?? '' })).toEqual(['op']);
});

test('free counts the available operators and the chats that they can still take', async () => {
  const { operators } = live.projections;
  const before = operators.free('acme');
  await register('ada', [], null);
  await row('ada');
  expect(operators.free('acme')).toEqual(before); // not online
  const present = { session: 's9', resource: 'gajim', show: 'available', status: '' } as const;
  await log.operator('ada', { type: 'ChangePresence', ...present });
  const { capacity = 0 } = (await row('ada')) ?? {};
  expect(operators.free('acme')).toEqual({
    operators: before.operators + 1,
    places: before.places + capacity,
  });
  const chat = {
    reservation: 'r9',
    visitor: visitorKey('v9'),
    chatId: 'c9',
    department: null,
    ownerGrace: 60_000,
    departmentCapacity: null,
  };
  await log.operator('ada', { type: 'ReserveChat', ...chat });
  await row('ada');
  expect(operators.free('acme').places).toBe(before.places + capacity - 1);
  expect(operators.free('beta')).toEqual({ operators: 0, places: 0 });
});

test('a removed operator is not listed, and an operator who logged out is offline', async () => {
  await log.operator('op', { type: 'CloseSession', session: 's1' });
  expect(await row('op')).toMatchObject({ availability: 'offline', sessions: [] });
  const chat = {
    reservation: null,
    visitor: visitorKey('v'),
    chatId: 'c2',
    department: null,
    ownerGrace: 60_000,
  };
  await log.operator('op', { type: 'ConfirmChat', ...chat });
  expect(await row('op')).toMatchObject({ free: 1 });
  await log.operator('op', { type: 'Remove' });
  expect(await row('op')).toBeNull();
  await register('op', [], null);
  expect(await row('op')).toMatchObject({ name: null, departments: [], chats: [], free: 2 });
});
