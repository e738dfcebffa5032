/** Messages that LHC addresses to operators itself (docs/adr/0037). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import { nextDue } from '../../../src/actors/machine/timers.ts';
import {
  ADDRESSED_MAX_MESSAGES,
  ADDRESSED_MAX_OPERATORS,
  SAME_MESSAGE_MS,
} from '../../../src/actors/visitor/addressed.ts';
import {
  type VisitorCommand,
  visitorDecider,
  visitorState,
} from '../../../src/actors/visitor/decisions.ts';
import { hasCode } from '../../../src/errors.ts';
import { username } from '../../support/names.ts';
import {
  acceptChat,
  addNote,
  address,
  arrived,
  assignChat,
  chatAccepted,
  chatAssigned,
  chatStarted,
  chatStartedByLhc,
  closeChat,
  DELAYS,
  declineChat,
  delivered,
  invited,
  messageAlsoTo,
  messageTo,
  offerChat,
  operatorMessage,
  pickedByLhc,
  receive,
  SECOND,
  transferChat,
  unassignChat,
  viewPage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

/** Commands one second apart, the second value of a pair is the time in ms. @returns the facts of the last one */
function played(...commands: (VisitorCommand | readonly [VisitorCommand, number])[]) {
  const stream = new MemoryStream(visitorDecider);
  let last: readonly { type: string; data: object }[] = [];
  for (const [i, each] of commands.entries()) {
    const [command, now] = 'type' in each ? [each, i * SECOND] : each;
    last = stream.send(command, now);
  }
  return { stream, last, ...visitorState(stream.state.core) };
}

const told = (facts: readonly { type: string; data: object }[]) =>
  facts.map(({ type, data }) => ({ type, ...data }));

const answered = [
  address('op1'),
  address('op2'),
  receive('op1', 'o1'),
  address('op2', 'More', 'm2'),
  address('op1', 'More', 'm3'),
] as const;

