/** Transfers, owners who are gone, and commands of the owner only. */
import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import { username } from '../../support/names.ts';
import {
  acceptChat,
  addNote,
  arrived,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatStarted,
  chatTransferred,
  chatUnassigned,
  closeChat,
  HOUR,
  receive,
  SECOND,
  sendCommand,
  transferChat,
  unassignChat,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const WAKE = { type: 'Wake' } as const;
const waiting = [arrived(), chatStarted()];
const asked = [...waiting, chatAssigned()];
const chatting = [...asked, chatAccepted()];

const visitor = (facts: readonly Fact[], at = 0) => scenario(visitorDecider).given(facts, at);
const chatOf = (given: ReturnType<typeof visitor>) => visitorState(given.state().core).context.chat;

describe('a transfer', () => {
  it('to an operator asks them to answer, and gives the chat back if they do not', () => {
    visitor(chatting)
      .when(transferChat('op1', 'op2', 'r2'))
      .then([chatTransferred('op1', 'op2', 'operator', 'r2')]);
    const transferred = visitor([...chatting, chatTransferred('op1', 'op2', 'operator', 'r2')]);
    transferred.wakesAt(60 * SECOND);
    transferred.when(WAKE, 60 * SECOND).then([chatUnassigned('missed', ['op2'])]);
    transferred.given([chatUnassigned('missed', ['op2'])]);
    expect(chatOf(transferred)).toMatchObject({
      transferredBy: 'op1',
      passedBy: ['op2'],
      operator: null,
    });
  });

  it('is complete with the answer: then nobody gets the chat back', () => {
    const done = visitor([...chatting, chatTransferred('op1', 'op2'), chatAccepted('op2')]);
    expect(chatOf(done)).toMatchObject({ operator: 'op2', transferredBy: null });
  });

  it('to a department makes the chat wait there, once', () => {
    const facts = [chatTransferred('op1', '#billing')];
    visitor(chatting).when(transferChat('op1', '#billing')).then(facts);
    const there = visitor([...chatting, ...facts]);
    expect(chatOf(there)).toMatchObject({ department: 'billing', operator: null });
    there.when(transferChat('op1', '#billing')).refused(/nobody has this chat/);
    there.when(transferChat(null, '#billing')).then([]);
    there.when(transferChat(null, '#sales')).then([chatTransferred(null, '#sales', 'lhc')]);
  });

  it('to a department is not undone by a last message, but by !take', () => {
    const there = [...chatting, chatTransferred('op1', '#billing')];
    visitor(there)
      .when(receive('op1', 'o2'))
      .refused(/you transferred this chat to billing; write !take/);
    visitor(there)
      .when(acceptChat('op1'))
      .then([chatAssigned('op1', null, 'taken'), chatAccepted('op1', true)]);
    // Another operator takes it by writing, as any chat without an owner.
    const [assigned] = visitor(there).when(receive('op2', 'o2')).asked().facts;
    expect(assigned).toMatchObject({ type: 'ChatAssigned', data: { operator: 'op2' } });
  });

  it('is for the owner of the chat, or for LHC', () => {
    visitor(chatting)
      .when(transferChat('op2', 'op1'))
      .refused(/belongs to @op1/);
    visitor(chatting)
      .when(transferChat('op1', 'op1'))
      .refused(/already has this chat/);
    visitor(waiting)
      .when(transferChat('op1', 'op2'))
      .refused(/write !take first/);
    visitor([arrived()])
      .when(transferChat('op1', 'op2'))
      .refused(/no open chat/);
    visitor(chatting)
      .when(transferChat(null, 'op2'))
      .then([chatTransferred('op1', 'op2', 'lhc')]);
    visitor(waiting)
      .when(transferChat(null, 'op2'))
      .then([chatTransferred(null, 'op2', 'lhc')]);
  });
});

describe('a chat whose owner is gone', () => {
  it('waits for the next operator, and a new round begins', () => {
    const left = visitor([...chatting, visitorMessage('m1')]);
    left.when(unassignChat('op1')).then([chatUnassigned('owner-gone', ['op1'])]);
    left.given([chatUnassigned('owner-gone', ['op1']), visitorMessage('m2')], HOUR);
    const state = visitorState(left.state().core);
    expect(state).toMatchObject({ conversation: 'waiting', offer: 'none' });
    expect(state.context).toMatchObject({
      lastOperator: 'op1',
      chat: { operator: null, accepted: false, searchRevision: 5, freeSince: HOUR },
      firstWaiting: 6,
    });
  });
});

describe('notes, commands of LHC and !close', () => {
  it('are for the owner of the chat, or for any operator if there is no owner', () => {
    const note = { type: 'NoteAdded', data: { chatId: 'c1', operator: 'op1', noteId: 'n1' } };
    const personal = { body: 'Pays by invoice' };
    for (const facts of [waiting, asked, chatting]) {
      visitor(facts)
        .when(addNote('op1'))
        .then([{ ...note, personal }]);
      expect(visitor(facts).when(sendCommand('op1')).asked().facts).toMatchObject([
        { type: 'OperatorCommandSent', data: { command: 'block' }, personal: { text: '!block' } },
      ]);
    }
    visitor(asked)
      .when(addNote('op2'))
      .refused(/offered to @op1/);
    visitor(chatting)
      .when(sendCommand('op2'))
      .refused(/belongs to @op1/);
    visitor([arrived()])
      .when(addNote())
      .refused(/no open chat/);
  });

  it('closes the given chat, and no other', () => {
    const close = (chatId: string | null, operator: string) => ({
      ...closeChat(chatId, 'operator'),
      operator: username(operator),
    });
    visitor(chatting)
      .when(close(null, 'op1'))
      .then([chatClosed('op1', 'operator')]);
    visitor(chatting)
      .when(close('c1', 'op2'))
      .refused(/belongs to @op1/);
    visitor(chatting)
      .when(close('c0', 'op1'))
      .refused(/c1 is open, not c0/);
    visitor([...chatting, chatClosed()])
      .when(close(null, 'op1'))
      .refused(/no open chat/);
  });
});
