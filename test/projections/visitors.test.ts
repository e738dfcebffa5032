import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { Profile } from '../../src/actors/visitor/profile.ts';
import type { VisitorFilter } from '../../src/projections/visitor-queries.ts';
import { username } from '../support/names.ts';
import { type Following, type Log, openTestLog } from './log.ts';

const SECOND = 1000;
const delays = {
  hardTimeout: 300 * SECOND,
  cleanupAfter: 3600 * SECOND,
  invitationTimeout: 120 * SECOND,
  offerTimeout: 60 * SECOND,
  chatIdle: 3600 * SECOND,
};
const views = (profile: Profile, department: string | null = null): VisitorCommand => ({
  type: 'ViewPage',
  digest: JSON.stringify(profile),
  department,
  delays,
  profile,
});
const starts = (chatId: string, nick?: string): VisitorCommand => ({
  type: 'StartChat',
  chatId,
  department: 'sales',
  delays,
  nick,
});

let log: Log;
let live: Following;
beforeAll(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
});
afterAll(() => log.close());

/** The row, when it contains everything so far. */
const row = async (key: string) => {
  await live.projections.waitFor(await log.head(), 5000);
  return live.projections.visitors.get('acme', key);
};
const keys = (filter: Partial<VisitorFilter>) =>
  live.projections.visitors
    .list({ tenant: 'acme', limit: 100, ...filter })
    .items.map(({ key }) => key);

describe('a visitor', () => {
  test('has a row from the first page view on, with the profile', async () => {
    await log.visitor('v1', views({ page: '/', title: 'Home', nick: 'Ann', visits: 3 }, 'help'));
    expect(await row('v1')).toEqual({
      key: 'v1',
      inLhc: null,
      presence: 'online',
      conversation: 'none',
      chatId: null,
      operator: null,
      department: 'help',
      nick: 'Ann',
      page: '/',
      title: 'Home',
      referrer: null,
      country: null,
      city: null,
      timezone: null,
      visits: 3,
      loggedIn: false,
      arrivedAt: log.now(),
      lastSeen: log.now(),
      revision: 0,
    });
  });

  test('has the page of the last page view, and keeps what it leaves out about the visitor', async () => {
    const arrivedAt = log.now();
    log.passes(SECOND);
    await log.visitor('v1', views({ page: '/prices' }));
    expect(await row('v1')).toMatchObject({
      page: '/prices',
      title: null,
      nick: 'Ann',
      visits: 3,
      department: 'help',
      arrivedAt,
      lastSeen: log.now(),
      revision: 1,
    });
  });

  test('has the newest nick, and the department of the chat, which page views do not change', async () => {
    await log.visitor('v1', starts('c1', 'Ann #1'));
    expect(await row('v1')).toMatchObject({
      conversation: 'waiting',
      chatId: 'c1',
      nick: 'Ann #1',
      department: 'sales',
      operator: null,
    });
    await log.visitor('v1', {
      type: 'AssignChat',
      chatId: 'c1',
      operator: username('op'),
      reservation: null,
      reason: 'least-loaded',
    });
    await log.visitor('v1', views({ page: '/other', nick: 'Ann' }, 'help'));
    expect(await row('v1')).toMatchObject({
      conversation: 'waiting',
      operator: 'op',
      page: '/other',
      nick: 'Ann',
      department: 'sales',
    });
    expect(live.projections.chats.get('acme', 'c1', 'v1')).toMatchObject({ nick: 'Ann' });
    await log.visitor('v1', {
      type: 'ReceiveOperatorMessage',
      operator: username('op'),
      messageId: 'o1',
      body: 'Hello',
    });
    expect(await row('v1')).toMatchObject({ conversation: 'chatting', operator: 'op' });
    await log.visitor('v1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    expect(await row('v1')).toMatchObject({
      conversation: 'none',
      chatId: null,
      operator: null,
      department: 'help',
    });
  });

  test('is logged in while there is a session', async () => {
    await log.visitor('v1', { type: 'ReportLoggedIn' });
    expect((await row('v1'))?.loggedIn).toBe(true);
    await log.visitor('v1', { type: 'ReportLoggedOut', reason: 'timed out' });
    expect((await row('v1'))?.loggedIn).toBe(false);
  });

  test('loses the invitation at a timeout, and everything at a cleanup', async () => {
    log.passes(11 * SECOND); // After the chat: an operator's message right after its end does not invite the visitor.
    await log.visitor('v1', {
      type: 'ReceiveOperatorMessage',
      operator: username('op'),
      messageId: 'o2',
      body: 'Hello?',
    });
    expect(await row('v1')).toMatchObject({ conversation: 'invited', operator: 'op' });
    const lastSeen = (await row('v1'))?.lastSeen;
    log.passes(delays.hardTimeout);
    await log.visitor('v1', { type: 'TimeOut' });
    expect(await row('v1')).toMatchObject({
      presence: 'timedOut',
      conversation: 'none',
      operator: null,
      lastSeen,
    });
    await log.visitor('v1', { type: 'CleanUp' });
    expect(await row('v1')).toMatchObject({
      presence: 'cleanedUp',
      page: null,
      nick: null,
      department: null,
      lastSeen,
    });
  });

  test('may start with a chat, without a profile, and return later', async () => {
    await log.visitor('c9.chat', starts('c9'));
    expect(await row('c9.chat')).toMatchObject({ presence: 'online', page: null, chatId: 'c9' });
    await log.visitor('v1', views({ page: '/again' }));
    expect(await row('v1')).toMatchObject({ presence: 'online', page: '/again' });
  });

  test('with the same key in another tenant is another visitor', async () => {
    await log.visitor('v1', views({ page: '/beta' }), TenantId.parse('beta'));
    expect((await row('v1'))?.page).toBe('/again');
    expect(live.projections.visitors.get('beta', 'v1')?.page).toBe('/beta');
    expect(live.projections.visitors.get('gamma', 'v1')).toBeNull();
  });
});

