import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import { AppError } from '../../src/errors.ts';
import { EVENT_STORE, type EventStore, isStoreAway } from '../../src/eventstore/port.ts';
import { type Budgets, createBudgets, operatorRates } from '../../src/inbox/budget.ts';
import { DROP_REASONS_LOGGED } from '../../src/inbox/drops.ts';
import { BATCHES_AT_ONCE, createInbox, EVENT_DEADLINE_MS } from '../../src/inbox/inbox.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import type { InboxSignals, Returned } from '../../src/inbox/signals.ts';
import type { Transfer } from '../../src/runtime/ports.ts';
import {
  assignChat,
  closeChat,
  register,
  sendMessage,
  startChat,
  viewPage,
} from '../actors/facts.ts';
import { username, visitorKey } from '../support/names.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../support/rig.ts';
import { tenantWith } from '../support/tenant.ts';
import { waitFor } from '../support/wait.ts';

let rig: Rig;
let unavailable: (stream: string) => boolean;
let storeWasAway: boolean;
/** Throws for appends that fail for another reason than the store. */
let broken: (stream: string) => void;
let signalled: string[];
/** What ends the typing of an operator. */
let wrote: string[];
let returned: Returned[];
const queueId = newId();
let seq: number;

const disturb = (store: EventStore): EventStore => ({
  ...store,
  append: async (...args) => {
    if (unavailable(args[0])) throw new AppError('unavailable', 'no disk', { part: EVENT_STORE });
    broken(args[0]);
    return store.append(...args);
  },
});
beforeEach(async () => {
  unavailable = () => false;
  storeWasAway = false;
  broken = () => {};
  signalled = [];
  wrote = [];
  returned = [];
  seq = 0;
  rig = await openRig({ disturb });
});
afterEach(() => rig.close());

function inboxOf(
  more: Partial<InboxSignals> = {},
  budgets?: Budgets,
  logger = silent,
  { tenants }: Pick<Rig, 'tenants'> = rig,
) {
  const { store, vault, now, actors, digestKey } = rig;
  const signals: InboxSignals = {
    moduleStarted: async (host, instance) => {
      signalled.push(`started ${host} ${instance}`);
    },
    sessionsUnsure: (_tenant, name) => signalled.push(`unsure ${name}`),
    returned: (stanza) => returned.push(stanza),
    operatorAlive: (_tenant, name) => signalled.push(`alive ${name}`),
    operatorTyping: (_tenant, key, name, state, resource) =>
      signalled.push(`${name}/${resource} ${state} to ${key}`),
    operatorWrote: (_tenant, key, name, toLhc) =>
      wrote.push(`${name} to ${key}${toLhc ? ', and LHC' : ''}`),
    operatorSessionEnded: (_tenant, name, resource) => wrote.push(`${name}/${resource} is gone`),
    stanzasArrived: (_tenant, key, name, ids) =>
      signalled.push(`${name} has ${ids.join()} of ${key}`),
    ...more,
  };
  const setAside = createSetAside({ store, vault, now, newId });
  const transfer: Transfer = () => Promise.reject(new Error('nobody hands on a chat here'));
  return createInbox({
    actors,
    store,
    tenants,
    setAside,
    operatorName: async ({ name }) => `Name of ${name}`,

    visitorName: async () => null,
    colleagues: async () => [],
    team: rig.team,
    canned: rig.canned,
    signals,
    digestKey,
    transfer,
    ...(budgets && { budgets }),
    logger,
    storeWasAway: () => storeWasAway,
  });
}

const event = (type: string, more: object) => {
  seq++;
  return { queueId, seq, at: '2026-01-01T00:00:00Z', host: HOST, type, ...more };
};
const message = (from: string, to: string, id: string, body = `${id} from ${from}`) =>
  event('message', { from: `${from}@${HOST}/desk`, to: jidOf(to), id, body: { '': body } });
/** The stream of a client that a message came from. */
const on = (stream: string, resumptions: number, of: object) => ({
  ...of,
  session: stream,
  resumptions,
});
const session = { resource: 'desk', session: 's1' };
const connected = (user: string) => event('operator.connected', { user, ...session });
const presence = (user: string, show: string) =>
  event('operator.presence', { user, ...session, show, status: '' });
const disconnected = (user: string) => event('operator.disconnected', { user, ...session });

const registered = async (...names: string[]) => {
  for (const name of names) await rig.toOperator(name, register(5));
};
const received = async (key: string) =>
  (await rig.facts(`visitor-acme.${key}`)).flatMap(({ type, data }) =>
    type === 'OperatorMessageReceived' ? [String(data.messageId)] : [],
  );
const asides = async (queue = queueId) =>
  (await rig.facts(`inbox-${queue}`)).map(({ data }) => [data.seq, data.reason]);
const refusals = async (name: string) =>
  (await rig.facts(`operator-acme.${name}`)).flatMap(({ type, data }) =>
    type === 'MessageRefused' ? [data.messageId] : [],
  );
const malformed = (from: string, to: string, id: string) => {
  const { body: _body, ...rest } = message(from, to, id) as Record<string, unknown>;
  return rest;
};
const NOBODY = expect.objectContaining({ condition: 'item-not-found' });
/** Streams that have facts, but those of keys and the given ones. */
const streams = async (...but: string[]) => {
  const facts = await rig.store.readAll({});
  const names = facts.map(({ stream }) => stream).filter((name) => !name.startsWith('key-'));
  return [...new Set(names)].filter((name) => !but.includes(name));
};
const stateOf = async (name: string) => {
  const state = await rig.operator(name).state();
  return state?.availability;
};

it('the answer of a client that gets no messages is no sign of life for LHC', async () => {
  await registered('op1');
  const alive = (resource: string) => event('operator.ping', { user: 'op1', resource });
  const bot = { session: 'bot', resource: 'bot' };
  await inboxOf().take([
    event('operator.connected', { user: 'op1', ...bot }),
    alive('bot'),
    event('operator.presence', { user: 'op1', ...bot, show: 'available', priority: -1 }),
    alive('bot'),
  ]);
  expect(await stateOf('op1')).toBe('offline');
  expect(signalled).toEqual([]);
  await inboxOf().take([
    connected('op1'),
    presence('op1', 'available'),
    alive('bot'),
    alive('desk'),
  ]);
  expect(signalled).toEqual(['alive op1']);
});

