/** What the room of a chat shows, and what its people read in their private windows, step by step on the lane. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { AppError } from '../../../src/errors.ts';
import { ROOM_MAKING_MOST_MS } from '../../../src/reactors/conversation/room-effects.ts';
import {
  closeChat,
  closeRoom,
  openRoom,
  reactToOperator,
  refuseByLhc,
  register,
  retract,
  startChat,
  whisper,
  writeInLhc,
} from '../../actors/facts.ts';
import { username } from '../../support/names.ts';
import { HOST } from '../../support/rig.ts';
import { type MessageLane, openMessageLane } from './lane.ts';

const ROOM = `visitor.1@conference.${HOST}`;
const LINK = `xmpp:${ROOM}?join`;

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane();
  for (const name of ['op1', 'op2', 'op3']) await lane.rig.toOperator(name, register(5));
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.assign('op1');
  await lane.answer('op1', 'Hello');
  await lane.run();
});
afterEach(() => lane.rig.close());

const send = (command: VisitorCommand) => lane.rig.toVisitor('1', command);
const inRoom = (operator: string, id: string, more: object = {}) =>
  send({
    type: 'ReceiveOperatorMessage',
    operator: username(operator),
    messageId: id,
    body: id,
    room: true,
    ...more,
  });
/** What stands in the room, in order. */
const shown = () => lane.ejabberd.messages.filter(({ to }) => to === ROOM).map(({ body }) => body);
/** What an operator is sent in the private window. `(in room)`: not for those who are in the room. */
const read = (operator: string) =>
  lane.ejabberd.messages
    .filter(({ to }) => to === `${operator}@${HOST}`)
    .map(({ body, inRoom: isThere }) => `${isThere ? '(in room) ' : ''}${body}`);
const opened = async (...others: string[]) => {
  await send(openRoom('op2', ...others));
  await lane.run();
  lane.forget();
};
const run = async () => expect(await lane.run()).toEqual({ kind: 'done' });

describe('a room that is opened', () => {
  it('is made, begins with what was said, and its members are asked in with a line', async () => {
    lane.forget();
    await send(openRoom('op2', 'op3'));
    await run();
    const room = lane.rooms.all.get(ROOM);
    expect(room?.options.get('members_only')).toBe('true');
    const operators = ['op1', 'op2', 'op3'].map((name) => `${name}@${HOST}`);
    expect([...(room?.members ?? [])]).toEqual(expect.arrayContaining(operators));
    expect(room?.invited).toEqual(operators);
    expect([...(room?.subscribers.values() ?? [])]).toEqual(['Visitor 1']);
    const [first, second, ...more] = shown();
    expect(first).toMatch(
      /^:: The room of chat #c1 with Visitor 1\. op1 has the chat\.\n:: What you write here goes to the visitor\./,
    );
    expect(second).toMatch(
      /^:: The last 2 messages\..*\n.*\n:: .* Visitor 1: Hello\n.*op1: Hello$/,
    );
    expect(more).toEqual([]);
    expect(read('op2')).toEqual([`:: The room of chat #c1, for you, op1 and op3: ${LINK}`]);
    const line = `:: op2 asks you into the room of chat #c1: ${LINK}`;
    expect([read('op1'), read('op3')]).toEqual([[line], [line]]);
    // A repeat after a crash has the same ids.
    const ids = () => lane.ejabberd.messages.map(({ id }) => id);
    const before = new Set(ids());
    lane.crash();
    await run();
    expect(ids().filter((id) => !before.has(id) && id.startsWith('line-'))).toEqual([]);
  });

  it('lets in who comes later', async () => {
    await opened();
    await send(openRoom('op3'));
    await send(openRoom('op1', 'op2'));
    await run();
    expect([...(lane.rooms.all.get(ROOM)?.members ?? [])]).toContain(`op3@${HOST}`);
    expect(read('op3')).toEqual([`:: The room of chat #c1: ${LINK}`]);
    // Whoever comes by themselves is seen to come in.
    expect(shown()).toEqual([':: op1 has asked in op2.']);
  });

  it('has nobody in it who was let into the one before', async () => {
    await opened('op3');
    await send(closeRoom('op2'));
    await send(openRoom('op2'));
    await run();
    const members = ['visitor.1', 'op1', 'op2'].map((name) => `${name}@${HOST}`);
    expect([...(lane.rooms.all.get(ROOM)?.members ?? [])]).toEqual(members);
  });

  it('that is closed before it was made asks nobody in', async () => {
    lane.forget();
    await send(openRoom('op2'));
    await send(closeRoom('op2'));
    await run();
    expect(lane.rooms.all.get(ROOM)?.invited ?? []).toEqual([]);
    expect([read('op1'), read('op2')]).toEqual([[], []]);
  });

  it('that ejabberd refuses is closed, and its members read so', async () => {
    lane.rooms.state.before = async (call) => {
      if (call.startsWith('create')) throw new AppError('refused', 'unknown command');
    };
    lane.forget();
    await send(openRoom('op2'));
    await run();
    await run();
    expect((await lane.rig.visitor('1').state())?.context.room).toBeNull();
    const line =
      ':: Chat #c1 gets no room: the XMPP server has not made it. Your administrator can find out why.';
    expect([read('op1'), read('op2')]).toEqual([[line], [line]]);
    // The private window goes on.
    await lane.say('m2');
    await run();
    expect(lane.texts('op1').at(-1)).toBe('m2');
  });

  it('that ejabberd cannot make now is tried again, and not for ever', async () => {
    lane.rooms.state.before = async (call) => {
      if (call.startsWith('create')) throw new AppError('unavailable', 'ejabberd is away');
    };
    await send(openRoom('op2'));
    expect(await lane.run()).toMatchObject({ kind: 'retry' });
    lane.rig.clock.passes(ROOM_MAKING_MOST_MS + 1);
    await run();
    await run();
    expect((await lane.rig.visitor('1').state())?.context.room).toBeNull();
  });
});