describe('a message that LHC addresses', () => {
  it('brings an unknown visitor, begins the chat, and asks the operator', () => {
    scenario(visitorDecider)
      .when(address('op1'))
      .then([
        { type: 'VisitorArrived', data: { digest: null, department: 'sales', delays: DELAYS } },
        chatStartedByLhc(),
        messageTo('op1'),
        pickedByLhc('op1', 'm1'),
      ]);
  });

  it('may be a chat without a message', () => {
    scenario(visitorDecider)
      .given([arrived()])
      .when(address('op1', null))
      .then([chatStartedByLhc(), pickedByLhc('op1')]);
    expect(told(played(address('op1', null), address('op2', null)).last)).toEqual(
      told([pickedByLhc('op2')]),
    );
    expect(played(address('op1', null), address('op1', null)).last).toEqual([]);
    // Who has the chat already reads its first message by itself.
    expect(told(played(address('op1', null), address('op1')).last)).toEqual(
      told([messageTo('op1', 'm1', false)]),
    );
  });

  it('is the same message for one more operator, if the text came to another one a moment ago', () => {
    const at = (ms: number, text = 'Hello') =>
      told(played(address('op1'), [address('op2', text, 'm2'), ms]).last);
    const same = told([messageAlsoTo('op2'), pickedByLhc('op2', 'm1')]);
    const other = (text: string) =>
      told([messageTo('op2', 'm2', true, text), pickedByLhc('op2', 'm2')]);
    expect(at(SAME_MESSAGE_MS - 1)).toEqual(same);
    expect(at(SAME_MESSAGE_MS)).toEqual(other('Hello'));
    expect(at(1, 'Other')).toEqual(other('Other'));
  });

  it('is the same as long as LHC goes on with its calls', () => {
    const { last } = played(
      address('op1'),
      [address('op2', 'Hello', 'm2'), 9 * SECOND],
      [address('op3', 'Hello', 'm3'), 18 * SECOND],
    );
    expect(last[0]).toMatchObject({ type: 'MessageAddressed', data: { messageId: 'm1' } });
  });

  it('is a new message for an operator who had the text before', () => {
    const { last } = played(address('op1'), address('op2'), address('op1', 'Hello', 'm2'));
    expect(told(last)).toEqual(told([messageTo('op1', 'm2', false)]));
  });

  it('goes on with the oldest message, where the calls for two come mixed', () => {
    const mixed = [address('op1', 'Ok', 'm1'), address('op1', 'Ok', 'm2')];
    const first = played(...mixed, address('op2', 'Ok', 'm3'));
    expect(first.last[0]).toMatchObject({ type: 'MessageAddressed', data: { messageId: 'm1' } });
    const second = played(...mixed, address('op2', 'Ok', 'm3'), address('op2', 'Ok', 'm4'));
    // They know what came before it.
    expect(told(second.last)).toEqual(told([messageAlsoTo('op2', 'm2', {}, 4)]));
  });

  it('needs no stanza for an operator whom a later message has shown it', () => {
    const { last } = played(
      address('op1', 'First', 'm1'),
      address('op1', 'Second', 'm2'),
      address('op2', 'Second', 'm3'),
      address('op2', 'First', 'm4'),
    );
    expect(told(last)).toEqual(told([messageAlsoTo('op2', 'm1', { inOpening: true })]));
  });

  it('opens the chat again for an operator who missed a message', () => {
    const missed = [
      address('op1', 'A', 'm1'),
      address('op2', 'A', 'm1'),
      address('op1', 'B', 'm2'),
    ];
    const { last } = played(...missed, address('op2', 'C', 'm3'));
    expect(told(last)).toEqual(told([messageTo('op2', 'm3', true, 'C')]));
    expect(told(played(...missed, address('op1', 'C', 'm3')).last)).toEqual(
      told([messageTo('op1', 'm3', false, 'C')]),
    );
  });

  it('comes once, if it comes again with its id', () => {
    expect(played(address('op1'), address('op1')).last).toEqual([]);
    expect(played(address('op1'), [address('op1'), 60 * SECOND]).last).toEqual([]);
    expect(played(address('op1'), [address('op2'), 60 * SECOND]).last[0]?.type).toBe(
      'MessageAddressed',
    );
  });

  it('is bounded', () => {
    const stream = new MemoryStream(visitorDecider);
    for (let i = 0; i < ADDRESSED_MAX_OPERATORS; i++) stream.send(address(`op${i}`), i);
    expect(() => stream.send(address('another'), 1000)).toThrow(/100 operators at most/);
    for (let i = 0; i < 30; i++) stream.send(address('op1', `Text ${i}`, `n${i}`), 2000);
    const { addressed, openMessages } = visitorState(stream.state.core).context;
    expect(addressed).toHaveLength(ADDRESSED_MAX_MESSAGES);
    expect(openMessages).toHaveLength(31);
  });

  it('closes another chat of the visitor first', () => {
    const { last } = played(address('op1', 'Hello', 'm1', '41'), address('op2', 'Hi', 'm2', '42'));
    expect(last.map(({ type }) => type)).toEqual([
      'ChatClosed',
      'ChatStarted',
      'VisitorMessageSent',
      'ChatOffered',
    ]);
    expect(last[0]?.data).toMatchObject({ chatId: '41', by: 'system', withdrawnFrom: ['op1'] });
    expect(last[2]?.data).toMatchObject({ to: 'op2', opens: true });
  });

  it('of an earlier chat belongs to the open one', () => {
    const { last } = played(address('op1', 'Hello', 'm1', '42'), address('op2', 'Hi', 'm2', '9'));
    expect(last.map(({ type }) => type)).toEqual(['VisitorMessageSent', 'ChatOffered']);
    expect(last[0]?.data).toMatchObject({ chatId: '42' });
  });

  it('begins a closed chat again', () => {
    const { last } = played(address('op1'), closeChat('c1', 'system'), address('op1', 'Hi', 'm2'));
    expect(last.map(({ type }) => type)).toEqual([
      'ChatStarted',
      'VisitorMessageSent',
      'ChatOffered',
    ]);
  });

  it('answers an invitation', () => {
    const { last } = played(viewPage(), receive('op1', 'o1'), address('op2'), address('op1'));
    expect(last.map(({ type }) => type)).toEqual(['MessageAddressed', 'ChatOffered']);
    const start = scenario(visitorDecider).given([
      arrived(),
      invited('op1'),
      operatorMessage(null),
    ]);
    const [fact] = start.when(address('op2')).asked().facts;
    expect(fact).toMatchObject({ type: 'ChatStarted', data: { invitedBy: 'op1' } });
  });
});

