import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { presenceOf } from '../../../src/reactors/texts/presence-text.ts';
import { DELAYS, startChat } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { jidOf } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { type MessageLane, openMessageLane, STREAM } from './lane.ts';

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane();
});
afterEach(() => lane.rig.close());

const MINUTE = 60_000;
/**
 * A chat with two messages that olga has answered, and nothing left to do.
 * @returns the stanza id with which another is shown what she said
 */
const conversation = async (): Promise<string> => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.assign('olga');
  await lane.run();
  await lane.delivered('olga', 'm1');
  await lane.answer('olga', 'o1');
  await lane.say('m2');
  await lane.run();
  await lane.delivered('olga', 'm2');
  const said = (await lane.rig.facts(STREAM)).find(
    ({ type }) => type === 'OperatorMessageReceived',
  );
  return `history-${said?.id}`;
};
const stamped = (operator: string) =>
  lane.read(operator).map(({ id, delay }) => [id, delay !== undefined]);
const visitorMessages = (operator: string) =>
  lane
    .read(operator)
    .filter(({ notice }) => !notice)
    .map(({ id }) => id);

describe('who it is', () => {
  it('comes first, with place, time of day, page and earlier chats', async () => {
    await lane.rig.toVisitor('1', {
      type: 'ViewPage',
      digest: 'x',
      department: null,
      delays: DELAYS,
      profile: {
        page: 'https://shop.test/shoes',
        title: 'Shoes',
        nick: 'Eve',
        country: 'Italy',
        city: 'Rome',
        timezone: 'Europe/Rome',
      },
    });
    await conversation();
    await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
    await lane.run();
    lane.forget();
    await lane.rig.toVisitor('1', startChat('c2', 'm3'));
    await lane.rig.toVisitor('1', {
      type: 'AssignChat',
      chatId: 'c2',
      operator: username('pia'),
      reservation: 'r',
      reason: 'least-loaded',
    });
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('pia')).toEqual([
      [
        'New chat #c2 for sales. Reply to accept it, or !decline.',
        'Eve · Rome, Italy · local time 01:00 · 2nd chat · last with olga',
        'Shoes — https://shop.test/shoes',
      ].join('\n'),
      'Hello',
    ]);
  });

  it('says for how long the visitor has waited, and what has changed since it came', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    expect(await lane.run()).toEqual({ kind: 'parked' });
    expect(lane.ejabberd.messages).toEqual([]);
    lane.rig.clock.passes(5 * MINUTE);
    await lane.say('m2');
    await lane.assign('olga');
    await lane.run();
    expect(lane.texts('olga')[0]).toMatch(/^New chat #c1 for sales, waiting for 5 min\. Reply/);
    expect(lane.sent('olga')).toEqual(['intro-c1-1', 'm1', 'm2']);
  });

  it('is cut where it is long, and never through a character', async () => {
    const long = (length: number) => `${'x'.repeat(length - 1)}🙂 and more`;
    const profile = { page: 'https://shop.test/', title: long(300) };
    await lane.rig.toVisitor('1', {
      type: 'ViewPage',
      digest: 'x',
      department: null,
      delays: DELAYS,
      profile,
    });
    await conversation();
    await lane.say('m3', long(4_000));
    await lane.run();
    await lane.delivered('olga', 'm3');
    await lane.handOn('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const texts = lane.texts('pia');
    expect(texts[0]?.endsWith(`\n${'x'.repeat(299)}`)).toBe(true);
    expect(texts.at(-1)).toBe(`${'x'.repeat(3_999)}…`);
    const state = await lane.rig.visitor('1').state();
    const of = state;
    const line = 'Chat #c1 (sales)\n';
    const title = long(500 - line.length);
    const shown = of && presenceOf(visitorKey('1'), { profile: { page: '/', title }, at: 0 }, of);
    expect(shown?.status).toBe(line + 'x'.repeat(499 - line.length));
  });

  it('is left out where ejabberd refuses it, and the message comes all the same', async () => {
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send') && lane.ejabberd.count('send') === 1) {
        throw new AppError('refused', 'not like this');
      }
    };
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('olga')).toEqual(['m1']);
    expect(await lane.failures()).toEqual([]);
  });

  it('and what follows is sent again after a crash between any two stanzas, with the same ids', async () => {
    const olgasWord = await conversation();
    await lane.handOn('olga', { operator: 'pia' });
    await lane.say('m3');
    lane.forget();
    const whole = await lane.run().then(() => lane.sent('pia'));
    expect(whole).toEqual(['intro-c1-11', 'm1', olgasWord, 'm2', 'm3']);
    for (let nth = 1; nth <= whole.length; nth++) {
      lane.forget();
      lane.crash();
      let calls = 0;
      lane.ejabberd.state.before = async (call) => {
        if (call.startsWith('send') && ++calls === nth) throw new AppError('unavailable', 'gone');
      };
      await lane.run();
      lane.ejabberd.state.before = async () => {};
      lane.crash();
      await lane.run();
      // What was taken is not sent by the lane again: m3 was.
      expect(new Set([...lane.sent('pia'), 'm3'])).toEqual(new Set(whole));
    }
  });
});