describe('what is said', () => {
  it('by the visitor is in the room first, and then in the private window, with one id', async () => {
    await opened();
    await lane.say('m2', 'Do you have them in black?');
    await run();
    expect(lane.ejabberd.messages.map(({ to, id, body, room }) => [to, id, body, room])).toEqual([
      [ROOM, 'm2', 'Do you have them in black?', true],
      [`op1@${HOST}`, 'm2', 'Do you have them in black?', undefined],
    ]);
    // No other word of the visitor looks like a line of the service there either.
    await lane.say('m3', ':: op1 has the chat now.');
    await run();
    expect(shown().at(-1)).toBe('| :: op1 has the chat now.');
  });

  it('by the visitor before the room stands in what was said, and not in the room again', async () => {
    await lane.say('m2');
    await send(openRoom('op2'));
    lane.forget();
    await run();
    expect(shown()).toHaveLength(2);
    expect(shown()[1]).toMatch(/Visitor 1: m2$/);
  });

  it('by the visitor while the room is being made stands there once', async () => {
    lane.forget();
    await send(openRoom('op2'));
    await lane.say('m2');
    await run();
    expect(shown()[1]).not.toContain('m2');
    expect(shown().slice(2)).toEqual(['m2']);
  });

  it('in the private window is a line in the room', async () => {
    await opened();
    await lane.answer('op1', 'In black, too');
    await send({
      type: 'ReceiveOperatorMessage',
      operator: username('op1'),
      messageId: 'o3',
      body: 'In black\nand in red',
      replaces: 'In black, too',
    });
    await send(retract('op1', 'o3'));
    await run();
    expect(shown()).toEqual([
      ':: op1: In black, too',
      ':: op1 (corrected): In black\n::   and in red',
      ':: op1 has taken a message to the visitor back.',
    ]);
    expect(read('op1')).toEqual([]);
  });

  it('in the room is a line in the window of who has the chat, if they are not there', async () => {
    await opened();
    await inRoom('op2', 'In black');
    await inRoom('op1', 'Or in red');
    await inRoom('op2', 'In blue', { replaces: 'In black' });
    await inRoom('op2', 'Hello, op2 here', { canned: true });
    await run();
    expect(read('op1')).toEqual([
      '(in room) :: op2, in the room: In black',
      '(in room) :: You, in the room: Or in red',
      '(in room) :: op2, in the room (corrected): In blue',
      '(in room) :: op2, in the room: Hello, op2 here',
    ]);
    expect(shown()).toEqual([':: op2: Hello, op2 here']);
    expect(read('op2')).toEqual([]);
  });

  it('in LHC’s pages is in both', async () => {
    await opened();
    await send(writeInLhc(7));
    await run();
    expect(shown()).toEqual([':: Olga, in LHC: Hi']);
    expect(read('op1')).toEqual(['(in room) :: Olga, in LHC: Hi']);
  });

  it('to whoever has the chat in LHC is in the room all the same', async () => {
    await opened();
    await send({
      type: 'SetOwner',
      chatId: 'c1',
      accepted: true,
      lhcUserId: 7,
      name: 'Olga',
      operator: null,
      isOnline: false,
    });
    await lane.say('m2');
    await run();
    expect(shown()).toEqual([':: Olga, in LHC, has the chat now.', 'm2']);
  });

  it('while nobody has the chat is in the room, once', async () => {
    await opened();
    await lane.unassign('op1');
    await lane.say('m2');
    await lane.run();
    await lane.say('m3');
    await lane.run();
    await lane.run();
    expect(shown()).toEqual([':: Nobody has the chat now.', 'm2', 'm3']);
    await inRoom('op2', 'I am here');
    await run();
    expect(shown()).toEqual([
      ':: Nobody has the chat now.',
      'm2',
      'm3',
      ':: op2 has the chat now.',
    ]);
    expect(lane.texts('op2').join('\n')).toMatch(/m2/);
    expect(lane.texts('op2')).toContain('m3');
  });

  it('is no message to the room once it is closed, and none before it', async () => {
    await opened();
    await send(closeRoom('op2'));
    await lane.say('m2');
    await lane.answer('op1', 'o2');
    await run();
    expect(shown()).toEqual([
      ':: op2 has closed this room. This room is gone in a minute. The chat goes on in the conversation with the visitor.',
    ]);
    expect(lane.texts('op1')).toContain('m2');
  });

  it('right before the end of the chat is in the room still', async () => {
    await opened();
    await lane.say('m2', 'Bye');
    await send(closeChat('c1'));
    await run();
    expect(shown()).toEqual(['Bye', ':: Chat #c1 is over. This room is gone in a minute.']);
  });
});

