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

describe('who lost a chat', () => {
  it('is told when and why, also who was away; of what he did himself, that it is done', async () => {
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

  it('of which nothing was heard for long reads that it was closed', async () => {
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

describe('who takes it from another who has not answered', () => {
  it('reads all of it; that one is told, and gets what came meanwhile if he takes it back', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    await lane.run();
    await lane.say('and');
    await lane.run();
    await lane.delivered('olga', 'm1', 'and');
    await lane.rig.toVisitor('1', { type: 'AcceptChat', operator: username('pia') });
    await lane.run();
    expect(lane.texts('pia')).toEqual([
      'New chat #c1 for sales.\nVisitor 1\n/home',
      'Hello',
      'and',
      'Chat #c1 is yours.',
    ]);
    expect(lane.sent('pia')).toContain('m1');
    expect(lane.texts('olga').at(-1)).toBe('pia has taken chat #c1.');
    await lane.say('m2');
    await lane.handOn('pia', { operator: 'olga' });
    lane.forget();
    await lane.run();
    expect(lane.texts('olga').slice(1)).toEqual(['m2']);
  });
});

describe('several who are asked together', () => {
  it('see who it is and what it says; its owner alone receives it, the others are told', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia', 'quin');
    await lane.say('m2');
    expect(await lane.run()).toEqual({ kind: 'parked' });
    for (const each of ['olga', 'pia', 'quin']) {
      expect(lane.texts(each)).toEqual([
        expect.stringMatching(
          /^New chat #c1 for sales, offered to 3 operators\. The first to reply/,
        ),
        'Hello',
        'm2',
      ]);
      await lane.delivered(each, 'm1', 'm2');
    }
    expect(await lane.rig.types('visitor-acme.1')).not.toContain('MessageDelivered');
    const before = lane.ejabberd.messages.length;
    await lane.run(); // looked at again: nothing new
    expect(lane.ejabberd.messages).toHaveLength(before);
    await lane.answer('pia', 'o1');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('pia')).toHaveLength(3);
    expect(lane.texts('olga').at(-1)).toBe('pia has taken chat #c1.');
    expect(lane.texts('quin').at(-1)).toBe('pia has taken chat #c1.');
    await lane.say('m3');
    await lane.run();
    expect(lane.sent('olga')).not.toContain('m3');
    await lane.delivered('pia', 'm1', 'm2', 'm3');
    expect((await lane.rig.types('visitor-acme.1')).at(-1)).toBe('MessageDelivered');
  });

  it('one whom it cannot reach keeps it from nobody', async () => {
    const { transport } = lane.ejabberd;
    const { send } = transport;
    transport.send = async (message) => {
      if (message.to.startsWith('olga@')) throw new AppError('refused', 'no such operator');
      return send(message);
    };
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'parked' });
    expect(lane.sent('pia')).toEqual(['intro-c1-1', 'm1']);
    expect(await lane.failures()).toEqual([]);
    await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await lane.run();
    expect(lane.texts('pia').at(-1)).toBe('The visitor closed chat #c1.');
  });

  it('who is asked later sees all of it, and a second round is announced', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga');
    await lane.run();
    await lane.offer('pia');
    await lane.run();
    expect(lane.sent('pia')).toEqual(['intro-c1-1', 'm1']);
    expect(lane.sent('olga')).toEqual(['intro-c1-1', 'm1']);
    for (const operator of ['olga', 'pia']) {
      await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username(operator) });
    }
    await lane.offer('olga', 'pia');
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'parked' });
    expect(lane.texts('olga')[0]).toMatch(/^Chat #c1 for sales needs an operator/);
    await lane.answer('olga', 'o1');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(visitorMessages('olga')).toEqual(['m1']);
  });

  it('a message that waited through a round and is refused then failed, and those behind it come', async () => {
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

  it('who is asked with no message yet sees who it is, and then the message', async () => {
    await lane.rig.toVisitor('1', startChat('c1'));
    await lane.offer('olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'done' });
    await lane.say('m1');
    expect(await lane.run()).toEqual({ kind: 'parked' });
    for (const each of ['olga', 'pia']) {
      expect(lane.read(each).map(({ id }) => id)).toEqual(['intro-c1-1', 'm1']);
    }
  });

  it('are told that it is closed, or that LHC gave it to another', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia');
    await lane.run();
    await lane.handOn(null, { operator: 'quin' });
    await lane.run();
    expect(lane.texts('olga').at(-1)).toBe('LHC transferred chat #c1 to quin.');
    await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username('quin') });
    await lane.offer('olga', 'pia');
    await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await lane.run();
    for (const each of ['olga', 'pia']) {
      expect(lane.texts(each).at(-1)).toBe('The visitor closed chat #c1.');
    }
    // Who had been sent it has the chat no more, and nobody took it from him.
    expect(await lane.failures()).toEqual(['no operator took the chat']);
  });
});
