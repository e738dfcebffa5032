/** Any filters in any order, page by page, find the rows that a scan of every row would find. Each named index has to fit. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import {
  CHAT_SORTS,
  CHAT_STATES,
  type ChatFilter,
  type ChatView,
  CLOSE_PARTIES,
  chatQueries,
} from '../../src/projections/chat-queries.ts';
import type { Page } from '../../src/projections/list.ts';
import {
  type Portion,
  type PortionKey,
  statsQueries,
} from '../../src/projections/stats-queries.ts';
import {
  VISITOR_SORTS,
  VISITOR_STATES,
  type VisitorFilter,
  type VisitorView,
  visitorQueries,
} from '../../src/projections/visitor-queries.ts';
import { username } from '../support/names.ts';
import { type Following, type Log, openTestLog } from './log.ts';

const delays = {
  hardTimeout: 3_600_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 3_600_000,
  offerTimeout: 3_600_000,
  chatIdle: 86_400_000,
};
const DEPARTMENTS = ['sales', 'support'];
const OPERATORS = ['op1', 'op2'];
const COUNTRIES = ['Latvia', 'Perú'];

let log: Log;
let live: Following;
/** The rows of `live`. */
let file: DatabaseSync;
const visitors: VisitorView[] = [];
const chats: ChatView[] = [];

beforeAll(async () => {
  log = await openTestLog();
  for (let n = 0; n < 60; n += 1) {
    const key = `v${n}`;
    const of = <T>(some: readonly T[], by = 1): T => some[Math.floor(n / by) % some.length] as T; // none is empty
    const commands: VisitorCommand[] = [
      {
        type: 'ViewPage',
        digest: 'd',
        department: null,
        delays,
        profile: { page: `/${n}`, country: of(COUNTRIES) },
      },
    ];
    const chatId = `c${n % 40}`;
    const operator = username(of(OPERATORS, 2));
    const answer: VisitorCommand = {
      type: 'ReceiveOperatorMessage',
      operator,
      messageId: `o${n}`,
      body: 'words',
    };
    if (n % 7 === 1) commands.push(answer); // invites
    if (n % 7 > 1) {
      commands.push({ type: 'StartChat', chatId, department: of(DEPARTMENTS, 3), delays });
      if (n % 7 === 3) {
        const data = { chatId, operator, reservation: null, reason: 'random' as const };
        commands.push({ type: 'AssignChat', ...data });
      }
      if (n % 7 > 4) commands.push(answer);
      if (n % 2) commands.push({ type: 'CloseChat', chatId, by: of(CLOSE_PARTIES), reason: null });
    }
    if (n % 5 === 0 && n % 2) commands.push({ type: 'TimeOut' });
    if (n % 15 === 0 && n % 2) commands.push({ type: 'CleanUp' });
    for (const command of commands) {
      await log.visitor(key, command);
      // Some at the same moment.
      if (n % 4) log.passes(1000);
    }
  }
  live = await log.caughtUp('live.db');
  const { number } = live.projections.builds().current ?? {};
  file = new DatabaseSync(join(log.folder, `live.db.${number}`), { readOnly: true });
  const all = { tenant: 'acme', limit: 200 };
  visitors.push(...live.projections.visitors.list(all).items);
  chats.push(...live.projections.chats.list(all).items);
  expect([visitors.length, chats.length > 30]).toEqual([60, true]);
});
afterAll(() => {
  file.close();
  return log.close();
});

/** All pages of a list. */
function pages<Row>(list: (cursor: string | undefined) => Page<Row>): Row[] {
  const found: Row[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = list(cursor);
    found.push(...items);
    if (next === null) return found;
    cursor = next;
  }
}

/** In this order by a time, and among equal ones by the rest. */
function sorted<Row>(
  rows: readonly Row[],
  sort: string,
  time: (row: Row) => number,
  rest: (row: Row) => readonly (string | number)[],
): Row[] {
  const way = sort.startsWith('-') ? -1 : 1;
  const compare = (a: readonly (string | number)[], b: readonly (string | number)[]): number => {
    const i = a.findIndex((part, at) => part !== b[at]);
    const [x = '', y = ''] = [a[i], b[i]];
    return i < 0 ? 0 : x < y ? -1 : 1;
  };
  return rows.toSorted((a, b) => way * (time(a) - time(b)) || compare(rest(a), rest(b)));
}

