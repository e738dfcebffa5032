import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import {
  createTenantDirectory,
  type TenantDirectory,
} from '../../../src/actors/tenant/directory.ts';
import { createTyping } from '../../../src/reactors/conversation/visitor-typing.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import { createSignals } from '../../../src/reactors/lhc/signals.ts';
import { createOperatorSessions } from '../../../src/reactors/operators/sessions.ts';
import {
  assignChat,
  changePresence,
  closeSession,
  openSession,
  register,
  sendMessage,
  startChat,
  viewPage,
} from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { fakeLhc } from '../../support/fake-lhc.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const OP1 = username('op1');
const V1 = visitorKey('1');
let rig: Rig;
let ejabberd: ReturnType<typeof fakeEjabberd>;
let lhc: ReturnType<typeof fakeLhc>;
beforeEach(async () => {
  rig = await openRig({ settings: { callbackUrl: 'https://lhc.test/callback' } });
  ejabberd = fakeEjabberd();
  lhc = fakeLhc();
  await rig.toOperator('op1', register());
});
afterEach(() => rig.close());

/** How often the clock was set. */
const settings = { clock: 0 };

function make({
  lapseMs,
  restartWaitMs,
  tenants = rig.tenants,
}: {
  lapseMs?: number;
  restartWaitMs?: number;
  tenants?: TenantDirectory;
} = {}) {
  const { actors, personal, digestKey, now, monotonic } = rig;
  const { admin, transport } = ejabberd;
  const compared: string[] = [];
  const random = Math.random;
  const base = { actors, tenants, personal, now, monotonic, random, newId, logger: silent };
  const callbacks = createCallbacks({ ...base, digestKey, client: lhc.client });
  const operatorSessions = createOperatorSessions({
    ...base,
    admin,
    operatorsOf: () => [OP1],
    random: () => 0,
    ...(restartWaitMs !== undefined && { restartWaitMs }),
  });
  const compare = async () => {
    compared.push('all');
  };
  const signals = createSignals({
    ...base,
    callbacks,
    operatorSessions,
    returnStanza: () => {},
    stanzasArrived: () => {},
    compare,
    clockSettings: () => settings.clock,
    ...(lapseMs !== undefined && { lapseMs }),
  });
  const typing = createTyping({
    actors,
    transport,
    admin,
    tenants,
    now,
    logger: silent,
    ...(lapseMs !== undefined && { lapseMs }),
  });
  return {
    signals,
    typing: typing.forward,
    listeners: [signals, typing],
    operatorSessions,
    compared,
  };
}
const online = async (session = 's1', resource = 'gajim') => {
  await rig.toOperator('op1', openSession(session, resource));
  await rig.toOperator('op1', changePresence('available', session, resource));
};
const availability = async () => {
  const state = await rig.actors.operator(ACME, OP1).state();
  return state?.availability;
};
const untilAccepted = (n: number) => waitFor(() => lhc.accepted.length === n);

it('LHC hears at most once a minute that an operator is alive', async () => {
  const { signals } = make();
  for (let i = 0; i < 5; i++) signals.operatorAlive(ACME, OP1, 'gajim');
  await untilAccepted(1);
  rig.clock.passes(59_999);
  signals.operatorAlive(ACME, OP1, 'gajim');
  rig.clock.passes(1);
  signals.operatorAlive(ACME, OP1, 'gajim');
  signals.operatorAlive(ACME, username('stranger'), 'gajim'); // LHC does not know it
  await untilAccepted(2);
  expect(lhc.attempts).toHaveLength(2);
});

it.each([3 * 86_400_000, -3 * 86_400_000])(
  'LHC goes on hearing of an operator after the clock was set by %i ms, under ids that it does not know',
  async (byMs) => {
    settings.clock = 0;
    const { signals } = make();
    const minute = async (n: number): Promise<void> => {
      rig.clock.passes(60_000);
      signals.operatorAlive(ACME, OP1, 'gajim');
      await untilAccepted(n);
    };
    await minute(1);
    rig.clock.isSet(byMs);
    await minute(2); // no minute is left out
    rig.clock.isSet(-byMs - 120_000); // the first minute comes once more
    settings.clock = 1;
    await minute(3);
    settings.clock = 0;
    expect(new Set(lhc.accepted.map(({ id }) => id)).size).toBe(3);
  },
);

