/** Queries of LHC to the running service, about chats with real operators: lists, the queue and the numbers of a day. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { sceneOf } from './routing-scene.ts';

const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: {
        offerTimeout: 600, // no operator misses an offer, however busy the machine is
        routing: { departments: { support: { capacity: 1 } } },
      },
    },
    { id: 'beta', host: 'beta.test' },
  ],
});
const acme = world.tenant('acme');
const beta = world.tenant('beta');
const at = sceneOf(world, acme);

/** A time zone where it is about noon, so no day ends during the test. */
const ZONE = (() => {
  const ahead = 12 - new Date().getUTCHours();
  return `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
})();
const DAY_MS = 86_400_000;

// biome-ignore lint/suspicious/noExplicitAny: JSON from outside; a wrong shape fails the assertion that reads it
type Row = any;
const query = (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Row> =>
  acme.ask('GET', `${path}?${new URLSearchParams(parameters)}`);
const chatIds = async (path: string, parameters?: Readonly<Record<string, string>>) =>
  (await query(path, parameters)).items.map(({ chatId }: Row) => chatId);
const keys = (items: readonly Row[]): string[] => items.map(({ key }) => key);

const [olga] = await at.staff('sales', ['olga']);
const [pia] = await at.staff('support', ['pia']);
if (!olga || !pia) throw new Error('the scene has both operators');

/** The chats of v1 and v2 are answered, v3's is offered, those of v4 to v6 wait. v7's and v8's were closed unanswered. */
for (let n = 1; n <= 9; n++) {
  const country = n % 2 ? 'Latvia' : 'Österreich';
  await acme.view(`v${n}`, { page: `https://shop.test/${n}`, nick: `Ann ${n}`, country });
}
for (const visitor of ['v1', 'v2']) {
  await at.start(visitor, 'sales', 'Hello?');
  await at.waitForText(olga, visitor, 'Hello?');
  await at.answer(olga, visitor);
}
await at.close('v1');
await acme.ask('POST', '/visitors/v2/messages', { id: 'more', body: 'One more thing' });
await at.start('v3', 'support', 'Help!');
await at.waitForText(pia, 'v3', 'Help!');
for (const visitor of ['v4', 'v5', 'v6', 'v7']) await at.start(visitor, 'nobody');
await at.close('v7');
await at.start('v8', 'sales', 'Hello?');
await at.waitForText(olga, 'v8', 'Hello?');
await olga.sendAndAck(acme.visitorJid('v8'), '!decline');
await at.waitForText(olga, 'v8', /^You have declined/);
const { position: minPosition } = await at.close('v8');

it('the queue has positions, positions in the department, and expected waiting times', async () => {
  const { items, next } = await query('/queue', { minPosition });
  const places = (rows: readonly Row[]) =>
    rows.map(({ chatId, state, position, positionInDepartment }) =>
      [chatId, state, position, positionInDepartment].join(' '),
    );
  expect(places(items)).toEqual([
    'c-v3 offered 1 1',
    'c-v4 waiting 2 1',
    'c-v5 waiting 3 2',
    'c-v6 waiting 4 3',
  ]);
  expect(next).toBeNull();
  // No chat of support was answered yet, and nobody serves the other department.
  expect(items.map(({ expectedWait }: Row) => expectedWait)).toEqual([null, null, null, null]);
  const first = await query('/queue', { department: 'nobody', limit: '2' });
  const second = await query('/queue', { department: 'nobody', cursor: first.next });
  expect([places(first.items), places(second.items)]).toEqual([
    ['c-v4 waiting 2 1', 'c-v5 waiting 3 2'],
    ['c-v6 waiting 4 3'],
  ]);

  // Sales has answered two chats. Their waits give the expected wait of the next chat.
  olga.setPresence('dnd');
  await acme.operatorIs('olga', 'busy');
  await at.start('v9', 'sales');
  const [waiting] = (await query('/queue', { department: 'sales' })).items;
  expect(waiting).toMatchObject({ chatId: 'c-v9', position: 5, positionInDepartment: 1 });
  const took = await Promise.all(['c-v1', 'c-v2'].map((id) => query(`/chats/${id}`)));
  const longest = Math.max(...took.map(({ acceptedAt, startedAt }) => acceptedAt - startedAt));
  expect(waiting.expectedWait).toBeGreaterThan(0);
  expect(waiting.expectedWait).toBeLessThanOrEqual(Math.ceil(longest / 1000));
  await at.close('v9');
  olga.setPresence();
  await acme.operatorIs('olga', 'available');
});

it('departments have their operators, waiting chats and answered chats', async () => {
  const { items, todaySince } = await query('/departments', { timezone: ZONE });
  const day = Date.now() - todaySince;
  expect([day > 0, day < DAY_MS]).toEqual([true, true]);
  const chat = async (id: string) => (await query(`/chats/${id}`)).startedAt;
  const open = { open: true, until: null, full: false };
  const one = { online: 1, available: 1, away: 0, busy: 0 };
  expect(items).toEqual([
    {
      department: 'nobody',
      ...open,
      operators: { online: 0, available: 0, away: 0, busy: 0 },
      freePlaces: 0,
      waiting: 3,
      offered: 0,
      active: 0,
      longestWaitingSince: await chat('c-v4'),
      chatsToday: 4,
      servedToday: 0,
      missedToday: 1,
    },
    {
      department: 'sales',
      ...open,
      operators: one,
      freePlaces: 4,
      waiting: 0,
      offered: 0,
      active: 1,
      longestWaitingSince: null,
      chatsToday: 4,
      servedToday: 2,
      missedToday: 2,
    },
    {
      // One of the operator's five places is taken. The department allows one chat, so no place is free.
      department: 'support',
      ...open,
      operators: one,
      freePlaces: 0,
      waiting: 1,
      offered: 1,
      active: 0,
      longestWaitingSince: await chat('c-v3'),
      chatsToday: 1,
      servedToday: 0,
      missedToday: 0,
    },
  ]);
});

it('the numbers of a day count all chats, by department and by operator, and none of the day before', async () => {
  const stats = await query('/stats', { timezone: ZONE });
  expect(stats.total).toMatchObject({ chats: 9, open: 5, closed: 4, served: 2, missed: 3 });
  const { items } = await query('/chats', { operator: 'olga', sort: 'startedAt' });
  const served: Row[] = items.filter(({ acceptedAt }: Row) => acceptedAt !== null);
  const seconds = (ms: number) => Math.round(ms) / 1000;
  const between = (from: string, to: string) =>
    served.map((chat) => chat[to] - chat[from]).toSorted((a, b) => a - b);
  const [short = 0, long = 0] = between('startedAt', 'acceptedAt');
  expect(stats.total.waiting).toEqual({
    count: 2,
    mean: seconds((short + long) / 2),
    max: seconds(long),
    p50: seconds(short),
    p95: seconds(long),
  });
  expect(stats.total.answer).toMatchObject({
    count: 2,
    p95: seconds(between('startedAt', 'firstAnswerAt')[1] ?? 0),
  });
  expect(
    stats.departments.map((each: Row) => [each.department, each.chats, each.served, each.missed]),
  ).toEqual([
    ['nobody', 4, 0, 1],
    ['sales', 4, 2, 2],
    ['support', 1, 0, 0],
  ]);
  expect(stats.operators).toMatchObject([
    { operator: 'olga', chats: 2, messages: 2, missedOffers: 0, declinedOffers: 1 },
    { operator: 'pia', chats: 0, messages: 0, missedOffers: 0, declinedOffers: 0 },
  ]);
  const before = await query('/stats', { timezone: ZONE, until: String(stats.since) });
  expect([before.until - before.since, before.total.chats, before.operators]).toEqual([
    DAY_MS,
    0,
    [],
  ]);
});

it('chats are listed by state, person and time, in the requested order', async () => {
  const [first, last] = await Promise.all(['c-v4', 'c-v6'].map((id) => query(`/chats/${id}`)));
  const newest = ['c-v9', 'c-v8', 'c-v7', 'c-v6', 'c-v5', 'c-v4', 'c-v3', 'c-v2', 'c-v1'];
  const queries: [Record<string, string>, string[]][] = [
    [{}, newest],
    [{ sort: 'startedAt' }, newest.toReversed()],
    [{ state: 'waiting' }, ['c-v6', 'c-v5', 'c-v4']],
    [{ state: 'waiting', sort: 'waitingSince' }, ['c-v4', 'c-v5', 'c-v6']],
    [{ state: 'offered' }, ['c-v3']],
    [{ state: 'active', operator: 'olga' }, ['c-v2']],
    [{ missed: 'true', department: 'nobody' }, ['c-v7']],
    [{ missed: 'false', closedBy: 'visitor' }, ['c-v1']],
    [{ visitor: 'v5' }, ['c-v5']],
    [{ since: String(first.startedAt), until: String(last.startedAt) }, ['c-v5', 'c-v4']],
  ];
  for (const [parameters, expected] of queries) {
    expect([parameters, await chatIds('/chats', parameters)]).toEqual([parameters, expected]);
  }
  expect(await query('/chats/c-v2')).toMatchObject({
    state: 'active',
    operator: 'olga',
    visitorMessages: 2,
    operatorMessages: 1,
    operators: [{ operator: 'olga', messages: 1 }],
  });
});

it('visitors are listed by their fields; pages have no gap or repeat while visitors come and go', async () => {
  const all = ['v9', 'v8', 'v7', 'v6', 'v5', 'v4', 'v3', 'v2', 'v1'];
  const queries: [Record<string, string>, string[]][] = [
    [{ online: 'true' }, all],
    [{ state: 'waiting', department: 'nobody' }, ['v6', 'v5', 'v4']],
    [{ state: 'chatting' }, ['v2']],
    [{ operator: 'pia' }, ['v3']],
    [{ country: 'österreich' }, ['v8', 'v6', 'v4', 'v2']],
    [{ q: 'ann 7' }, ['v7']],
    [{ sort: 'arrivedAt', limit: '2' }, ['v1', 'v2']],
  ];
  for (const [parameters, expected] of queries) {
    expect([parameters, keys((await query('/visitors', parameters)).items)]).toEqual([
      parameters,
      expected,
    ]);
  }
  const found: string[] = [];
  for (let cursor = '', n = 0; ; n++) {
    const page = await query('/visitors', { limit: '2', ...(cursor && { cursor }) });
    found.push(...keys(page.items));
    // Between two pages one visitor arrives, one who is on a later page moves on, and one who was listed leaves.
    await acme.view(`late${n}`, { page: 'https://shop.test/' });
    await acme.view('v1', { page: `https://shop.test/again/${n}` });
    if (n === 1) await acme.ask('POST', '/visitors/v9/timeout');
    if (page.next === null) break;
    cursor = page.next;
  }
  expect(found).toEqual(all);
});

it('operators are listed with their present state', async () => {
  pia.setPresence('dnd', 'on the phone');
  await acme.operatorIs('pia', 'busy');
  const { items } = await query('/operators');
  expect(items).toMatchObject([
    {
      username: 'olga',
      availability: 'available',
      departments: ['sales'],
      free: 4,
      chats: [{ chatId: 'c-v2', visitor: 'v2', state: 'open' }],
    },
    {
      username: 'pia',
      availability: 'busy',
      free: 4,
      sessions: [{ show: 'dnd', status: 'on the phone', responsive: true }],
      chats: [{ chatId: 'c-v3' }],
    },
  ]);
  const names = (rows: readonly Row[]) => rows.map(({ username }) => username);
  expect(names((await query('/operators', { state: 'busy' })).items)).toEqual(['pia']);
  expect(names((await query('/operators', { department: 'sales' })).items)).toEqual(['olga']);
  pia.setPresence();
  await acme.operatorIs('pia', 'available');
});

it('an unchanged answer is not sent again (ETag), whatever changes elsewhere; a changed one is', async () => {
  await world.idle();
  const lists = ['/visitors', '/chats', '/operators', '/queue', '/visitors/v2', '/chats/c-v2'];
  const ofToday = ['/departments', '/stats'].map(
    (path) => `${path}?${new URLSearchParams({ timezone: ZONE })}`,
  );
  const paths = [...lists, ...ofToday];
  const tags = new Map<string, string>();
  for (const path of paths) {
    const { status, headers } = await acme.call('GET', path);
    tags.set(path, headers.get('etag') ?? '');
    expect([path, status]).toEqual([path, 200]);
  }
  expect(new Set(tags.values()).size).toBe(paths.length);
  const again = (path: string) =>
    acme.call('GET', path, undefined, { 'If-None-Match': tags.get(path) ?? '' });
  await beta.ask('PUT', '/operators/olga', {
    lhcUserId: 1,
    departments: ['sales'],
    password: 'pw',
  });
  const { position } = await beta.ask('POST', '/visitors/v4/chats', {
    chatId: 'c-v4',
    department: 'nobody',
  });
  await acme.ask('GET', `/visitors?minPosition=${position}`);
  for (const path of paths) {
    const { status, body, headers } = await again(path);
    expect([path, status, body]).toEqual([path, 304, '']);
    expect(headers.get('etag')).toBe(tags.get(path));
  }
  await at.start('v9', 'nobody');
  await acme.ask('GET', `/visitors?minPosition=${(await at.close('v9')).position}`);
  for (const path of paths) {
    const { status, headers } = await again(path);
    const changed = ['/visitors', '/chats', ...ofToday].includes(path);
    expect([path, status]).toEqual([path, changed ? 200 : 304]);
    expect(headers.get('etag') === tags.get(path)).toBe(!changed);
  }
});

it('another tenant sees only its own, under the same names', async () => {
  const chat = { chatId: 'c-v4', visitor: 'v4', department: 'nobody', jid: beta.visitorJid('v4') };
  expect((await beta.ask('GET', '/chats')).items).toMatchObject([chat]);
  expect((await beta.ask('GET', '/queue')).items).toMatchObject([{ ...chat, position: 1 }]);
  expect((await beta.ask('GET', '/visitors')).items).toMatchObject([{ key: 'v4', nick: null }]);
  const { items } = await beta.ask('GET', '/operators');
  expect(items).toMatchObject([{ username: 'olga', availability: 'offline', chats: [] }]);
  const { total, operators } = await beta.ask('GET', `/stats?since=${Date.now() - DAY_MS}`);
  expect([total.chats, total.open, operators]).toEqual([1, 1, []]);
  expect((await beta.call('GET', '/chats/c-v1')).status).toBe(404);
});
