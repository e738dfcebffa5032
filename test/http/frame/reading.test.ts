/** What LHC reads: filters, pages, times, ETags, and what is refused. */
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { lookThrough } from '../../../src/http/frame/reading.ts';
import { ADMIN, CHAT, DEPARTMENT, fakeApp, KEYS, NEWEST, QUEUED } from '../fakes.ts';

const ACME = '/v1/acme';
const jid = 'visitor.7@xmpp.test';
const NOW = Date.parse('2026-01-01T00:00:00Z');
const READS = [
  'visitors',
  'visitors/7',
  'visitors/7/messages',
  'operators',
  'operators/op',
  'chats',
  'chats/c1',
  'departments',
  'queue',
  'stats',
];

describe('a list that is looked through', () => {
  /** Rows 0, 1, 2 …, three in a look; every `nth` fits. */
  const rows = (last: number, nth: number) => {
    const looks: (string | undefined)[] = [];
    const look = ({ cursor, limit }: { cursor?: string | undefined; limit: number }) => {
      looks.push(cursor);
      const from = Number(cursor ?? 0);
      const items = [from, from + 1, from + 2].filter((n) => n < last && n % nth === 0);
      const next = from + 3 < last ? String(from + 3) : null;
      return { items: items.slice(0, limit), next };
    };
    return { looks, look };
  };

  test('goes on until its page is full, or nothing is left', async () => {
    const few = rows(1000, 30);
    expect(await lookThrough({ limit: 2 }, few.look)).toEqual({ items: [0, 30], next: '33' });
    expect(few.looks).toHaveLength(11);
    const rest = rows(100, 30);
    expect(await lookThrough({ limit: 5, cursor: '33' }, rest.look)).toEqual({
      items: [60, 90],
      next: null,
    });
    expect(rest.looks[0]).toBe('33');
  });

  test('lets others have their turn, and ends its page after so many looks', async () => {
    const none = rows(1_000_000, 2_000_000);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    });
    const page = await lookThrough({ limit: 5, cursor: '3' }, (request) => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      return none.look(request);
    });
    clearInterval(ticking);
    expect(page).toEqual({ items: [], next: '303' });
    expect(none.looks).toHaveLength(100);
    expect(turns).toBeGreaterThan(10);
  });
});

test('of many lists that are looked through at once each turn has one look', async () => {
  let [looks, last, most, watching] = [0, 0, 0, true];
  const watch = (): void => {
    most = Math.max(most, looks - last);
    last = looks;
    if (watching) setImmediate(watch);
  };
  const one = () =>
    lookThrough({ limit: 1 }, ({ cursor }) => {
      looks += 1;
      const n = Number(cursor ?? 0) + 1;
      return { items: [], next: n < 10 ? String(n) : null };
    });
  const all = Promise.all(Array.from({ length: 20 }, one));
  last = looks; // the first one of each is made at once
  watch();
  await all;
  watching = false;
  expect([looks, most]).toEqual([200, 1]);
});

describe('what is listed', () => {
  test('chats, by their filters', async () => {
    const { ask, asked } = fakeApp();
    const { json } = await ask('GET', `${ACME}/chats`);
    expect(json).toEqual({ items: [{ ...CHAT, jid }], next: null, position: NEWEST });
    const filters = new URLSearchParams({
      state: 'closed',
      department: 'sales',
      operator: 'op',
      visitor: '7',
      closedBy: 'system',
      missed: 'true',
      since: '2026-01-01',
      until: '1767312000000',
      sort: 'startedAt',
      limit: '7',
      cursor: 'c',
    });
    await ask('GET', `${ACME}/chats?${filters}`);
    expect(asked.filters).toEqual([
      { tenant: 'acme', limit: 50, sort: '-startedAt' },
      {
        tenant: 'acme',
        state: 'closed',
        department: 'sales',
        operator: 'op',
        visitor: '7',
        closedBy: 'system',
        missed: true,
        since: NOW,
        until: NOW + 86_400_000,
        sort: 'startedAt',
        limit: 7,
        cursor: 'c',
      },
    ]);
  });

  test.each(['2026-01-01', '2026-01-01T00:00Z', '2026-01-01T02:00:00.000%2B02:00', `${NOW}`])(
    'since a time: %s',
    async (since) => {
      const { ask, asked } = fakeApp();
      await ask('GET', `${ACME}/chats?since=${since}`);
      expect(asked.filters).toMatchObject([{ since: NOW }]);
    },
  );

  test('one chat; the queue; departments', async () => {
    const { ask, asked } = fakeApp();
    expect((await ask('GET', `${ACME}/chats/c1`)).json).toEqual({ ...CHAT, jid });
    expect((await ask('GET', `${ACME}/chats/c2`)).json.code).toBe('not-found');
    const queue = await ask('GET', `${ACME}/queue?department=sales`);
    expect(queue.json).toEqual({ items: [{ ...QUEUED, jid }], next: null, position: NEWEST });
    expect(asked.filters).toEqual([{ tenant: 'acme', department: 'sales', limit: 50, now: NOW }]);
    const departments = await ask('GET', `${ACME}/departments?timezone=Asia/Tokyo`);
    expect(departments.json).toEqual({
      items: [DEPARTMENT],
      todaySince: NOW - 9 * 3_600_000,
      position: NEWEST,
    });
  });

  test('visitors and messages, by more filters', async () => {
    const { ask, asked } = fakeApp();
    await ask('GET', `${ACME}/visitors?online=false&country=latvia&sort=-lastSeen`);
    await ask('GET', `${ACME}/visitors/7/messages?kinds=note,chat`);
    expect(asked.filters).toEqual([
      { tenant: 'acme', online: false, country: 'latvia', sort: '-lastSeen', limit: 50 },
      { tenant: 'acme', visitor: '7', kinds: ['note', 'chat'], limit: 50 },
    ]);
  });
});

