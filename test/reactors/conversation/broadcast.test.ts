import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { DELAYS, startChat } from '../../actors/facts.ts';
import { username } from '../../support/names.ts';
import { type MessageLane, openMessageLane, STREAM } from './lane.ts';

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane();
});
afterEach(() => lane.rig.close());

const MINUTE = 60_000;
const visitorMessages = (operator: string) =>
  lane
    .read(operator)
    .filter(({ notice }) => !notice)
    .map(({ id }) => id);

it('an operator who closes a chat that nobody has reads that it is closed', async () => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  const close = { type: 'CloseChat', chatId: null, by: 'operator', reason: null } as const;
  await lane.rig.toVisitor('1', { ...close, operator: username('olga') });
  await lane.run();
  expect(lane.texts('olga')).toEqual(['Chat #c1 is closed.']);
});

describe('an operator who lost a chat', () => {
  it('reads why, even if they were away, and reads a confirmation of what they did themselves', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    await lane.unassign('olga', 'offline');
    await lane.assign('pia');
    await lane.run();
    lane.rig.clock.passes(2 * MINUTE);
    await lane.rig.host.wake(STREAM);
    await lane.assign('quin');
    await lane.answer('quin', 'o1');
    await lane.rig.toVisitor('1', {
      type: 'CloseChat',
      chatId: null,
      by: 'operator',
      operator: username('quin'),
      reason: 'solved',
    });
    await lane.run();
    expect(lane.texts('olga')).toEqual(['Chat #c1 went back to the queue while you were away.']);
    expect(lane.texts('pia').at(-1)).toBe(
      'Chat #c1 was not answered in time and is back in the queue.',
    );
    expect(lane.texts('quin').at(-1)).toBe('Chat #c1 is closed (solved).');
  });

  it('reads that the system closed the idle chat', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    await lane.answer('olga', 'o1');
    await lane.run();
    lane.rig.clock.passes(DELAYS.chatIdle);
    await lane.rig.host.wake(STREAM);
    await lane.run();
    expect(lane.texts('olga').at(-1)).toBe('The system closed chat #c1 (idle).');
  });
});

describe('an operator who takes an unanswered chat from another operator', () => {
  it('reads all of it; the other one reads who has taken it, and later gets only what they missed', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    await lane.run();
    await lane.say('and');
    await lane.run();
    await lane.delivered('olga', 'm1', 'and');
    await lane.rig.toVisitor('1', { type: 'AcceptChat', operator: username('pia') });
    await lane.run();
    expect(lane.texts('pia')).toEqual(['Hello\nand', 'Chat #c1 is yours.']);
    expect(lane.lines('pia')[0]).toBe('New chat #c1 for sales.\nVisitor 1\nPage: /home');
    expect(lane.texts('olga').at(-1)).toBe('pia has taken chat #c1.');
    await lane.say('m2');
    await lane.transfer('pia', { operator: 'olga' });
    lane.forget();
    await lane.run();
    expect(lane.texts('olga').slice(1)).toEqual(['m2']);
  });
});

describe('operators of a broadcast', () => {
  it('see the introduction and the messages; only the owner receives the messages, the others read who has the chat', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia', 'quin');
    await lane.say('m2');
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    for (const each of ['olga', 'pia', 'quin']) {
      expect(lane.texts(each)).toEqual(['Hello', 'm2']);
      expect(lane.lines(each)).toEqual([
        expect.stringMatching(
          /^New chat #c1 for sales, offered to 3 operators\. The first to reply/,
        ),
      ]);
      await lane.delivered(each, 'm1', 'm2');
    }
    expect(await lane.rig.types('visitor-acme.1')).not.toContain('MessageDelivered');
    const before = lane.ejabberd.messages.length;
    await lane.run(); // sends nothing again
    expect(lane.ejabberd.messages).toHaveLength(before);
    await lane.answer('pia', 'o1');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('pia')).toHaveLength(2);
    expect(lane.texts('olga').at(-1)).toBe('pia has taken chat #c1.');
    expect(lane.texts('quin').at(-1)).toBe('pia has taken chat #c1.');
    await lane.say('m3');
    await lane.run();
    expect(lane.sent('olga')).not.toContain('m3');
    await lane.delivered('pia', 'm1', 'm2', 'm3');
    expect((await lane.rig.types('visitor-acme.1')).at(-1)).toBe('MessageDelivered');
  });

  it('get the messages even if one operator cannot be reached', async () => {
    const { transport } = lane.ejabberd;
    const { send } = transport;
    transport.send = async (message) => {
      if (message.to.startsWith('olga@')) throw new AppError('refused', 'no such operator');
      return send(message);
    };
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    expect(lane.sent('pia')).toEqual(['m1']);
    expect(await lane.failures()).toEqual([]);
    await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await lane.run();
    expect(lane.texts('pia').at(-1)).toBe('The visitor closed chat #c1.');
  });

  it('who are asked later see all of it, and a second round is announced', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga');
    await lane.run();
    await lane.offer('pia');
    await lane.run();
    expect(lane.sent('pia')).toEqual(['m1']);
    expect(lane.sent('olga')).toEqual(['m1']);
    for (const operator of ['olga', 'pia']) {
      await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username(operator) });
    }
    await lane.offer('olga', 'pia');
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    // One line: olga knows the visitor.
    expect(lane.texts('olga')[0]).toMatch(/^Chat #c1 for sales needs an operator[^\n]*$/);
    await lane.answer('olga', 'o1');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(visitorMessages('olga')).toEqual(['m1']);
  });

  it('of a second round get the later messages if ejabberd refuses an earlier one, which fails', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.say('m2');
    await lane.offer('olga');
    await lane.run();
    await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username('olga') });
    await lane.assign('pia');
    const { transport } = lane.ejabberd;
    const { send } = transport;
    transport.send = async (message) => {
      if (message.id === 'm1') throw new AppError('refused', 'too long');
      return send(message);
    };
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(await lane.failures()).toEqual(['too long']);
    expect(visitorMessages('pia')).toEqual(['m2']);
    expect(lane.read('pia').map(({ delay }) => delay !== undefined)).toEqual([false, true]);
  });

  it('see the introduction before the first message', async () => {
    await lane.rig.toVisitor('1', startChat('c1'));
    await lane.offer('olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'done' });
    await lane.say('m1');
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    for (const each of ['olga', 'pia']) {
      expect(lane.read(each).map(({ id }) => id)).toEqual(['line-1-open-c1', 'm1']);
    }
  });

  it('read that the chat is closed, or that LHC transferred it', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia');
    await lane.run();
    await lane.transfer(null, { operator: 'quin' });
    await lane.run();
    expect(lane.texts('olga').at(-1)).toBe('LHC transferred chat #c1 to quin.');
    await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username('quin') });
    await lane.offer('olga', 'pia');
    await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await lane.run();
    for (const each of ['olga', 'pia']) {
      expect(lane.texts(each).at(-1)).toBe('The visitor closed chat #c1.');
    }
    // quin had the message and lost the chat, and nobody took the chat after quin.
    expect(await lane.failures()).toEqual(['no operator took the chat']);
  });
});