describe('a batch', () => {
  it('becomes commands, in order for each actor', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([
      connected('op1'),
      presence('op1', 'available'),
      message('op1', '1', 'a'),
      message('op1', '1', 'b'),
      presence('op1', 'away'),
      event('operator.ping', { user: 'op1', resource: 'desk' }),
      event('chat_state', { from: `op1@${HOST}/desk`, to: jidOf('1'), state: 'composing' }),
      event('displayed', { from: `op1@${HOST}`, to: jidOf('1'), id: 'x' }),
      disconnected('op1'),
    ]);
    expect(await received('1')).toEqual(['a', 'b']);
    expect(await rig.types('operator-acme.op1')).toEqual([
      'OperatorRegistered',
      'OperatorLoggedIn',
      'PresenceChanged',
      'PresenceChanged',
      'OperatorLoggedOut',
    ]);
    expect(signalled).toEqual(['alive op1', 'op1/desk composing to 1']);
    expect(wrote).toEqual(['op1 to 1, and LHC', 'op1 to 1, and LHC', 'op1/desk is gone']);
    expect(await asides()).toEqual([]);
  });

  it('keeps the order of one visitor, whoever writes to them', async () => {
    const names = ['op1', 'op2', 'op3'];
    await registered(...names);
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    const batch = Array.from({ length: 30 }, (_, i) => message('op1', '1', `m${i}`));
    await inboxOf().take(batch);
    expect(await received('1')).toEqual(Array.from(batch, (_, i) => `m${i}`));
    // Two operators write in turns to a visitor without an owner: the first one gets the chat, the other one is refused.
    await rig.toVisitor('9', viewPage());
    await rig.toVisitor('9', startChat('c9'));
    const turns = Array.from({ length: 10 }, (_, i) =>
      message(i % 2 ? 'op2' : 'op3', '9', `t${i}`),
    );
    await inboxOf().take(turns);
    expect(await received('9')).toEqual(['t0', 't2', 't4', 't6', 't8']);
    expect(await refusals('op2')).toEqual(['t1', 't3', 't5', 't7', 't9']);
  });

  it('that is repeated does nothing twice, not even at the same time', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const batch = [
      connected('op1'),
      presence('op1', 'available'),
      message('op1', '1', 'a'),
      malformed('op1', '1', 'b'),
      message('op1', '1', 'c'),
      disconnected('op1'),
    ];
    const inbox = inboxOf();
    await Promise.all([inbox.take(batch), inbox.take(batch)]);
    await inboxOf().take(batch);
    expect(await received('1')).toEqual(['a', 'c']);
    expect(await refusals('op1')).toEqual(['b']);
    expect(await asides()).toEqual([[4, expect.stringMatching(/^body: /)]]);
    const types = await rig.types('operator-acme.op1');
    expect(types.filter((type) => type === 'OperatorLoggedIn')).toHaveLength(1);
    expect(types.filter((type) => type === 'OperatorLoggedOut')).toHaveLength(1);
    expect(await stateOf('op1')).toBe('offline');
  });

  it('that was carried out in part is completed by its repeat', async () => {
    await registered('op1', 'op2');
    for (const key of ['1', '2']) await rig.toVisitor(key, viewPage());
    const batch = [
      message('op1', '1', 'a'),
      malformed('op1', '1', 'b'),
      message('op2', '2', 'c'),
      message('op2', '2', 'd'),
    ];
    unavailable = (stream) => stream === 'visitor-acme.2';
    const all = [...batch] as object[];
    all.push(connected('op1')); // later than what has to be set aside, and done before it
    await expect(inboxOf().take(all)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await asides()).toEqual([]); // not before the rest is done
    unavailable = () => false;
    await inboxOf().take(all);
    expect([await received('1'), await received('2')]).toEqual([['a'], ['c', 'd']]);
    expect(await asides()).toEqual([[2, expect.stringMatching(/^body: /)]]);
    expect(await refusals('op1')).toEqual(['b']);
  });
});

