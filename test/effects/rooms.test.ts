/** What facts of a chat with a room call for, as the debugger lists it. */
import { expect, it } from 'vitest';
import { emptyState, type Fact, fold } from '../../src/actors/machine/decider.ts';
import { visitorDecider, visitorState } from '../../src/actors/visitor/decisions.ts';
import type { VisitorEvent } from '../../src/actors/visitor/facts.ts';
import { effectsOfVisitor } from '../../src/effects/effects.ts';
import {
  arrived,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatStarted,
  operatorMessage,
  retracted,
  roomClosed,
  roomJoined,
  roomOpened,
  visitorMessage,
  whispered,
  writtenInLhc,
} from '../actors/facts.ts';
import { stored } from '../actors/stream.ts';
import { username } from '../support/names.ts';

/** The effects of the last fact in XMPP and LHC. */
function effectsOf(...facts: Fact[]): string[] {
  let before = emptyState(visitorDecider);
  const history = facts.map((fact, i) => stored(fact, i, { at: i, commandId: 'auto:' }));
  const last = history.at(-1);
  if (!last) return [];
  before = fold(visitorDecider, before, history.slice(0, -1));
  const after = fold(visitorDecider, before, [last]);
  const event = { type: last.type, data: last.data, revision: last.revision, at: last.metadata.at };
  return effectsOfVisitor(
    event as VisitorEvent, // as the machine gets it
    visitorState(before.core),
    visitorState(after.core),
    'native',
  ).flatMap(({ destination, name, detail }) =>
    destination === 'xmpp' || destination === 'lhc'
      ? `${destination} ${name} ${detail ?? ''}`.trim()
      : [],
  );
}

const chatting = [arrived(), chatStarted(), chatAssigned(), chatAccepted()];
const inRoom = [...chatting, roomOpened('op1', 'op2')];
const said = (more: object) => {
  const fact = operatorMessage('c1', 'op2');
  return { ...fact, data: { ...fact.data, ...more } } as typeof fact;
};

it('a room, and what stands in it and in windows', () => {
  expect(effectsOf(...inRoom)).toEqual(['xmpp room for @op1, @op2']);
  expect(effectsOf(...inRoom, roomJoined('op2', 'op3'))).toEqual(['xmpp room for @op3']);
  expect(effectsOf(...inRoom, roomClosed('op2'))).toEqual([
    expect.stringMatching(/^xmpp line to the room: @op2 has closed this room\./),
  ]);
  expect(effectsOf(...inRoom, visitorMessage())).toEqual([
    'xmpp message to the room',
    'xmpp message to @op1',
  ]);
  expect(effectsOf(...inRoom, said({ room: true }))).toEqual([
    'xmpp line to @op1',
    'lhc chat.message',
  ]);
  expect(effectsOf(...inRoom, operatorMessage())).toEqual(['lhc chat.message']);
  expect(effectsOf(...inRoom, said({ toRoom: true }))).toEqual([
    'xmpp line to the room',
    'xmpp line to @op1',
    'lhc chat.message',
  ]);
  expect(effectsOf(...inRoom, writtenInLhc(7))).toContain('xmpp line to the room');
  expect(effectsOf(...inRoom, chatClosed())).toContain(
    'xmpp line to the room: Chat #c1 is over. This room is gone in a minute.',
  );
  expect(effectsOf(...chatting, operatorMessage(), retracted(4))).toEqual([
    'lhc message.retracted',
  ]);
});

it('a whisper is for colleagues, and LHC hears nothing', () => {
  const to = { to: username('op1') };
  expect(effectsOf(...inRoom, whispered('op2', 'w1', { toRoom: true, ...to }))).toEqual([
    'xmpp line to the room',
    'xmpp line to @op1',
    'xmpp line to @op2',
  ]);
  expect(effectsOf(...inRoom, whispered('op2', 'w1', { room: true, ...to }))).toEqual([
    'xmpp line to @op1',
  ]);
  expect(effectsOf(...chatting, whispered('op2', 'w1', to))).toEqual([
    'xmpp line to @op1',
    'xmpp line to @op2',
  ]);
});