it('several processes report an operator with the same id within a minute, and with another id in the next', async () => {
  const [a, b] = [make().signals, make().signals];
  a.operatorAlive(ACME, OP1, 'gajim');
  b.operatorAlive(ACME, OP1, 'gajim');
  await untilAccepted(2);
  rig.clock.passes(60_000);
  b.operatorAlive(ACME, OP1, 'gajim');
  await untilAccepted(3);
  const [first, same, next] = lhc.accepted.map(({ id }) => id);
  expect(first).toMatch(/^operator-alive-acme\.op1-\d+$/);
  expect([same === first, next === first]).toEqual([true, false]);
});

it("LHC hears of typing by the chat's operator at most once a second", async () => {
  const { signals } = make();
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', assignChat('op1'));
  for (let i = 0; i < 5; i++) signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
  signals.operatorTyping(ACME, V1, OP1, 'paused', 'desk');
  signals.operatorTyping(ACME, V1, username('op2'), 'composing', 'desk');
  signals.operatorTyping(ACME, visitorKey('nobody'), OP1, 'composing', 'desk');
  await untilAccepted(2);
  const data = { visitor: '1', chatId: 'c1', operator: { username: 'op1', lhcUserId: 7 } };
  expect(lhc.accepted.map((each) => each.data)).toEqual([
    { ...data, state: 'composing' },
    { ...data, state: 'paused' },
  ]);
});

it('LHC hears the last chat state of each second, even if it repeats the one before', async () => {
  const { signals } = make();
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', assignChat('op1'));
  const states = () => lhc.accepted.map(({ data }) => 'state' in data && data.state);
  // The operator opens the window, types, stops, and types again.
  for (const state of ['active', 'composing', 'active', 'composing', 'paused'] as const) {
    signals.operatorTyping(ACME, V1, OP1, state, 'desk');
  }
  await untilAccepted(2);
  expect(states()).toEqual(['active', 'paused']);
  rig.clock.passes(1_000);
  signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
  await untilAccepted(3);
  expect(states()).toEqual(['active', 'paused', 'composing']);
});

it('typing of an operator ends after a while without news from the client', async () => {
  const { signals } = make({ lapseMs: 50 });
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', assignChat('op1'));
  signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
  await untilAccepted(2);
  rig.clock.passes(1_000);
  signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
  await untilAccepted(4);
  expect(lhc.accepted.map(({ data }) => 'state' in data && data.state)).toEqual([
    'composing',
    'paused',
    'composing',
    'paused',
  ]);
});

describe('typing of an operator ends', () => {
  const states = () => lhc.accepted.map(({ data }) => 'state' in data && data.state);
  const chatIds = () => lhc.accepted.map(({ data }) => 'chatId' in data && data.chatId);
  /** An operator who is typing in their chat, as LHC knows. */
  const composing = async () => {
    const { signals, listeners } = make();
    await rig.follow([], listeners);
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op1'));
    signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
    await untilAccepted(1);
    return signals;
  };
  const paused = async () => {
    await untilAccepted(2);
    expect(states()).toEqual(['composing', 'paused']);
    expect(chatIds()).toEqual(['c1', 'c1']);
  };
  /** Whatever LHC was to hear would be here before this. */
  const heardNothing = async (signals: ReturnType<typeof make>['signals']) => {
    const before = lhc.accepted.length;
    signals.operatorAlive(ACME, OP1, 'gajim');
    await untilAccepted(before + 1);
    expect(lhc.accepted.at(-1)?.type).toBe('operator.alive');
  };

  it('at once with whatever they write, if LHC does not get it as a message', async () => {
    const signals = await composing();
    signals.operatorWrote(ACME, V1, OP1, false);
    await paused();
    signals.operatorWrote(ACME, V1, OP1, false); // LHC knows already
    await heardNothing(signals);
  });

  it('with a message to LHC, which says so itself; what the client says next counts again', async () => {
    const signals = await composing();
    signals.operatorWrote(ACME, V1, OP1, true);
    await heardNothing(signals);
    rig.clock.passes(1_000);
    signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
    await untilAccepted(3);
    expect(states()).toEqual(['composing', false, 'composing']);
  });

  it('though it waited for the end of the second: LHC does not hear that it began', async () => {
    const { signals } = make();
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op1'));
    signals.operatorTyping(ACME, V1, OP1, 'active', 'desk');
    await untilAccepted(1);
    signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
    signals.operatorWrote(ACME, V1, OP1, false);
    rig.clock.passes(1_000);
    signals.operatorTyping(ACME, V1, OP1, 'active', 'desk');
    await untilAccepted(2);
    expect(states()).toEqual(['active', 'active']);
  });

  it('behind the beginning, however slow LHC is', async () => {
    const { signals } = make();
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op1'));
    const answer = Promise.withResolvers<void>();
    const { answer: known } = lhc.state;
    lhc.state.answer = async (callback) => {
      if (lhc.attempts.length === 1) await answer.promise;
      return known(callback);
    };
    signals.operatorTyping(ACME, V1, OP1, 'composing', 'desk');
    await waitFor(() => lhc.attempts.length === 1);
    signals.operatorWrote(ACME, V1, OP1, false);
    signals.operatorAlive(ACME, OP1, 'gajim'); // what LHC is to hear now, it hears before this
    await untilAccepted(1);
    answer.resolve();
    await untilAccepted(3);
    expect(states()).toEqual([false, 'composing', 'paused']);
  });

  it.each([
    ['is closed', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null }],
    [
      'is transferred',
      {
        type: 'TransferChat',
        chatId: null,
        from: null,
        operator: username('op2'),
        department: null,
        reservation: null,
      },
    ],
    [
      'goes back to the queue',
      { type: 'UnassignChat', chatId: 'c1', operator: OP1, reason: 'offline' },
    ],
  ] as const)('when the chat %s', async (_, command) => {
    await composing();
    await rig.toVisitor('1', command as Parameters<Rig['toVisitor']>[1]);
    await paused();
  });

  it('when the session of that client ends, and of no other', async () => {
    const signals = await composing();
    signals.operatorSessionEnded(ACME, OP1, 'phone');
    await heardNothing(signals);
    signals.operatorSessionEnded(ACME, OP1, 'desk');
    await untilAccepted(3);
    expect(states()).toEqual(['composing', false, 'paused']);
  });
});