describe('a message', () => {
  const hello = () => message('op1', '1', '1', 'Hello');
  const repeats = async (...events: object[]) => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    for (const each of events) await inboxOf().take([each]); // each with the memory of the log alone
    return (await received('1')).length;
  };

  it('that a client sends again on a resumed stream counts once', async () => {
    expect(await repeats(on('s', 0, hello()), on('s', 1, hello()), on('s', 3, hello()))).toBe(1);
  });

  it('that was said twice on one stream counts twice', async () => {
    expect(await repeats(on('s', 2, hello()), on('s', 2, hello()))).toBe(2);
  });

  it('of a client that counts its ids from 1 again counts, however soon', async () => {
    expect(await repeats(on('s', 4, hello()), on('t', 0, hello()))).toBe(2);
  });

  it('with an id that nobody makes twice counts once, also after a new login', async () => {
    const id = '6f1c2b8e-1d0a-4f57-9a5e-0b6f2f1f7c11';
    const unique = () => message('op1', '1', id, 'Hello');
    expect(await repeats(on('s', 0, unique()), on('t', 0, unique()), unique())).toBe(1);
  });

  it('counts again after some minutes, by the time when it was said', async () => {
    const later = (minute: number) => ({ ...hello(), at: `2026-01-01T00:${minute}:00Z` });
    const events = [on('s', 0, hello()), on('s', 1, later(10)), on('s', 2, later(21))];
    expect(await repeats(...events)).toBe(2);
  });

  it('of a module that does not say the stream counts each time, unless nobody makes its id twice', async () => {
    expect(await repeats(hello(), hello(), on('s', 1, hello()))).toBe(3);
  });

  it('on a resumed stream with another text or to another visitor is another message', async () => {
    await rig.toVisitor('2', viewPage());
    const said = on('s', 0, hello());
    const others = [message('op1', '1', '1', 'Bye'), message('op1', '2', '1', 'Hello')];
    expect(await repeats(said, ...others.map((each) => on('s', 1, each)))).toBe(2);
    expect(await received('2')).toEqual(['1']);
  });

  it('that was refused stays refused, though the visitor would take it now', async () => {
    await registered('op1', 'op2');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op2'));
    const batch = [on('s', 0, message('op1', '1', 'a'))];
    await inboxOf().take(batch);
    expect(await refusals('op1')).toEqual(['a']);
    await rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await inboxOf().take(batch);
    await inboxOf().take([on('s', 1, message('op1', '1', 'a'))]); // the client resumes: a new number
    expect(await received('1')).toEqual([]);
    expect(await refusals('op1')).toEqual(['a']);
    await inboxOf().take([on('t', 0, message('op1', '1', 'a'))]); // the client starts again
    expect(await received('1')).toEqual(['a']);
  });

  it('to a visitor whom LHC knows by a chat alone invites nobody once that is over', async () => {
    await registered('op1');
    await rig.toVisitor('c1.chat', viewPage());
    await rig.toVisitor('c1.chat', startChat());
    await inboxOf().take([message('op1', 'c1.chat', 'a', 'Hello')]);
    await rig.toVisitor('c1.chat', closeChat());
    await inboxOf().take([message('op1', 'c1.chat', 'b', 'Are you still there?')]);
    expect(await received('c1.chat')).toEqual(['a']);
    expect(await refusals('op1')).toEqual(['b']);
    const facts = await rig.facts('operator-acme.op1');
    expect(facts.at(-1)?.data.reason).toMatch(/this chat is over/);
  });

  it('that was refused does not affect the same id and text to another visitor', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', { type: 'TimeOut' });
    await rig.toVisitor('2', viewPage());
    await inboxOf().take([message('op1', '1', 'a1', 'Hello'), message('op1', '2', 'a1', 'Hello')]);
    expect(await received('1')).toEqual([]);
    expect(await received('2')).toEqual(['a1']);
  });

  it('that was set aside is not taken when it is repeated, and its sender is told why', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    broken = (stream) => {
      if (stream === 'visitor-acme.1') throw new TypeError('a canary of a defect');
    };
    const batch = [message('op1', '1', 'a'), message('op1', '1', 'b')];
    await inboxOf().take(batch);
    const reason = 'a defect of the service (TypeError)';
    const both = [
      [1, reason],
      [2, reason],
    ];
    expect(await asides()).toEqual(both);
    expect(await refusals('op1')).toEqual(['a', 'b']);
    // What is told is a part of the event's trace.
    const told = (await rig.facts('operator-acme.op1')).slice(-2);
    expect(told.map(({ metadata }) => metadata.correlationId)).toEqual([
      `webhook:${queueId}:1`,
      `webhook:${queueId}:2`,
    ]);
    broken = () => {};
    await inboxOf().take(batch);
    expect(await received('1')).toEqual([]);
    expect(await refusals('op1')).toEqual(['a', 'b']);
    expect(await asides()).toEqual(both);
    await inboxOf().take([message('op1', '1', 'c')]);
    expect(await received('1')).toEqual(['c']);
    // Sealed with the key of the visitor, so that it goes with them.
    const [letter] = await rig.facts(`inbox-${queueId}`);
    expect(letter?.personal?.key).toBe('acme.1');
  });

  it('that was set aside is not taken when it is repeated, though its sender could not be told', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    broken = (stream) => {
      if (!stream.startsWith('inbox-')) throw new TypeError('a defect');
    };
    const batch = [message('op1', '1', 'a')];
    await inboxOf().take(batch);
    expect(await asides()).toHaveLength(1);
    expect(await refusals('op1')).toEqual([]);
    broken = () => {};
    await inboxOf().take(batch);
    expect(await received('1')).toEqual([]);
    expect(await refusals('op1')).toEqual(['a']);
  });

  it('is refused while its tenant is being removed', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const removing = rig.tenants.all().map((tenant) => ({ ...tenant, removing: true }));
    const tenants = createTenantDirectory(removing);
    await inboxOf({}, undefined, silent, { tenants }).take([message('op1', '1', 'a')]);
    expect(await received('1')).toEqual([]);
    expect((await rig.facts('operator-acme.op1')).at(-1)?.data).toMatchObject({
      reason: 'this tenant is being removed',
    });
  });

  it('waits in mod_lhc while its tenant may be one that this process does not know yet', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const batch = [message('op1', '1', 'a')];
    const none = { ...createTenantDirectory([]), isComplete: () => false };
    const inbox = inboxOf({}, undefined, silent, { tenants: none });
    await expect(inbox.take(batch)).rejects.toMatchObject({ code: 'unavailable' });
    expect([await asides(), inbox.counts.dropped]).toEqual([[], 0]);
    // A host with one tenant has no other that could be unknown.
    const known = { ...rig.tenants, isComplete: () => false };
    await inboxOf({}, undefined, silent, { tenants: known }).take(batch);
    expect(await received('1')).toEqual(['a']);
  });

  it("to another tenant's visitor of the same host reaches nobody, and its sender gets an error", async () => {
    const of = (id: string) =>
      tenantWith({ id, host: HOST, instance: id, apiKey: `key-of-${id}-0123456789` });
    const [acme, beta] = [of('acme'), of('beta')];
    await rig.actors.operator(acme.id, username('op1')).send(register(5));
    await rig.actors.visitor(beta.id, visitorKey('1')).send(viewPage());
    const tenants = createTenantDirectory([acme, beta]);
    await inboxOf({}, undefined, silent, { tenants }).take([message('op1.acme', '1.beta', 'a')]);
    expect(returned).toEqual([NOBODY]);
    expect(await rig.types('visitor-beta.1')).toEqual(['VisitorArrived']);
    expect(await asides()).toEqual([]);
    await inboxOf({}, undefined, silent, { tenants }).take([message('op1.acme', '1.acme', 'b')]);
    expect(returned).toEqual([NOBODY, NOBODY]); // acme has no such visitor
  });

  it.each([
    ['from a visitor', 'visitor.9', jidOf('1'), 'forbidden'],
    ['from somebody who is not registered', 'stranger', jidOf('1'), 'forbidden'],
    ['to an operator', 'op1', `op1@${HOST}`, 'item-not-found'],
    ['to another host', 'op1', 'visitor.1@elsewhere.test', 'item-not-found'],
    ['to a visitor who is not known', 'op1', jidOf('nobody'), 'item-not-found'],
    ['to an address that no visitor can have', 'op1', jidOf('No Body'), 'item-not-found'],
  ])('%s leaves no trace, and its sender gets an error', async (_what, from, to, condition) => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const known = await streams();
    const before = (await rig.store.readAll({})).length;
    const of = (id: string, body?: string) => ({ ...message(from, '1', id, body), to });
    const batch = [
      of('a'),
      of('b', '!info'),
      of('c', ' '),
      of('d', '!history 0'),
      { ...of('e'), type: 'unsupported', what: 'encrypted' },
      { ...of('f'), type: 'chat_state', state: 'composing' },
      { ...of('g'), type: 'displayed' },
      { ...of('h'), type: 'delivered', ids: ['x'], by: 'ping' },
      { ...of('i'), body: 'malformed' },
    ];
    await inboxOf().take([...batch, connected('op1')]);
    expect(returned.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'e']);
    const sender = `${from}@${HOST}/desk`;
    expect(returned[0]).toMatchObject({ sender, addressee: to, condition });
    expect(await streams(...known)).toEqual([]);
    expect((await rig.store.readAll({})).length).toBe(before + 1); // the connection of op1
  });

  it('of a sender who is not of the host of the event is ignored: its secret may be for that host alone', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const forged = { ...message('op1', '1', 'a'), host: 'elsewhere.test' };
    await inboxOf().take([
      forged,
      { ...forged, type: 'delivered', ids: ['x'], by: 'ping' },
      { ...forged, type: 'chat_state', state: 'composing' },
      { ...forged, body: 'malformed' },
      { ...event('operator.presence', { user: `op1@${HOST}`, show: 'away', ...session }) },
    ]);
    expect(await received('1')).toEqual([]);
    expect(await asides()).toEqual([]);
    expect([...returned, ...signalled]).toEqual([]);
    expect(await stateOf('op1')).toBe('offline');
    await expect(inboxOf().again(forged, 'again:1')).rejects.toMatchObject({ code: 'refused' });
  });

  it('of a sender on a host that is not ours is not answered', async () => {
    await inboxOf().take([{ ...message('op1', '1', 'a'), from: 'op1@elsewhere.test/desk' }]);
    expect(returned).toEqual([]);
    expect(await streams()).toEqual([]);
  });

  it('to a visitor whose actor does not fit is set aside; the events behind it are taken', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const { revision } = await rig.toVisitor('2', viewPage());
    const [known] = await rig.facts('visitor-acme.2');
    if (!known) throw new Error('there is no fact');
    await rig.store.append('visitor-acme.2', [{ ...known, id: newId(), type: 'Odd' }], revision);
    rig.host.onCommit(await rig.facts('visitor-acme.2'));
    await inboxOf().take([message('op1', '2', 'a'), message('op1', '1', 'b'), connected('op1')]);
    expect(await asides()).toEqual([[1, expect.stringContaining('does not fit')]]);
    expect(await refusals('op1')).toEqual(['a']);
    expect(await received('1')).toEqual(['b']);
    expect(await stateOf('op1')).toBe('offline');
  });

  it('that is a command is no dead letter if it fails: its sender is told', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([message('op1', '1', 'a', '!transfer op2'), message('op1', '1', 'b')]);
    expect(await asides()).toEqual([]);
    const refused = (await rig.facts('operator-acme.op1')).filter(
      ({ type }) => type === 'MessageRefused',
    );
    expect(refused.map(({ data }) => [data.command, data.reason])).toEqual([
      ['transfer', expect.stringContaining('try again')],
    ]);
    expect(await received('1')).toEqual(['b']);
  });

  it('that is too large for the store is set aside in part; its sender is told', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const text = `canary ${'漢'.repeat(1_500_000)}`;
    await inboxOf().take([message('op1', '1', 'a', text), message('op1', '1', 'b')]);
    expect(await received('1')).toEqual(['b']);
    expect(await refusals('op1')).toEqual(['a']);
    const [letter] = await rig.facts(`inbox-${queueId}`);
    if (!letter) throw new Error('nothing was set aside');
    expect(letter.data).toMatchObject({ seq: 1, cut: true });
    expect(JSON.stringify(letter)).not.toContain('canary');
    const kept = await rig.vault.open(letter);
    expect(kept).toMatchObject({
      content: { type: 'message', id: 'a', seq: 1, to: jidOf('1') },
      bytes: expect.any(Number),
      sha256: expect.stringMatching(/^.{44}$/),
      cut: expect.stringContaining('canary'),
    });
    expect(JSON.stringify(kept).length).toBeLessThan(64 * 1024);
    const again = inboxOf().again(kept?.content, 'again:1');
    await expect(again).rejects.toMatchObject({ code: 'refused' });
  });

  it('beyond the budget of its sender is refused once, and then returned', async () => {
    await registered('op1', 'op2');
    await rig.toVisitor('1', viewPage());
    const budgets = () =>
      createBudgets(() => ({
        all: { burst: 4, perSecond: 1 },
        questions: { burst: 2, perSecond: 1 },
      }));
    const inbox = inboxOf({}, budgets());
    const batch = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => message('op1', '1', id));
    await inbox.take(batch);
    expect(await received('1')).toEqual(['a', 'b', 'c', 'd']);
    expect(await refusals('op1')).toEqual(['e']);
    expect(returned).toEqual([expect.objectContaining({ id: 'f', condition: 'policy-violation' })]);
    // What was carried out costs nothing when it comes again.
    await inboxOf({}, budgets()).take(batch.slice(0, 4));
    await inbox.take(batch.slice(0, 4));
    expect(returned).toHaveLength(1);
    // Times of the events count: what waited during an outage was not written at once.
    const later = ['g', 'h', 'i', 'j', 'k', 'l'].map((id, index) => ({
      ...message('op1', '1', id),
      at: new Date(Date.parse('2026-01-01T00:01:00Z') + index * 1000).toISOString(),
    }));
    await inbox.take(later);
    expect((await received('1')).slice(4)).toEqual(['g', 'h', 'i', 'j', 'k', 'l']);
    // Questions have a smaller budget of their own. The next time, the operator is told again.
    const commands = ['m', 'n', 'o', 'p'].map((id) => message('op2', '1', id, '!info'));
    await inbox.take(commands);
    expect(await refusals('op2')).toEqual(['o']);
    expect(returned.map(({ id }) => id)).toEqual(['f', 'p']);
  });

  it('has the budget that the tenant allows', () => {
    expect(operatorRates(5)).toEqual({
      all: { burst: 200, perSecond: 5 },
      questions: { burst: 40, perSecond: 1 },
    });
  });

  it('in several languages is the text without a language, or the first one', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const first = { ...message('op1', '1', 'a'), body: { de: 'Hallo', '': 'Hello' } };
    const second = { ...message('op1', '1', 'b'), body: { de: 'Hallo', fr: 'Salut' } };
    await inboxOf().take([first, second]);
    const facts = (await rig.facts('visitor-acme.1')).filter(({ personal }) => personal).slice(1);
    const bodies = await Promise.all(facts.map((fact) => rig.personal.bodyOf(fact)));
    expect(bodies).toEqual(['Hello', 'Hallo']);
  });

  it('without visible text reaches nobody; a sender of blanks is told so', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([
      message('op1', '1', 'a', ''),
      message('op1', '1', 'b', ' \n\t'),
      message('op1', '1', 'c', '\u200b\u2060'),
      { ...message('op1', '1', 'e'), body: { '': '', de: '' } },
    ]);
    expect(await received('1')).toEqual([]);
    expect(await rig.types('visitor-acme.1')).not.toContain('Invited');
    const refused = (await rig.facts('operator-acme.op1')).filter(
      ({ type }) => type === 'MessageRefused',
    );
    expect(refused.map(({ data }) => [data.messageId, data.reason])).toEqual([
      ['b', 'there is nothing to read in it'],
      ['c', 'there is nothing to read in it'],
    ]);
    const foreign = { ...message('op1', '1', 'd'), body: { '': '', de: ' ', fr: 'Salut' } };
    await inboxOf().take([foreign]);
    const [said] = (await rig.facts('visitor-acme.1')).filter(
      ({ type }) => type === 'OperatorMessageReceived',
    );
    expect(said && (await rig.personal.bodyOf(said))).toBe('Salut');
    expect(await asides()).toEqual([]);
  });

  it('reaches the visitor as they can read it, and what they cannot read is refused', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([
      message('op1', '1', 'a', '/me waves'),
      message('op1', '1', 'b', 'pass\u200bword'),
      message('op1', '1', 'c', 'aesgcm://upload.test/a#0'),
      message('op1', '1', 'd', '?OTRv23? Let us talk'),
    ]);
    expect(await received('1')).toEqual(['a', 'b']);
    const said = (await rig.facts('visitor-acme.1')).filter(
      ({ type }) => type === 'OperatorMessageReceived',
    );
    expect(await Promise.all(said.map((fact) => rig.personal.bodyOf(fact)))).toEqual([
      '* Name of op1 waves',
      'password',
    ]);
    expect(await refusals('op1')).toEqual(['c', 'd']);
  });

  it('is sent again from the dead letters as a new command; other events are not', async () => {
    await rig.toVisitor('1', viewPage());
    const letter = message('op1', '1', 'a');
    await expect(inboxOf().again(letter, 'again:1')).rejects.toMatchObject({ code: 'refused' });
    await registered('op1');
    await inboxOf().again(letter, 'again:1');
    await inboxOf().again(letter, 'again:1');
    expect(await received('1')).toEqual(['a']);
    const other = inboxOf().again(connected('op1'), 'again:2');
    await expect(other).rejects.toMatchObject({ code: 'refused' });
    const toNobody = inboxOf().again(message('op1', 'nobody', 'b'), 'again:3');
    await expect(toNobody).rejects.toMatchObject({ code: 'refused' });
    // It was carried out after all, after it had been given up.
    const carriedOut = message('op1', '1', 'c');
    await inboxOf().take([carriedOut]);
    await inboxOf().again(carriedOut, 'again:4');
    expect(await received('1')).toEqual(['a', 'c']);
  });
});

