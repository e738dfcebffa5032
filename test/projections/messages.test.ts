import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { username } from '../support/names.ts';
import { type Following, type Log, openTestLog } from './log.ts';

const delays = {
  hardTimeout: 300_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 3_600_000,
};
const says = (messageId: string): VisitorCommand => ({
  type: 'SendMessage',
  messageId,
  chatId: null,
  body: `visitor: ${messageId}`,
});
const answers = (
  messageId: string,
  more: { replaces?: string; body?: string } = {},
): VisitorCommand => ({
  type: 'ReceiveOperatorMessage',
  operator: username('op'),
  messageId,
  body: `operator: ${messageId}`,
  ...more,
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
  await log.visitor('v', { type: 'ReportMessageTaken', messageIds: ['m1', 'm2', 'm3'] });
  await log.visitor('v', { type: 'ReportMessageDelivered', messageIds: ['m1', 'm2'], by: 'ping' });
  await log.visitor('v', { type: 'ReportMessageFailed', messageId: 'm3', reason: 'expired' });
  await log.visitor('v', { type: 'ReportMessageDelivered', messageIds: ['m3'], by: 'ping' });
  await live.projections.waitFor(await log.head(), 5000);
});
afterAll(() => log.close());

const list = (more: { chatId?: string; cursor?: string; limit?: number } = {}) =>
  live.projections.messages.list({ tenant: 'acme', visitor: 'v', limit: 50, ...more });

test('messages of both sides are in order, with their sender, body and state', () => {
  const lines = list().items.map(({ id, direction, kind, operator, chatId, state, reason, body }) =>
    [id, direction, kind, operator, chatId, state, reason, body].join(' '),
  );
  expect(lines).toEqual([
    'o1 operator invitation op  received  operator: o1',
    'm1 visitor chat op c1 delivered  visitor: m1',
    'o2 operator chat op c1 received  operator: o2',
    'm2 visitor chat op c1 delivered  visitor: m2',
    'm3 visitor chat op c1 failed expired visitor: m3',
    'm4 visitor chat op c1 sent  visitor: m4',
  ]);
});

test('a list can have the messages of one chat', () => {
  expect(list({ chatId: 'c1' }).items).toHaveLength(5);
  expect(list({ chatId: 'c2' }).items).toEqual([]);
});

test('a message has its newest text, or none if it was taken back; what LHC refuses of that is undone', async () => {
  const page = { type: 'ViewPage', digest: 'd', department: null, delays, profile: { page: '/' } };
  const change = (command: VisitorCommand) => log.visitor('changed', command);
  const refuse = (revision: number) =>
    change({
      type: 'ReportLhcRefusal',
      operator: username('op'),
      revision,
      refused: { change: 'retract' },
      chatId: null,
      code: 'not-possible',
      text: null,
    });
  const retract = (messageId: string) =>
    change({ type: 'RetractOperatorMessage', operator: username('op'), messageId });
  const row = async () => {
    await live.projections.waitFor(await log.head(), 5000);
    const { items } = live.projections.messages.list({
      tenant: 'acme',
      visitor: 'changed',
      limit: 9,
    });
    expect(items.map(({ id }) => id)).toEqual(['first']);
    const [{ body, correctedAt, retractedAt } = {}] = items;
    return [body, correctedAt !== null, retractedAt !== null];
  };
  const found = (word: string) =>
    live.projections.search.portion({ tenant: 'acme', in: 'messages', q: word, limit: 9 }).items
      .length;
  await change(page as VisitorCommand);
  await change(answers('first', { body: 'unique zebra' })); // revision 2
  await change(answers('second', { body: 'unique yak', replaces: 'first' }));
  expect(await row()).toEqual(['unique yak', true, false]);
  expect([found('zebra'), found('yak')]).toEqual([0, 1]);
  await change(answers('third', { body: 'unique xerus', replaces: 'second' })); // revision 4
  expect(await row()).toEqual(['unique xerus', true, false]);
  await refuse(4);
  expect(await row()).toEqual(['unique yak', false, false]);
  expect([found('xerus'), found('yak')]).toEqual([0, 1]);
  await retract('first'); // revision 6
  expect(await row()).toEqual([null, false, true]);
  expect(found('yak')).toBe(0);
  await refuse(6);
  expect(await row()).toEqual(['unique yak', false, false]);
  expect(found('yak')).toBe(1);
});

