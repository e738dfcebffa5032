/** A chat's room: who is let in, who writes there, whispers, and who has the chat meanwhile. */
import { describe, expect, it } from 'vitest';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import { MAX_ROOM_MEMBERS, roomAt } from '../../../src/actors/visitor/room.ts';
import { MAX_WRITTEN_MESSAGES } from '../../../src/actors/visitor/written.ts';
import { username } from '../../support/names.ts';
import {
  acceptChat,
  arrived,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatOffered,
  chatStarted,
  chatStartedByLhc,
  chatTransferred,
  chatUnassigned,
  cleanedUp,
  closeChat,
  closeRoom,
  openRoom,
  operatorMessage,
  pickedByLhc,
  react,
  reactToOperator,
  receive,
  retract,
  roomClosed,
  roomJoined,
  roomOpened,
  sendCommand,
  takenInLhc,
  timedOut,
  visitorMessage,
  whisper,
  whispered,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const visitor = () => scenario(visitorDecider);
const waiting = [arrived(), chatStarted()];
const assigned = [...waiting, chatAssigned()];
/** op1 has the chat. */
const chatting = [...assigned, chatAccepted()];
/** op1 has the chat, and a room for it with op2 (revision 4). */
const inRoom = [...chatting, roomOpened('op1', 'op2')];
const stateOf = (scene: ReturnType<typeof visitor>) => visitorState(scene.state().core);
const said = (operator: string, more: object = { room: true }, messageId = 'o1') => {
  const fact = operatorMessage('c1', operator, messageId);
  return { ...fact, data: { ...fact.data, ...more } } as typeof fact;
};

describe('a room', () => {
  it('is for an open chat, with whoever asks, its operator and those who were named', () => {
    visitor()
      .given(chatting)
      .when(openRoom('op2', 'op3'))
      .then([
        {
          type: 'RoomOpened',
          data: {
            chatId: 'c1',
            operator: username('op2'),
            members: ['op1', 'op2', 'op3'].map(username),
          },
        },
      ]);
    visitor()
      .given([...waiting, takenInLhc()])
      .when(openRoom('op2'))
      .then([roomOpened('op2')]);
    visitor()
      .given(waiting)
      .when(openRoom('op2'))
      .refused(/nobody has this chat; write !take/);
    visitor()
      .given([arrived()])
      .when(openRoom())
      .refused(/no open chat, and a room is for one/);
    visitor()
      .given([
        ...[arrived(), chatStartedByLhc(), pickedByLhc('op1')],
        ...[chatAssigned('op1', null, 'answered'), chatAccepted()],
      ])
      .when(openRoom('op1'))
      .refused(/LHC picks the operators of this chat, and it has no room/);
  });

  it('is open to any operator who asks, again too', () => {
    const scene = visitor().given(inRoom);
    scene.when(openRoom('op3', 'op4')).then([roomJoined('op3', 'op3', 'op4')]);
    scene.when(openRoom('op2')).then([roomJoined('op2', 'op2')]);
    scene.given([roomJoined('op3', 'op3', 'op2')]);
    expect(stateOf(scene).context.room).toEqual({
      chatId: 'c1',
      revision: 4,
      members: ['op1', 'op2', 'op3'],
    });
  });

  it('has 20 members at most, and the new operator of the chat is let in all the same', () => {
    const names = Array.from({ length: MAX_ROOM_MEMBERS - 1 }, (_, i) => `x${i}`);
    const full = visitor().given([...chatting, roomOpened('op1', ...names)]);
    full.when(openRoom('op2')).refused(/at most 20 operators/);
    full.when(openRoom('x3')).then([roomJoined('x3', 'x3')]);
    visitor()
      .given(chatting)
      .when(openRoom('op2', ...names))
      .refused(/at most 20 operators/);
    full.given([chatUnassigned('owner-gone', ['op1'])]);
    full
      .when(acceptChat('op9'))
      .then([
        chatAssigned('op9', null, 'taken'),
        { ...chatAccepted('op9'), data: { ...chatAccepted('op9').data, byCommand: true } },
        roomJoined(null, 'op9'),
      ]);
    full.given([roomJoined(null, 'op9')]);
    const { room } = stateOf(full).context;
    expect(room?.members).toHaveLength(MAX_ROOM_MEMBERS);
    expect(room?.members.at(-1)).toBe('op9');
  });

  it('is closed by one of its members, by its chat, and where ejabberd cannot make it', () => {
    const scene = visitor().given(inRoom);
    scene.when(closeRoom('op3')).refused(/you were not let into this room/);
    scene.when(closeRoom('op2')).then([roomClosed('op2')]);
    scene.when(closeRoom(null)).then([roomClosed(null)]);
    scene.given([roomClosed('op2')]);
    expect(stateOf(scene).context.room).toBeNull();
    scene.when(closeRoom('op1')).refused(/this chat has no room/);
    scene.when(closeRoom(null)).then([]);
    // Another one may be opened.
    scene.when(openRoom('op1')).then([roomOpened('op1')]);
    const over = visitor().given([...inRoom, chatClosed()]);
    expect(stateOf(over).context.room).toBeNull();
    over.when(openRoom('op1')).refused(/no open chat/);
    // That of the next chat is another one.
    over.given([chatStarted('c2')]);
    over.when(closeRoom(null)).then([]);
  });

  it('is known for the facts in it after its end, until another one has ended', () => {
    const scene = visitor().given([...inRoom, visitorMessage(), chatClosed()]);
    const { context } = stateOf(scene);
    expect([3, 4, 5, 6, 7].map((at) => roomAt(context, at)?.revision)).toEqual([
      undefined,
      4,
      4,
      4,
      undefined,
    ]);
    scene.given([timedOut(), cleanedUp()]);
    expect(roomAt(stateOf(scene).context, 5)).toBeNull();
  });
});

describe('a message in the room', () => {
  it('of whoever has the chat, and of everybody else, leaves the chat where it is', () => {
    const scene = visitor().given(inRoom);
    scene.when(receive('op1', 'o1', { room: true })).then([said('op1')]);
    scene.when(receive('op2', 'o1', { room: true })).then([said('op2')]);
    scene.given([said('op2')]);
    expect(stateOf(scene).context.chat).toMatchObject({ operator: 'op1', accepted: true });
    // Outside of it they may not.
    scene.when(receive('op2', 'o2')).refused(/this chat belongs to @op1/);
    scene.when(receive('op1', 'o2')).then([said('op1', { toRoom: true }, 'o2')]);
  });

  it('of a chat that nobody has takes it, as outside', () => {
    visitor()
      .given([...waiting, roomOpened('op2')])
      .when(receive('op3', 'o1', { room: true }))
      .then([
        chatAssigned('op3', null, 'answered'),
        chatAccepted('op3'),
        roomJoined(null, 'op3'),
        said('op3'),
      ]);
    visitor()
      .given([...assigned, roomOpened('op1')])
      .when(receive('op1', 'o1', { room: true }))
      .then([chatAccepted('op1'), said('op1')]);
  });

  it('of somebody else is refused while the first answer is still to come', () => {
    visitor()
      .given([...assigned, roomOpened('op2', 'op1')])
      .when(receive('op2', 'o1', { room: true }))
      .refused(/this chat is offered to @op1; write !take to take it/);
    visitor()
      .given([...waiting, roomOpened('op2'), takenInLhc(7, false)])
      .when(receive('op2', 'o1', { room: true }))
      .refused(/somebody in LHC is asked to answer this chat/);
  });

  it('goes through while the chat is handed over, and to whom it goes stays', () => {
    const handed = visitor().given([...inRoom, chatTransferred('op1', 'op3')]);
    handed.when(receive('op1', 'o1', { room: true })).then([said('op1')]);
    handed
      .when(receive('op3', 'o1', { room: true }))
      .then([chatAccepted('op3'), roomJoined(null, 'op3'), said('op3')]);
    handed.given([said('op1')]);
    expect(stateOf(handed)).toMatchObject({ conversation: 'waiting', offer: 'open' });
    expect(stateOf(handed).context.chat).toMatchObject({ operator: 'op3', accepted: false });
    const toDepartment = visitor().given([...inRoom, chatTransferred('op1', '#billing')]);
    toDepartment.when(receive('op1', 'o1', { room: true })).then([said('op1')]);
    const inLhc = visitor().given([...inRoom, takenInLhc(7, true, 'op1')]);
    inLhc.when(receive('op2', 'o1', { room: true })).then([said('op2')]);
  });

  it('is refused with a reason when the room or the chat is closed', () => {
    visitor()
      .given([...inRoom, roomClosed()])
      .when(receive('op1', 'o1', { room: true }))
      .refused(/this chat has no room now; write !room, or write to the visitor/);
    visitor()
      .given([...inRoom, chatClosed()])
      .when(receive('op1', 'o1', { room: true }))
      .refused(/the chat of this room is over/);
    visitor()
      .given([...inRoom, chatClosed(), chatStarted('c2')])
      .when(receive('op1', 'o1', { room: true }))
      .refused(/this chat has no room now/);
  });

  it('is corrected by whoever wrote it, and is no second message then', () => {
    const scene = visitor().given([...inRoom, said('op2')]);
    scene
      .when(receive('op2', 'o2', { room: true, replaces: 'o1' }))
      .then([said('op2', { room: true, replaces: 'o1', corrects: 5 }, 'o2')]);
    scene.when(receive('op1', 'o2', { room: true, replaces: 'o1' })).refused(/is one of @op2/);
    // A client that counts its messages has the same ids as another one.
    scene.given([said('op1')]);
    scene
      .when(receive('op2', 'o2', { room: true, replaces: 'o1' }))
      .then([said('op2', { room: true, replaces: 'o1', corrects: 5 }, 'o2')]);
    scene.when(Object.assign(retract('op2'), { room: true })).then([
      {
        type: 'OperatorMessageRetracted',
        data: { operator: username('op2'), messageId: 'o1', revision: 5, chatId: 'c1' },
      },
    ]);
    scene.when(retract('op1')).then([
      {
        type: 'OperatorMessageRetracted',
        data: {
          operator: username('op1'),
          messageId: 'o1',
          revision: 6,
          chatId: 'c1',
          toRoom: true,
        },
      },
    ]);
  });

  it('that is a canned text does not stand there', () => {
    visitor()
      .given(inRoom)
      .when(receive('op2', 'o1', { room: true, canned: true }))
      .then([said('op2', { toRoom: true })]);
  });

  it('takes reactions: those to the visitor are theirs, all others stay in the room', () => {
    const scene = visitor().given([...inRoom, visitorMessage(), said('op2')]);
    const reacts = (operator: string, id: string) =>
      scene.when(Object.assign(react(operator, id), { room: true }));
    reacts('op2', 'm1').then([
      {
        type: 'MessageReacted',
        data: { operator: username('op2'), messageId: 'm1', chatId: 'c1' },
        personal: { reactions: ['👍'] },
      },
    ]);
    reacts('op1', 'o1').then([]);
    scene.when(react('op2')).refused(/this chat belongs to @op1/);
  });
});

describe('a whisper', () => {
  it('goes to the operator who has the chat, and into the room', () => {
    visitor()
      .given(chatting)
      .when(whisper('op2'))
      .then([whispered('op2', 'w1', { to: username('op1') })]);
    const scene = visitor().given(inRoom);
    scene
      .when(whisper('op2'))
      .then([whispered('op2', 'w1', { toRoom: true, to: username('op1') })]);
    scene.when(whisper('op1')).then([whispered('op1', 'w1', { toRoom: true })]);
    scene
      .when(whisper('op2', 'w1', { room: true }))
      .then([whispered('op2', 'w1', { room: true, to: username('op1') })]);
  });

  it('is refused if nobody would read it', () => {
    visitor()
      .given([arrived()])
      .when(whisper())
      .refused(/no open chat, so nobody would read it/);
    visitor()
      .given(waiting)
      .when(whisper())
      .refused(/nobody has this chat, so nobody would/);
    visitor()
      .given([...waiting, chatOffered('op1', 'op2')])
      .when(whisper('op3'))
      .refused(/nobody has this chat/);
    visitor()
      .given(chatting)
      .when(whisper('op1'))
      .refused(/you have this chat alone/);
    visitor()
      .given([...waiting, takenInLhc()])
      .when(whisper('op1'))
      .refused(/somebody in LHC has this chat, and reads no whispers; write !note/);
    visitor()
      .given([...inRoom, roomClosed()])
      .when(whisper('op2', 'w1', { room: true }))
      .refused(/this chat has no room now/);
  });

  it('stays one when it is corrected, and a message does not become one', () => {
    const scene = visitor().given([
      ...inRoom,
      whispered('op2', 'w1', { toRoom: true }),
      said('op2'),
    ]);
    scene
      .when(whisper('op2', 'w2', { replaces: 'w1' }))
      .then([whispered('op2', 'w2', { toRoom: true, to: username('op1'), corrects: 5 })]);
    for (const room of [true, false]) {
      scene
        .when(receive('op2', 'o2', { room, replaces: 'w1' }))
        .refused(/what you have corrected was a whisper, and stays one/);
      scene
        .when(whisper('op2', 'w2', { room, replaces: 'o1' }))
        .refused(/the visitor has the message that you have corrected/);
    }
    scene.given([whispered('op2', 'w2', { toRoom: true, corrects: 5 })]);
    scene.when(receive('op2', 'o2', { replaces: 'w2' })).refused(/was a whisper/);
  });

  it('in the place of a misspelt one stays one by the id of that', () => {
    const scene = visitor().given(inRoom);
    scene
      .when(whisper('op2', 'w2', { replaces: 'misspelt' }))
      .then([whispered('op2', 'w2', { toRoom: true, to: username('op1'), insteadOf: 'misspelt' })]);
    scene.given([whispered('op2', 'w2', { toRoom: true, insteadOf: 'misspelt' })]);
    for (const replaces of ['misspelt', 'w2']) {
      scene.when(receive('op2', 'o2', { room: true, replaces })).refused(/was a whisper/);
    }
    scene
      .when(whisper('op2', 'w3', { replaces: 'misspelt' }))
      .then([whispered('op2', 'w3', { toRoom: true, to: username('op1'), corrects: 5 })]);
  });

  it('that nobody remembers any more cannot be corrected into a message either', () => {
    const later = Array.from({ length: MAX_WRITTEN_MESSAGES }, (_, i) =>
      said('op1', { room: true }, `x${i}`),
    );
    visitor()
      .given([...inRoom, whispered('op1', 'w1', { toRoom: true }), ...later])
      .when(receive('op1', 'o2', { room: true, replaces: 'w1' }))
      .refused(/is too old, or never reached the visitor/);
    visitor()
      .given([...inRoom, whispered('op1', 'w1'), chatClosed(), timedOut(), cleanedUp(), arrived()])
      .when(receive('op1', 'o2', { replaces: 'w1' }))
      .refused(/no chat is open, and a correction/);
  });

  it('cannot be taken back, replied to for the visitor, or reacted to by the visitor', () => {
    const scene = visitor().given([...inRoom, whispered('op2', 'w1', { room: true })]);
    scene.when(retract('op2', 'w1')).refused(/your colleagues have read the whisper/);
    scene
      .when(receive('op1', 'o2', { room: true, reply: { to: 'w1', plain: 'Yes' } }))
      .refused(/it quotes a whisper/);
    scene.when(reactToOperator('w1')).then([]);
  });

  it('is nothing that the service knows: in the room it knows what it passes on', () => {
    const scene = visitor().given([...inRoom, said('op2'), visitorMessage('m1')]);
    scene
      .when(receive('op2', 'o2', { room: true, replaces: 'a private message' }))
      .refused(/no message of yours that it corrects/);
    const reply = { to: 'a private message', plain: 'Yes' };
    scene
      .when(receive('op1', 'o2', { room: true, body: '> he is rude\nYes', reply }))
      .refused(/what it quotes is no message between you and the visitor/);
    // Without words of it.
    const plain = 'How can I help?';
    scene
      .when(receive('op2', 'o2', { room: true, reply: { to: 'a private message', plain } }))
      .then([said('op2', { room: true }, 'o2')]);
    for (const to of ['o1', 'm1']) {
      const command = receive('op2', 'o2', {
        room: true,
        body: '> Hi\nYes',
        reply: { ...reply, to },
      });
      expect(scene.when(command).asked().facts).toMatchObject([{ data: { replyTo: to } }]);
    }
  });

  it('in the words of a message, of a canned text, of a command of LHC or of an end is refused', () => {
    const scene = visitor().given(inRoom);
    const body = 'Well. !wisper he is rude';
    scene.when(receive('op1', 'o2', { body })).refused(/it may be a misspelt whisper/);
    scene.when(receive('op1', 'o2', { body, room: true })).refused(/it may be a misspelt whisper/);
    visitor()
      .given([arrived()])
      .when(receive('op1', 'o2', { body }))
      .refused(/misspelt whisper/);
    scene
      .when(Object.assign(sendCommand('op1'), { command: 'wisper' }))
      .refused(/it may be a misspelt whisper/);
    scene
      .when(Object.assign(sendCommand('op1'), { text: '!goto !whisper he is rude' }))
      .refused(/it may be a misspelt whisper/);
    scene
      .when({
        ...closeChat(null, 'operator'),
        operator: username('op1'),
        reason: '!whisper he is rude',
      })
      .refused(/it may be a misspelt whisper/);
  });
});