describe('a chat that LHC gives out', () => {
  it('has no time-out of offers, and routing stays out of it', () => {
    const { stream } = played(address('op1'));
    expect(nextDue(stream.state.core)).toBe(DELAYS.hardTimeout);
    for (const command of [assignChat('op2', null), offerChat('op2'), transferChat(null, 'op2')]) {
      expect(() => stream.send(command, 1)).toThrow(/LHC picks the operators of this chat/);
    }
    expect(stream.send(unassignChat('op1', 'offline'), 1)).toEqual([]);
    stream.send(receive('op1'), 2);
    expect(stream.send(unassignChat('op1', 'owner-gone'), 3)).toEqual([]);
    expect(stream.send(unassignChat('op1', 'operator-removed'), 3)).toEqual([]);
  });

  it('belongs to the first who answers, and the others are told', () => {
    const { last, stream } = played(address('op1'), address('op2'), receive('op2', 'o1'));
    expect(told(last).slice(0, 2)).toEqual([
      {
        type: 'ChatAssigned',
        chatId: 'c1',
        operator: 'op2',
        reservation: null,
        reason: 'answered',
        withdrawnFrom: ['op1'],
      },
      { type: 'ChatAccepted', chatId: 'c1', operator: 'op2' },
    ]);
    expect(() => stream.send(receive('op1', 'o2'), 5 * SECOND)).toThrow(/belongs to @op2/);
    // LHC picked this one before it knew of the answer.
    stream.send(address('op3'), 5 * SECOND);
    expect(() => stream.send(receive('op3', 'o3'), 6 * SECOND)).toThrow(/belongs to @op2/);
  });

  it('stays with its owner, whomever LHC addresses too', () => {
    const { context, conversation } = played(...answered);
    expect(conversation).toBe('chatting');
    expect(context.chat?.operator).toBe('op1');
    expect(context.picked?.operators).toEqual(['op2', 'op1']);
  });

  it('goes over to another one whom LHC has picked, and who writes', () => {
    const both = played(...answered, receive('op2', 'o2'));
    expect(both.last.map(({ type }) => type)).toEqual([
      'ChatAssigned',
      'ChatAccepted',
      'OperatorMessageReceived',
    ]);
    // LHC still addresses the first one, who may write.
    expect(both.last[0]?.data).not.toHaveProperty('withdrawnFrom');
    expect(both.stream.send(receive('op1', 'o3'), 9 * SECOND)[0]?.data).toMatchObject({
      operator: 'op1',
    });
    const alone = played(...answered, address('op3', 'Again', 'm4'), receive('op3', 'o2'));
    expect(alone.last[0]?.data).toMatchObject({ operator: 'op3', withdrawnFrom: ['op1'] });
  });

  it('refuses everybody else', () => {
    const { stream } = played(...answered, [address('op3', 'Again', 'm4'), 6 * SECOND]);
    expect(() => stream.send(receive('op2'), 7 * SECOND)).toThrow(/this chat belongs to @op1/);
    expect(() => stream.send(addNote('op2'), 7 * SECOND)).toThrow(/this chat belongs to @op1/);
    // LHC may be about to address the owner.
    expect(stream.send(receive('op1', 'o8'), 7 * SECOND)).toHaveLength(1);
    const late = 6 * SECOND + SAME_MESSAGE_MS;
    expect(() => stream.send(receive('op1', 'o9'), late)).toThrow(
      /LHC has given this chat to @op3/,
    );
    const close = { ...closeChat(null, 'operator'), operator: username('op1') };
    expect(() => stream.send(close, late)).toThrow(/LHC has given this chat to @op3/);
  });

  it('takes no commands that LHC has no form for', () => {
    const { stream } = played(address('op1'));
    expect(() => stream.send(acceptChat('op1'), 1)).toThrow(/write to the visitor/);
    expect(() => stream.send(declineChat('op1'), 1)).toThrow(/cannot be told that you decline/);
    expect(() => stream.send(transferChat('op1', 'op2'), 1)).toThrow(/transfer it in LHC/);
    expect(stream.send(addNote('op2'), 1)).toHaveLength(1); // nobody has answered
    const asked = played(address('op1'), address('op2')).stream;
    const close = { ...closeChat(null, 'operator'), operator: username('op1') };
    expect(asked.send(close, 3 * SECOND)[0]?.data).toMatchObject({
      operator: 'op1',
      withdrawnFrom: ['op2'],
    });
    stream.send(receive('op1'), 2);
    expect(stream.send(acceptChat('op1'), 3)).toEqual([]);
    expect(() => stream.send(acceptChat('op2'), 3)).toThrow(/belongs to @op1/);
  });

  it('may have begun otherwise', () => {
    const start = scenario(visitorDecider).given([arrived(), chatStarted()]);
    start.when(address('op1')).then([messageTo('op1'), pickedByLhc('op1', 'm1')]);
    const chatting: Fact[] = [arrived(), chatStarted(), chatAssigned(), chatAccepted()];
    const given = scenario(visitorDecider).given(chatting);
    given.when(address('op1')).then([messageTo('op1', 'm1', false)]);
    given.when(address('op2')).then([messageTo('op2')]);
    const written = given
      .given([messageTo('op2')])
      .when(receive('op2'))
      .asked().facts;
    expect(written[0]?.data).toMatchObject({ operator: 'op2', withdrawnFrom: ['op1'] });
  });
});

