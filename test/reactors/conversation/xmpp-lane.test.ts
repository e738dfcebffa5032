import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import { PRESENCE_PAUSE_MS } from '../../../src/actors/operator/presence-budget.ts';
import { AppError } from '../../../src/errors.ts';
import type { RecordedEvent } from '../../../src/eventstore/port.ts';
import { createAnswers } from '../../../src/reactors/answers/answers.ts';
import { createXmppLane } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import { createOperatorSessions } from '../../../src/reactors/operators/sessions.ts';
import { createVisitorRooms } from '../../../src/reactors/rooms/visitor-rooms.ts';
import { type Ownership, partitionOf, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import {
  assignChat,
  changePresence,
  closeChat,
  closeSession,
  openSession,
  register,
  sendMessage,
  startChat,
  take,
  viewPage,
} from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { fakeRooms } from '../../support/fake-rooms.ts';
import { username, visitorKey } from '../../support/names.ts';
import { movableOwnership } from '../../support/ownership.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

let rig: Rig;
let ejabberd: ReturnType<typeof fakeEjabberd>;
beforeEach(async () => {
  rig = await openRig();
  ejabberd = fakeEjabberd();
  await rig.toVisitor('1', viewPage());
});
afterEach(() => rig.close());

const makeLane = (ownership: Ownership = soleOwner) => {
  const { actors, store, tenants, personal, names, now } = rig;
  const { admin, transport } = ejabberd;
  const removal = createOperatorRemoval({ actors, admin, ownership, now });
  const deps = {
    actors,
    store,
    tenants,
    personal,
    names,
    ownership,
    now,
    newId,
    removal,
    logger: silent,
  };
  const answers = createAnswers({ ...rig, actors, store, personal, names });
  const operatorSessions = createOperatorSessions({
    actors,
    admin,
    tenants,
    operatorsOf: () => [],
    logger: silent,
  });
  const pauseTimes = { leastMs: 0, mostMs: 0 };
  const { random } = Math;
  const rooms = createVisitorRooms({
    ...deps,
    admin,
    transport,
    rooms: fakeRooms().rooms,
    ownership,
  });
  return createXmppLane({
    ...deps,
    rooms,
    random,
    answers,
    operatorSessions,
    admin,
    transport,
    pauseTimes,
    pendingFrom: () => null,
  });
};
const login = async () => {
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });
};
/** Performs the facts of a stream in order, up to the first one that cannot be done. */
async function run(stream = 'visitor-acme.1', from = 0, ownership: Ownership = soleOwner) {
  const { destination } = makeLane(ownership);
  for (const event of (await rig.facts(stream)).slice(from)) {
    if (!destination.concerns(event)) continue;
    const outcome = await destination.perform(event, new AbortController().signal);
    if (outcome.kind !== 'done') return outcome;
  }
  return { kind: 'done' };
}
const bodies = () => ejabberd.messages.map(({ body }) => body);
const ids = () => ejabberd.messages.map(({ id }) => id);
const open = async () => {
  const state = await rig.visitor('1').state();
  return state?.context.openMessages ?? [];
};
const say = async (...names: string[]) => {
  for (const name of names) await rig.toVisitor('1', sendMessage(name));
};
const failures = async () =>
  (await rig.facts('visitor-acme.1')).flatMap(({ type, data }) =>
    type === 'MessageFailed' ? [data.reason] : [],
  );

