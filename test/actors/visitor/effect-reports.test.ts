/** Reports on messages by operators' clients and LHC. */
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import {
  type VisitorCommand,
  visitorDecider,
  visitorState,
} from '../../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../../src/actors/visitor/facts.ts';
import { username } from '../../support/names.ts';
import {
  arrived,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatOffered,
  chatStarted,
  chatTransferred,
  chatUnassigned,
  delivered,
  operatorMessage,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

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
const displayed = (messageId: string, operator = 'op1', chatId = 'c1'): VisitorFact => ({
  type: 'MessageDisplayed',
  data: { operator: username(operator), messageId, chatId },
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
    expect(context.markable[0]?.id).toBe('o8');
  });

  it('is accepted by LHC', () => {
    visitor(chatting)
      .when({ type: 'ReportOperatorMessageAccepted', messageId: 'o1', operator: username('op1') })
      .then([{ type: 'OperatorMessageAccepted', data: { operator: 'op1', messageId: 'o1' } }]);
  });
});