describe('the outcome of a message that LHC addresses', () => {
  const both = played(address('op1'), address('op2')).stream;
  const taken = (operator: string): VisitorCommand => ({
    type: 'ReportMessageTaken',
    messageIds: ['m1'],
    operator: username(operator),
  });
  const failed = (operator: string): VisitorCommand => ({
    type: 'ReportMessageFailed',
    messageId: 'm1',
    reason: 'gone',
    operator: username(operator),
    unreachable: true,
  });

  it('is the first one, and each operator’s stanza is remembered', () => {
    const stream = new MemoryStream(visitorDecider);
    stream.send(address('op1'), 0);
    stream.send(address('op2'), 0);
    expect(stream.send(taken('op1'), 1)[0]?.data).toEqual({ messageIds: ['m1'], operator: 'op1' });
    const report = { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' } as const;
    expect(stream.send({ ...report, operator: username('op3') }, 2)).toEqual([]);
    expect(stream.send({ ...report, operator: username('op1') }, 2)).toEqual([delivered(['m1'])]);
    expect(stream.send({ ...report, operator: username('op2') }, 3)).toEqual([]);
    // The second stanza goes out later.
    expect(stream.send(taken('op2'), 4)).toHaveLength(1);
    expect(stream.send(taken('op2'), 5)).toEqual([]);
  });

  it('fails with the last operator whose address refuses', () => {
    expect(told(both.send(failed('op1'), 1))).toEqual([
      { type: 'MessageReturned', messageId: 'm1', operator: 'op1', reason: 'gone' },
    ]);
    expect(both.send(failed('op1'), 1)).toEqual([]);
    expect(both.send(failed('op2'), 2)[0]).toMatchObject({
      type: 'MessageFailed',
      data: { messageId: 'm1', returned: true },
    });
  });

  it('takes the chat from nobody', () => {
    const { stream } = played(...answered);
    for (let i = 0; i < 5; i++) {
      stream.send(address('op1', `Text ${i}`, `n${i}`), 10 * SECOND);
      stream.send({ ...failed('op1'), messageId: `n${i}` } as VisitorCommand, 10 * SECOND);
    }
    expect(visitorState(stream.state.core).context.chat?.operator).toBe('op1');
  });
});

describe('random calls of LHC', () => {
  const operators = ['op1', 'op2', 'op3'];
  /** Two PHP workers: each sends its messages to its operators in order, mixed with each other. */
  const calls = fc
    .tuple(
      fc.array(
        fc.record({
          text: fc.constantFrom('Ok', 'Yes', 'Why?'),
          to: fc.shuffledSubarray(operators, { minLength: 1 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      fc.infiniteStream(fc.nat({ max: 1 })),
    )
    .map(([messages, choice]) => {
      const queues = [0, 1].map((worker) =>
        messages.flatMap((each, n) =>
          n % 2 === worker ? each.to.map((operator) => ({ n, operator, text: each.text })) : [],
        ),
      );
      const mixed: { n: number; operator: string; text: string }[] = [];
      while (queues.some(({ length }) => length > 0)) {
        const next = queues[choice.next().value] ?? [];
        const call = (next.length > 0 ? next : queues.find(({ length }) => length > 0))?.shift();
        if (call) mixed.push(call);
      }
      return { messages, mixed };
    });

  it('reach each addressed operator once with each text, and nobody else; one owner at most', () => {
    fc.assert(
      fc.property(calls, fc.array(fc.nat({ max: 30 })), ({ mixed }, writes) => {
        const stream = new MemoryStream(visitorDecider);
        const texts = new Map<string, string>();
        const got = new Map<string, string[]>();
        let owner: string | null = null;
        mixed.forEach(({ operator, text }, i) => {
          stream.send(address(operator, text, `m${i}`), i * 100);
          texts.set(`m${i}`, text);
          if (!writes.includes(i)) return;
          try {
            stream.send(receive(operators[i % 3], `o${i}`), i * 100 + 50);
          } catch (error) {
            if (!hasCode(error, 'refused')) throw error;
          }
        });
        for (const { type, data } of stream.facts) {
          if (type === 'VisitorMessageSent' || type === 'MessageAddressed') {
            const to = String(data.to ?? data.operator);
            got.set(to, [...(got.get(to) ?? []), String(data.messageId)]);
          }
          if (type === 'ChatAssigned') owner = String(data.operator);
          if (type === 'OperatorMessageReceived') expect(data.operator).toBe(owner);
        }
        for (const operator of operators) {
          const ids = got.get(operator) ?? [];
          expect(new Set(ids).size).toBe(ids.length);
          const wanted = mixed.filter((call) => call.operator === operator);
          expect(ids.map((id) => texts.get(id)).toSorted()).toEqual(
            wanted.map(({ text }) => text).toSorted(),
          );
        }
        expect(visitorState(stream.refold().core)).toEqual(visitorState(stream.state.core));
      }),
    );
  });

  it('make no more messages than the visitor sent, if the texts differ', () => {
    fc.assert(
      fc.property(calls, ({ messages, mixed }) => {
        const stream = new MemoryStream(visitorDecider);
        mixed.forEach(({ n, operator, text }, i) => {
          stream.send(address(operator, `${n} ${text}`, `m${i}`), i * 100);
        });
        const sent = stream.facts.filter(({ type }) => type === 'VisitorMessageSent');
        expect(sent).toHaveLength(messages.length);
      }),
    );
  });
});
