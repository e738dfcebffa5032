/** Queries: filters, pages, times, ETags, and parameters that are refused. */
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { scanForPage } from '../../../src/projections/scan.ts';
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

describe('a page of a scanned list', () => {
  /** Rows 0, 1, 2 …, three in a scan; every `nth` row matches. */
  const rows = (last: number, nth: number) => {
    const cursors: (string | undefined)[] = [];
    const scan = ({ cursor, limit }: { cursor?: string | undefined; limit: number }) => {
      cursors.push(cursor);
      const from = Number(cursor ?? 0);
      const items = [from, from + 1, from + 2].filter((n) => n < last && n % nth === 0);
      const next = from + 3 < last ? String(from + 3) : null;
      return { items: items.slice(0, limit), next };
    };
    return { cursors, scan };
  };

  test('is filled until it is full or the list ends', async () => {
    const few = rows(1000, 30);
    expect(await scanForPage({ limit: 2 }, few.scan)).toEqual({ items: [0, 30], next: '33' });
    expect(few.cursors).toHaveLength(11);
    const rest = rows(100, 30);
    expect(await scanForPage({ limit: 5, cursor: '33' }, rest.scan)).toEqual({
      items: [60, 90],
      next: null,
    });
    expect(rest.cursors[0]).toBe('33');
  });

  test('lets other work run between scans, and ends after 100 scans', async () => {
    const none = rows(1_000_000, 2_000_000);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    });
    const page = await scanForPage({ limit: 5, cursor: '3' }, (request) => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      return none.scan(request);
    });
    clearInterval(ticking);
    expect(page).toEqual({ items: [], next: '303' });
    expect(none.cursors).toHaveLength(100);
    expect(turns).toBeGreaterThan(10);
  });
});

test('many concurrent lists share turns: one scan in each', async () => {
  let [scans, last, most, watching] = [0, 0, 0, true];
  const watch = (): void => {
    most = Math.max(most, scans - last);
    last = scans;
    if (watching) setImmediate(watch);
  };
  const one = () =>
    scanForPage({ limit: 1 }, ({ cursor }) => {
      scans += 1;
      const n = Number(cursor ?? 0) + 1;
      return { items: [], next: n < 10 ? String(n) : null };
    });
  const all = Promise.all(Array.from({ length: 20 }, one));
  last = scans; // each list makes its first scan at once
  watch();
  await all;
  watching = false;
  expect([scans, most]).toEqual([200, 1]);
});

test('the long lists of one tenant delay a long list of another little', async () => {
  const made = { big: 0, small: 0 };
  const one = (tenant: 'big' | 'small', scans: number) =>
    scanForPage({ limit: 1, tenant }, ({ cursor }) => {
      made[tenant] += 1;
      const n = Number(cursor ?? 0) + 1;
      return { items: [], next: n < scans ? String(n) : null };
    });
  const all = Array.from({ length: 32 }, () => one('big', 90));
  while (made.big < 100) await new Promise(setImmediate);
  const before = made.big;
  await one('small', 20);
  // Two for each scan of the small list; without turns it would be 32.
  expect(made.big - before).toBeLessThanOrEqual(60);
  await Promise.all(all);
  expect(made).toEqual({ big: 32 * 90, small: 20 });
});

