/** What operators write in the room of a chat, and whispers, from mod_lhc's event to the facts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CannedName } from '../../src/actors/tenant/canned-texts.ts';
import { createInbox } from '../../src/inbox/inbox.ts';
import type { Written } from '../../src/inbox/operator-commands/read.ts';
import { readWritten } from '../../src/inbox/operator-commands/read.ts';
import { ROOM_MAX_NAMES } from '../../src/inbox/operator-commands/read-arguments.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import { acceptChat, closeChat, openRoom, register, startChat, viewPage } from '../actors/facts.ts';
import { tenantId, username } from '../support/names.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../support/rig.ts';

const OPERATORS = ['op1', 'op2', 'op3'];
const queueId = newId();
let rig: Rig;
let seq: number;

beforeEach(async () => {
  seq = 0;
  rig = await openRig();
  for (const name of OPERATORS) await rig.toOperator(name, register(1));
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm1'));
  await rig.toVisitor('1', acceptChat('op1'));
});
afterEach(() => rig.close());

function inbox() {
  const { store, vault, now, actors, tenants, digestKey, team, canned } = rig;
  return createInbox({
    actors,
    store,
    tenants,
    team,
    canned,
    digestKey,
    setAside: createSetAside({ store, vault, now, newId }),
    transfer: () => Promise.reject(new Error('nobody hands on a chat here')),
    operatorName: async ({ name }) => `Name of ${name}`,
    visitorName: async () => null,
    // "op" is a part of all names.
    colleagues: async (_tenant, name) =>
      OPERATORS.filter((each) => each === name || name === 'op').map(username),
    signals: {
      moduleStarted: async () => {},
      sessionsUnsure: () => {},
      returned: () => {},
      operatorAlive: () => {},
      operatorTyping: () => {},
      operatorWrote: () => {},
      operatorSessionEnded: () => {},
      stanzasArrived: () => {},
    },
    logger: silent,
    storeWasAway: () => false,
  });
}

const event = (type: string, by: string, more: object) => ({
  queueId,
  seq: ++seq,
  at: '2026-01-01T00:00:00Z',
  host: HOST,
  type,
  id: newId(),
  from: `${by}@${HOST}/desk`,
  to: jidOf('1'),
  ...more,
});
const message = (by: string, body: string, more: object = {}) =>
  event('message', by, { body: { '': body }, ...more });
/** As mod_lhc sends it: the batch, and the batch again because its answer was lost. */
async function take<T extends { readonly id: string }>(sent: T): Promise<string> {
  await inbox().take([sent]);
  await inbox().take([sent]);
  return sent.id;
}
const write = (by: string, body: string, more: object = {}) => take(message(by, body, more));
const inRoom = (by: string, body: string, more: object = {}) =>
  write(by, body, { room: true, ...more });

const TOLD = ['OperatorMessageReceived', 'Whispered', 'RoomOpened', 'RoomJoined', 'RoomClosed'];
const ABOUT = ['OperatorMessageRetracted', 'MessageReacted'];
const facts = async (types = TOLD) =>
  (await rig.facts('visitor-acme.1'))
    .filter(({ type }) => types.includes(type))
    .map(({ type, data }) => ({ type, ...(data as object) }));
const bodies = async (type: string) =>
  Promise.all(
    (await rig.facts('visitor-acme.1'))
      .filter((each) => each.type === type)
      .map(async (each) => (await rig.personal.of(each))?.body),
  );
const refusals = async (by: string) =>
  (await rig.facts(`operator-acme.${by}`)).flatMap(({ type, data }) =>
    type === 'MessageRefused'
      ? [`${data.command === undefined ? '' : `!${data.command}: `}${data.reason}`]
      : [],
  );
const owner = async () => (await rig.visitor('1').state())?.context.chat?.operator;

describe('!room', () => {
  it('opens one for whoever writes it, the operator of the chat and those who are named, once', async () => {
    await write('op2', '!room op3');
    expect(await facts()).toEqual([
      { type: 'RoomOpened', chatId: 'c1', operator: 'op2', members: ['op1', 'op2', 'op3'] },
    ]);
    await inRoom('op3', '!room @op2, op3');
    expect((await facts()).at(-1)).toEqual({
      type: 'RoomJoined',
      chatId: 'c1',
      operators: ['op3', 'op2'],
      by: 'op3',
    });
    expect(await owner()).toBe('op1');
  });

  it('says which name it does not know, and repeats none: a refusal is a fact', async () => {
    await write('op2', '!room op1 Frida');
    await write('op2', '!room op');
    expect(await refusals('op2')).toEqual([
      '!room: nobody is called like name 2; !who lists your colleagues',
      '!room: several are called like name 1: @op1 (op1), @op3 (op3)',
    ]);
    expect(await facts()).toEqual([]);
  });

  it('close closes it', async () => {
    await rig.toVisitor('1', openRoom('op2'));
    await inRoom('op2', '!room close');
    expect((await facts()).at(-1)).toEqual({ type: 'RoomClosed', chatId: 'c1', by: 'op2' });
    await write('op2', '!Room Close.');
    expect(await refusals('op2')).toEqual(['!room: this chat has no room']);
  });

  it.each<[string, readonly string[]]>([
    ['!room', []],
    ['!room olga', ['olga']],
    ['!Room @olga paula', ['olga', 'paula']],
    ['!room “Olga Berg” paula', ['Olga Berg', 'paula']],
    ['!room Olga Berg, Paula', ['Olga Berg', 'Paula']],
    ['!room "Olga Berg"; paula;', ['Olga Berg', 'paula']],
    ['!room @close', ['close']],
  ])('%s is for %j', (text, names) => {
    expect(readWritten(text, [])).toEqual({ kind: 'room', do: 'open', names });
  });

  it('takes no more names than there are places, and no text in the place of one', () => {
    const many = Array.from({ length: ROOM_MAX_NAMES + 1 }, (_, i) => `x${i}`).join(' ');
    for (const text of [`!room ${many}`, `!room ${'x'.repeat(200)}`]) {
      expect(readWritten(text, [])).toMatchObject<Partial<Written>>({ kind: 'faulty' });
    }
    expect(readWritten('!room', [], 'desk')).toMatchObject({ kind: 'faulty', command: 'room' });
    expect(readWritten('!whisper x', [], 'desk')).toMatchObject({ kind: 'faulty' });
  });
});