describe('typing of a visitor ends', () => {
  const composing = async () => {
    const { typing, listeners } = make();
    const caughtUp = await rig.follow([], listeners);
    await ejabberd.admin.register(jidOf('1'), 'x');
    await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', assignChat('op1'));
    await caughtUp();
    await typing(ACME, V1, 'composing');
    return { typing, caughtUp };
  };
  const line = (state: string) => `${jidOf('1')} op1@${HOST} ${state}`;

  it('with a message; what LHC says next counts at once', async () => {
    const { typing, caughtUp } = await composing();
    await rig.toVisitor('1', sendMessage('m1'));
    await caughtUp();
    await typing(ACME, V1, 'composing');
    expect(ejabberd.typed).toEqual(['composing', 'composing'].map(line));
  });

  it('when the chat is over', async () => {
    await composing();
    await rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await waitFor(() => ejabberd.typed.length === 2, { what: 'the end of typing' });
    expect(ejabberd.typed).toEqual(['composing', 'active'].map(line));
  });
});

it('an ephemeral callback is not retried', async () => {
  lhc.state.answer = async () => ({ outcome: 'retry', reason: 'away' });
  make().signals.operatorAlive(ACME, OP1, 'gajim');
  await waitFor(() => lhc.attempts.length === 1);
  expect(lhc.accepted).toEqual([]);
});

it('the operator sees each change of the visitor’s typing, and a repeat every three seconds at most', async () => {
  const { typing } = make();
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });
  await typing(ACME, V1, 'composing'); // no chat: nobody to see it
  await rig.toVisitor('1', startChat());
  await typing(ACME, V1, 'composing'); // nobody has it
  expect(ejabberd.typed).toEqual([]);
  await rig.toVisitor('1', assignChat('op1'));
  for (const state of ['composing', 'composing', 'paused', 'composing'] as const) {
    await typing(ACME, V1, state);
  }
  rig.clock.passes(3_000);
  await typing(ACME, V1, 'composing');
  const line = (state: string) => `${jidOf('1')} op1@${HOST} ${state}`;
  expect(ejabberd.typed).toEqual(['composing', 'paused', 'composing', 'composing'].map(line));
  expect(ejabberd.count('sendChatState')).toBe(0);
});

it('typing of a visitor ends after a while without news from LHC', async () => {
  const typing = make({ lapseMs: 50 }).typing;
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', assignChat('op1'));
  await typing(ACME, V1, 'composing');
  await typing(ACME, V1, 'composing'); // a repeat
  const line = (state: string) => `${jidOf('1')} op1@${HOST} ${state}`;
  await waitFor(() => ejabberd.typed.length === 2);
  expect(ejabberd.typed).toEqual(['composing', 'active'].map(line));
  await typing(ACME, V1, 'composing');
  await typing(ACME, V1, 'paused'); // the visitor stops by themselves
  await typing(ACME, V1, 'composing');
  await waitFor(() => ejabberd.typed.length === 6);
  expect(ejabberd.typed.slice(2)).toEqual(['composing', 'paused', 'composing', 'active'].map(line));
});