describe('a list', () => {
  test('of chats passes on its filters', async () => {
    const { ask, calls } = fakeApp();
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
    expect(calls.filters).toEqual([
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
    'of chats takes a time as %s',
    async (since) => {
      const { ask, calls } = fakeApp();
      await ask('GET', `${ACME}/chats?since=${since}`);
      expect(calls.filters).toMatchObject([{ since: NOW }]);
    },
  );

  test('of the queue, of departments, and one chat', async () => {
    const { ask, calls } = fakeApp();
    expect((await ask('GET', `${ACME}/chats/c1`)).json).toEqual({ ...CHAT, jid });
    expect((await ask('GET', `${ACME}/chats/c2`)).json.code).toBe('not-found');
    const queue = await ask('GET', `${ACME}/queue?department=sales`);
    expect(queue.json).toEqual({ items: [{ ...QUEUED, jid }], next: null, position: NEWEST });
    expect(calls.filters).toEqual([{ tenant: 'acme', department: 'sales', limit: 50, now: NOW }]);
    const departments = await ask('GET', `${ACME}/departments?timezone=Asia/Tokyo`);
    expect(departments.json).toEqual({
      items: [{ ...DEPARTMENT, open: true, until: null, full: false }],
      todaySince: NOW - 9 * 3_600_000,
      position: NEWEST,
    });
  });

  test('of visitors and of messages passes on its filters', async () => {
    const { ask, calls } = fakeApp();
    await ask('GET', `${ACME}/visitors?online=false&country=latvia&sort=-lastSeen`);
    await ask('GET', `${ACME}/visitors/7/messages?kinds=note,chat`);
    expect(calls.filters).toEqual([
      { tenant: 'acme', online: false, country: 'latvia', sort: '-lastSeen', limit: 50 },
      { tenant: 'acme', visitor: '7', kinds: ['note', 'chat'], limit: 50 },
    ]);
  });
});

describe('a problem names the wrong parameter', () => {
  test.each([
    ['chats?state=gone', 'state'],
    ['chats?closedBy=nobody', 'closedBy'],
    ['chats?missed=maybe', 'missed'],
    ['chats?since=soon', 'since'],
    ['chats?until=1e3', 'until'],
    ['chats?since=since 5', 'since'],
    ['chats?since=2026-02-31', 'since'],
    // Without an offset it would be a time in the machine's own zone.
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
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('GET', `${ACME}/${path}`);
    expect([status, json.errors?.map((error: { field: string }) => error.field)]).toEqual([
      400,
      [field],
    ]);
    expect(calls.filters).toEqual([]);
  });

  test.each(READS.concat('stream'))('%s needs a key of the tenant in the header', async (path) => {
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
  test.each(READS)(
    'of %s stands for the content: the same content is not sent again',
    async (path) => {
      let position = 'fake:9';
      const { deps } = fakeApp();
      const readModels = Object.assign(Object.create(deps.readModels), {
        reach: async () => position,
      });
      const { ask } = fakeApp({ readModels });
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
    },
  );

  test('differs for other content, and problems, commands and /debug have none', async () => {
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

test('while a read model is rebuilt, queries of it are 503 with Retry-After', async () => {
  const { deps } = fakeApp();
  const rebuilt = async () => {
    throw new AppError('unavailable', 'file /x/y', {
      publicMessage: 'it is rebuilt',
      retryAfter: 5,
    });
  };
  const readModels = {
    ...deps.readModels,
    chats: { list: rebuilt, get: rebuilt, withId: rebuilt },
  };
  const { ask } = fakeApp({ readModels });
  for (const path of ['chats', 'chats/c1']) {
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

test('the admin sees how the read models follow the log', async () => {
  const { deps } = fakeApp();
  const state = { name: 'projections', position: 'p:1', live: false, lagMs: 20 };
  const build = { number: 1, versions: { chats: 1 }, complete: true, position: 'p:1' };
  const following = { ...state, eventsApplied: 3, failure: null };
  const readModels = {
    ...deps.readModels,
    builds: async () =>
      // The API shows what it is told.
      ({ current: { ...build, following }, next: { ...build, following: null } }) as never,
  };
  const { json } = await fakeApp({ readModels }).ask('GET', '/debug/projections', { key: ADMIN });
  expect(json).toEqual({
    shown: { ...build, following: { ...state, applied: 3, failed: null } },
    building: { ...build, following: null },
  });
});

test('the admin can rebuild the read models', async () => {
  let rebuilt = 0;
  const { deps } = fakeApp();
  const readModels = {
    ...deps.readModels,
    rebuild: async () => {
      rebuilt += 1;
    },
  };
  const { ask } = fakeApp({ readModels });
  expect((await ask('POST', '/debug/projections/rebuild')).status).toBe(401);
  const { status, json } = await ask('POST', '/debug/projections/rebuild', { key: ADMIN });
  expect([status, json, rebuilt]).toEqual([202, { shown: null, building: null }, 1]);
});