describe('what does not fit is named', () => {
  test.each([
    ['chats?state=gone', 'state'],
    ['chats?closedBy=nobody', 'closedBy'],
    ['chats?missed=maybe', 'missed'],
    ['chats?since=soon', 'since'],
    ['chats?until=1e3', 'until'],
    ['chats?since=since 5', 'since'],
    ['chats?since=2026-02-31', 'since'],
    // It would be a time of the machine's own zone.
    ['chats?since=2026-01-01T10:00', 'since'],
    // A `+` that was not encoded.
    ['chats?since=2026-01-01T10:00:00+02:00', 'since'],
    ['chats?sort=nick', 'sort'],
    ['chats?limit=0', 'limit'],
    ['chats?operator=Admin', 'operator'],
    ['chats?colour=red', 'colour'],
    ['chats/C1', 'chatId'],
    ['chats/c1?visitor=V%207', 'visitor'],
    ['queue?sort=startedAt', 'sort'],
    ['departments?timezone=Mars/Olympus', 'timezone'],
    ['departments?limit=1', 'limit'],
    ['stats?since=2026-01-02&until=2026-01-01', 'until'],
    ['stats?since=2025-11-01&until=2026-01-01', 'since'],
    ['stats?day=1', 'day'],
    ['visitors?online=yes', 'online'],
    ['visitors?sort=key', 'sort'],
    ['visitors/7/messages?kinds=chat,letter', 'kinds.1'],
    ['stream?types=visitor,page', 'types.1'],
    ['stream?access_token=x', 'access_token'],
  ])('%s', async (path, field) => {
    const { ask, asked } = fakeApp();
    const { status, json } = await ask('GET', `${ACME}/${path}`);
    expect([status, json.errors?.map((error: { field: string }) => error.field)]).toEqual([
      400,
      [field],
    ]);
    expect(asked.filters).toEqual([]);
  });

  test.each(READS.concat('stream'))('%s needs a key of the tenant, in the header', async (path) => {
    const { ask } = fakeApp();
    for (const key of [null, 'wrong', KEYS.beta]) {
      const { status, text } = await ask('GET', `${ACME}/${path}`, { key });
      expect(status).toBe(401);
      expect(text).not.toContain('xmpp.test');
    }
    const inUrl = await ask('GET', `${ACME}/${path}?access_token=${KEYS.acme}`, { key: null });
    expect(inUrl.status).toBe(401);
  });
});

describe('an ETag', () => {
  test.each(READS)('of %s is of its content: the same is not sent again', async (path) => {
    let position = 'fake:9';
    const { deps } = fakeApp();
    const projections = Object.assign(Object.create(deps.projections), {
      position: () => position,
    });
    const { ask } = fakeApp({ projections });
    const first = await ask('GET', `${ACME}/${path}`);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    expect(first.headers.get('x-position')).toBe('fake:9');
    expect(first.headers.get('content-type')).toBe('application/json');

    position = 'fake:10'; // something else happened
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await ask('GET', `${ACME}/${path}`, { headers: { 'If-None-Match': header } });
      expect([again.status, again.text]).toEqual([304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('x-position')).toBe('fake:10');
      expect(again.headers.get('content-type')).toBeNull();
    }
    const other = await ask('GET', `${ACME}/${path}`, { headers: { 'If-None-Match': '"x"' } });
    expect(other.status).toBe(200);
    expect(other.headers.get('etag')).toBe(etag);
  });

  test('is another one for other content, and none is on problems, commands and the admin side', async () => {
    const { ask } = fakeApp();
    const etag = async (path: string) => (await ask('GET', `${ACME}/${path}`)).headers.get('etag');
    expect(new Set(await Promise.all(READS.map(etag))).size).toBe(READS.length);
    const all = { headers: { 'If-None-Match': '*' } };
    expect((await ask('GET', `${ACME}/chats/c2`, all)).status).toBe(404);
    const view = await ask('POST', `${ACME}/visitors/7/page-views`, {
      body: { page: '/' },
      ...all,
    });
    expect([view.status, view.headers.get('etag')]).toEqual([202, null]);
    const debug = await ask('GET', '/debug/projections', { key: ADMIN, ...all });
    expect([debug.status, debug.headers.get('etag')]).toEqual([200, null]);
  });
});

test('half-built read models are said to be so, with when to come again', async () => {
  const { deps } = fakeApp();
  const projections = Object.create(deps.projections, {
    chats: {
      get: () => {
        throw new AppError('unavailable', 'file /x/y', { said: 'it is rebuilt', retryAfter: 5 });
      },
    },
  });
  const { ask } = fakeApp({ projections });
  for (const path of ['chats', 'chats/c1', 'stream']) {
    const { status, json, headers, text } = await ask('GET', `${ACME}/${path}`);
    expect([status, json.code, json.detail, json.retryAfter]).toEqual([
      503,
      'unavailable',
      'it is rebuilt',
      5,
    ]);
    expect(headers.get('retry-after')).toBe('5');
    expect(text).not.toContain('/x/y');
  }
  expect((await ask('GET', `${ACME}/visitors`)).status).toBe(200);
});

test('the admin has read models built anew', async () => {
  let rebuilt = 0;
  const { deps } = fakeApp();
  const projections = Object.assign(Object.create(deps.projections), {
    rebuild: () => {
      rebuilt += 1;
    },
  });
  const { ask } = fakeApp({ projections });
  expect((await ask('POST', '/debug/projections/rebuild')).status).toBe(401);
  const { status, json } = await ask('POST', '/debug/projections/rebuild', { key: ADMIN });
  expect([status, json, rebuilt]).toEqual([202, { shown: null, building: null }, 1]);
});
