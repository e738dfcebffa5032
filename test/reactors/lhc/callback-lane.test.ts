import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { HISTORY_MOST_MS } from '../../../src/actors/visitor/history.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import {
  acceptChat,
  assignChat,
  changePresence,
  closeChat,
  DELAYS,
  openSession,
  overflowChat,
  receive,
  register,
  sendMessage,
  setOwner,
  startChat,
  transferChat,
  viewPage,
  writeInLhc,
} from '../../actors/facts.ts';
import { fakeLhc } from '../../support/fake-lhc.ts';
import { username } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, tenantsWith } from '../../support/rig.ts';

const URL = 'https://lhc.test/callback';
let rig: Rig;
let lhc: ReturnType<typeof fakeLhc>;
beforeEach(async () => {
  rig = await openRig({ settings: { callbackUrl: URL } });
  lhc = fakeLhc();
});
afterEach(() => rig.close());

const ofCallbacks = (tenants = rig.tenants) => {
  const { actors, personal, digestKey, now, monotonic } = rig;
  return createCallbacks({
    actors,
    personal,
    digestKey,
    now,
    monotonic,
    random: Math.random,
    newId,
    tenants,
    client: lhc.client,
  });
};
async function run(stream: string, callbacks = ofCallbacks()) {
  const { destination } = callbacks;
  for (const event of await rig.facts(stream)) {
    if (!destination.concerns(event)) continue;
    const outcome = await destination.perform(event, new AbortController().signal);
    if (outcome.kind !== 'done') return outcome;
  }
  return { kind: 'done' };
}
const sentCallbacks = () => lhc.accepted.map(({ type, data }) => [type, data]);

it('sends a callback for each fact that LHC needs, in the shapes of the contract', async () => {
  const op1 = { username: 'op1', lhcUserId: 7 };
  const visitor = '1';
  await rig.toOperator('op1', register());
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  await rig.toVisitor('1', receive('op1', 'i2'));
  await rig.toVisitor('1', startChat('c1', 'm1'));
  await rig.toVisitor('1', sendMessage('m2'));
  await rig.toVisitor('1', sendMessage('m3'));
  await rig.toVisitor('1', assignChat('op1'));
  await rig.toVisitor('1', receive('op1', 'o1'));
  await rig.toVisitor('1', receive('op1', 'o2', { replaces: 'o1' }));
  await rig.toVisitor('1', {
    type: 'ReportMessageDelivered',
    messageIds: ['m1', 'm2'],
    by: 'receipt',
  });
  await rig.toVisitor('1', { type: 'ReportMessageFailed', messageId: 'm3', reason: 'gone' });
  await rig.toVisitor('1', closeChat('c1'));
  await rig.toVisitor('1', { type: 'ReportSessionFailed', reason: 'no such host' });
  await rig.toVisitor('1', { type: 'TimeOut' });
  await rig.toVisitor('1', { type: 'CleanUp' });
  expect(await run('visitor-acme.1')).toEqual({ kind: 'done' });
  const message = (id: string) => ({ id, body: 'How can I help?' });
  const chat = { visitor, chatId: 'c1', operator: op1 };
  const lastSeen = '2026-01-01T00:00:00.000Z';
  expect(sentCallbacks()).toEqual([
    ['visitor.invited', { visitor, operator: op1, message: message('i1') }],
    ['visitor.invited', { visitor, operator: op1, message: message('i2') }],
    ['chat.assigned', { ...chat, reason: 'least-loaded' }],
    ['chat.accepted', chat],
    ['chat.message', { ...chat, message: message('o1') }],
    ['chat.message', { ...chat, message: { ...message('o2'), replaces: 'o1' } }],
    ['message.delivered', { visitor, chatId: 'c1', messageId: 'm1', reason: 'receipt' }],
    ['message.delivered', { visitor, chatId: 'c1', messageId: 'm2', reason: 'receipt' }],
    ['message.failed', { visitor, chatId: 'c1', messageId: 'm3', reason: 'gone' }],
    ['chat.closed', { ...chat, reason: 'visitor' }],
    ['visitor.failed', { visitor, reason: 'no such host' }],
    ['visitor.timed_out', { visitor, lastSeen }],
    ['visitor.cleaned_up', { visitor, lastSeen }],
  ]);
  for (const callback of lhc.accepted) {
    expect(callback).toMatchObject({ tenant: 'acme', at: lastSeen });
  }
  const ids = lhc.accepted.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  await run('visitor-acme.1');
  expect(lhc.accepted.slice(ids.length).map(({ id }) => id)).toEqual(ids); // a repeat has the same id
});