const some = <T>(values: readonly T[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 });

test.each([undefined, 4])('lists of visitors that scan %s rows at once', (scanRows) => {
  const model = scanRows === undefined ? live.projections.visitors : visitorQueries(file, scanRows);
  const filters = fc.record({
    state: some(VISITOR_STATES),
    department: some([...DEPARTMENTS, 'none']),
    operator: some([...OPERATORS, 'nobody']),
    country: some(['latvia', 'PERÚ', 'Chad']),
    online: some([true, false]),
    q: some(['/1', '%', 'v2', 'ú']),
    sort: fc.constantFrom(...VISITOR_SORTS),
    limit: fc.constantFrom(1, 3, 200),
  });
  const fits = (row: VisitorView, wish: Omit<VisitorFilter, 'tenant'>): boolean =>
    [
      !wish.state || wish.state === row.presence || wish.state === row.conversation,
      !wish.department || wish.department === row.department,
      !wish.operator || wish.operator === row.operator,
      !wish.country || wish.country.toLowerCase() === row.country?.toLowerCase(),
      wish.online === undefined || wish.online === (row.presence === 'online'),
      !wish.q || [row.key, row.page, row.country].some((text) => text?.includes(wish.q ?? '')),
    ].every(Boolean);
  fc.assert(
    fc.property(filters, (wish) => {
      const found = pages((cursor) => model.list({ tenant: 'acme', ...wish, cursor }));
      const time = (row: VisitorView) =>
        wish.sort.endsWith('arrivedAt') ? row.arrivedAt : row.lastSeen;
      const matches = visitors.filter((row) => fits(row, wish));
      expect(found).toEqual(sorted(matches, wish.sort, time, ({ key }) => [key]));
    }),
    { numRuns: 400 },
  );
});

test.each([undefined, 4])('lists of chats that scan %s rows at once', (scanRows) => {
  const model = scanRows === undefined ? live.projections.chats : chatQueries(file, scanRows);
  const filters = fc.record({
    state: some(CHAT_STATES),
    department: some([...DEPARTMENTS, 'none']),
    operator: some([...OPERATORS, 'nobody']),
    visitor: some(['v2', 'v10', 'v59']),
    closedBy: some(CLOSE_PARTIES),
    missed: some([true, false]),
    since: some(chats.map(({ startedAt }) => startedAt)),
    until: some(chats.map(({ startedAt }) => startedAt)),
    sort: fc.constantFrom(...CHAT_SORTS),
    limit: fc.constantFrom(1, 3, 200),
  });
  const fits = (row: ChatView, wish: Omit<ChatFilter, 'tenant'>): boolean =>
    [
      !wish.state || wish.state === row.state,
      !wish.department || wish.department === row.department,
      !wish.operator || wish.operator === row.operator,
      !wish.visitor || wish.visitor === row.visitor,
      !wish.closedBy || wish.closedBy === row.closedBy,
      wish.missed === undefined || wish.missed === row.missed,
      wish.since === undefined || row.startedAt >= wish.since,
      wish.until === undefined || row.startedAt < wish.until,
      !wish.sort?.endsWith('waitingSince') || row.waitingSince !== null,
    ].every(Boolean);
  fc.assert(
    fc.property(filters, (wish) => {
      const found = pages((cursor) => model.list({ tenant: 'acme', ...wish, cursor }));
      const time = (row: ChatView) =>
        wish.sort.endsWith('startedAt') ? row.startedAt : (row.waitingSince ?? 0);
      const matches = chats.filter((row) => fits(row, wish));
      const rest = ({ visitor, revision }: ChatView) => [visitor, revision];
      expect(found).toEqual(sorted(matches, wish.sort, time, rest));
    }),
    { numRuns: 600 },
  );
});

