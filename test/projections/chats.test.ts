import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { username } from '../support/names.ts';
import {
  answers,
  assigns,
  type ChatScene,
  closes,
  delays,
  openChatScene,
  SECOND,
  says,
  starts,
} from './chat-scene.ts';

let log: ChatScene['log'];
let live: ChatScene['live'];
let happens: ChatScene['happens'];
let chatOf: ChatScene['chatOf'];
beforeAll(async () => {
  ({ log, live, happens, chatOf } = await openChatScene());
});
afterAll(() => log.close());

const ids = (filter: object): string[] =>
  live.projections.chats
    .list({ tenant: 'acme', limit: 100, ...filter })
    .items.map(({ chatId }) => chatId);

describe('a chat', () => {
  test('has the times at which it waited, was offered, answered and closed', async () => {
    const at = log.now();
    await happens(
      'a',
      { type: 'ViewPage', digest: 'd', department: null, delays, profile: { nick: 'Ann' } },
      starts('a1'),
    );
    expect(chatOf('a1')).toMatchObject({
      visitor: 'a',
      nick: 'Ann',
      department: 'sales',
      state: 'waiting',
      operator: null,
      startedAt: at + SECOND,
      waitingSince: at + SECOND,
      missed: false,
      operators: [],
    });
    await happens('a', says('m1'), assigns('a1', 'op'));
    expect(chatOf('a1')).toMatchObject({
      state: 'offered',
      operator: 'op',
      offered: ['op'],
      visitorMessages: 1,
      waitingSince: at + SECOND,
      assignedAt: at + 3 * SECOND,
      acceptedAt: null,
    });
    await happens('a', answers('op', 'o1'), answers('op', 'o2'), closes('a1'));
    expect(chatOf('a1')).toMatchObject({
      state: 'closed',
      operator: 'op',
      offered: [],
      waitingSince: null,
      missed: false,
      acceptedAt: at + 4 * SECOND,
      firstAnswerAt: at + 4 * SECOND,
      operatorMessages: 2,
      closedAt: at + 6 * SECOND,
      closedBy: 'visitor',
      reason: 'done',
      operators: [
        {
          operator: 'op',
          askedAt: at + 3 * SECOND,
          acceptedAt: at + 4 * SECOND,
          firstAnswerAt: at + 4 * SECOND,
          messages: 2,
          missed: 0,
          declined: 0,
        },
      ],
    });
  });

  test('says which operators missed it, declined it and lost it', async () => {
    const unassigns = (operator: string, reason: 'missed' | 'owner-gone'): VisitorCommand => ({
      type: 'UnassignChat',
      chatId: 'b1',
      operator: username(operator),
      reason,
    });
    await happens('b', starts('b1'), assigns('b1', 'op1'), unassigns('op1', 'missed'));
    const { startedAt } = chatOf('b1');
    expect(chatOf('b1')).toMatchObject({
      state: 'waiting',
      operator: null,
      waitingSince: startedAt,
      missedOffers: 1,
    });
    await happens(
      'b',
      {
        type: 'OfferChat',
        chatId: 'b1',
        operators: [username('op2'), username('op3')],
        reason: 'broadcast',
      },
      { type: 'DeclineChat', operator: username('op2') },
    );
    expect(chatOf('b1')).toMatchObject({ state: 'offered', operator: null, offered: ['op3'] });
    await happens(
      'b',
      { type: 'AcceptChat', operator: username('op3') },
      unassigns('op3', 'owner-gone'),
    );
    expect(chatOf('b1')).toMatchObject({
      state: 'waiting',
      operator: null,
      missedOffers: 1,
      assignedAt: startedAt + SECOND,
      acceptedAt: startedAt + 5 * SECOND,
      waitingSince: startedAt + 6 * SECOND,
    });
    expect(
      chatOf('b1').operators.map(({ operator, missed, declined }) => [operator, missed, declined]),
    ).toEqual([
      ['op1', 1, 0],
      ['op2', 0, 1],
      ['op3', 0, 0],
    ]);
    await happens('b', { type: 'AcceptChat', operator: username('op4') });
    expect(chatOf('b1')).toMatchObject({
      state: 'active',
      operator: 'op4',
      waitingSince: null,
      acceptedAt: startedAt + 5 * SECOND, // The waiting time ends with the first acceptance.
    });
    await happens('b', closes('b1'));
    expect(chatOf('b1').missed).toBe(false); // An operator had accepted it.
  });

  test('counts a missed offer for each operator of a broadcast that nobody answered', async () => {
    const operators = ['op2', 'op3'].map(username);
    await happens('e', starts('e1'), {
      type: 'OfferChat',
      chatId: 'e1',
      operators,
      reason: 'broadcast',
    });
    log.passes(delays.offerTimeout);
    await log.visitor('e', { type: 'Wake' });
    await happens('e', says('e-m1'));
    expect(chatOf('e1')).toMatchObject({
      state: 'waiting',
      offered: [],
      missedOffers: 2,
      operators: operators.map((operator) => ({ operator, missed: 1, declined: 0 })),
    });
    await happens('e', closes('e1'));
  });

  test('has the new department or operator after a transfer, and counts transfers', async () => {
    const transfers = (more: object): VisitorCommand => ({
      type: 'TransferChat',
      chatId: null,
      from: username('op'),
      operator: null,
      department: null,
      reservation: null,
      ...more,
    });
    await happens('t', starts('t1'), answers('op', 't-o1'), transfers({ department: 'support' }));
    expect(chatOf('t1')).toMatchObject({
      state: 'waiting',
      operator: null,
      department: 'support',
      transfers: 1,
      waitingSince: log.now() - SECOND,
    });
    expect(live.projections.visitors.get('acme', 't')).toMatchObject({
      conversation: 'waiting',
      department: 'support',
      operator: null,
    });
    await happens('t', answers('op2', 't-o2'), transfers({ from: 'op2', operator: 'op' }));
    expect(chatOf('t1')).toMatchObject({
      state: 'offered',
      operator: 'op',
      offered: ['op'],
      department: 'support',
      transfers: 2,
    });
    await happens('t', closes('t1'));
  });

  test('is missed if it is closed without ever being accepted', async () => {
    await happens('m', starts('m1'), closes('m1'));
    expect(chatOf('m1')).toMatchObject({ state: 'closed', missed: true, operator: null });
  });

  test('may have the id of another chat: both are kept', async () => {
    await happens('r', starts('again'), closes('again'), starts('again', 'support', 'Rita'));
    await happens('r2', starts('again'));
    expect(ids({ visitor: 'r' })).toEqual(['again', 'again']);
    expect(chatOf('again', 'r')).toMatchObject({ state: 'waiting', nick: 'Rita' });
    expect(chatOf('again').visitor).toBe('r2');
    await happens('r', assigns('again', 'op9'));
    const { items } = live.projections.chats.list({ tenant: 'acme', visitor: 'r', limit: 2 });
    expect(items.map(({ state, operator, offered }) => [state, operator, offered])).toEqual([
      ['offered', 'op9', ['op9']],
      ['closed', null, []],
    ]);
    await happens('r', closes('again'));
    await happens('r2', closes('again'));
  });

  test('stays after the cleanup of its visitor', async () => {
    await happens('gone', starts('g1'), closes('g1'), { type: 'CleanUp' });
    expect(chatOf('g1')).toMatchObject({ state: 'closed', visitor: 'gone' });
  });

  test('belongs to its tenant alone', async () => {
    await log.visitor('a', starts('a1', 'beta-only'), TenantId.parse('beta'));
    await happens('a', { type: 'TimeOut' });
    expect(chatOf('a1').department).toBe('sales');
    expect(live.projections.chats.get('beta', 'a1')).toMatchObject({ department: 'beta-only' });
    expect(live.projections.chats.list({ tenant: 'gamma', limit: 1 }).items).toEqual([]);
    const departments = live.projections.departments
      .list({ tenant: 'acme', todaySince: 0, configured: {} })
      .map(({ department }) => department);
    expect(departments).not.toContain('beta-only');
  });
});