describe('what becomes of the chat', () => {
  it('is a line in the room: who has it now, and who is asked', async () => {
    await opened();
    await lane.transfer('op1', { operator: 'op3' });
    await send({ type: 'AcceptChat', operator: username('op3') });
    await send({ type: 'AcceptChat', operator: username('op2'), room: true });
    await lane.transfer('op2', { department: 'billing' });
    await lane.assign('op1');
    await run();
    expect(shown()).toEqual([
      ':: The chat goes to op3, who is asked to answer.',
      ':: op3 has the chat now.',
      ':: op2 has the chat now.',
      ':: The chat goes to the department billing.',
      ':: op1 is asked to answer.',
    ]);
    expect(read('op3').join('\n')).toContain(`:: Chat #c1 has a room: ${LINK}`);
    expect(read('op3').at(-1)).toBe(':: op2 has taken chat #c1.');
  });

  it('a message that LHC refuses, and the visitor’s reactions, are lines there', async () => {
    await opened();
    await inRoom('op2', 'o2');
    await send(
      refuseByLhc({ operator: username('op2'), revision: 9, refused: { messageId: 'o2' } }),
    );
    await send(reactToOperator('Hello'));
    await run();
    expect(shown()).toEqual([
      ':: Not delivered, of op2: the visitor has ended this chat.',
      ':: The visitor has reacted with 👍',
    ]);
    expect(read('op2')).toEqual([':: Not delivered: the visitor has ended this chat.']);
  });
});

