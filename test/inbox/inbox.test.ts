import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import type { EventStore } from '../../src/eventstore/port.ts';
import type { InboxSignals } from '../../src/inbox/commands.ts';
import { createInbox } from '../../src/inbox/inbox.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import type { Transfer } from '../../src/runtime/ports.ts';
import {
  assignChat,
  changePresence,
  openSession,
  register,
  sendMessage,
  startChat,
  viewPage,
} from '../actors/facts.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../support/rig.ts';

let rig: Rig;
let unavailable: (stream: string) => boolean;
let signalled: string[];
const queueId = newId();
let seq: number;

const disturb = (store: EventStore): EventStore => ({
  ...store,
  append: async (...args) => {
    if (unavailable(args[0])) throw new AppError('unavailable', 'no disk');
    return store.append(...args);
  },
});
beforeEach(async () => {
  unavailable = () => false;
  signalled = [];
  seq = 0;
  rig = await openRig({ disturb });
});
afterEach(() => rig.close());

function inboxOf(more: Partial<InboxSignals> = {}) {
  const { store, vault, now, actors, tenants, digestKey } = rig;
  const signals: InboxSignals = {
    moduleStarted: async (host) => {
      signalled.push(`started ${host}`);
    },
    operatorAlive: (_tenant, name) => signalled.push(`alive ${name}`),
    operatorTyping: (_tenant, key, name, state) => signalled.push(`${name} ${state} to ${key}`),
    ...more,
  };
  const setAside = createSetAside({ store, vault, now, newId });
  const transfer: Transfer = () => Promise.reject(new Error('nobody hands on a chat here'));
  return createInbox({
    actors,
    tenants,
    setAside,
    signals,
    digestKey,
    transfer,
    logger: silent,
  });
}

const event = (type: string, more: object) => {
  seq++;
  return { queueId, seq, at: '2026-01-01T00:00:00Z', host: HOST, type, ...more };
};
const message = (from: string, to: string, id: string, body = `${id} from ${from}`) =>
  event('message', { from: `${from}@${HOST}/desk`, to: jidOf(to), id, body: { '': body } });
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
const stateOf = async (name: string) => {
  const state = await rig.operator(name).state();
  return state?.availability;
};

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
    expect(signalled).toEqual(['alive op1', 'op1 composing to 1']);
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
      message('op1', 'unknown', 'b'),
      message('op1', '1', 'c'),
      disconnected('op1'),
    ];
    const inbox = inboxOf();
    await Promise.all([inbox.take(batch), inbox.take(batch)]);
    await inboxOf().take(batch);
    expect(await received('1')).toEqual(['a', 'c']);
    expect(await refusals('op1')).toEqual(['b']);
    expect(await asides()).toEqual([[4, 'its receiver is not known']]);
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
      message('op1', 'unknown', 'b'),
      message('op2', '2', 'c'),
      message('op2', '2', 'd'),
    ];
    unavailable = (stream) => stream === 'visitor-acme.2';
    batch.push(connected('op1')); // later than what has to be set aside, and done before it
    await expect(inboxOf().take(batch)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await asides()).toEqual([]); // not before the rest is done
    unavailable = () => false;
    await inboxOf().take(batch);
    expect([await received('1'), await received('2')]).toEqual([['a'], ['c', 'd']]);
    expect(await asides()).toEqual([[2, 'its receiver is not known']]);
    expect(await refusals('op1')).toEqual(['b']);
  });
});