describe('in the room', () => {
  beforeEach(() => rig.toVisitor('1', openRoom('op2')));

  it('a message of anybody is one to the visitor, and the chat keeps its operator', async () => {
    const id = await inRoom('op2', 'We have them in black', { receipt: true });
    expect((await facts()).at(-1)).toEqual({
      type: 'OperatorMessageReceived',
      operator: 'op2',
      messageId: id,
      chatId: 'c1',
      invitation: false,
      receipt: true,
      room: true,
    });
    expect(await owner()).toBe('op1');
    // In the conversation with the visitor they may not.
    await write('op2', 'In black');
    expect(await refusals('op2')).toEqual(['this chat belongs to @op1']);
  });

  it('a message is refused with a reason when the room or the chat is closed', async () => {
    await inRoom('op1', '!room close');
    await inRoom('op2', 'In black');
    await rig.toVisitor('1', closeChat('c1'));
    await inRoom('op2', 'In black');
    expect(await refusals('op2')).toEqual([
      'this chat has no room now; write !room, or write to the visitor',
      'the chat of this room is over',
    ]);
    expect(await bodies('OperatorMessageReceived')).toEqual([]);
  });

  it('a correction corrects, and one of a command is a command', async () => {
    const first = await inRoom('op2', 'In blakc');
    await inRoom('op2', 'In black', { replaces: first });
    const [, said, corrected] = await facts();
    expect(corrected).toMatchObject({ replaces: first, room: true, corrects: 6 });
    expect(said).not.toHaveProperty('corrects');
    await inRoom('op2', '!take', { replaces: first });
    expect(await refusals('op2')).toEqual([
      '!take: the visitor has the message that you have corrected; write the command as a message of its own',
    ]);
  });

  it('a canned text goes to the visitor, and is shown there', async () => {
    await rig.canned.save(
      tenantId('acme'),
      { name: CannedName.parse('hi'), text: 'Hi, {operator} here' },
      username('op1'),
      { commandId: newId() },
    );
    await inRoom('op2', '!canned hi');
    expect((await facts()).at(-1)).toMatchObject({ operator: 'op2', toRoom: true });
    expect((await facts()).at(-1)).not.toHaveProperty('room');
    expect(await bodies('OperatorMessageReceived')).toEqual(['Hi, Name of op2 here']);
  });

  it('!take moves the chat, and asks in whoever has it', async () => {
    await write('op3', '!take');
    expect(await refusals('op3')).toEqual(['!take: this chat belongs to @op1']);
    await inRoom('op2', '!take');
    expect((await facts(['ChatTransferred', 'ChatAccepted'])).slice(1)).toMatchObject([
      { from: 'op1', operator: 'op2', by: 'operator', taken: true },
      { operator: 'op2', byCommand: true },
    ]);
    expect(await owner()).toBe('op2');
    await inRoom('op2', '!take');
    expect(await refusals('op2')).toEqual(['!take: you have this chat already']);
    await rig.toVisitor('1', {
      type: 'UnassignChat',
      chatId: 'c1',
      operator: username('op2'),
      reason: 'owner-gone',
    });
    await inRoom('op3', '!take');
    expect(await owner()).toBe('op3');
    expect((await facts()).at(-1)).toMatchObject({ type: 'RoomJoined', operators: ['op3'] });
  });

  it('reactions to the visitor count, and others are nobody else’s business', async () => {
    const reacts = (by: string, reactsTo: string, reactions: string[]) =>
      take(event('reaction', by, { reactsTo, reactions, room: true }));
    const said = await inRoom('op2', 'In black');
    await reacts('op2', 'm1', ['👍']);
    await reacts('op1', said, ['👍']);
    await reacts('op1', said, ['not an emoji']);
    expect(await facts(ABOUT)).toEqual([
      { type: 'MessageReacted', operator: 'op2', messageId: 'm1', chatId: 'c1' },
    ]);
    expect(await refusals('op1')).toEqual([]);
    await take(event('retraction', 'op2', { retracts: said, room: true }));
    expect((await facts(ABOUT)).at(-1)).toEqual({
      type: 'OperatorMessageRetracted',
      operator: 'op2',
      messageId: said,
      revision: 6,
      chatId: 'c1',
    });
  });

  it('what no visitor can read is refused there as well', async () => {
    await take(event('unsupported', 'op2', { what: 'encrypted', room: true }));
    expect((await refusals('op2')).join()).toMatch(/it is encrypted/);
  });

  it('the same words with the same id, there and in the conversation, are two messages', async () => {
    const id = newId();
    await take({ ...message('op1', 'Yes', { room: true }), id });
    await take({ ...message('op1', 'Yes'), id });
    expect((await facts()).slice(1)).toMatchObject([{ room: true }, { toRoom: true }]);
  });
});