describe('after a pause of presences', () => {
  it('ejabberd is asked what the operator shows, again if it is away', async () => {
    await rig.toOperator('op1', register());
    await rig.toOperator('op1', openSession('s1', 'gajim'));
    for (let n = 0; n < 40; n++) {
      await rig.toOperator('op1', changePresence(n % 2 ? 'available' : 'away', 's1'));
    }
    expect((await rig.types('operator-acme.op1')).at(-1)).toBe('PresencePaused');
    ejabberd.sessions.set(`op1@${HOST}`, [
      { resource: 'phone', show: 'dnd', status: 'busy', priority: 0 },
    ]);
    rig.clock.passes(PRESENCE_PAUSE_MS);
    await rig.host.wake('operator-acme.op1');
    ejabberd.state.down = true;
    expect(await run('operator-acme.op1')).toMatchObject({ kind: 'retry' });
    ejabberd.state.down = false;
    expect(await run('operator-acme.op1')).toEqual({ kind: 'done' });
    const state = await rig.operator('op1').state();
    expect(state?.availability).toBe('busy');
    expect(Object.keys(state?.context.sessions ?? {})).toEqual(['resource:phone']);
  });
});

describe("a visitor's message", () => {
  it('waits for an operator, is then sent in order, and is sent once', async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await say('m2');
    expect(await run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    await rig.toVisitor('1', assignChat('op1'));
    expect(await run()).toEqual({ kind: 'done' });
    expect(ejabberd.messages[0]).toEqual({
      id: 'm1',
      from: jidOf('1'),
      to: `op1@${HOST}`,
      body: [
        'Hello',
        '',
        ':: New chat #c1 for sales. Reply to accept it, or !decline.',
        ':: Visitor 1',
        ':: Page: /home',
      ].join('\n'),
    });
    expect(ids()).toEqual(['m1', 'm2']);
    expect((await open()).map(({ taken }) => taken)).toEqual([true, true]);
    await run(); // after a crash the lane sends no message again that ejabberd has taken
    expect(ids()).toEqual(['m1', 'm2']);
  });

  it('of a closed chat goes to its last operator, or fails if it had none', async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    await rig.toVisitor('1', closeChat('c1'));
    await rig.toVisitor('1', startChat('c2', 'm2'));
    await rig.toVisitor('1', closeChat('c2'));
    expect(await run()).toEqual({ kind: 'done' });
    expect(ejabberd.messages.find(({ id }) => id === 'm1')?.to).toBe(`op1@${HOST}`);
    expect(ids()).not.toContain('m2');
    expect(await failures()).toEqual(['no operator took the chat']);
  });

  it('that a former operator received fails if nobody takes the chat before it is closed', async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    expect(await run()).toEqual({ kind: 'done' });
    expect((await open()).map(({ taken }) => taken)).toEqual([true]);
    const unassign = {
      type: 'UnassignChat',
      chatId: 'c1',
      operator: username('op1'),
      reason: 'missed',
    } as const;
    await rig.toVisitor('1', unassign);
    await rig.toVisitor('1', closeChat('c1'));
    expect(await run()).toEqual({ kind: 'done' });
    expect(await failures()).toEqual(['no operator took the chat']);
    expect(await open()).toEqual([]);
    await run();
    expect(await failures()).toHaveLength(1);
  });

  it('of an erased visitor fails', async () => {
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    await rig.vault.erase('acme.1');
    expect(await run()).toEqual({ kind: 'done' });
    expect(await failures()).toEqual(['the visitor was erased']);
    expect(ejabberd.messages).toEqual([]);
  });

  it('is retried while ejabberd is away, and is a dead letter that failed if ejabberd refuses it', async () => {
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    // The visitor's session is on its way: nobody needs a warning.
    expect(await run()).toMatchObject({ kind: 'retry', expected: true });
    await login();
    ejabberd.state.before = async () => {
      throw new AppError('unavailable', 'away');
    };
    expect(await run()).toMatchObject({ kind: 'retry', reason: 'away', expected: false });
    ejabberd.state.before = async () => {
      throw new AppError('refused', 'no such operator');
    };
    expect(await run()).toEqual({ kind: 'dead', reason: 'no such operator' });
    const event = (await rig.facts('visitor-acme.1')).find(
      ({ type }) => type === 'VisitorMessageSent',
    );
    if (!event) throw new Error('there is no message');
    const { destination } = makeLane();
    for (const _ of [1, 2]) await destination.reportFailure?.(event, 'no such operator');
    expect(await failures()).toEqual(['no such operator']);
    ejabberd.state.before = async () => {};
    const again = await destination.perform(event, new AbortController().signal, true);
    expect([again, ids()]).toEqual([{ kind: 'done' }, ['line-1-open-c1', 'm1']]); // a person sends the dead letter again
  });

  it('of a visitor who has left is sent without a session', async () => {
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    await rig.toVisitor('1', closeChat('c1'));
    await rig.toVisitor('1', { type: 'TimeOut' });
    expect(await run()).toEqual({ kind: 'done' });
    expect(ejabberd.count('sendMessage')).toBe(2); // the message, and the notice that the chat is closed
  });
});