describe('lists of visitors', () => {
  beforeAll(async () => {
    for (const n of [1, 2, 3, 4, 5]) {
      log.passes(SECOND);
      const country = n % 2 ? 'Latvia' : 'Peru';
      await log.visitor(`p${n}`, views({ page: `/100%/${n}`, country, nick: `N_${n}` }, 'dev'));
    }
    await log.visitor('p1', starts('c1'));
    await log.visitor('p2', { type: 'TimeOut' });
    await row('p1');
  });

  test('are filtered by state, department, operator and literal text', () => {
    expect(keys({ q: '/100%/', state: 'online' })).toEqual(['p5', 'p4', 'p3', 'p1']);
    expect(keys({ state: 'timedOut' })).toEqual(['p2']);
    expect(keys({ state: 'waiting' }).sort()).toEqual(['c9.chat', 'p1']);
    expect(keys({ state: 'chatting' })).toEqual([]);
    expect(keys({ department: 'dev' })).toEqual(['p5', 'p4', 'p3', 'p2']);
    expect(keys({ operator: 'op' })).toEqual([]);
    expect(keys({ q: 'latvia' })).toEqual(['p5', 'p3', 'p1']);
    expect(keys({ q: 'n_4' })).toEqual(['p4']);
    expect(keys({ q: 'p_' })).toEqual([]);
  });

  test('are searched without regard to case, in any alphabet', async () => {
    const beta = TenantId.parse('beta');
    await log.visitor('i', views({ page: '/', nick: 'Иван', country: 'Österreich' }), beta);
    await log.visitor('z', views({ page: '/', nick: 'Žanis', city: 'Rīga' }), beta);
    await row('i');
    const found = (filter: Partial<VisitorFilter>) => keys({ tenant: 'beta', ...filter });
    expect(found({ q: 'ИВАН' })).toEqual(['i']);
    expect(found({ q: 'žANIS' })).toEqual(['z']);
    expect(found({ q: 'RĪG' })).toEqual(['z']);
    expect(found({ q: 'ī_' })).toEqual([]);
    // A text does not match across two columns.
    expect(found({ q: 'иванÖ' })).toEqual([]);
    expect(found({ country: 'öSTERREICH' })).toEqual(['i']);
    expect(found({ country: 'österreic' })).toEqual([]);
  });

  test('are paged without gap or repeat while visitors arrive', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let n = 1; ; n += 1) {
      const page = live.projections.visitors.list({
        tenant: 'acme',
        q: '/100%/',
        limit: 2,
        cursor,
      });
      seen.push(...page.items.map(({ key }) => key));
      if (page.next === null) break;
      cursor = page.next;
      log.passes(SECOND);
      await log.visitor(`late${n}`, views({ page: '/100%/late' }));
      await row('p1');
    }
    expect(seen).toEqual(['p5', 'p4', 'p3', 'p2', 'p1']);
  });

  test.each(['', 'x', 'e30', 'W10', 'WyJhIiwiYiJd', 'WzEuNSwiYSJd'])(
    'refuse the cursor %j',
    (cursor) => {
      const list = () => live.projections.visitors.list({ tenant: 'acme', limit: 1, cursor });
      if (cursor === '') expect(list).not.toThrow();
      else expect(list).toThrow(expect.objectContaining({ code: 'invalid' }));
    },
  );
});