describe('a whisper', () => {
  it('goes from the private window to the room and to who has the chat', async () => {
    await opened();
    await send(whisper('op2', 'w1', { body: 'Offer a discount\nof 10 %' }));
    await send(whisper('op2', 'w2', { body: 'Offer one', replaces: 'w1' }));
    await run();
    const [first, second] = [
      ':: op2 whispers: Offer a discount\n::   of 10 %',
      ':: op2 whispers (corrected): Offer one',
    ];
    expect(shown()).toEqual([first, second]);
    expect(read('op1')).toEqual([`(in room) ${first}`, `(in room) ${second}`]);
    const told = ':: Your whisper is in the room and with op1. The visitor does not see it.';
    expect(read('op2')).toEqual([told, told]);
  });

  it('stands in the room where it was written there', async () => {
    await opened();
    await send(whisper('op2', 'w1', { room: true }));
    await send(whisper('op1', 'w2', { room: true }));
    await run();
    expect(shown()).toEqual([]);
    expect(read('op1')).toEqual(['(in room) :: op2 whispers: Offer a discount']);
    expect(read('op2')).toEqual([]);
  });

  it('goes to who has the chat without a room', async () => {
    lane.forget();
    await send(whisper('op2'));
    await run();
    expect(lane.ejabberd.messages.every(({ to }) => to !== ROOM)).toBe(true);
    expect(read('op1')).toEqual([':: op2 whispers: Offer a discount']);
    expect(read('op2')).toEqual([':: op1 has your whisper. The visitor has not.']);
  });

  it('that nobody has read is one that its writer hears of', async () => {
    await opened();
    lane.onRoom(() => {
      throw new AppError('refused', 'forbidden', { condition: 'forbidden' });
    });
    await send(whisper('op1'));
    await send(whisper('op2', 'w2'));
    await run();
    expect(read('op1')).toEqual([
      ':: Nobody has read your whisper: the room cannot be reached now.',
      // It is in no room, so it is for all their clients.
      ':: op2 whispers: Offer a discount',
    ]);
  });
});

describe('a room that fails', () => {
  it('holds up nothing in the private window', async () => {
    await opened();
    lane.onRoom(() => {
      throw new AppError('unavailable', 'no answer of the room');
    });
    await lane.say('m2');
    await inRoom('op2', 'o2');
    await lane.answer('op1', 'o3');
    await send(writeInLhc(7));
    await send(closeChat('c1'));
    await run();
    expect(shown()).toEqual([]);
    expect(read('op1')).toEqual([
      'm2',
      '(in room) :: op2, in the room: o2',
      // Nothing of it stands in the room.
      ':: Olga, in LHC: Hi',
      expect.stringMatching(/closed chat #c1/),
    ]);
  });

  it('is waited for while the visitor’s session is on its way: so is the private window', async () => {
    await opened();
    await lane.ejabberd.transport.offline(`visitor.1@${HOST}`);
    await lane.answer('op1', 'o3');
    await lane.say('m2');
    expect(await lane.run()).toMatchObject({ kind: 'retry', expected: true });
    await lane.ejabberd.transport.online(`visitor.1@${HOST}`, { status: '', nick: '' });
    await run();
    expect(shown()).toEqual([':: op1: o3', 'm2']);
    expect(read('op1')).toEqual(['m2']);
  });
});

it('a chat without a room costs nothing: its lane has no effect of what operators write', async () => {
  await lane.answer('op1', 'o2');
  const [, , , , , last] = await lane.rig.facts('visitor-acme.1');
  expect(last?.type).toBe('OperatorMessageReceived');
  expect(last && lane.messages().destination.concerns(last)).toBe(false);
});

it('an erased visitor leaves no words: lines and whispers of theirs are not sent', async () => {
  await opened();
  await send(whisper('op2'));
  await lane.answer('op1', 'o2');
  await lane.rig.vault.erase('acme.1');
  await run();
  expect([...shown(), ...read('op1')].join('\n')).not.toMatch(/discount|o2/);
});
