/** Reports on messages by operators' clients and LHC. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import {
  type VisitorCommand,
  visitorDecider,
  visitorState,
} from '../../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../../src/actors/visitor/facts.ts';
import { shortHash } from '../../../src/kit/hash.ts';
import { username } from '../../support/names.ts';
import {
  arrived,
  assignChat,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatOffered,
  chatStarted,
  chatTransferred,
  chatUnassigned,
  delivered,
  operatorMessage,
  sendMessage,
  startChat,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

const waiting = [arrived(), chatStarted(), visitorMessage('m1')];
const chatting = [...waiting, chatAssigned(), chatAccepted()];
const visitor = (facts: readonly Fact[]) => scenario(visitorDecider).given(facts);

const received = (operator?: string): VisitorCommand => ({
  type: 'ReportMessageDelivered',
  messageIds: ['m1'],
  by: 'ping',
  ...(operator === undefined ? {} : { operator: username(operator) }),
});
const shown = (messageId: string, operator = 'op1') =>
  ({ type: 'ReportMessageDisplayed', messageId, operator: username(operator) }) as const;
const returned = (operator?: string): VisitorCommand => ({
  type: 'ReportMessageFailed',
  messageId: 'm1',
  reason: 'gone',
  ...(operator === undefined ? {} : { operator: username(operator) }),
});
const displayed = (messageId: string, operator = 'op1', chatId = 'c1'): VisitorFact => ({
  type: 'MessageDisplayed',
  data: { operator: username(operator), messageId, chatId },
});

describe('a message that the operator returned', () => {
  const failed = (messageId: string) => ({
    type: 'MessageFailed',
    data: { messageId, reason: 'gone', chatId: 'c1', returned: true },
  });
  const refused = chatUnassigned('refused', ['op1']);
  const back = (messageId: string, more = {}): VisitorCommand =>
    ({ ...returned('op1'), messageId, ...more }) as VisitorCommand;

  it('goes on with the chat if the operator’s address takes nothing, and the operator is asked last', () => {
    visitor(chatting)
      .when(back('m1', { unreachable: true }))
      .then([refused]);
    const { context } = visitorState(visitor([...chatting, refused]).state().core);
    expect(context.openMessages.map(({ id }) => id)).toEqual(['m1']);
    expect(context.chat).toMatchObject({ operator: null, passedBy: ['op1'], misses: 1 });
    expect(context.lastOperator).toBeNull();
    // The same report comes again, and one of the next message.
    visitor([...chatting, refused])
      .when(back('m1', { unreachable: true }))
      .then([]);
    visitor([...chatting, refused, chatAssigned('op2', 'r2')])
      .when(back('m1', { unreachable: true }))
      .then([]);
  });

  it('fails if its chat is over', () => {
    visitor([...chatting, chatClosed()])
      .when(back('m1', { unreachable: true }))
      .then([failed('m1') as VisitorFact]);
  });

  it('fails alone for a reason of its own; the third in a row takes the chat away', () => {
    const three = [...chatting, visitorMessage('m2'), visitorMessage('m3')];
    const one = visitor(three);
    one.when(back('m1')).then([failed('m1') as VisitorFact]);
    one.given([failed('m1')]);
    one.when(back('m2')).then([failed('m2') as VisitorFact]);
    one.given([failed('m2')]);
    one.when(back('m3')).then([refused]);
    // One that was delivered in between, or another operator: the count begins anew.
    visitor([...three, visitorMessage('m4'), failed('m1'), failed('m2'), delivered(['m4'])])
      .when(back('m3'))
      .then([failed('m3') as VisitorFact]);
    visitor([...three, failed('m1'), failed('m2'), refused, chatAssigned('op1', 'r2')])
      .when(back('m3'))
      .then([failed('m3') as VisitorFact]);
  });
});

describe('a message is delivered', () => {
  it('if the owner of the chat has it; not if only other receivers or former owners have it', () => {
    const offered = [...waiting, chatOffered('op1', 'op2')];
    visitor(offered).when(received('op1')).then([]);
    visitor([...offered, chatAssigned('op2', null, 'answered'), chatAccepted('op2')])
      .when(received('op1'))
      .then([]);
    visitor([...offered, chatAssigned('op2', null, 'answered'), chatAccepted('op2')])
      .when(received('op2'))
      .then([delivered(['m1'])]);
    visitor([...chatting, chatTransferred('op1', 'op2')])
      .when(received('op1'))
      .then([]);
    visitor([...chatting, chatUnassigned('owner-gone', ['op1'])])
      .when(received('op1'))
      .then([]);
    visitor(chatting)
      .when(received('op1'))
      .then([delivered(['m1'])]);
  });

  it('to any operator if the report names none, or if its chat is closed', () => {
    visitor(chatting)
      .when(received())
      .then([delivered(['m1'])]);
    visitor([...chatting, chatClosed()])
      .when(received('op2'))
      .then([delivered(['m1'])]);
    visitor([...chatting, chatClosed(), chatStarted('c2')])
      .when(received('op2'))
      .then([delivered(['m1'])]);
  });
});

describe('a message that comes back after it was taken', () => {
  const failed: VisitorFact = {
    type: 'MessageFailed',
    data: { messageId: 'm1', reason: 'gone', chatId: 'c1' },
  };
  const failedThere = { ...failed, data: { ...failed.data, returned: true } } as VisitorFact;

  it('fails if the owner of the chat returns it; not if another receiver or a former owner does', () => {
    visitor([...waiting, chatOffered('op1', 'op2')])
      .when(returned('op1'))
      .then([]);
    visitor([...chatting, chatTransferred('op1', 'op2')])
      .when(returned('op1'))
      .then([]);
    visitor(chatting).when(returned('op1')).then([failedThere]);
    visitor(chatting).when(returned()).then([failed]);
    visitor([...chatting, chatClosed()])
      .when(returned('op1'))
      .then([failedThere]);
  });
});

describe('a message is displayed', () => {
  it('to the owner of the chat, once, delivered before or not', () => {
    visitor(chatting)
      .when(shown('m1'))
      .then([displayed('m1')]);
    visitor([...chatting, delivered(['m1'])])
      .when(shown('m1'))
      .then([displayed('m1')]);
    visitor([...chatting, displayed('m1')])
      .when(shown('m1'))
      .then([]);
    visitor(chatting).when(shown('m1', 'op2')).then([]);
    visitor([...chatting, chatUnassigned('owner-gone', ['op1'])])
      .when(shown('m1'))
      .then([]);
  });

  it('only if it is a message of this visitor', () => {
    visitor(chatting).when(shown('m9')).then([]);
  });

  it('only if it is newer than what was displayed before, in any order of markers and deliveries', () => {
    const ids = Array.from({ length: 8 }, (_, n) => `m${n}`);
    const index = fc.nat({ max: ids.length - 1 });
    const step = fc.record({ kind: fc.constantFrom('displayed', 'delivered'), index });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const actor = new MemoryStream(visitorDecider);
        actor.send(startChat('c1'), 0);
        actor.send(assignChat(), 0);
        for (const id of ids) actor.send(sendMessage(id), 0);
        let newest = -1;
        for (const { kind, index: n } of steps) {
          const id = ids[n] ?? '';
          if (kind === 'delivered') {
            actor.send({ type: 'ReportMessageDelivered', messageIds: [id], by: 'ping' }, 0);
            continue;
          }
          const facts = actor.send(shown(id), 0);
          expect(facts).toHaveLength(n > newest ? 1 : 0);
          newest = Math.max(newest, n);
        }
        expect(serialize(actor.refold())).toEqual(serialize(actor.state));
      }),
    );
  });

  it('not again after a clean-up', () => {
    const actor = new MemoryStream(visitorDecider);
    actor.send(startChat('c1', 'm1'), 0);
    actor.send(sendMessage('m2'), 0);
    actor.send(assignChat(), 0);
    expect(actor.send(shown('m2'), 0)).toHaveLength(1);
    actor.send({ type: 'CleanUp' }, 0);
    for (const id of ['m1', 'm2']) expect(actor.send(shown(id), 0)).toEqual([]);
    actor.state = actor.refold(actor.facts.length - 1);
    for (const id of ['m1', 'm2']) expect(actor.send(shown(id), 0)).toEqual([]);
  });

  it('also after the end of its chat, with the id of that chat', () => {
    visitor([...chatting, delivered(['m1']), chatClosed()])
      .when(shown('m1'))
      .then([displayed('m1')]);
  });
});

describe('an operator’s message', () => {
  const marked = (id: string, operator = 'op1') => operatorMessage('c1', operator, id, true);
  const read = (messageId: string, operator = 'op1'): VisitorFact => ({
    type: 'OperatorMessageDisplayed',
    data: { operator: username(operator), messageId },
  });
  const seen = (messageId: string) =>
    ({ type: 'ReportOperatorMessageDisplayed', messageId }) as const;

  it('is displayed to the visitor, and the client that asked is told', () => {
    const two = [...chatting, marked('o1'), operatorMessage('c1', 'op1', 'o2'), marked('o3')];
    visitor(two)
      .when(seen('o3'))
      .then([read('o3')]);
    visitor(two).when(seen('o2')).then([]); // the client did not ask
    visitor(two).when(seen('o9')).then([]);
    // All messages before it count as displayed, too.
    visitor([...two, read('o3')])
      .when(seen('o1'))
      .then([]);
    visitor([...two, read('o1')])
      .when(seen('o3'))
      .then([read('o3')]);
    visitor([...two, chatClosed()])
      .when(seen('o3'))
      .then([read('o3')]);
  });

  it('is remembered among the last 32', () => {
    const many = Array.from({ length: 40 }, (_, i) => marked(`o${i}`));
    const { context } = visitorState(visitor([...chatting, ...many]).state().core);
    expect(context.markable).toHaveLength(32);
    expect(context.markable[0]?.hash).toBe(shortHash('o8'));
  });

  it('is accepted by LHC', () => {
    visitor(chatting)
      .when({ type: 'ReportOperatorMessageAccepted', messageId: 'o1', operator: username('op1') })
      .then([{ type: 'OperatorMessageAccepted', data: { operator: 'op1', messageId: 'o1' } }]);
  });
});
