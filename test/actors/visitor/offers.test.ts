/** Offers of a chat: missed, declined, accepted, taken, withdrawn. */
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import {
  acceptChat,
  arrived,
  assignChat,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatOffered,
  chatStarted,
  chatTransferred,
  chatUnassigned,
  closeChat,
  DELAYS,
  declineChat,
  HOUR,
  offerChat,
  operatorMessage,
  receive,
  revoke,
  SECOND,
  timedOut,
  transferChat,
  unassignChat,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const WAKE = { type: 'Wake' } as const;
const waiting = [arrived(), chatStarted()];
const asked = [...waiting, chatAssigned()];
const chatting = [...asked, chatAccepted()];
const broadcast = [...waiting, chatOffered('op1', 'op2', 'op3')];

const visitor = (facts: readonly Fact[], at = 0) => scenario(visitorDecider).given(facts, at);
const chatOf = (given: ReturnType<typeof visitor>) => visitorState(given.state().core).context.chat;

describe('a pick for an earlier search for an operator', () => {
  const moved = [...waiting, chatTransferred(null, '#support')];
  const search = (facts: readonly Fact[]) => chatOf(visitor(facts))?.searchRevision ?? -1;
  const picks = (of: readonly Fact[]) =>
    [assignChat(), offerChat('op1')].map((pick) => ({ ...pick, search: search(of) }));

  it('is refused', () => {
    for (const pick of picks(waiting))
      visitor(moved)
        .when(pick)
        .refused(/another search/);
  });
  it('is not an earlier one while the search goes on', () => {
    const [assignment, offer] = picks(moved);
    if (assignment) visitor(moved).when(assignment).then([chatAssigned()]);
    if (offer)
      visitor([...moved, visitorMessage()])
        .when(offer)
        .then([chatOffered('op1')]);
  });
});

describe('an offer', () => {
  it('is missed without an answer in time, whatever the visitor writes meanwhile', () => {
    const offered = visitor(asked).given([visitorMessage()], 50 * SECOND);
    offered.wakesAt(60 * SECOND);
    offered.when(WAKE, 59 * SECOND).then([]);
    offered.when(WAKE, 60 * SECOND).then([chatUnassigned('missed', ['op1'])]);
  });

  it('has the time-out of the visitor’s latest facts', () => {
    const short = { ...DELAYS, offerTimeout: 10 * SECOND };
    visitor([arrived('home', short), chatStarted(), chatAssigned()]).wakesAt(10 * SECOND);
  });

  it('has the whole time for each newly asked operator', () => {
    visitor(asked)
      .given([chatUnassigned('missed', ['op1'])], 60 * SECOND)
      .wakesAt(300 * SECOND) // no open offer: only the visitor's own time-out
      .given([chatAssigned('op2', 'r2')], 70 * SECOND)
      .wakesAt(130 * SECOND)
      .given([chatTransferred('op2', 'op3')], 100 * SECOND)
      .wakesAt(160 * SECOND);
  });

  it('ends with an answer, a transfer to a department, or the end of the chat', () => {
    const ends = [
      [chatAccepted(), operatorMessage()],
      [chatTransferred('op1', '#billing')],
      [chatClosed()],
    ];
    for (const facts of ends) {
      const { offer } = visitorState(visitor([...asked, ...facts]).state().core);
      expect(offer).toBe('none');
      visitor([...asked, ...facts])
        .when(WAKE, 60 * SECOND)
        .then([]);
    }
  });

  it('does not keep the chat from being idle, however often it is repeated', () => {
    const lost = visitor(waiting);
    lost.given([timedOut(0, 'c1')], HOUR / 2);
    for (let at = HOUR; at < 24 * HOUR; at += HOUR) {
      lost.given([chatAssigned(), chatUnassigned('missed', ['op1'])], at);
    }
    lost.when(WAKE, 24 * HOUR).then([chatClosed(null, 'system', 'idle')]);
  });

  it('is declined only by its receiver', () => {
    visitor(asked)
      .when(declineChat())
      .then([chatUnassigned('declined', ['op1'])]);
    visitor(asked)
      .when(declineChat('op2'))
      .refused(/not offered to you/);
    visitor(waiting)
      .when(declineChat())
      .refused(/not offered to you/);
    visitor(chatting)
      .when(declineChat())
      .refused(/have answered.*!transfer/);
    visitor([...asked, chatUnassigned('declined', ['op1'])])
      .when(declineChat())
      .then([]);
  });

  it('may be answered late, while nobody else has the chat', () => {
    const missed = [...asked, chatUnassigned('missed', ['op1'])];
    const mine = [chatAssigned('op1', null, 'answered'), chatAccepted(), operatorMessage()];
    visitor(missed).when(receive()).then(mine);
    visitor([...missed, chatAssigned('op2', 'r2')])
      .when(receive())
      .refused(/offered to @op2; write !take/);
  });

  it('is withdrawn if another operator takes the chat, and its receiver is told; not after an answer', () => {
    visitor(asked)
      .when(acceptChat('op2'))
      .then([chatAssigned('op2', null, 'taken', 'c1', ['op1']), chatAccepted('op2', true)]);
    visitor(asked)
      .when(acceptChat('op1'))
      .then([chatAccepted('op1', true)]);
    visitor(waiting)
      .when(acceptChat('op2'))
      .then([chatAssigned('op2', null, 'taken'), chatAccepted('op2', true)]);
    visitor(chatting)
      .when(acceptChat('op2'))
      .refused(/belongs to @op1/);
    visitor(chatting).when(acceptChat('op1')).then([]);
    visitor([arrived()])
      .when(acceptChat())
      .refused(/no open chat/);
  });

  it('to an offline operator goes to others, unless they came back and answered', () => {
    visitor(asked)
      .when(unassignChat('op1', 'offline'))
      .then([chatUnassigned('offline', ['op1'])]);
    visitor(chatting).when(unassignChat('op1', 'offline')).then([]);
    visitor(asked).when(unassignChat('op2', 'offline')).then([]);
    visitor([arrived()]).when(unassignChat('op1', 'offline')).then([]);
  });
});

describe('an operator who passed', () => {
  it('missed or declined the chat, or transferred it to a department; an offline operator did not pass', () => {
    const passedAfter = (...facts: Fact[]) => chatOf(visitor(facts))?.passedBy;
    expect(passedAfter(...asked, chatUnassigned('missed', ['op1']))).toEqual(['op1']);
    expect(passedAfter(...asked, chatUnassigned('declined', ['op1']))).toEqual(['op1']);
    expect(passedAfter(...asked, chatUnassigned('offline', ['op1']))).toEqual([]);
    expect(passedAfter(...chatting, chatUnassigned('owner-gone', ['op1']))).toEqual([]);
    expect(passedAfter(...chatting, chatTransferred('op1', '#billing'))).toEqual(['op1']);
    expect(passedAfter(...chatting, chatTransferred('op1', 'op2'))).toEqual([]);
  });

  it('is off the list after an answer', () => {
    const late = visitor([
      ...asked,
      chatUnassigned('missed', ['op1']),
      chatAssigned('op2', 'r2'),
      chatUnassigned('missed', ['op2']),
      chatAssigned('op1', null, 'answered'),
      chatAccepted(),
    ]);
    expect(chatOf(late)).toMatchObject({ passedBy: ['op2'], misses: 0 });
  });
});

describe('a broadcast', () => {
  it('asks only operators without an offer, and nobody while an operator has the chat', () => {
    visitor(broadcast)
      .when(offerChat('op2', 'op4'))
      .then([chatOffered('op4')]);
    visitor(broadcast).when(offerChat('op1')).then([]);
    visitor(chatting)
      .when(offerChat('op2'))
      .refused(/belongs to @op1/);
    visitor([arrived()])
      .when(offerChat('op2'))
      .refused(/not open/);
  });

  it('ends with the first answer, and the other operators are told', () => {
    visitor(broadcast)
      .when(receive('op2'))
      .then([
        chatAssigned('op2', null, 'answered', 'c1', ['op1', 'op3']),
        chatAccepted('op2'),
        operatorMessage('c1', 'op2'),
      ]);
    visitor([...broadcast, chatAssigned('op2', null, 'answered'), chatAccepted('op2')])
      .when(receive('op1'))
      .refused(/belongs to @op2/);
  });

  it('continues with its time-out if one operator declines, and ends if all do', () => {
    const one = visitor(broadcast).given([chatUnassigned('declined', ['op1'], true)], 30 * SECOND);
    one.wakesAt(60 * SECOND);
    expect(chatOf(one)).toMatchObject({ offeredTo: ['op2', 'op3'], passedBy: ['op1'], misses: 0 });
    one.when(declineChat('op2')).then([chatUnassigned('declined', ['op2'], true)]);
    const all = one.given(
      [chatUnassigned('declined', ['op2'], true), chatUnassigned('declined', ['op3'], true)],
      40 * SECOND,
    );
    all.when(WAKE, 60 * SECOND).then([]);
    expect(chatOf(all)).toMatchObject({
      offeredTo: [],
      passedBy: ['op1', 'op2', 'op3'],
      misses: 1,
    });
    expect(chatOf(all)?.freeSince).toBe(40 * SECOND);
  });

  it('is missed by all operators with an open offer', () => {
    visitor(broadcast)
      .given([chatUnassigned('declined', ['op1'], true), chatOffered('op4')], 30 * SECOND)
      .when(WAKE, 60 * SECOND)
      .then([chatUnassigned('missed', ['op2', 'op3', 'op4'], true)]);
  });

  it('loses only operators who are gone', () => {
    visitor(broadcast)
      .when(unassignChat('op2', 'operator-removed'))
      .then([chatUnassigned('operator-removed', ['op2'], true)]);
  });

  it('names the operators whose offers end with the chat', () => {
    const all = ['op1', 'op2', 'op3'];
    visitor(broadcast)
      .when(assignChat('op4'))
      .then([chatAssigned('op4', 'r1', 'least-loaded', 'c1', all)]);
    visitor(broadcast)
      .when(transferChat(null, 'op4'))
      .then([chatTransferred(null, 'op4', 'lhc', null, all)]);
    visitor(broadcast)
      .when(closeChat())
      .then([chatClosed(null, 'visitor', null, all)]);
  });
});

describe('a used reservation', () => {
  it('ends with the offer: a late second assignment with it is refused', () => {
    const ends = [
      [chatUnassigned('missed', ['op1'])],
      [chatUnassigned('offline', ['op1'])],
      [chatTransferred('op1', '#billing')],
      [chatAssigned('op2', null, 'taken'), chatUnassigned('missed', ['op2'])],
    ];
    for (const facts of ends) {
      visitor([...asked, ...facts])
        .when(assignChat())
        .refused(/was revoked/);
      visitor([...asked, ...facts])
        .when(revoke('r1'))
        .then([]);
      visitor([...asked, ...facts])
        .when(assignChat('op1', 'r2'))
        .then([chatAssigned('op1', 'r2')]);
    }
  });
});