it('does not tell of the end of a history that a page view ends', async () => {
  const delays = { ...DELAYS, hardTimeout: 2 * HISTORY_MOST_MS };
  await rig.toVisitor('1', viewPage('home', delays));
  rig.clock.passes(HISTORY_MOST_MS);
  await rig.toVisitor('1', viewPage('next', delays));
  const end = (await rig.facts('visitor-acme.1')).at(-2) ?? expect.unreachable();
  expect(end.type).toBe('CleanedUp');
  const { destination } = ofCallbacks();
  expect(destination.concerns(end)).toBe(false);
  // Nor does somebody who performs it all the same.
  await destination.perform(end, new AbortController().signal);
  expect(sentCallbacks()).toEqual([]);
});

it('says which invitation ended without an answer, and why', async () => {
  const operator = { username: 'op1', lhcUserId: 7 };
  await rig.toOperator('op1', register());
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  rig.clock.passes(121_000);
  await rig.host.wake('visitor-acme.1');
  await rig.toVisitor('1', receive('op1', 'i2'));
  await rig.toVisitor('1', { type: 'TimeOut' });
  expect(await run('visitor-acme.1')).toEqual({ kind: 'done' });
  expect(sentCallbacks().filter(([type]) => type !== 'visitor.invited')).toEqual([
    ['visitor.invitation_expired', { visitor: '1', operator, reason: 'not-answered' }],
    ['visitor.invitation_expired', { visitor: '1', operator, reason: 'visitor-left' }],
    ['visitor.timed_out', { visitor: '1', lastSeen: '2026-01-01T00:00:00.000Z' }],
  ]);
});

it('reports an operator’s changes between online and offline after the registration', async () => {
  const commands: OperatorCommand[] = [
    openSession(),
    changePresence('available'),
    changePresence('away'),
    register(),
    changePresence('dnd'),
    changePresence(null),
    changePresence('chat'),
    register(3),
    { type: 'CloseSession', session: 's1' },
  ];
  const callbacks = ofCallbacks();
  for (const [index, command] of commands.entries()) {
    await rig.toOperator('op1', command);
    if (index === 2) await run('operator-acme.op1', callbacks);
  }
  expect(sentCallbacks()).toEqual([]);
  const facts = await rig.facts('operator-acme.op1');
  const from = facts.findIndex(({ type }) => type === 'OperatorRegistered');
  for (const event of facts.slice(from)) {
    if (callbacks.destination.concerns(event)) {
      await callbacks.destination.perform(event, new AbortController().signal);
    }
  }
  const data = { operator: { username: 'op1', lhcUserId: 7 }, at: '2026-01-01T00:00:00.000Z' };
  expect(sentCallbacks()).toEqual(
    ['online', 'offline', 'online', 'offline'].map((each) => [`operator.${each}`, data]),
  );
});

it('sends nothing for an erased visitor or without a URL, and retries without a tenant', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  await rig.vault.erase('acme.1');
  expect(await run('visitor-acme.1')).toEqual({ kind: 'done' });
  expect(await run('visitor-acme.1', ofCallbacks(tenantsWith()))).toEqual({ kind: 'done' });
  expect(lhc.attempts).toEqual([]);
  const others = tenantsWith({ id: 'beta' });
  expect(await run('visitor-acme.1', ofCallbacks(others))).toMatchObject({ kind: 'retry' });
});