test('a message of an operator that LHC has refused has failed, and no other with its id', async () => {
  const page = { type: 'ViewPage', digest: 'd', department: null, delays, profile: { page: '/' } };
  await log.visitor('refused', page as VisitorCommand);
  for (const id of ['o1', 'o1']) await log.visitor('refused', answers(id));
  await log.visitor('refused', {
    type: 'ReportLhcRefusal',
    operator: username('op'),
    revision: 2,
    refused: { messageId: 'o1' },
    chatId: null,
    code: 'visitor-unknown',
    text: 'gone',
  });
  await live.projections.waitFor(await log.head(), 5000);
  const { items } = live.projections.messages.list({
    tenant: 'acme',
    visitor: 'refused',
    limit: 9,
  });
  expect(items.map(({ state, reason }) => [state, reason])).toEqual([
    ['failed', 'visitor-unknown'],
    ['received', null],
  ]);
});

test('pages have neither gap nor repeat', () => {
  const ids: string[] = [];
  let page = list({ limit: 2 });
  for (;;) {
    ids.push(...page.items.map(({ id }) => id));
    if (page.next === null) break;
    page = list({ limit: 2, cursor: page.next });
  }
  expect(ids).toEqual(['o1', 'm1', 'o2', 'm2', 'm3', 'm4']);
});

test('another tenant sees none of them', () => {
  const { items } = live.projections.messages.list({ tenant: 'beta', visitor: 'v', limit: 50 });
  expect(items).toEqual([]);
});

test('messages stay after the cleanup of their visitor, without their bodies after an erasure', async () => {
  await log.visitor('v', { type: 'CleanUp' });
  await live.projections.waitFor(await log.head(), 5000);
  expect(list().items).toHaveLength(6);
  await log.vault.erase('acme.v');
  const rebuilt = await log.caughtUp('after-erasure.db');
  const after = rebuilt.projections.messages.list({ tenant: 'acme', visitor: 'v', limit: 50 });
  expect(after.items.map(({ body }) => body)).toEqual(Array(6).fill(null));
});

test('notes and commands are listed only on request; a displayed message and all before it have a time', async () => {
  const before = live.projections.messages.list({ tenant: 'acme', visitor: 'seen', limit: 9 });
  expect(before.items).toEqual([]);
  await log.visitor('seen', { type: 'StartChat', chatId: 'c9', department: null, delays });
  for (const id of ['s1', 's2', 's3']) await log.visitor('seen', says(id));
  await log.visitor('seen', answers('so1'));
  await log.visitor('seen', answers('s2')); // an operator's client and LHC may use the same id
  await log.visitor('seen', {
    type: 'AddNote',
    operator: username('op'),
    noteId: 'n1',
    body: 'a thought',
  });
  await log.visitor('seen', {
    type: 'SendOperatorCommand',
    operator: username('op'),
    messageId: 'x1',
    command: 'block',
    text: '!block',
  });
  log.passes(1000);
  const at = log.now();
  const done = await log.visitor('seen', {
    type: 'ReportMessageDisplayed',
    operator: username('op'),
    messageId: 's2',
  });
  expect(done?.facts).toBe(1);
  await live.projections.waitFor(await log.head(), 5000);
  const list = (more = {}) =>
    live.projections.messages
      .list({ tenant: 'acme', visitor: 'seen', limit: 9, ...more })
      .items.map(({ id, kind, displayedAt }) => [id, kind, displayedAt]);
  expect(list()).toEqual([
    ['s1', 'chat', at],
    ['s2', 'chat', at],
    ['s3', 'chat', null],
    ['so1', 'chat', null],
    ['s2', 'chat', null],
  ]);
  expect(list({ kinds: ['note', 'command'] })).toEqual([
    ['n1', 'note', null],
    ['x1', 'command', null],
  ]);
  const [note] = live.projections.messages.byId('acme', 'seen', 'n1');
  expect(note).toMatchObject({ body: 'a thought', operator: 'op', chatId: 'c9' });
  expect(live.projections.messages.at('acme', 'seen', note?.revision ?? -1)).toEqual(note);
  expect(live.projections.messages.at('acme', 'seen', 999)).toBeNull();
});
