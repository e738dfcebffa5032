/** Operators who work in LHC's own pages: who has a chat, and what that means for the visitor's messages (docs/adr/0044). */
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../../src/actors/visitor/facts.ts';
import { username } from '../../support/names.ts';
import {
  acceptChat,
  addNote,
  arrived,
  assignChat,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatOffered,
  chatStarted,
  chatStartedByLhc,
  chatTransferred,
  closeChat,
  messageTo,
  offerChat,
  operatorMessage,
  pickedByLhc,
  receive,
  SECOND,
  sendMessage,
  setOwner,
  startChat,
  takenInLhc,
  transferChat,
  visitorMessage,
  writeInLhc,
  writtenInLhc,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const waiting = [arrived(), chatStarted()];
const chatting = [...waiting, chatAssigned(), chatAccepted(), operatorMessage()];
const inLhc = [...waiting, takenInLhc()];

const visitor = (facts: readonly Fact[], at = 0) => scenario(visitorDecider).given(facts, at);
const stateOf = (facts: readonly Fact[]) => visitorState(visitor(facts).state().core);

const byLhc = <F extends VisitorFact>(fact: F): F => ({
  ...fact,
  data: { ...fact.data, by: 'lhc' },
});
const toOp1 = byLhc(chatAssigned('op1', null, 'taken'));
const op1Accepts = byLhc(chatAccepted('op1'));
/** Somebody in LHC has these messages. */
const delivered = (...messageIds: string[]): VisitorFact => ({
  type: 'MessageDelivered',
  data: { messageIds, by: 'lhc', chatId: 'c1' },
});
const taken = (data: object): VisitorFact => {
  const fact = takenInLhc();
  return { ...fact, data: { ...fact.data, ...data } } as VisitorFact; // the type of that fact
};

describe('LHC says who has a chat', () => {
  it('a registered operator with a client: they take a chat that nobody has answered', () => {
    visitor(waiting)
      .when(setOwner(1, true, 'op1'))
      .then([toOp1, op1Accepts]);
    visitor([...waiting, chatAssigned()])
      .when(setOwner(1, true, 'op1'))
      .then([op1Accepts]);
  });

  it('a registered operator with a client: they get an answered chat by a transfer, or are asked', () => {
    const transferred = chatTransferred('op1', 'op2', 'lhc');
    visitor(chatting)
      .when(setOwner(2, true, 'op2'))
      .then([transferred, byLhc(chatAccepted('op2'))]);
    visitor(chatting)
      .when(setOwner(2, false, 'op2'))
      .then([transferred]);
    visitor(inLhc)
      .when(setOwner(2, true, 'op2'))
      .then([chatTransferred(null, 'op2', 'lhc'), byLhc(chatAccepted('op2'))]);
  });

  it('somebody else, or an operator without a client: they have it in LHC, and offers end', () => {
    visitor([...waiting, chatOffered('op1', 'op2')])
      .when(setOwner(7))
      .then([taken({ withdrawnFrom: ['op1', 'op2'] })]);
    visitor(chatting)
      .when(setOwner(2, true, 'op2', false))
      .then([taken({ lhcUserId: 2, operator: 'op2', from: 'op1' })]);
    const { conversation, offer, context } = stateOf([...waiting, chatOffered('op1'), taken({})]);
    expect({ conversation, offer }).toEqual({ conversation: 'chatting', offer: 'none' });
    expect(context.chat).toMatchObject({ operator: null, offeredTo: [], accepted: true });
  });

  it('whom it asks: nobody in XMPP is asked meanwhile; who has answered goes on to have the chat', () => {
    const asked = taken({ accepted: false });
    visitor(waiting).when(setOwner(7, false)).then([asked]);
    expect(stateOf([...waiting, asked])).toMatchObject({ conversation: 'waiting', offer: 'none' });
    visitor([...waiting, asked])
      .when(setOwner(7))
      .then([takenInLhc()]);
    visitor(chatting).when(setOwner(7, false)).then([]);
    visitor(chatting)
      .when(setOwner(2, false, 'op2', false))
      .then([]);
  });

  it('again, or of a chat that is over: nothing', () => {
    visitor(inLhc).when(setOwner(7)).then([]);
    visitor(inLhc).when(setOwner(7, false)).then([]);
    // Registered meanwhile, or logged in: they go on in LHC.
    visitor(inLhc)
      .when(setOwner(7, true, 'op1'))
      .then([]);
    visitor(chatting)
      .when(setOwner(1, true, 'op1'))
      .then([]);
    visitor(chatting)
      .when(setOwner(1, false, 'op1'))
      .then([]);
    visitor(chatting)
      .when(setOwner(1, true, 'op1', false))
      .then([]);
    visitor([...chatting, chatClosed()])
      .when(setOwner(7))
      .then([]);
  });

  it('of a chat that never was this visitor’s, or whose operators it picks: refused', () => {
    visitor([arrived()])
      .when(setOwner(7))
      .refused(/chat c1 is not open/);
    visitor(inLhc)
      .when(setOwner(7, true, null, false, 'c2'))
      .refused(/chat c1 is open, not c2/);
    visitor([])
      .when(setOwner(7))
      .refused(/this visitor is not known/);
    const picked = [arrived(), chatStartedByLhc(), messageTo('op1'), pickedByLhc('op1', 'm1')];
    visitor(picked)
      .when(setOwner(7))
      .refused(/LHC picks the operators/);
    visitor(picked)
      .when(writeInLhc(7))
      .then([writtenInLhc(7)]);
  });
});

describe('while somebody in LHC has a chat', () => {
  it('what the visitor writes is delivered at once, and so is what nobody had', () => {
    visitor(inLhc)
      .when(sendMessage('m1'))
      .then([visitorMessage('m1'), delivered('m1')]);
    const { context } = stateOf([...inLhc, visitorMessage('m1'), delivered('m1')]);
    expect(context).toMatchObject({ openMessages: [], firstWaiting: null });
    visitor([...inLhc, visitorMessage('m1'), delivered('m1')])
      .when(sendMessage('m1'))
      .then([]);
    visitor([...chatting, visitorMessage('m1')])
      .when(setOwner(7))
      .then([delivered('m1'), taken({ from: 'op1' })]);
    visitor(inLhc)
      .when(startChat('c1', 'm1'))
      .then([visitorMessage('m1'), delivered('m1')]);
  });

  it('routing and operators in XMPP leave it alone, but for !take', () => {
    const refused = /somebody in LHC has this chat; write !take to take it over/;
    for (const command of [
      assignChat('op1', 'r9'),
      offerChat('op1'),
      receive('op1', 'o1'),
      addNote('op1'),
      transferChat('op1', 'op2', 'r9'),
      { ...closeChat(null, 'operator'), operator: username('op1') },
    ]) {
      visitor(inLhc).when(command).refused(refused);
    }
    visitor([...waiting, taken({ accepted: false })])
      .when(receive('op1', 'o1'))
      .refused(/somebody in LHC is asked to answer this chat; write !take to take it/);
    visitor(inLhc)
      .when(acceptChat('op1'))
      .then([chatAssigned('op1', null, 'taken'), chatAccepted('op1', true)]);
  });

  it('the visitor does not time out, and the chat ends as idle only behind what was written', () => {
    const { chatIdle } = { chatIdle: 24 * 3600 * SECOND };
    const chat = visitor(inLhc);
    chat.when({ type: 'Wake' }, 300 * SECOND).then([]);
    chat.given([writtenInLhc()], 1000 * SECOND);
    chat.when({ type: 'Wake' }, chatIdle).then([]);
    chat
      .when({ type: 'Wake' }, chatIdle + 1000 * SECOND)
      .then([chatClosed(null, 'system', 'idle')]);
  });

  it('a transfer by LHC ends it: to an operator, or back into the queue of a department', () => {
    visitor(inLhc)
      .when(transferChat(null, 'op1'))
      .then([chatTransferred(null, 'op1', 'lhc')]);
    visitor(inLhc)
      .when(transferChat(null, '#sales'))
      .then([chatTransferred(null, '#sales', 'lhc')]);
    expect(stateOf([...inLhc, chatTransferred(null, '#sales', 'lhc')]).context.chat).toMatchObject({
      inLhc: null,
      accepted: false,
      transferredBy: null,
    });
  });
});

describe('who writes in LHC', () => {
  it('has the chat if nobody has answered it, in XMPP if they have a client there', () => {
    visitor(waiting).when(writeInLhc(7)).then([takenInLhc(), writtenInLhc()]);
    visitor(waiting)
      .when(writeInLhc(1, 'op1'))
      .then([toOp1, op1Accepts, writtenInLhc(1, 'op1', 'op1')]);
  });

  it('does not take a chat from whoever has answered it, but goes on in LHC if they have left XMPP', () => {
    visitor(chatting)
      .when(writeInLhc(7))
      .then([writtenInLhc(7, 'op1')]);
    visitor(chatting)
      .when(writeInLhc(2, 'op2'))
      .then([writtenInLhc(2, 'op1', 'op2')]);
    visitor(chatting)
      .when(writeInLhc(1, 'op1'))
      .then([writtenInLhc(1, 'op1', 'op1')]);
    visitor(chatting)
      .when(writeInLhc(1, 'op1', false))
      .then([
        taken({ lhcUserId: 1, operator: 'op1', from: 'op1' }),
        writtenInLhc(1, undefined, 'op1'),
      ]);
  });

  it('has no chat if it is a bot or LHC itself', () => {
    visitor(waiting)
      .when(writeInLhc(-2))
      .then([writtenInLhc(-2)]);
    visitor([...waiting, chatAssigned()])
      .when(writeInLhc(0))
      .then([writtenInLhc(0, 'op1')]);
  });

  it('after the end of the chat is heard, and of another chat refused', () => {
    visitor([...chatting, chatClosed()])
      .when(writeInLhc(7))
      .then([writtenInLhc()]);
    visitor(chatting)
      .when(writeInLhc(7, null, false, 'l1', 'c2'))
      .refused(/chat c1 is open, not c2/);
  });
});