describe('an event', () => {
  it('delivered counts once', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    for (const id of ['m1', 'm2']) await rig.toVisitor('1', sendMessage(id));
    await rig.toVisitor('1', assignChat('op1'));
    const delivered = (by: string) =>
      event('delivered', {
        from: `${by}@${HOST}/desk`,
        to: jidOf('1'),
        ids: ['m1', 'm2', 'unknown'],
        by: 'receipt',
      });
    // An operator who was only asked has the messages too. That says nothing about the owner of the chat.
    await inboxOf().take([delivered('op2')]);
    expect(await rig.types('visitor-acme.1')).not.toContain('MessageDelivered');
    const report = delivered('op1');
    await inboxOf().take([report]);
    await inboxOf().take([report, { ...report, seq: ++seq }]);
    // A line of the service, in the conversation with an unknown visitor.
    await inboxOf().take([{ ...delivered('op1'), to: jidOf('unknown') }]);
    expect(await asides()).toEqual([]);
    const state = await rig.visitor('1').state();
    expect(state?.context.openMessages).toEqual([]);
    const types = await rig.types('visitor-acme.1');
    expect(types.filter((type) => type === 'MessageDelivered')).toHaveLength(1);
  });

  it('displayed counts once, from the owner of the chat alone; for an unknown visitor it is ignored', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', sendMessage('m1'));
    await rig.toVisitor('1', assignChat('op1'));
    const displayed = (by: string, id: string, key = '1') =>
      event('displayed', { from: `${by}@${HOST}/desk`, to: jidOf(key), id });
    await inboxOf().take([
      displayed('op2', 'm1'),
      displayed('op1', 'notice-of-ours'),
      displayed('op1', 'm1', 'unknown'),
      displayed('op1', 'm1'),
      displayed('op1', 'm1'),
    ]);
    const facts = await rig.facts('visitor-acme.1');
    expect(facts.filter(({ type }) => type === 'MessageDisplayed').map(({ data }) => data)).toEqual(
      [{ operator: 'op1', messageId: 'm1', chatId: 'c1' }],
    );
    expect(await asides()).toEqual([]);
  });

  it('displayed of a line of the service counts for the messages before it that the operator was sent', async () => {
    await registered('op1', 'op2');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op1', null));
    for (const id of ['m1', 'm2', 'm3', 'm4']) await rig.toVisitor('1', sendMessage(id));
    await rig.toVisitor('1', { type: 'ReportMessageTaken', messageIds: ['m1', 'm2', 'm3'] });
    await rig.toVisitor('1', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' });
    const revisionOf = async (id: string) =>
      (await rig.facts('visitor-acme.1')).find(({ data }) => data.messageId === id)?.revision ?? -1;
    const displayed = async (by: string, id: string) => {
      await inboxOf().take([
        event('displayed', { from: `${by}@${HOST}/desk`, to: jidOf('1'), id }),
      ]);
      return (await rig.facts('visitor-acme.1')).flatMap(({ type, data }) =>
        type === 'MessageDisplayed' ? [data.messageId] : [],
      );
    };
    const behind = async (id: string) => `line-${await revisionOf(id)}-x`;
    const [m1, m2, m3] = [await behind('m1'), await behind('m2'), await behind('m3')];
    expect(await displayed('op1', m1)).toEqual(['m1']);
    expect(await displayed('op2', m2)).toEqual(['m1']); // the chat is not theirs
    for (const id of ['intro-c1-3', 'notice-9', 'history-9', 'line-', 'line-x-y', 'line--1-x']) {
      expect(await displayed('op1', id)).toEqual(['m1']); // lines of an earlier release, and no lines
    }
    expect(await displayed('op1', m2)).toEqual(['m1', 'm2']);
    expect(await displayed('op1', m1)).toEqual(['m1', 'm2']); // markers move forwards alone
    await displayed('op1', 'line-999999999999999-x');
    // ejabberd does not have m4 yet, whatever a client claims.
    expect(await displayed('op1', m3)).toEqual(['m1', 'm2', 'm3']);
    await rig.toVisitor('1', closeChat('c1'));
    await rig.toVisitor('1', startChat('c2'));
    await rig.toVisitor('1', assignChat('op1', null, 'c2'));
    expect(await displayed('op1', 'line-999999999999999-x')).toEqual(['m1', 'm2', 'm3']);
    await rig.toVisitor('1', sendMessage('m5'));
    await rig.toVisitor('1', { type: 'ReportMessageTaken', messageIds: ['m5'] });
    await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
    await rig.toVisitor('1', closeChat('c2'));
    const m5 = await behind('m5');
    expect(await displayed('op2', m5)).toEqual(['m1', 'm2', 'm3']); // the chat was not theirs
    expect(await displayed('op1', m5)).toEqual(['m1', 'm2', 'm3', 'm5']);
    // A chat that op2 had and did not answer: the line says that it is closed.
    await rig.toVisitor('1', startChat('c3'));
    await rig.toVisitor('1', sendMessage('m6', 'c3'));
    await rig.toVisitor('1', assignChat('op2', null, 'c3'));
    await rig.toVisitor('1', { type: 'ReportMessageTaken', messageIds: ['m6'] });
    await rig.toVisitor('1', closeChat('c3'));
    const end = 'line-999999999999999-x';
    expect(await displayed('op1', end)).toEqual(['m1', 'm2', 'm3', 'm5']); // theirs was the chat before
    expect(await displayed('op2', end)).toEqual(['m1', 'm2', 'm3', 'm5', 'm6']);
    expect(await asides()).toEqual([]);
  });

  it('a message keeps what its client asks for: receipt, marker', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([
      { ...message('op1', '1', 'a'), receipt: true, markable: true },
      { ...message('op1', '1', 'b'), receipt: false },
    ]);
    const [first, second] = (await rig.facts('visitor-acme.1')).filter(
      ({ type }) => type === 'OperatorMessageReceived',
    );
    expect(first?.data).toMatchObject({ messageId: 'a', receipt: true, markable: true });
    expect(second?.data).not.toHaveProperty('receipt');
    expect(second?.data).not.toHaveProperty('markable');
  });

  it('that no visitor can be shown is refused once, and reaches nobody', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const unsupported = (from: string, what: string, key = '1') =>
      event('unsupported', { from: `${from}@${HOST}/desk`, to: jidOf(key), id: `m-${what}`, what });
    const encrypted = unsupported('op1', 'encrypted');
    await inboxOf().take([
      on('s', 0, encrypted),
      on('s', 1, { ...encrypted, seq: ++seq }), // a client that resumed
      unsupported('op1', 'encrypted', 'unknown'),
      unsupported('op1', 'of a newer module'),
      unsupported('stranger', 'encrypted'),
    ]);
    const refused = (await rig.facts('operator-acme.op1')).filter(
      ({ type }) => type === 'MessageRefused',
    );
    expect(refused.map(({ data }) => [data.visitor, data.messageId, data.reason])).toEqual([
      ['1', 'm-encrypted', expect.stringContaining('switch encryption off')],
      ['1', 'm-of a newer module', expect.stringContaining('write a message instead')],
    ]);
    // All of it ends the typing of an operator, and none of it says so to LHC.
    expect(new Set(wrote)).toEqual(new Set(['op1 to 1', 'op1 to unknown', 'stranger to 1']));
    expect(returned).toEqual([NOBODY, expect.objectContaining({ condition: 'forbidden' })]);
    expect(await received('1')).toEqual([]);
    expect(await asides()).toEqual([]);
  });

  describe('about an earlier message', () => {
    const ends = (from: string) => ({ from: `${from}@${HOST}/desk`, to: jidOf('1') });
    const retraction = (from: string, retracts: string) =>
      event('retraction', { ...ends(from), id: `r-${retracts}`, retracts });
    const reaction = (from: string, reactions: string[], reactsTo = 'm1') =>
      event('reaction', { ...ends(from), id: `e-${reactions.join('')}`, reactsTo, reactions });
    const about = async () =>
      (await rig.facts('visitor-acme.1')).flatMap(({ type, data }) =>
        type === 'OperatorMessageRetracted' || type === 'MessageReacted'
          ? [[type, data.messageId]]
          : [],
      );
    const reasons = async () =>
      (await rig.facts('operator-acme.op1')).flatMap(({ type, data }) =>
        type === 'MessageRefused' ? [[data.retraction ?? false, data.reason]] : [],
      );
    beforeEach(async () => {
      await registered('op1', 'op2');
      await rig.toVisitor('1', startChat('c1', 'm1'));
    });

    it('is a fact once, however often it comes; what does not fit is answered with its reason', async () => {
      const inbox = inboxOf();
      await inbox.take([message('op1', '1', 'o1')]);
      const taken = retraction('op1', 'o1');
      await inbox.take([
        on('s', 0, taken),
        on('s', 1, { ...taken, seq: ++seq }), // a client that resumed
        reaction('op1', ['👍', 'no emoji']),
        reaction('op1', []),
        reaction('op1', ['no emoji']),
        reaction('op1', ['🐢'], 'o1'),
        retraction('op1', 'o9'),
        retraction('op2', 'o1'),
        retraction('stranger', 'o1'),
      ]);
      expect(await about()).toEqual([
        ['OperatorMessageRetracted', 'o1'],
        ['MessageReacted', 'm1'],
        ['MessageReacted', 'm1'],
      ]);
      expect(await reasons()).toEqual([
        [false, 'visitors can be shown emojis alone'],
        [false, 'visitors see reactions to their own last messages alone'],
        [true, 'the visitor has no such message of yours'],
      ]);
      expect(await refusals('op2')).toEqual(['r-o1']);
      expect(returned).toEqual([expect.objectContaining({ condition: 'forbidden' })]);
    });

    it('costs as much as a message', async () => {
      const many = Array.from({ length: 300 }, () => reaction('op1', ['👍']));
      await inboxOf().take([message('op1', '1', 'o1'), ...many]);
      expect((await about()).length).toBeLessThan(250);
      expect((await reasons()).length).toBe(1);
      expect(returned.length).toBeGreaterThan(0);
    });

    it.each(['rest', 'xmppservice'] as const)(
      'is refused where LHC can only add messages: %s',
      async (callbackFlavour) => {
        const rest = { restUser: 'u', restKey: 'k'.repeat(16) };
        const keys = {
          callbackUrl: 'https://lhc.test/',
          ...(callbackFlavour === 'rest' && rest),
        };
        const tenants = createTenantDirectory([
          tenantWith({ id: 'acme', host: HOST, apiKey: 'k'.repeat(16), callbackFlavour, ...keys }),
        ]);
        const inbox = inboxOf({}, undefined, silent, { tenants });
        await inbox.take([message('op1', '1', 'o1')]);
        await inbox.take([
          retraction('op1', 'o1'),
          reaction('op1', ['👍']),
          reaction('op1', []), // it was never shown, so nothing has to be taken away
        ]);
        expect(await about()).toEqual([]);
        expect(await reasons()).toEqual([
          [true, 'the visitor has the message already'],
          [false, 'visitors cannot see reactions; write a message instead'],
        ]);
      },
    );

    it('whose quotation ends within a command is refused: nobody gets the rest of a note', async () => {
      for (const [id, body, end] of [
        ['o1', '> 👋👋\n!note of ours', 6],
        ['o2', '> a\n!note of ours\nand more', 18],
        ['o3', 'Ann wrote\n!note of ours', 11],
        ['o4', '> Please !close\nNo', 9],
      ] as const) {
        const more = { replyTo: 'm1', quote: [0, end] };
        await inboxOf().take([
          event('message', { ...ends('op1'), id, body: { '': body }, ...more }),
        ]);
      }
      expect(await rig.types('visitor-acme.1')).not.toContain('OperatorMessageReceived');
      expect(await rig.types('visitor-acme.1')).not.toContain('ChatClosed');
      const refused = (await rig.facts('operator-acme.op1')).filter(
        ({ type }) => type === 'MessageRefused',
      );
      expect(refused).toHaveLength(4);
    });

    it('may quote it in front: the rest is the text, and a command is one', async () => {
      const reply = (id: string, body: string, more: object) =>
        event('message', { ...ends('op1'), id, body: { '': body }, replyTo: 'm1', ...more });
      await inboxOf().take([
        reply('o1', '👋 wrote\n/me nods', { quote: [0, 8] }),
        reply('o2', 'all of it quotes', { quote: [0, 99] }),
        reply('o3', 'in the middle', { quote: [3, 6] }),
        reply('o4', 'nothing quotes', {}),
        reply('o5', 'Ann wrote\n!note x', { quote: [0, 10] }),
        reply('o6', 'Ann wrote\n!!x', { quote: [0, 10] }),
      ]);
      const texts = [];
      for (const fact of await rig.facts('visitor-acme.1')) {
        if (fact.type !== 'OperatorMessageReceived') continue;
        const { body, plain } = (await rig.personal.of(fact)) ?? {};
        texts.push([fact.data.replyTo, body, plain]);
      }
      expect(texts).toEqual([
        ['m1', '👋 wrote\n* Name of op1 nods', '* Name of op1 nods'],
        ['m1', 'all of it quotes', undefined],
        ['m1', 'in the middle', undefined],
        ['m1', 'nothing quotes', undefined],
        ['m1', 'Ann wrote\n!x', '!x'],
      ]);
      expect((await rig.facts('visitor-acme.1')).map(({ type }) => type)).toContain('NoteAdded');
    });
  });

  it('of an unknown type is ignored, and so are accounts of no tenant', async () => {
    await inboxOf().take([
      event('operator.mood', { mood: 'good' }),
      null,
      42,
      'text',
      event('operator.connected', { user: 'admin', ...session }),
      event('operator.connected', { user: 'visitor.1', ...session }),
      { ...event('operator.connected', { user: 'op1', ...session }), host: 'elsewhere.test' },
    ]);
    expect(await asides()).toEqual([]);
    expect(await rig.store.readAll({ prefixes: ['operator-', 'visitor-', 'inbox-'] })).toEqual([]);
  });

  it('that is malformed: a message is set aside, in order, once, sealed; all others are dropped', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const ends = { from: `op1@${HOST}/desk`, to: jidOf('1') };
    const batch = [
      { ...malformed('op1', '1', 'a'), body: 'canary' },
      message('op1', '1', 'b'),
      event('operator.presence', { user: 'op1', ...session, show: 'odd-canary' }),
      event('chat_state', { ...ends, state: 'dancing' }),
      event('displayed', ends),
      event('delivered', { ...ends, ids: [], by: 'ping' }),
      event('unsupported', { ...ends, id: 'x' }),
      event('module.started', { instance: 7 }),
      malformed('op1', '1', 'c'),
    ];
    const inbox = inboxOf();
    await inbox.take(batch);
    expect(inbox.counts).toMatchObject({ setAside: 2, dropped: 6 });
    await Promise.all([inboxOf().take(batch), inboxOf().take(batch)]);
    expect(await asides()).toEqual([
      [1, expect.stringContaining('body')],
      [9, expect.stringContaining('body')],
    ]);
    expect(JSON.stringify(await rig.facts(`inbox-${queueId}`))).not.toContain('canary');
    expect(await received('1')).toEqual(['b']);
    expect(new Set(signalled)).toEqual(new Set(['unsure op1'])); // their presence was lost
  });

  it('without a number is set aside too, each time it comes', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const odd = { type: 'message', host: HOST, from: `op1@${HOST}`, to: jidOf('1'), text: 'x' };
    await inboxOf().take([odd, { ...odd, text: 'y' }, { ...odd, text: 'z' }]);
    expect(await asides('unnumbered')).toHaveLength(3);
  });

  it('that fails is tried again; if it fails each time, the batch goes on', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    let failures = 2;
    broken = (stream) => {
      if (stream === 'visitor-acme.1' && failures-- > 0) {
        throw new AppError('timeout', 'a part of it is slow');
      }
    };
    const inbox = inboxOf();
    await inbox.take([message('op1', '1', 'a')]);
    expect(await received('1')).toEqual(['a']);
    failures = Number.POSITIVE_INFINITY;
    await inbox.take([message('op1', '1', 'b')]);
    expect(await asides()).toEqual([[2, 'a part of it is slow']]);
    broken = (stream) => {
      if (stream === 'operator-acme.op1') throw new AppError('overloaded', 'busy');
    };
    await inbox.take([connected('op1'), message('op1', '1', 'c')]);
    expect(await received('1')).toEqual(['a', 'c']);
    expect(inbox.counts).toEqual({ setAside: 1, dropped: 1, retries: 6 });
    expect(signalled).toEqual(['unsure op1']);
  });

  it('is not refused because a mailbox is full, and does not fill it', async () => {
    await rig.close();
    rig = await openRig({ disturb, host: { mailbox: 2 } });
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const free = Promise.withResolvers<void>();
    const append = rig.store.append;
    Object.assign(rig.store, {
      append: async (...args: Parameters<EventStore['append']>) => {
        if (args[0] === 'visitor-acme.1') await free.promise;
        return append(...args);
      },
    });
    const commands = [1, 2, 3].map((page) => rig.toVisitor('1', viewPage(`p${page}`)));
    await expect(commands[2]).rejects.toMatchObject({ code: 'overloaded' });
    const batch = Array.from({ length: 20 }, (_, i) => message('op1', '1', `m${i}`));
    const taken = inboxOf().take([...batch, connected('op1')]);
    await waitFor(() => rig.host.stats().waiting === 3, { what: 'an event behind two commands' });
    free.resolve();
    await taken;
    await Promise.all(commands.slice(0, 2));
    expect(await received('1')).toEqual(batch.map((_, i) => `m${i}`));
    expect(await asides()).toEqual([]);
  });

  it('module.started is a barrier: all before it is finished first, all after it waits', async () => {
    await registered('op1', 'op2');
    const order: string[] = [];
    const started = Promise.withResolvers<void>();
    const inbox = inboxOf({
      moduleStarted: async () => {
        order.push(`started, op1 ${await stateOf('op1')}`);
        await started.promise;
        order.push(`compared, op2 ${await stateOf('op2')}`);
      },
    });
    const taken = inbox.take([
      connected('op1'),
      presence('op1', 'available'),
      event('module.started', { version: '1' }),
      connected('op2'),
      presence('op2', 'available'),
    ]);
    started.resolve();
    await taken;
    expect(order).toEqual(['started, op1 available', 'compared, op2 offline']);
    expect(await stateOf('op2')).toBe('available');
  });

  it('that is never done is given up at its deadline, and the batch goes on', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const inbox = inboxOf({ moduleStarted: () => new Promise(() => {}) });
    let isTaken = false;
    const taken = inbox.take([event('module.started', {}), message('op1', '1', 'a')]);
    void taken.then(() => {
      isTaken = true;
    });
    for (const until = performance.now() + 10_000; !isTaken && performance.now() < until; ) {
      vi.advanceTimersByTime(EVENT_DEADLINE_MS);
      await turn();
    }
    vi.useRealTimers();
    expect(isTaken).toBe(true);
    expect(inbox.counts.dropped).toBe(1);
    expect(await received('1')).toEqual(['a']);
  });

  it('that waits past its deadline while the event store is away is not given up: the batch comes again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    storeWasAway = true;
    const inbox = inboxOf({ moduleStarted: () => new Promise(() => {}) });
    const outcome = inbox.take([event('module.started', {})]).then(
      () => 'taken',
      (error: unknown) => (isStoreAway(error) ? 'store away' : error),
    );
    await turn();
    await vi.advanceTimersByTimeAsync(EVENT_DEADLINE_MS);
    expect(await outcome).toBe('store away');
    vi.useRealTimers();
    expect(inbox.counts).toMatchObject({ dropped: 0, setAside: 0 });
  });

  it('module.started says which tenant it is about; a failure of it does not fail the batch', async () => {
    await registered('op1');
    await inboxOf().take([
      event('module.started', {}),
      event('module.started', { instance: '' }),
      event('module.started', { instance: 'shop' }),
    ]);
    expect(signalled).toEqual(['undefined', '', 'shop'].map((name) => `started ${HOST} ${name}`));
    const inbox = inboxOf({
      moduleStarted: async () => {
        throw new AppError('unavailable', 'ejabberd is away');
      },
    });
    await inbox.take([event('module.started', {}), connected('op1')]);
    expect(await rig.types('operator-acme.op1')).toContain('OperatorLoggedIn');
  });
});