it('retries after the time that LHC asks for', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  lhc.state.answer = async () => ({
    outcome: 'retry',
    reason: 'answered 503',
    afterMs: 7000,
    away: true,
  });
  expect(await run('visitor-acme.1')).toEqual({
    kind: 'retry',
    reason: 'answered 503',
    afterMs: 7000,
    away: true,
    steps: 0,
  });
});

it('goes on with the callback that failed, if a fact has several', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm0'));
  for (const id of ['m1', 'm2', 'm3', 'm4']) await rig.toVisitor('1', sendMessage(id));
  const messageIds = ['m1', 'm2', 'm3', 'm4'];
  await rig.toVisitor('1', { type: 'ReportMessageDelivered', messageIds, by: 'receipt' });
  const delivered = (await rig.facts('visitor-acme.1')).at(-1);
  if (delivered?.type !== 'MessageDelivered') throw new Error('the fact is the last one');
  const { destination } = ofCallbacks();
  const { signal } = new AbortController();
  let fails = true;
  lhc.state.answer = async ({ id }) =>
    fails && id.endsWith('.2')
      ? { outcome: 'retry', reason: 'answered 500' }
      : { outcome: 'accepted' };
  expect(await destination.perform(delivered, signal)).toMatchObject({ kind: 'retry', steps: 2 });
  expect(await destination.perform(delivered, signal, false, 2)).toMatchObject({ steps: 2 });
  fails = false;
  expect(await destination.perform(delivered, signal, false, 2)).toMatchObject({ kind: 'done' });
  const ids = lhc.attempts.map(({ data }) => 'messageId' in data && data.messageId);
  expect(ids).toEqual(['m1', 'm2', 'm3', 'm3', 'm3', 'm4']);
});

const PAUSED = { kind: 'parked', reason: 'callbacks are paused: LHC has answered 410', all: true };

it('410 pauses the tenant until its settings change, across restarts', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  lhc.state.answer = async () => ({ outcome: 'gone' });
  expect(await run('visitor-acme.1')).toEqual(PAUSED);
  lhc.state.answer = async () => ({ outcome: 'accepted' });
  expect(await run('visitor-acme.1')).toEqual(PAUSED);
  const operator = { username: 'op1', lhcUserId: 7 };
  const alive = { type: 'operator.alive', data: { operator, at: '' } } as const;
  await ofCallbacks().ephemeral(ACME, alive);
  expect(lhc.attempts).toHaveLength(1);
  rig = await rig.restart();
  await ofCallbacks().resumeChanged(); // the settings are the same, so the lanes stay paused
  expect(await run('visitor-acme.1')).toEqual(PAUSED);
  const changed = ofCallbacks(tenantsWith({ callbackUrl: `${URL}/new` }));
  await changed.resumeChanged();
  expect(await run('visitor-acme.1', changed)).toEqual({ kind: 'done' });
  expect(sentCallbacks()).toHaveLength(1);
  expect(await rig.types('tenant-acme')).toEqual(['CallbacksPaused', 'CallbacksResumed']);
  expect(JSON.stringify(await rig.facts('tenant-acme'))).not.toContain('lhc.test');
});

it('410 is over as soon as the address changes, without a restart', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  let directory = tenantsWith({ callbackUrl: URL });
  const callbacks = ofCallbacks({ ...directory, get: (id) => directory.get(id) });
  await callbacks.resumeChanged();
  lhc.state.answer = async () => ({ outcome: 'gone' });
  expect(await run('visitor-acme.1', callbacks)).toEqual(PAUSED);
  const breaker = callbacks.destination.breakers?.of('acme');
  breaker?.hold(60_000); // as the lane does
  lhc.state.answer = async () => ({ outcome: 'accepted' });
  directory = tenantsWith({ callbackUrl: URL, hardTimeout: 60 });
  await callbacks.tenantChanged(ACME);
  expect(breaker?.isClosed).toBe(false);
  directory = tenantsWith({ callbackUrl: `${URL}/new` });
  await callbacks.tenantChanged(ACME);
  expect(breaker?.isClosed).toBe(true);
  expect(await run('visitor-acme.1', callbacks)).toEqual({ kind: 'done' });
});