describe('!whisper', () => {
  it('goes to colleagues, from the conversation and from the room, and to the visitor never', async () => {
    const first = await write('op2', '!whisper Offer a discount');
    await rig.toVisitor('1', openRoom('op2'));
    const second = await inRoom('op3', '！Whisper  Offer one\nof 10 %');
    expect(await facts(['Whispered'])).toEqual([
      { type: 'Whispered', chatId: 'c1', operator: 'op2', messageId: first, to: 'op1' },
      {
        type: 'Whispered',
        chatId: 'c1',
        operator: 'op3',
        messageId: second,
        room: true,
        to: 'op1',
      },
    ]);
    expect(await bodies('Whispered')).toEqual(['Offer a discount', 'Offer one\nof 10 %']);
    expect(await bodies('OperatorMessageReceived')).toEqual([]);
  });

  it('is refused if nobody would read it, or it says nothing', async () => {
    await write('op1', '!whisper Hello?');
    await write('op1', '!whisper');
    expect(await refusals('op1')).toEqual([
      '!whisper: you have this chat alone, so nobody would read it',
      '!whisper: write what they are to know: !whisper and the text',
    ]);
  });

  it('stays one when it is corrected, and a message stays a message', async () => {
    await rig.toVisitor('1', openRoom('op2'));
    for (const room of [true, false]) {
      const whisper = await write('op1', '!whisper Offer a dicount', { room });
      const corrected = await write('op1', '!whisper A discount', { room, replaces: whisper });
      expect((await facts()).at(-1)).toMatchObject({ messageId: corrected, type: 'Whispered' });
      expect((await facts()).at(-1)).toHaveProperty('corrects');
      const said = await write('op1', 'Hello', { room });
      const before = await facts();
      await write('op1', 'A discount', { room, replaces: whisper });
      await write('op1', 'A discount', { room, replaces: corrected });
      await write('op1', '!canned hi', { room, replaces: whisper });
      await write('op1', '!whisper Hello', { room, replaces: said });
      expect(await facts()).toEqual(before);
    }
    const kept =
      'what you have corrected was a whisper, and stays one; write to the visitor in a message of its own';
    const message =
      '!whisper: the visitor has the message that you have corrected; write the command as a message of its own';
    const once = [kept, kept, `!canned: ${kept}`, message];
    expect(await refusals('op1')).toEqual([...once, ...once]);
  });

  it.each([
    '!wisper he is rude',
    '! whisper he is rude',
    '!!whisper he is rude',
    '! !whisper he is rude',
    'whisper he is rude',
    '1whisper he is rude',
    '/whisper he is rude',
    'Olga: !whisper he is rude',
    'Hello\n!whisper he is rude',
    '> !whisper he is rude\nI think so too',
    '/me !whisper he is rude',
    '/me whisper he is rude',
    '!lhc whisper he is rude',
    '!lhc !wisper he is rude',
    '!close !whisper he is rude',
    '> :: Sam whispers: he is rude\nI think so too',
  ])('%j reaches neither the visitor nor LHC', async (text) => {
    await rig.toVisitor('1', openRoom('op2'));
    const before = await rig.types('visitor-acme.1');
    await write('op1', text);
    await inRoom('op2', text);
    expect(await rig.types('visitor-acme.1')).toEqual(before);
    const answers = (await rig.types('operator-acme.op1')).slice(1);
    expect(answers).toHaveLength(1); // they read why, or that it is unknown
  });

  it('in a canned text or a reply reaches nobody either', async () => {
    await rig.toVisitor('1', openRoom('op2'));
    await rig.canned.save(
      tenantId('acme'),
      { name: CannedName.parse('bad'), text: '!whisper he is rude' },
      username('op1'),
      { commandId: newId() },
    );
    await write('op1', '!canned bad');
    const whisper = await inRoom('op2', '!whisper he is rude');
    await inRoom('op1', '> !whisper he is rude\nYes', { replyTo: whisper, quote: [0, 22] });
    await inRoom('op1', 'Yes', { replyTo: whisper });
    expect(await bodies('OperatorMessageReceived')).toEqual([]);
    expect(await refusals('op1')).toHaveLength(3);
  });
});