describe('batches', () => {
  it('of one queue are carried out one after the other; of another queue at once', async () => {
    const started = Promise.withResolvers<void>();
    const inbox = inboxOf({ moduleStarted: () => started.promise });
    await registered('op1');
    const slow = event('module.started', {});
    const first = inbox.take([slow]);
    const second = inbox.take([slow, connected('op1')]);
    // mod_lhc posts one batch at a time and gives up some of them: their repeats must not pile up.
    await expect(inbox.take([slow])).rejects.toMatchObject({ code: 'overloaded' });
    await inbox.take([{ ...presence('op1', 'away'), queueId: newId() }]);
    expect(await stateOf('op1')).toBe('away');
    started.resolve();
    await Promise.all([first, second]);
  });

  it('of many queues are bounded together', async () => {
    const started = Promise.withResolvers<void>();
    const inbox = inboxOf({ moduleStarted: () => started.promise });
    const take = () => inbox.take([{ ...event('module.started', {}), queueId: newId() }]);
    const taken = Array.from({ length: BATCHES_AT_ONCE }, take);
    await expect(take()).rejects.toMatchObject({ code: 'overloaded' });
    started.resolve();
    await Promise.all(taken);
    await take();
  });

  it('of a tenant with very many events do not keep another queue waiting', async () => {
    await registered('op1', 'op2');
    for (const key of ['1', '2']) await rig.toVisitor(key, viewPage());
    const inbox = inboxOf();
    let isFloodOver = false;
    const many = Array.from({ length: 1_500 }, (_, i) => message('op1', '1', `m${i}`));
    const flood = inbox.take(many).then(() => {
      isFloodOver = true;
    });
    await inbox.take([{ ...message('op2', '2', 'a'), queueId: newId() }]);
    expect(await received('2')).toEqual(['a']);
    expect(isFloodOver).toBe(false);
    await flood;
  });
});

it('events that are dropped cause one line in the log for a batch, with a bounded list of reasons', async () => {
  const lines: { msg: string; events: number; reasons: object[] }[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line)) });
  const inbox = inboxOf({}, undefined, logger);
  const broken = Array.from({ length: 500 }, () => event('chat_state', { from: 1 }));
  const others = Array.from({ length: 100 }, () => event('message', { id: 1 }));
  await inbox.take([...broken, ...others]);
  expect(inbox.counts.dropped).toBe(600);
  expect(lines).toEqual([
    expect.objectContaining({
      msg: 'webhook events were dropped',
      events: 600,
      reasons: [
        expect.objectContaining({ type: 'chat_state', events: 500, seq: 1 }),
        expect.objectContaining({ type: 'message', events: 100, seq: 501 }),
      ],
    }),
  ]);
  const many = Array.from({ length: 50 }, (_, i) =>
    event('chat_state', { [`key${i}`]: 1, state: {} }),
  );
  await inbox.take(many);
  expect(lines).toHaveLength(2);
  expect(lines[1]?.reasons.length).toBeLessThanOrEqual(DROP_REASONS_LOGGED);
});