describe('lists of chats', () => {
  test('are filtered', () => {
    expect(ids({ missed: true })).toEqual(['g1', 'again', 'again', 'again', 'm1', 'e1']);
    expect(ids({ missed: false })).toEqual(['t1', 'b1', 'a1']);
    expect(ids({ department: 'support', state: 'closed' })).toEqual(['again', 't1']);
    expect(ids({ operator: 'op' })).toEqual(['t1', 'a1']);
    expect(ids({ visitor: 'b', closedBy: 'visitor' })).toEqual(['b1']);
    expect(ids({ closedBy: 'system' })).toEqual([]);
    expect(ids({ state: 'active' })).toEqual([]);
    const { startedAt } = chatOf('b1');
    expect(ids({ since: startedAt, until: startedAt + 1 })).toEqual(['b1']);
    expect(ids({ until: startedAt, sort: 'startedAt' })).toEqual(['a1']);
  });

  test('are paged without gap or repeat while rows come and change, in each order', async () => {
    await happens('w1', starts('w1'));
    await happens('w2', starts('w2'), { type: 'AcceptChat', operator: username('op') });
    for (const sort of ['startedAt', '-startedAt', 'waitingSince', '-waitingSince'] as const) {
      const whole = ids({ sort });
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let n = 1; ; n += 1) {
        const page = live.projections.chats.list({ tenant: 'acme', limit: 1, sort, cursor });
        seen.push(...page.items.map(({ chatId }) => chatId));
        if (page.next === null) break;
        cursor = page.next;
        // A new chat comes before the pages already read, and one of those pages' chats changes.
        if (sort === '-startedAt') await happens(`n${n}`, starts(`n${n}`), closes(`n${n}`));
        if (seen.includes('w1')) await happens('w1', says(`${sort}-${n}`));
      }
      expect(seen).toEqual(whole);
    }
  });

  test('refuse a cursor of another order, and the error says so', () => {
    const { next } = live.projections.chats.list({ tenant: 'acme', limit: 1, sort: 'startedAt' });
    const list = (cursor: string) => () =>
      live.projections.chats.list({ tenant: 'acme', limit: 1, cursor });
    expect(list(next ?? '')).toThrow(/in another order, not of sort=-startedAt/);
    expect(list('x')).toThrow(/is not a cursor of this list/);
  });
});