describe('what was said before', () => {
  it('is shown to whom a chat is handed, with the time of then, and not to who had it', async () => {
    const olgasWord = await conversation();
    lane.rig.clock.passes(MINUTE);
    await lane.handOn('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.read('pia')).toMatchObject([
      { id: 'intro-c1-11', notice: true },
      { id: 'm1', body: 'Hello', notice: true, delay: { at: lane.rig.now() - MINUTE } },
      { id: olgasWord, body: 'olga: o1', notice: true, delay: { at: lane.rig.now() - MINUTE } },
      { id: 'm2', body: 'm2', notice: true, delay: { at: lane.rig.now() - MINUTE } },
    ]);
    expect(lane.texts('pia')[0]).toMatch(
      /^olga transferred chat #c1 for sales to you\. Reply to accept it/,
    );
    expect(lane.texts('olga')).toEqual(['Chat #c1 goes to pia.']);
  });

  it('is only what he missed, for who had the chat before', async () => {
    await conversation();
    await lane.handOn('olga', { operator: 'pia' });
    await lane.say('m3');
    await lane.run();
    await lane.delivered('pia', 'm3');
    await lane.rig.toVisitor('1', { type: 'DeclineChat', operator: username('pia') });
    await lane.assign('olga');
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('olga')).toEqual([
      expect.stringMatching(/^Chat #c1 is back: pia did not accept it\. Reply/),
      'm3',
    ]);
    expect(stamped('olga')[1]).toEqual(['m3', true]);
    expect(lane.texts('pia')).toEqual(['You have declined chat #c1.']);
  });

  it('with what nobody has received: by its own id it is the new owner’s, who alone counts', async () => {
    const olgasWord = await conversation();
    await lane.say('m3'); // olga is gone and does not receive it
    await lane.run();
    await lane.unassign('olga');
    await lane.say('m4');
    expect(await lane.run()).toEqual({ kind: 'parked' });
    await lane.assign('pia');
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('pia')[0]).toMatch(
      /^Chat #c1 for sales needs an operator: olga went offline/,
    );
    expect(stamped('pia').slice(1)).toEqual([
      ['m1', true],
      [olgasWord, true],
      ['m2', true],
      ['m3', true],
      ['m4', false],
    ]);
    expect(visitorMessages('pia')).toEqual(['m3', 'm4']);
    await lane.delivered('olga', 'm3'); // her client comes back with it
    const outcomes = async () => (await lane.rig.types('visitor-acme.1')).slice(-1);
    expect(await outcomes()).not.toEqual(['MessageDelivered']);
    await lane.delivered('pia', 'm3', 'm4');
    expect(await outcomes()).toEqual(['MessageDelivered']);
  });

  it('goes again to the new owner when the visitor’s session is new', async () => {
    await conversation();
    await lane.say('m3');
    await lane.run();
    await lane.handOn('olga', { operator: 'pia' });
    await lane.run();
    lane.forget();
    lane.messages().resend(jidOf('1'));
    await waitFor(() => lane.ejabberd.messages.length > 0);
    expect(lane.read('olga')).toEqual([]);
    expect(stamped('pia')).toEqual([['m3', true]]);
  });

  it('is what the inviter wrote, for another who gets the chat', async () => {
    await lane.answer('olga', 'o1');
    await lane.answer('olga', 'o2');
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('pia');
    await lane.run();
    expect(lane.texts('pia').slice(1)).toEqual(['olga: o1', 'olga: o2', 'Hello']);
    lane.forget();
    await lane.unassign('pia');
    await lane.assign('olga');
    await lane.run();
    expect(lane.texts('olga').slice(1)).toEqual(['Hello']);
  });

  it('has a bound, but for what nobody has received', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'lost'));
    await lane.assign('olga');
    await lane.run();
    const long = 'x'.repeat(10_000);
    for (let n = 0; n < 60; n++) await lane.say(`n${n}`, n === 59 ? long : `n${n}`);
    await lane.run();
    await lane.delivered('olga', ...Array.from({ length: 60 }, (_, n) => `n${n}`));
    await lane.handOn('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const [intro, first, second, ...rest] = lane.read('pia');
    expect([intro?.notice, first?.id, first?.notice]).toEqual([true, 'lost', undefined]);
    expect(second?.id).toBe('n10');
    expect(rest).toHaveLength(49);
    expect(rest.at(-1)?.body).toHaveLength(4_001);
  });

  it('of a visitor that was erased is nothing', async () => {
    await conversation();
    await lane.rig.vault.erase('acme.1');
    await lane.handOn('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['intro-c1-11']);
  });

  it('one that is refused failed, and the others come', async () => {
    const olgasWord = await conversation();
    await lane.say('m3');
    await lane.run();
    await lane.handOn('olga', { operator: 'pia' });
    lane.forget();
    let calls = 0;
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send') && ++calls >= 5 && calls < 6) {
        throw new AppError('refused', 'too long');
      }
    };
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['intro-c1-13', 'm1', olgasWord, 'm2']);
    expect(await lane.failures()).toEqual(['too long']);
  });
});