it.each([
  [
    'is not known yet',
    'pending',
    { kind: 'parked', reason: 'its tenant is not known here yet', lookMs: 1_000 },
  ],
  ['was removed', 'removed', { kind: 'done' }],
  ['only a file of another process names', 'unknown', { kind: 'retry', away: true }],
] as const)('a callback of a tenant that %s', async (_what, standing, outcome) => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', receive('op1', 'i1'));
  const tenants = { ...tenantsWith(), get: () => undefined, standing: () => standing };
  expect(await run('visitor-acme.1', ofCallbacks(tenants))).toMatchObject(outcome);
  expect(lhc.attempts).toEqual([]);
});

describe('a chat with several operators', () => {
  const olga = { username: 'olga', lhcUserId: null };
  const chat = { visitor: '1', chatId: 'c1' };

  it('has callbacks with its operator, and with the texts of notes and commands', async () => {
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('olga', null));
    await rig.toVisitor('1', { type: 'AcceptChat', operator: username('olga') });
    await rig.toVisitor('1', {
      type: 'AddNote',
      operator: username('olga'),
      noteId: 'n1',
      body: 'pays by card',
    });
    const block = { command: 'block', text: '!block 1' };
    await rig.toVisitor('1', {
      type: 'SendOperatorCommand',
      operator: username('olga'),
      messageId: 'x1',
      ...block,
    });
    await rig.toVisitor('1', {
      type: 'ReportMessageDisplayed',
      messageId: 'm1',
      operator: username('olga'),
    });
    const nobody = { operator: null, reservation: null };
    await rig.toVisitor('1', {
      type: 'TransferChat',
      chatId: null,
      from: username('olga'),
      ...nobody,
      department: 'support',
    });
    const to = { operator: username('pia'), department: null, reservation: null };
    await rig.toVisitor('1', { type: 'TransferChat', chatId: 'c1', from: null, ...to });
    await rig.toVisitor('1', {
      type: 'UnassignChat',
      chatId: 'c1',
      operator: username('pia'),
      reason: 'offline',
    });
    await rig.toVisitor('1', {
      type: 'OfferChat',
      chatId: 'c1',
      operators: [username('olga'), username('pia')],
      reason: 'broadcast',
    });
    await rig.toVisitor('1', { type: 'DeclineChat', operator: username('olga') }); // olga was only asked
    lhc.accepted.length = 0;
    await run('visitor-acme.1');
    expect(sentCallbacks().slice(2)).toEqual([
      ['chat.note', { ...chat, operator: olga, note: { id: 'n1', body: 'pays by card' } }],
      ['chat.command', { ...chat, operator: olga, messageId: 'x1', ...block }],
      ['message.displayed', { ...chat, messageId: 'm1', operator: olga }],
      ['chat.transferred', { ...chat, operator: null, department: 'support', reason: 'operator' }],
      ['chat.transferred', { ...chat, operator: null, reason: 'offline' }],
    ]);
  });
});

it('LHC is not told what it said itself, and hears of an operator who takes the chat', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm1'));
  await rig.toVisitor('1', setOwner(7));
  await rig.toVisitor('1', sendMessage('m2'));
  await rig.toVisitor('1', writeInLhc(7));
  await rig.toVisitor('1', setOwner(1, true, 'op1'));
  await rig.toVisitor('1', transferChat(null, '#support'));
  await rig.toVisitor('1', writeInLhc(1, 'op1', true, 'l2'));
  await rig.toVisitor('1', setOwner(8));
  expect(await run('visitor-acme.1')).toEqual({ kind: 'done' });
  expect(sentCallbacks()).toEqual([]);
  await rig.toVisitor('1', acceptChat('op1'));
  await run('visitor-acme.1');
  const chat = { visitor: '1', chatId: 'c1', operator: { username: 'op1', lhcUserId: null } };
  expect(sentCallbacks()).toEqual([
    ['chat.assigned', { ...chat, reason: 'taken' }],
    ['chat.accepted', chat],
  ]);
});