it('the new operator of a chat sees typing at once, and operators of an open offer do not see it', async () => {
  const { typing } = make();
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', {
    type: 'OfferChat',
    chatId: 'c1',
    operators: [username('op1'), username('op2')],
    reason: 'broadcast',
  });
  await typing(ACME, V1, 'composing');
  expect(ejabberd.typed).toEqual([]);
  await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
  await typing(ACME, V1, 'composing');
  const to = { operator: username('op2'), department: null, reservation: null };
  await rig.toVisitor('1', { type: 'TransferChat', chatId: null, from: username('op1'), ...to });
  await typing(ACME, V1, 'composing');
  expect(ejabberd.typed).toEqual(
    ['op1 composing', 'op1 active', 'op2 composing'].map((line) => {
      const [name, state] = line.split(' ');
      return `${jidOf('1')} ${name}@${HOST} ${state}`;
    }),
  );
});

it("typing goes through the admin API if another process has the visitor's session, and is lost if ejabberd is away", async () => {
  const { typing } = make();
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', assignChat('op1'));
  await typing(ACME, V1, 'composing');
  await waitFor(() => ejabberd.typed.length === 1);
  expect(ejabberd.typed).toEqual([`${jidOf('1')} op1@${HOST} composing`]);
  ejabberd.state.down = true;
  await typing(ACME, V1, 'paused');
  expect(ejabberd.count('sendChatState')).toBe(2);
});

const hookOf = (queueId: string, seq: number) => ({
  commandId: `auto:${newId()}`,
  hook: { queueId, seq },
});
const sessionsOf = async () =>
  Object.keys((await rig.actors.operator(ACME, OP1).state())?.context.sessions ?? {});
const there = (resource = 'gajim', show = 'available') => {
  ejabberd.sessions.set(`op1@${HOST}`, [{ resource, show, status: '', priority: 0 }]);
};

it('a start of mod_lhc closes the sessions that ejabberd does not have', async () => {
  const { signals, compared } = make();
  await online();
  await signals.moduleStarted(HOST, undefined, { queueId: newId(), seq: 1 });
  expect(await availability()).toBe('offline');
  expect(compared).toEqual(['all']);
  await signals.moduleStarted('elsewhere.test', undefined, { queueId: newId(), seq: 1 });
});

it('a repeated module.started keeps the sessions that were reported since', async () => {
  const { signals } = make();
  const queueId = newId();
  await online('old');
  there();
  await signals.moduleStarted(HOST, undefined, { queueId, seq: 1 });
  expect(await sessionsOf()).toEqual(['resource:gajim']);
  await signals.moduleStarted(HOST, undefined, { queueId, seq: 1 });
  expect(await sessionsOf()).toEqual(['resource:gajim']);
  await rig.toOperator('op1', openSession('new'), hookOf(queueId, 2));
  expect(await availability()).toBe('available');
  await signals.moduleStarted(HOST, undefined, { queueId, seq: 1 }); // the batch comes again
  await rig.toOperator('op1', openSession('new'), hookOf(queueId, 2));
  await rig.toOperator('op1', closeSession('new'), hookOf(queueId, 3));
  expect(await availability()).toBe('offline');
});

it('while ejabberd is away, events are taken after a while; what they report is kept', async () => {
  const { signals } = make({ restartWaitMs: 20 });
  const queueId = newId();
  await online('old', 'gajim');
  await online('gone', 'phone');
  ejabberd.state.down = true;
  await signals.moduleStarted(HOST, undefined, { queueId, seq: 1 });
  expect(await availability()).toBe('available');
  // The operator's client is there, under a new id.
  await rig.toOperator('op1', openSession('new', 'gajim'), hookOf(queueId, 2));
  await rig.toOperator('op1', changePresence('away', 'new', 'gajim'), hookOf(queueId, 3));
  there('gajim', 'away');
  ejabberd.state.down = false;
  await waitFor(async () => (await sessionsOf()).length === 1, { what: 'the comparison' });
  expect(await sessionsOf()).toEqual(['new']);
  expect(await availability()).toBe('away');
});