test.each(['lastSeen', '-lastSeen'] as const)(
  'a page does not sort all visitors when many are online: %s',
  (sort) => {
    const plans = (scanRows: number): string => {
      const prepare = vi.spyOn(file, 'prepare');
      visitorQueries(file, scanRows).list({ tenant: 'acme', online: true, sort, limit: 1 });
      const lists = prepare.mock.calls.map(([sql]) => sql).filter((sql) => /ORDER BY/.test(sql));
      prepare.mockRestore();
      return JSON.stringify(lists.map((sql) => file.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()));
    };
    expect(visitors.filter(({ presence }) => presence === 'online').length).toBeGreaterThan(10);
    expect(plans(2)).not.toContain('visitors_online');
    // Compared with 200 rows, few are online.
    expect(plans(200)).toContain('visitors_online');
  },
);

test('a cursor belongs to one order of its list', () => {
  const list = (more: Partial<VisitorFilter>) =>
    live.projections.visitors.list({ tenant: 'acme', limit: 2, ...more });
  const { next, items } = list({});
  const [, second] = items;
  expect(JSON.parse(Buffer.from(next ?? '', 'base64url').toString())).toEqual([
    '-arrivedAt',
    second?.arrivedAt,
    second?.key,
  ]);
  expect(list({ cursor: next ?? '' }).items).toEqual(visitors.slice(2, 4));
  for (const sort of ['arrivedAt', 'lastSeen', '-lastSeen'] as const) {
    expect(() => list({ sort, cursor: next ?? '' })).toThrow(/cursor of this list/);
    expect(() => list({ cursor: list({ sort }).next ?? '' })).toThrow(/cursor of this list/);
  }
  const other = list({ sort: 'lastSeen' }).next ?? '';
  expect(() => list({ sort: '-lastSeen', cursor: other })).toThrow(/another order/);
});

test('a page scans a bounded number of rows: it may be empty, and the next page begins behind them', () => {
  const ask = { tenant: 'acme', department: 'none', limit: 10 };
  const page = visitorQueries(file, 4).list(ask);
  expect(page.items).toEqual([]);
  const last = visitors[3];
  expect(JSON.parse(Buffer.from(page.next ?? '', 'base64url').toString())).toEqual([
    '-arrivedAt',
    last?.arrivedAt,
    last?.key,
  ]);
  expect(chatQueries(file, 4).list({ ...ask, operator: 'op1', closedBy: 'system' }).next).not.toBe(
    null,
  );
  // Conditions that an index answers need no scan.
  expect(chatQueries(file, 4).list(ask)).toEqual({ items: [], next: null });
  expect(visitorQueries(file, 4).list({ ...ask, operator: 'nobody' }).next).toBe(null);
});

test('statistics of any range, portion by portion, have each of its chats once', () => {
  const times = chats.map(({ startedAt }) => startedAt);
  const all = <Row>(read: (after: PortionKey | null) => Portion<Row>): Row[] => {
    const found: Row[] = [];
    for (let after: PortionKey | null = null; ; ) {
      const { rows, next }: Portion<Row> = read(after);
      found.push(...rows);
      if (next === null) return found;
      after = next;
    }
  };
  const ranges = fc.tuple(fc.constantFrom(...times), fc.constantFrom(...times));
  fc.assert(
    fc.property(ranges, fc.constantFrom(1, 3, 1000), ([since, until], portion) => {
      const range = { tenant: 'acme', since, until };
      const stats = statsQueries(file, portion);
      const within = chats.filter((chat) => chat.startedAt >= since && chat.startedAt < until);
      expect(all((after) => stats.chats(range, after))).toEqual(
        within.map((chat) => ({
          department: chat.department,
          closed: chat.state === 'closed',
          startedAt: chat.startedAt,
          acceptedAt: chat.acceptedAt,
          answeredAt: chat.firstAnswerAt,
          overflowed: [],
        })),
      );
      const work = within.flatMap(({ operators }) => operators.map(({ operator }) => operator));
      expect(
        all((after) => stats.work(range, after))
          .map(({ operator }) => operator)
          .sort(),
      ).toEqual(work.sort());
    }),
  );
});
