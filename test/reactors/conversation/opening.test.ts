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
 * A chat with two messages that olga has answered. The lane has nothing left to do.
 * @returns the stanza id of olga's answer when the lane shows it to another operator
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
const idsAndDelays = (operator: string) =>
  lane.read(operator).map(({ id, delay }) => [id, delay !== undefined]);
const visitorMessages = (operator: string) =>
  lane
    .read(operator)
    .filter(({ notice }) => !notice)
    .map(({ id }) => id);

describe('the introduction', () => {
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

  it('says how long the visitor has waited', async () => {
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

  it('is cut at its limit, but never inside a character', async () => {
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
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const texts = lane.texts('pia');
    expect(texts[0]?.endsWith(`\n${'x'.repeat(299)}`)).toBe(true);
    expect(texts.at(-1)).toBe(`${'x'.repeat(3_999)}…`);
    const state = await lane.rig.visitor('1').state();
    const of = state;
    const line = 'Waiting · T\nChat #c1 (sales)\n';
    const seen = { profile: { title: 'T', page: long(500 - line.length) }, at: 0 };
    const shown = of && presenceOf(visitorKey('1'), seen, of, { nameOf: String, show: true });
    expect(shown?.status).toBe(line + 'x'.repeat(499 - line.length));
  });

  it('is left out if ejabberd refuses it, and the message is sent', async () => {
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

  it('is sent again with the messages after it, with the same ids, after a crash between any two stanzas', async () => {
    const answerId = await conversation();
    await lane.transfer('olga', { operator: 'pia' });
    await lane.say('m3');
    lane.forget();
    const whole = await lane.run().then(() => lane.sent('pia'));
    expect(whole).toEqual(['intro-c1-11', 'm1', answerId, 'm2', 'm3']);
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
      // ejabberd has taken m3, so the lane does not send m3 again.
      expect(new Set([...lane.sent('pia'), 'm3'])).toEqual(new Set(whole));
    }
  });
});

describe('earlier messages of the chat', () => {
  it('go to the new operator with their original time, and not to the former operator', async () => {
    const answerId = await conversation();
    lane.rig.clock.passes(MINUTE);
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.read('pia')).toMatchObject([
      { id: 'intro-c1-11', notice: true },
      { id: 'm1', body: 'Hello', notice: true, delay: { at: lane.rig.now() - MINUTE } },
      { id: answerId, body: 'olga: o1', notice: true, delay: { at: lane.rig.now() - MINUTE } },
      { id: 'm2', body: 'm2', notice: true, delay: { at: lane.rig.now() - MINUTE } },
    ]);
    expect(lane.texts('pia')[0]).toMatch(
      /^olga transferred chat #c1 for sales to you\. Reply to accept it/,
    );
    expect(lane.texts('olga')).toEqual(['Chat #c1 goes to pia.']);
  });

  it('are only the missed ones for an operator who had the chat before', async () => {
    await conversation();
    await lane.transfer('olga', { operator: 'pia' });
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
    expect(idsAndDelays('olga')[1]).toEqual(['m3', true]);
    expect(lane.texts('pia')).toEqual(['You have declined chat #c1.']);
  });

  it('that nobody received go to the new owner with their own ids, and only the new owner’s receipt counts', async () => {
    const answerId = await conversation();
    await lane.say('m3'); // olga is offline and does not receive it
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
    expect(idsAndDelays('pia').slice(1)).toEqual([
      ['m1', true],
      [answerId, true],
      ['m2', true],
      ['m3', true],
      ['m4', false],
    ]);
    expect(visitorMessages('pia')).toEqual(['m3', 'm4']);
    await lane.delivered('olga', 'm3'); // a late receipt of olga's client
    const outcomes = async () => (await lane.rig.types('visitor-acme.1')).slice(-1);
    expect(await outcomes()).not.toEqual(['MessageDelivered']);
    await lane.delivered('pia', 'm3', 'm4');
    expect(await outcomes()).toEqual(['MessageDelivered']);
  });

  it('that nobody received are resent to the new owner when the visitor has a new session', async () => {
    await conversation();
    await lane.say('m3');
    await lane.run();
    await lane.transfer('olga', { operator: 'pia' });
    await lane.run();
    lane.forget();
    lane.messages().resend(jidOf('1'));
    await waitFor(() => lane.ejabberd.messages.length > 0);
    expect(lane.read('olga')).toEqual([]);
    expect(idsAndDelays('pia')).toEqual([['m3', true]]);
  });

  it('include the invitation for an operator who did not write it', async () => {
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

  it('have a limit, except those that nobody received', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'lost'));
    await lane.assign('olga');
    await lane.run();
    const long = 'x'.repeat(10_000);
    for (let n = 0; n < 60; n++) await lane.say(`n${n}`, n === 59 ? long : `n${n}`);
    await lane.run();
    await lane.delivered('olga', ...Array.from({ length: 60 }, (_, n) => `n${n}`));
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const [intro, first, second, ...rest] = lane.read('pia');
    expect([intro?.notice, first?.id, first?.notice]).toEqual([true, 'lost', undefined]);
    expect(second?.id).toBe('n10');
    expect(rest).toHaveLength(49);
    expect(rest.at(-1)?.body).toHaveLength(4_001);
  });

  it('of an erased visitor are left out', async () => {
    await conversation();
    await lane.rig.vault.erase('acme.1');
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['intro-c1-11']);
  });

  it('are sent without a message that ejabberd refuses, and that message fails', async () => {
    const answerId = await conversation();
    await lane.say('m3');
    await lane.run();
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    let calls = 0;
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send') && ++calls >= 5 && calls < 6) {
        throw new AppError('refused', 'too long');
      }
    };
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['intro-c1-13', 'm1', answerId, 'm2']);
    expect(await lane.failures()).toEqual(['too long']);
  });
});
