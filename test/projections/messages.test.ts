import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor-decisions.ts';
import { type Following, type Log, openTestLog } from './log.ts';

const delays = {
  hardTimeout: 300_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  chatIdle: 3_600_000,
};
const says = (messageId: string): VisitorCommand => ({
  type: 'SendMessage',
  messageId,
  chatId: null,
  body: `visitor: ${messageId}`,
});
const answers = (messageId: string): VisitorCommand => ({
  type: 'ReceiveOperatorMessage',
  operator: 'op',
  messageId,
  body: `operator: ${messageId}`,
});

let log: Log;
let live: Following;
beforeAll(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
  await log.visitor('v', {
    type: 'ViewPage',
    digest: 'd',
    department: null,
    delays,
    profile: { page: '/' },
  });
  await log.visitor('v', answers('o1'));
  await log.visitor('v', {
    type: 'StartChat',
    chatId: 'c1',
    department: null,
    delays,
    message: { id: 'm1', body: 'visitor: m1' },
  });
  await log.visitor('v', answers('o2'));
  for (const id of ['m2', 'm3', 'm4']) await log.visitor('v', says(id));
  await log.visitor('v', { type: 'ReportTaken', messageIds: ['m1', 'm2', 'm3'] });
  await log.visitor('v', { type: 'ReportDelivered', messageIds: ['m1', 'm2'], by: 'ping' });
  await log.visitor('v', { type: 'ReportFailed', messageId: 'm3', reason: 'expired' });
  await log.visitor('v', { type: 'ReportDelivered', messageIds: ['m3'], by: 'ping' });
  await live.projections.waitFor(await log.head(), 5000);
});
afterAll(() => log.close());

const list = (more: { chatId?: string; cursor?: string; limit?: number } = {}) =>
  live.projections.messages.list({ tenant: 'acme', visitor: 'v', limit: 50, ...more });

test('messages of both sides stand in order, with who, what, and what became of them', () => {
  const told = list().items.map(({ id, direction, kind, operator, chatId, state, reason, body }) =>
    [id, direction, kind, operator, chatId, state, reason, body].join(' '),
  );
  expect(told).toEqual([
    'o1 operator invitation op  received  operator: o1',
    'm1 visitor chat op c1 delivered  visitor: m1',
    'o2 operator chat op c1 received  operator: o2',
    'm2 visitor chat op c1 delivered  visitor: m2',
    'm3 visitor chat op c1 failed expired visitor: m3',
    'm4 visitor chat op c1 sent  visitor: m4',
  ]);
});

test('messages of one chat can be asked for', () => {
  expect(list({ chatId: 'c1' }).items).toHaveLength(5);
  expect(list({ chatId: 'c2' }).items).toEqual([]);
});

test('pages join without gap or repeat', () => {
  const ids: string[] = [];
  let page = list({ limit: 2 });
  for (;;) {
    ids.push(...page.items.map(({ id }) => id));
    if (page.next === null) break;
    page = list({ limit: 2, cursor: page.next });
  }
  expect(ids).toEqual(['o1', 'm1', 'o2', 'm2', 'm3', 'm4']);
});

test('another tenant has none of them', () => {
  const { items } = live.projections.messages.list({ tenant: 'beta', visitor: 'v', limit: 50 });
  expect(items).toEqual([]);
});

test('messages outlive the cleanup of their visitor, and its data key does not outlive erasure', async () => {
  await log.visitor('v', { type: 'CleanUp' });
  await live.projections.waitFor(await log.head(), 5000);
  expect(list().items).toHaveLength(6);
  await log.vault.erase('acme.v');
  const rebuilt = await log.caughtUp('after-erasure.db');
  const after = rebuilt.projections.messages.list({ tenant: 'acme', visitor: 'v', limit: 50 });
  expect(after.items.map(({ body }) => body)).toEqual(Array(6).fill(null));
});
