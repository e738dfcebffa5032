import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { meanHeadTime } from '../../src/projections/queue-queries.ts';
import { address } from '../actors/facts.ts';
import { username, visitorKey } from '../support/names.ts';
import {
  answers,
  assigns,
  type ChatScene,
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

describe('the queue', () => {
  test('has the waiting chats, the oldest first, with positions in all and in the department', async () => {
    await happens('q1', starts('q1', 'help'));
    await happens('q2', starts('q2', 'other'));
    await happens('q3', starts('q3', 'help'), assigns('q3', 'op'));
    await happens('q4', starts('q4', null));
    const queue = (more = {}) =>
      live.projections.queue.list({ tenant: 'acme', now: log.now(), limit: 10, ...more }).items;
    expect(
      queue().map((chat) => [chat.chatId, chat.position, chat.positionInDepartment, chat.state]),
    ).toEqual([
      ['q1', 1, 1, 'waiting'],
      ['q2', 2, 1, 'waiting'],
      ['q3', 3, 2, 'offered'],
      ['q4', 4, 1, 'waiting'],
    ]);
    expect(queue({ department: 'help' }).map(({ position }) => position)).toEqual([1, 3]);
    // No chat of this department was ever accepted.
    expect(queue().map(({ expectedWait }) => expectedWait)).toEqual([null, null, null, null]);
    const first = live.projections.queue.list({ tenant: 'acme', now: log.now(), limit: 3 });
    expect(queue({ cursor: first.next }).map(({ chatId }) => chatId)).toEqual(['q4']);
  });

  test('has no chat whose operators LHC picks', async () => {
    await happens('l1', { ...address('op', 'Hello', 'm1', 'l1'), delays });
    expect(chatOf('l1')).toMatchObject({ state: 'offered', waitingSince: null });
    const { items } = live.projections.queue.list({ tenant: 'acme', now: log.now(), limit: 99 });
    expect(items.map(({ chatId }) => chatId)).not.toContain('l1');
    await happens('l1', answers('op', 'o1'));
    expect(chatOf('l1')).toMatchObject({ state: 'active', operator: 'op' });
    await happens('l1', { ...address('op2', 'More', 'm2', 'l1'), delays }, answers('op2', 'o2'));
    expect(chatOf('l1')).toMatchObject({ state: 'active', operator: 'op2', waitingSince: null });
  });

  const comes = async (name: string, departments: string[]): Promise<void> => {
    const session = { session: 's', resource: 'r' };
    await log.operator(name, { type: 'ClaimAccount', adopted: false });
    await log.operator(name, {
      type: 'Register',
      lhcUserId: 1,
      departments,
      capacity: 3,
      name: 'N',
      nameChanged: true,
    });
    await log.operator(name, { type: 'OpenSession', ...session });
    await log.operator(name, { type: 'ChangePresence', ...session, show: 'dnd', status: '' });
  };
  const goes = (name: string) => log.operator(name, { type: 'CloseSession', session: 's' });

  test('expects the waiting time of recent chats', async () => {
    await comes('op', ['other', 'help']);
    await happens('q5', starts('q5', 'help'));
    log.passes(9 * SECOND);
    // The first waits ten seconds and some, the next twenty: q1 and q3 had started earlier.
    await happens('q1', { type: 'AcceptChat', operator: username('op1') });
    const { acceptedAt, startedAt } = chatOf('q1');
    const one = (acceptedAt ?? 0) - startedAt;
    const waits = () =>
      live.projections.queue
        .list({ tenant: 'acme', department: 'help', now: log.now(), limit: 10 })
        .items.map(({ expectedWait }) => expectedWait);
    expect(waits()).toEqual([one / 1000, (2 * one) / 1000]);
    log.passes(19 * SECOND);
    await happens('q3', { type: 'AcceptChat', operator: username('op') });
    expect(waits()).toEqual([Math.ceil((one + 20 * SECOND) / 2 / 1000)]);
    // No operator of the department is online, so the past says nothing.
    await comes('stranger', ['other']);
    await goes('op');
    await happens('q2', says('more'));
    expect(waits()).toEqual([null]);
    await comes('anything', []);
    await happens('q2', says('and more'));
    expect(waits()).toEqual([Math.ceil((one + 20 * SECOND) / 2 / 1000)]);
    // The last hour has no chats any more, the last day has some; later neither has.
    log.passes(3_600_000);
    expect(waits()).toEqual([Math.ceil((one + 20 * SECOND) / 2 / 1000)]);
    log.passes(24 * 3_600_000);
    expect(waits()).toEqual([null]);
    await goes('anything');
  });

  test('does not count the time behind an earlier chat, for the first chat of the hour too', async () => {
    // Each chat waits for an hour and a half, and one is accepted every ten minutes.
    const minutes = (n: number) => log.passes(n * 60 * SECOND);
    await comes('busy', ['slow']);
    const names = Array.from({ length: 20 }, (_, n) => `slow-${n}`);
    for (const [n, name] of names.entries()) {
      const ready = names[n - 9];
      if (ready) await happens(ready, { type: 'AcceptChat', operator: username('busy') });
      await happens(name, starts(name, 'slow'));
      minutes(10);
    }
    const [first] = live.projections.queue.list({
      tenant: 'acme',
      department: 'slow',
      now: log.now(),
      limit: 1,
    }).items;
    expect(first?.expectedWait).toBeGreaterThan(595);
    expect(first?.expectedWait).toBeLessThan(605);
  });

  test.each([
    [[], null],
    [[{ startedAt: 5, acceptedAt: 15 }], 10],
    // From 15 to 100 the queue was empty.
    [
      [
        { startedAt: 100, acceptedAt: 120 },
        { startedAt: 5, acceptedAt: 15 },
      ],
      15,
    ],
    // It was behind the other chat until 15.
    [
      [
        { startedAt: 6, acceptedAt: 21 },
        { startedAt: 5, acceptedAt: 15 },
      ],
      8,
    ],
  ])('counts only the time at the head of the queue: %j', (accepted, mean) => {
    expect(meanHeadTime(accepted, 0)).toBe(mean);
  });
});

describe('departments', () => {
  test('are those of operators, chats and settings, with their operators and waiting chats', async () => {
    for (const [name, departments, show] of [
      ['d1', ['desk'], 'available'],
      ['d2', ['desk', 'shop'], 'dnd'],
      ['d3', [], 'available'],
    ] as const) {
      await log.operator(name, { type: 'ClaimAccount', adopted: false });
      await log.operator(name, {
        type: 'Register',
        lhcUserId: 1,
        departments: [...departments],
        capacity: 3,
        name: 'N',
        nameChanged: true,
      });
      const session = { session: 's', resource: 'r' };
      await log.operator(name, { type: 'OpenSession', ...session });
      await log.operator(name, { type: 'ChangePresence', ...session, show, status: '' });
    }
    const at = log.now();
    await happens('d', starts('d-1', 'desk'));
    await happens('f', starts('d-3', 'constructor'));
    await happens('e', starts('d-2', 'desk'), answers('d1', 'd-o1'));
    await log.operator('d1', {
      type: 'ConfirmChat',
      reservation: null,
      visitor: visitorKey('e'),
      chatId: 'd-2',
      department: 'desk',
      ownerGrace: 60_000,
    });
    await live.projections.waitFor(await log.head(), 5000);
    const all = live.projections.departments.list({
      tenant: 'acme',
      todaySince: at,
      configured: { desk: 1, named: null },
    });
    const of = (name: string | null) => all.find(({ department }) => department === name);
    expect(of('named')).toMatchObject({
      operators: { online: 1, available: 1, away: 0, busy: 0 },
      waiting: 0,
      freePlaces: 3,
    });
    expect(of('shop')).toMatchObject({ operators: { online: 2, available: 1, busy: 1 } });
    expect(of('desk')).toMatchObject({
      operators: { online: 3, available: 2, away: 0, busy: 1 },
      waiting: 1,
      active: 1,
      longestWaitingSince: at,
      chatsToday: 2,
      servedToday: 1,
      missedToday: 0,
      freePlaces: 1, // At most one chat of the department for each operator: d1 has one, d3 may have one.
    });
    // The name of a property of every object is a name like any other.
    expect(of('constructor')).toMatchObject({ waiting: 1, freePlaces: 3 });
    expect(of(null)).toMatchObject({ waiting: 1, chatsToday: 0 });
    expect(all.at(-1)?.department).toBeNull();
  });
});