describe('a new session of a visitor', () => {
  const prepare = async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    await say('m2');
    await run();
    await rig.toVisitor('1', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' });
    await say('m3');
    ejabberd.messages.length = 0;
  };
  const performLast = async (messages: ReturnType<typeof makeLane>) => {
    const last: RecordedEvent | undefined = (await rig.facts('visitor-acme.1')).findLast(
      ({ type }) => type === 'VisitorMessageSent',
    );
    if (!last) throw new Error('there is no message');
    return messages.destination.perform(last, new AbortController().signal);
  };

  it('resends the messages that were taken and not delivered, before any later message', async () => {
    await prepare();
    const gate = Promise.withResolvers<void>();
    const before = ejabberd.count('send');
    // Only the first stanza waits, so that a later one could overtake it.
    ejabberd.state.before = async () => {
      if (ejabberd.count('send') === before + 1) await gate.promise;
    };
    const messages = makeLane();
    messages.resend(jidOf('1'));
    await waitFor(() => ejabberd.count('send') > before);
    const later = performLast(messages);
    const other = await rig.toVisitor('2', viewPage()); // long enough for the later message to be sent, if it did not wait
    expect(other.facts).toBe(1);
    expect(ids()).toEqual([]);
    gate.resolve();
    await later;
    expect(ids()).toEqual(['m2', 'm3']);
  });

  it('resends the later messages if ejabberd refuses one, which fails', async () => {
    await prepare();
    const messages = makeLane();
    await performLast(messages); // now ejabberd has taken m3 as well
    ejabberd.messages.length = 0;
    let first = true;
    ejabberd.state.before = async (call) => {
      if (!first || !call.startsWith('send')) return;
      first = false;
      throw new AppError('refused', 'too long');
    };
    messages.resend(jidOf('1'));
    await waitFor(() => ids().includes('m3'));
    expect(ids()).toEqual(['m3']);
    expect(await failures()).toEqual(['too long']);
  });

  it('of somebody who is no visitor resends nothing', () => {
    makeLane().resend(`op1@${HOST}`);
    makeLane().resend('visitor.1@elsewhere.test');
    expect(ejabberd.calls).toEqual([]);
  });
});