it('a list of ejabberd that is older than an event is asked for again', async () => {
  const { operatorSessions } = make();
  let asked = 0;
  ejabberd.state.before = async (call) => {
    if (call.startsWith('sessions') && ++asked === 1) {
      // mod_lhc reports a session while ejabberd answers with a list without it.
      await rig.toOperator('op1', openSession('new', 'gajim'));
      await rig.toOperator('op1', changePresence('available', 'new', 'gajim'));
      setImmediate(() => there());
    }
  };
  await operatorSessions.compare(ACME, OP1);
  await waitFor(() => asked >= 2, { what: 'the second question' });
  expect(await sessionsOf()).toEqual(['new']);
});

it('a session that ended while ejabberd was asked does not stay', async () => {
  const { operatorSessions } = make();
  there();
  await operatorSessions.compare(ACME, OP1);
  expect(await availability()).toBe('available');
  // It had ended before the list was used, and its end was reported before: nothing else closes it.
  ejabberd.sessions.set(`op1@${HOST}`, []);
  await waitFor(async () => (await availability()) === 'offline', { what: 'the confirmation' });
});

it('a failed comparison goes on in the background, for each operator alone', async () => {
  const { operatorSessions } = make();
  await online();
  ejabberd.state.down = true;
  there('phone', 'dnd');
  await operatorSessions.compare(ACME, OP1); // a registration does not fail for it
  expect(await availability()).toBe('available');
  ejabberd.state.down = false;
  await waitFor(async () => (await availability()) === 'busy', { what: 'the comparison' });
  operatorSessions.stop();
});

describe('module.started of one tenant', () => {
  const SHOP = TenantId.parse('shop');
  const MALL = TenantId.parse('mall');
  const tenant = (id: string, instance?: string) =>
    tenantWith({
      id,
      host: 'many.test',
      apiKey: `key-of-${id}-0123456789`,
      ...(instance && { instance }),
    });
  const asked = () => ejabberd.calls.filter((call) => call.startsWith('sessions')).sort();
  const both = async () => {
    for (const id of [SHOP, MALL]) {
      const operator = rig.actors.operator(id, OP1);
      await operator.send(register());
      await operator.send(openSession());
    }
    const tenants = createTenantDirectory([tenant('shop', 's1'), tenant('mall', 'm1')]);
    return make({ tenants }).signals;
  };

  it('is about its sessions alone', async () => {
    const signals = await both();
    await signals.moduleStarted('many.test', 's1', { queueId: newId(), seq: 1 });
    expect(asked()).toEqual(['sessions op1.s1@many.test']);
    expect((await rig.actors.operator(SHOP, OP1).state())?.context.sessions).toEqual({});
    expect((await rig.actors.operator(MALL, OP1).state())?.context.sessions).toHaveProperty('s1');
    await signals.moduleStarted('many.test', 'unknown', { queueId: newId(), seq: 1 });
    expect(asked()).toEqual(['sessions op1.s1@many.test']);
  });

  it('of none voids nothing and compares everybody', async () => {
    const signals = await both();
    for (const local of ['op1.s1', 'op1.m1']) {
      const sessions = [{ resource: 'gajim', show: 'away', status: '', priority: 0 }];
      ejabberd.sessions.set(`${local}@many.test`, sessions);
    }
    await signals.moduleStarted('many.test', '', { queueId: newId(), seq: 1 });
    for (const id of [SHOP, MALL]) {
      await waitFor(async () => {
        const state = await rig.actors.operator(id, OP1).state();
        return state?.availability === 'away';
      });
      // The session keeps its id: events that are on their way still belong to it.
      const state = await rig.actors.operator(id, OP1).state();
      expect(Object.keys(state?.context.sessions ?? {})).toEqual(['s1']);
    }
  });

  it('without an instance, by an older module, is about all of the host', async () => {
    const signals = await both();
    await signals.moduleStarted('many.test', undefined, { queueId: newId(), seq: 1 });
    for (const id of [SHOP, MALL]) {
      expect((await rig.actors.operator(id, OP1).state())?.context.sessions).toEqual({});
    }
  });
});

it('sessions are compared when an event about them was lost; not those of somebody unregistered', async () => {
  const { signals } = make();
  there('phone', 'dnd');
  signals.sessionsUnsure(ACME, username('stranger'));
  signals.sessionsUnsure(ACME, OP1);
  await waitFor(async () => (await availability()) === 'busy');
  expect(ejabberd.calls.filter((call) => call.includes('stranger'))).toEqual([]);
});
