/** Chats that somebody has in LHC's own pages, as operators in XMPP read of them (docs/adr/0044). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LINE_FROM_LHC_MAX_LENGTH } from '../../../src/reactors/texts/in-lhc.ts';
import {
  acceptChat,
  closeChat,
  receive,
  setOwner,
  startChat,
  writeInLhc,
} from '../../actors/facts.ts';
import { username } from '../../support/names.ts';
import { type MessageLane, openMessageLane, STREAM } from './lane.ts';

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane();
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
});
afterEach(() => lane.rig.close());

const does = (...commands: Parameters<MessageLane['rig']['toVisitor']>[1][]) =>
  commands.reduce(
    (before, command) => before.then(() => lane.rig.toVisitor('1', command)),
    Promise.resolve<unknown>(null),
  );
const writes = (body: string, messageId = 'l1', more: object = {}) =>
  lane.rig.toVisitor('1', {
    type: 'WriteInLhc',
    chatId: 'c1',
    messageId,
    body,
    lhcUserId: 7,
    name: 'Olga',
    operator: null,
    isOnline: false,
    ...more,
  });
const stateOf = async () => (await lane.rig.visitor('1').state())?.context;

describe('a chat that somebody takes in LHC', () => {
  it('ends offers with a line, and the lane goes on: no message waits for an operator', async () => {
    await lane.offer('ada', 'pia');
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    await does(setOwner(7));
    await lane.say('m2');
    expect(await lane.run()).toEqual({ kind: 'done' });
    for (const operator of ['ada', 'pia']) {
      expect(lane.texts(operator)).toEqual(['Hello', 'Olga, in LHC, has taken chat #c1.']);
    }
    expect(await stateOf()).toMatchObject({ openMessages: [], chat: { operator: null } });
    await does(closeChat('c1'));
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(await lane.failures()).toEqual([]);
  });

  it('is shown whole to the operator who takes it, and once', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'));
    await lane.run();
    await does(setOwner(7));
    await writes('I go on');
    await lane.say('m2', 'Fine');
    await does(acceptChat('ada'));
    await lane.run();
    expect(lane.texts('ada').slice(1)).toEqual([
      'Olga, in LHC, has taken chat #c1.',
      'Fine',
      'Chat #c1 is yours.',
    ]);
    // Ada knows what was said before.
    expect(lane.lines('ada').find((lines) => lines.startsWith('You have taken'))).toMatch(
      /^You have taken chat #c1 for sales from Olga, in LHC\.\nSaid before, times in UTC\.\n\d\d:\d\d Olga, in LHC: I go on$/,
    );
    await lane.transfer('ada', { operator: 'pia' });
    await lane.run();
    expect(lane.lines('pia')[0]).toMatch(
      /Hello\n.* ada: How can I help\?\n.* Olga, in LHC: I go on/,
    );
  });

  it('goes to an operator or a department from there, by the name of who does it', async () => {
    await does(setOwner(7));
    await does({
      type: 'TransferChat',
      chatId: 'c1',
      from: null,
      reservation: null,
      operator: username('ada'),
      department: null,
      name: 'Olga',
    });
    await lane.run();
    expect(lane.lines('ada')[0]).toMatch(/^Olga, in LHC, transferred chat #c1 from sales to you\./);
    await does({
      type: 'TransferChat',
      chatId: 'c1',
      from: null,
      reservation: null,
      operator: null,
      department: 'billing',
      name: 'Olga',
    });
    await lane.run();
    expect(lane.texts('ada').at(-1)).toBe(
      'Olga, in LHC, transferred chat #c1 to the department billing.',
    );
    await lane.assign('pia');
    await does({ ...closeChat('c1', 'operator'), name: 'Olga' });
    await lane.run();
    expect(lane.texts('pia').at(-1)).toBe('Olga, in LHC, closed chat #c1.');
  });

  it('is not taken by what an operator writes: the line has the name of who has it', async () => {
    await does(setOwner(7));
    await expect(does(receive('ada', 'o1'))).rejects.toThrow(
      'somebody in LHC has this chat; write !take to take it over',
    );
  });
});

describe('what somebody writes in LHC', () => {
  it('is a line for the operator who has the chat, in order, with one id, also after a crash', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'));
    await lane.say('m2', 'First');
    await writes('Second');
    await lane.say('m3', 'Third');
    await lane.run();
    lane.crash();
    await lane.run();
    expect(lane.texts('ada')).toEqual(['Hello', 'First', 'Olga, in LHC: Second', 'Third']);
    const [line] = lane.read('ada').filter(({ body }) => body === ':: Olga, in LHC: Second');
    expect(line?.id).toMatch(/^line-\d+-/);
    expect(await stateOf()).toMatchObject({ chat: { operator: 'ada', accepted: true } });
  });

  it('looks like no line of the service in any of its lines, and is cut', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'));
    await writes('Hi\n:: Chat #c1 is closed.\r\nLHC: bye', 'l1');
    await writes('x'.repeat(LINE_FROM_LHC_MAX_LENGTH + 1), 'l2');
    await lane.run();
    const [first = '', second = ''] = lane
      .read('ada')
      .slice(-2)
      .map(({ body }) => body);
    expect(first.split('\n')).toEqual([
      ':: Olga, in LHC: Hi',
      '::   :: Chat #c1 is closed.',
      '::   LHC: bye',
    ]);
    expect(second).toMatch(/x… \(LHC has the rest\)$/);
  });

  it('has the names that LHC gives: of a registered operator, of a bot, of LHC itself', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'));
    await does(writeInLhc(3, 'pia'), writeInLhc(2, 'ada', true, 'l2'));
    await writes('Welcome', 'l3', { lhcUserId: -2, name: 'Robo' });
    await writes('Moved', 'l4', { lhcUserId: -1, name: undefined });
    await writes('Who?', 'l5', { name: undefined });
    await lane.run();
    expect(lane.texts('ada').slice(-5)).toEqual([
      'pia, in LHC: Hi',
      'You, in LHC: Hi',
      'Robo, in LHC: Welcome',
      'LHC: Moved',
      'Somebody in LHC: Who?',
    ]);
  });

  it('takes a chat that nobody has answered, unless a bot writes', async () => {
    await lane.offer('ada', 'pia');
    await lane.run();
    await does(writeInLhc(-2, null, false, 'l0'));
    expect(await stateOf()).toMatchObject({ chat: { offeredTo: ['ada', 'pia'], inLhc: null } });
    await does(writeInLhc(7));
    expect(await stateOf()).toMatchObject({
      chat: { offeredTo: [], accepted: true, inLhc: { lhcUserId: 7 } },
    });
    await lane.run();
    // Who was asked reads what was said while they were asked.
    expect(lane.texts('ada')).toEqual(['Hello', 'Olga, in LHC, has taken chat #c1.']);
  });

  it('is there for the next operator where nobody had the chat yet', async () => {
    await writes('What is it about?', 'l0', { lhcUserId: -2, name: 'Robo' });
    await lane.say('m2', 'Shoes');
    await lane.assign('ada');
    await writes('Thanks', 'l2', { lhcUserId: -2, name: 'Robo' });
    await lane.run();
    expect(lane.texts('ada')).toEqual([
      'Hello',
      'Robo, in LHC: What is it about?',
      'Shoes',
      'Robo, in LHC: Thanks',
    ]);
  });

  it('is in the transcript of a chat that is over, and changes nothing else', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'), closeChat('c1'), setOwner(7), writeInLhc(7));
    expect((await lane.rig.types(STREAM)).slice(-2)).toEqual(['ChatClosed', 'MessageWrittenInLhc']);
    await lane.run();
    expect(lane.texts('ada').at(-1)).toMatch(/closed chat #c1/);
  });

  it('goes with the visitor when they are erased', async () => {
    await lane.assign('ada');
    await does(receive('ada', 'o1'), setOwner(7), acceptChat('pia'));
    await writes('Secret words');
    const stored = JSON.stringify(await lane.rig.facts(STREAM));
    expect(stored).not.toMatch(/Olga|Secret words/);
    await lane.rig.vault.erase('acme.1');
    await lane.run();
    expect(JSON.stringify(lane.read('pia'))).not.toMatch(/Olga|Secret words/);
    expect(lane.texts('ada').at(-1)).toBe('Somebody in LHC has taken chat #c1.');
  });
});