describe('a message', () => {
  it('that a resumed client repeats counts once; the same id with another text is a second message', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    await inboxOf().take([message('op1', '1', 'x', 'Hello'), message('op1', '1', 'x', 'Hello')]);
    await inboxOf().take([message('op1', '1', 'x', 'Hello')]);
    expect(await received('1')).toEqual(['x']);
    await inboxOf().take([message('op1', '1', 'x', 'Bye')]);
    expect(await received('1')).toEqual(['x', 'x']);
  });

  it('that was refused stays refused, though the visitor would take it now', async () => {
    await registered('op1', 'op2');
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op2'));
    const batch = [message('op1', '1', 'a')];
    await inboxOf().take(batch);
    expect(await refusals('op1')).toEqual(['a']);
    await rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await inboxOf().take(batch);
    await inboxOf().take([message('op1', '1', 'a')]); // the client resumes: a new number
    expect(await received('1')).toEqual([]);
    expect(await refusals('op1')).toEqual(['a']);
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
    await rig.toVisitor('1', viewPage());
    const batch = [message('op1', '1', 'a'), message('op1', '1', 'b')];
    await inboxOf().take(batch);
    expect(await asides()).toEqual([
      [1, 'its sender is not a registered operator'],
      [2, 'its sender is not a registered operator'],
    ]);
    await registered('op1');
    await inboxOf().take(batch);
    expect(await received('1')).toEqual([]);
    expect(await refusals('op1')).toEqual(['a', 'b']);
    expect(await asides()).toHaveLength(2);
    await inboxOf().take([message('op1', '1', 'c')]);
    expect(await received('1')).toEqual(['c']);
  });

  it.each([
    ['its sender is no operator', 'visitor.9', jidOf('1')],
    ['its receiver is no visitor', 'op1', `op2@${HOST}`],
    ['its receiver is no visitor', 'op1', 'visitor.1@elsewhere.test'],
  ])('without a sender or receiver of a tenant is set aside: %s', async (reason, from, to) => {
    await registered('op1');
    const odd = { ...message(from, '1', 'a'), to };
    const good = connected('op1');
    await inboxOf().take([odd, good]);
    expect(await asides()).toEqual([[1, expect.stringContaining(reason)]]);
    expect(await rig.types('operator-acme.op1')).toContain('OperatorLoggedIn');
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
      encrypted,
      { ...encrypted, seq: ++seq }, // a client that resumed
      unsupported('op1', 'encrypted', 'unknown'),
      unsupported('op1', 'of a newer module'),
      unsupported('stranger', 'encrypted'),
    ]);
    const refused = (await rig.facts('operator-acme.op1')).filter(
      ({ type }) => type === 'MessageRefused',
    );
    expect(refused.map(({ data }) => [data.visitor, data.messageId, data.reason])).toEqual([
      ['1', 'm-encrypted', expect.stringContaining('switch encryption off')],
      ['unknown', 'm-encrypted', expect.stringContaining('switch encryption off')],
      ['1', 'm-of a newer module', expect.stringContaining('write a message instead')],
    ]);
    expect(await received('1')).toEqual([]);
    expect(await asides()).toEqual([]);
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

  it('that is malformed is set aside with the fault, in order, once, sealed', async () => {
    await registered('op1');
    await rig.toVisitor('1', viewPage());
    const { body: _body, ...noBody } = { ...message('op1', '1', 'a') } as { body?: unknown };
    const batch = [
      noBody,
      message('op1', '1', 'b'),
      event('operator.presence', { user: 'op1', ...session, show: 'odd-canary' }),
    ];
    await inboxOf().take(batch);
    await Promise.all([inboxOf().take(batch), inboxOf().take(batch)]);
    expect(await asides()).toEqual([
      [1, expect.stringContaining('body')],
      [3, expect.stringContaining('show')],
    ]);
    expect(JSON.stringify(await rig.facts(`inbox-${queueId}`))).not.toContain('canary');
    expect(await received('1')).toEqual(['b']);
  });

  it('without a number is set aside too, each time it comes', async () => {
    const odd = { type: 'message', from: `op1@${HOST}`, text: 'x' };
    await inboxOf().take([odd, { ...odd, text: 'y' }, { ...odd, text: 'z' }]);
    expect(await asides('unnumbered')).toHaveLength(3);
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

  it('module.started that cannot be handled now fails the batch, so that it is repeated', async () => {
    await registered('op1');
    const inbox = inboxOf({
      moduleStarted: async () => {
        throw new AppError('unavailable', 'ejabberd is away');
      },
    });
    const batch = [event('module.started', {}), connected('op1')];
    await expect(inbox.take(batch)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await stateOf('op1')).toBe('offline');
    await rig.toOperator('op1', openSession('s0', 'phone'));
    await rig.toOperator('op1', changePresence('available', 's0', 'phone'));
    await inboxOf().take(batch);
    expect(await rig.types('operator-acme.op1')).toContain('OperatorLoggedIn');
  });
});