describe('an operator', () => {
  it('reads of a chat without a message, and who closed it, in stanzas with ids of the facts', async () => {
    await login();
    await rig.toVisitor('1', startChat('c1'));
    await rig.toVisitor('1', assignChat('op1'));
    await run();
    await rig.toVisitor('1', closeChat('c1'));
    await run('visitor-acme.1', 3);
    const facts = await rig.facts('visitor-acme.1');
    const closed = facts.find(({ type }) => type === 'ChatClosed');
    expect(bodies()).toEqual([
      ':: New chat #c1 for sales. Reply to accept it, or !decline.\n:: Visitor 1\n:: Page: /home',
      ':: The visitor closed chat #c1.',
    ]);
    expect(ids()).toEqual(['line-1-open-c1', `line-${closed?.revision}-${closed?.id}`]);
  });

  it('reads why their message was not delivered, from the address that it was for, even an unknown one', async () => {
    await rig.toOperator('op1', register());
    const refused = {
      type: 'RefuseMessage',
      messageId: 'x',
      reason: 'this visitor has left',
    } as const;
    await rig.toOperator('op1', { ...refused, visitor: visitorKey('1') });
    await rig.toOperator('op1', { ...refused, visitor: visitorKey('unknown') });
    await login();
    expect(await run('operator-acme.op1')).toEqual({ kind: 'done' });
    expect(ejabberd.messages).toMatchObject(
      ['1', 'unknown'].map((key) => ({
        from: jidOf(key),
        to: `op1@${HOST}`,
        body: ':: Not delivered: this visitor has left.',
      })),
    );
  });

  it('who is removed loses the account, unless they are registered again', async () => {
    const jid = `op1@${HOST}`;
    await ejabberd.admin.register(jid, 'x');
    await rig.toOperator('op1', register());
    await rig.toOperator('op1', { type: 'Remove' });
    await run('operator-acme.op1');
    expect(ejabberd.accounts.size).toBe(0);
    await ejabberd.admin.register(jid, 'x');
    await rig.toOperator('op1', { type: 'ClaimAccount', adopted: false });
    await run('operator-acme.op1');
    expect(ejabberd.accounts.size).toBe(1);
  });
});

describe('with several processes', () => {
  const ofVisitor = partitionOf('acme.1');
  const ofOperator = partitionOf('acme.op1');
  const takenMessage = async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1', null));
    await rig.toOperator('op1', register());
    await rig.toOperator('op1', openSession('s1', 'desk'));
    await rig.toOperator('op1', { ...take(null), visitor: '1' } as OperatorCommand);
    await rig.toVisitor('1', { type: 'ReportMessageTaken', messageIds: ['m1'] });
  };

  it('a process that has lost a lane performs none of its effects', async () => {
    await login();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
    const ownership = movableOwnership([]);
    expect(await run('visitor-acme.1', 0, ownership)).toMatchObject({ kind: 'retry' });
    expect(ejabberd.messages).toEqual([]);
    ownership.gain(ofVisitor);
    expect(await run('visitor-acme.1', 0, ownership)).toEqual({ kind: 'done' });
    expect(ids()).toContain('m1');
  });

  it("the operator's process uses the admin API if another process has the visitor", async () => {
    await rig.toOperator('op1', register());
    const refuse = {
      type: 'RefuseMessage',
      messageId: 'x',
      reason: 'gone',
      visitor: visitorKey('1'),
    } as const;
    await rig.toOperator('op1', refuse);
    expect(ofVisitor).not.toBe(ofOperator);
    expect(await run('operator-acme.op1', 0, movableOwnership([ofOperator]))).toEqual({
      kind: 'done',
    });
    expect(bodies()).toEqual([':: Not delivered: gone.']);
    expect(ejabberd.count('sendMessage')).toBe(1);
  });

  it('only the owner of the visitor resends after a session of the operator ended', async () => {
    await takenMessage();
    const [owner, other] = [movableOwnership([ofVisitor]), movableOwnership([ofOperator])];
    const caughtUp = await rig.follow([], [makeLane(owner), makeLane(other)]);
    await caughtUp();
    makeLane(other).resend(jidOf('1'));
    expect(ejabberd.count('send ')).toBe(0);
    await rig.toOperator('op1', closeSession('s1'));
    await caughtUp();
    await waitFor(() => ejabberd.messages.length === 1);
    expect(ids()).toEqual(['m1']);
    expect(ejabberd.count('send ')).toBe(1);
  });

  it('facts from before the start resend nothing', async () => {
    await takenMessage();
    await rig.toOperator('op1', closeSession('s1'));
    rig.clock.passes(1_000);
    const load = vi.spyOn(rig.host, 'load');
    const caughtUp = await rig.follow([], [makeLane()]);
    await caughtUp();
    expect(load).not.toHaveBeenCalled();
  });
});