it('the away message and an overflow are told, with their reasons', async () => {
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm1'));
  const until = Date.UTC(2026, 0, 2, 8);
  const told = { chatId: 'c1', reason: 'closed', text: 'Back at nine.', until } as const;
  await rig.toVisitor('1', { type: 'NotifyVisitor', ...told });
  await rig.toVisitor('1', overflowChat('support'));
  await run('visitor-acme.1');
  const chat = { visitor: '1', chatId: 'c1', operator: null };
  expect(sentCallbacks()).toEqual([
    [
      'chat.notice',
      {
        ...chat,
        reason: 'closed',
        until: '2026-01-02T08:00:00.000Z',
        message: { id: expect.any(String), body: 'Back at nine.' },
      },
    ],
    ['chat.transferred', { ...chat, department: 'support', reason: 'overflow' }],
  ]);
});

describe('a receipt that an operator’s client asked for', () => {
  const facts = async () =>
    (await rig.facts('visitor-acme.1')).flatMap(({ type, data }) =>
      type === 'OperatorMessageAccepted' ? [data.messageId] : [],
    );
  const write = async (messageId: string, receipt: boolean) => {
    const said = { operator: username('op1'), messageId, body: 'Hello', receipt };
    await rig.toVisitor('1', { type: 'ReceiveOperatorMessage', ...said });
  };
  beforeEach(() => rig.toVisitor('1', viewPage()));

  it('is sent once, after LHC has accepted the message', async () => {
    await write('i1', true);
    await write('i2', false);
    lhc.state.answer = async () => ({ outcome: 'retry', reason: 'answered 500', afterMs: 0 });
    expect(await run('visitor-acme.1')).toMatchObject({ kind: 'retry' });
    expect(await facts()).toEqual([]);
    lhc.state.answer = async () => ({ outcome: 'accepted' });
    for (const _ of [1, 2]) await run('visitor-acme.1');
    expect(await facts()).toEqual(['i1']);
  });

  it('waits while the callbacks of the tenant are paused', async () => {
    await write('i1', true);
    lhc.state.answer = async () => ({ outcome: 'gone' });
    expect(await run('visitor-acme.1')).toEqual(PAUSED);
    lhc.state.answer = async () => ({ outcome: 'accepted' });
    expect(await run('visitor-acme.1')).toEqual(PAUSED);
    expect(await facts()).toEqual([]);
    const changed = ofCallbacks(tenantsWith({ callbackUrl: `${URL}/new` }));
    await changed.resumeChanged();
    await run('visitor-acme.1', changed);
    expect(await facts()).toEqual(['i1']);
  });

  it('is not sent for an erased visitor or without a URL', async () => {
    await write('i1', true);
    await run('visitor-acme.1', ofCallbacks(tenantsWith()));
    await rig.vault.erase('acme.1');
    expect(await run('visitor-acme.1')).toEqual({ kind: 'done' });
    expect([await facts(), lhc.attempts]).toEqual([[], []]);
  });
});

it.each([
  ['file', true],
  ['http', false],
  ['template', false],
] as const)('a tenant of source %s may reach any address: %s', async (source, isDeclared) => {
  const declared: unknown[] = [];
  const [tenant] = rig.tenants.all();
  if (!tenant) throw new Error('the rig has a tenant');
  const callbacks = createCallbacks({
    ...rig,
    random: Math.random,
    newId,
    tenants: createTenantDirectory([{ ...tenant, source }]),
    client: {
      deliver: async (endpoint) => {
        declared.push(endpoint.isDeclared);
        return { outcome: 'accepted' };
      },
    },
  });
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', { type: 'TimeOut' });
  await run('visitor-acme.1', callbacks);
  const operator = { username: 'op1', lhcUserId: 7 };
  await callbacks.ephemeral(ACME, { type: 'operator.alive', data: { operator, at: '2026-01-01' } });
  expect(declared).toEqual([isDeclared, isDeclared]);
});
