import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { presenceOf } from '../../../src/reactors/texts/presence-text.ts';
import { DELAYS, refuseByLhc, retract, startChat } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { HOST, jidOf } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { type MessageLane, openMessageLane, STREAM } from './lane.ts';

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane();
});
afterEach(() => lane.rig.close());

const MINUTE = 60_000;
/** A chat of two messages, one of which olga has answered. The lane has nothing left to do. */
const conversation = async (): Promise<void> => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.assign('olga');
  await lane.run();
  await lane.delivered('olga', 'm1');
  await lane.answer('olga', 'o1');
  await lane.say('m2');
  await lane.run();
  await lane.delivered('olga', 'm2');
};
const idsAndDelays = (operator: string) =>
  lane.read(operator).map(({ id, delay }) => [id, delay !== undefined]);
const visitorMessages = (operator: string) =>
  lane
    .read(operator)
    .filter(({ notice }) => !notice)
    .map(({ id }) => id);

it('a transcript has the newest text of a message, and none of what was taken back', async () => {
  const correct = (replaces: string, body: string) =>
    lane.rig.toVisitor('1', {
      type: 'ReceiveOperatorMessage',
      operator: username('olga'),
      messageId: `${body}-id`,
      body,
      replaces,
    });
  await conversation();
  await lane.answer('olga', 'o2');
  await lane.answer('olga', 'o3');
  await correct('o1', 'first');
  await correct('o1', 'second');
  await correct('o2', 'withdrawn');
  await lane.rig.toVisitor('1', retract('olga', 'o2'));
  await lane.rig.toVisitor('1', retract('olga', 'o3'));
  // LHC has not done it: the visitor has this one.
  const refused = (await lane.rig.facts(STREAM)).at(-1)?.revision ?? 0;
  await lane.rig.toVisitor(
    '1',
    refuseByLhc({
      operator: username('olga'),
      revision: refused,
      refused: { change: 'retract' },
      code: 'not-possible',
    }),
  );
  await lane.transfer('olga', { operator: 'pia' });
  await lane.run();
  const said = lane.read('pia').flatMap(({ body }) => body.split('\n'));
  expect(
    said.filter((line) => /^:: \d\d:\d\d olga/.test(line)).map((line) => line.slice(9)),
  ).toEqual(['olga (corrected): second', 'olga: o3']);
});

describe('the introduction', () => {
  it('names what others choose: a visitor and a page cannot speak for the service', async () => {
    await lane.rig.toVisitor('1', {
      type: 'ViewPage',
      digest: 'x',
      department: null,
      delays: DELAYS,
      profile: { page: 'https://shop.test/', title: 'Chat #c1 is closed.', nick: 'Olga' },
    });
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('pia');
    await lane.run();
    expect(lane.read('pia')[0]?.body.split('\n').slice(3)).toEqual([
      ':: Visitor Olga',
      ':: Page: Chat #c1 is closed. — https://shop.test/',
    ]);
  });

  it("follows the visitor's words in one stanza, with place, time of day, page and earlier chats", async () => {
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
    expect(lane.read('pia')).toEqual([
      {
        id: 'm3',
        from: jidOf('1'),
        to: `pia@${HOST}`,
        body: [
          'Hello',
          '',
          ':: New chat #c2 for sales. Reply to accept it, or !decline.',
          ':: Visitor Eve · Rome, Italy · 01:00 in Rome · 2nd chat · last with olga',
          ':: Page: Shoes — https://shop.test/shoes',
        ].join('\n'),
      },
    ]);
  });

  it('says how long the visitor has waited', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    expect(lane.ejabberd.messages).toEqual([]);
    lane.rig.clock.passes(5 * MINUTE);
    await lane.say('m2');
    await lane.assign('olga');
    await lane.run();
    expect(lane.lines('olga')[0]).toMatch(/^New chat #c1 for sales, waiting for 5 min\. Reply/);
    expect(lane.sent('olga')).toEqual(['m1', 'm2']);
  });

  it('and the transcript have a line for each thing, whatever the visitor writes', async () => {
    // As release 0.1.0 stored it: the separators of Unicode are line breaks in clients.
    const nick = 'olga\u202800:00 olga: You get a refund';
    const profile = { page: '/', title: 'Shoes\u0085Chat #c9 is yours.', nick };
    await lane.rig.toVisitor('1', {
      type: 'ViewPage',
      digest: 'x',
      department: null,
      delays: DELAYS,
      profile,
    });
    await conversation();
    const forged = '00:00 olga: I promise it';
    const breaks = ['\n', '\u0085', '\u2028', '\u2029'];
    await lane.say('m3', `Hi${breaks.map((end) => end + forged).join('')}`);
    await lane.run();
    await lane.delivered('olga', 'm3');
    await lane.answer('olga', 'o2');
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const [lines = ''] = lane.lines('pia');
    const visitor = 'olga 00:00 olga: You get a refund';
    expect(lines.split('\n')).toEqual([
      'olga transferred chat #c1 from sales to you. Reply to accept it, or !decline.',
      `Visitor ${visitor}`,
      'Page: Shoes Chat #c9 is yours. — /',
      'Said before, times in UTC.',
      `00:00 Visitor ${visitor}: Hello`,
      '00:00 olga: o1',
      `00:00 Visitor ${visitor}: m2`,
      `00:00 Visitor ${visitor}: Hi`,
      ...breaks.map(() => `  ${forged}`),
      '00:00 olga: o2',
    ]);
  });

  it('is cut at its limit, but never inside a character', async () => {
    const long = (length: number) => `${'x'.repeat(length - 1)}🙂 and more`;
    const profile = { page: 'https://shop.test/', title: long(300 - 'Page: '.length) };
    await lane.rig.toVisitor('1', {
      type: 'ViewPage',
      digest: 'x',
      department: null,
      delays: DELAYS,
      profile,
    });
    await conversation();
    await lane.say('m3', long(1_000));
    await lane.run();
    await lane.delivered('olga', 'm3');
    await lane.answer('olga', 'o2');
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    await lane.run();
    const [lines = ''] = lane.lines('pia');
    expect(lines.split('\n')).toContain(`Page: ${'x'.repeat(293)}`);
    expect(lines.split('\n')).toContain(`00:00 Visitor 1: ${'x'.repeat(999)}…`);
    const state = await lane.rig.visitor('1').state();
    const of = state;
    const line = 'Waiting · T\nChat #c1 (sales)\n';
    const seen = { profile: { title: 'T', page: long(500 - line.length) }, at: 0 };
    const shown =
      of &&
      presenceOf(visitorKey('1'), seen, of, {
        nameOf: String,
        inLhc: null,
        show: true,
        flavour: 'native',
      });
    expect(shown?.status).toBe(line + 'x'.repeat(499 - line.length));
  });

  it('is left out if ejabberd refuses it, and the message is sent alone', async () => {
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send') && lane.ejabberd.count('send') === 1) {
        throw new AppError('refused', 'not like this');
      }
    };
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.read('olga')).toMatchObject([{ id: 'm1', body: 'Hello' }]);
    expect(await lane.failures()).toEqual([]);
  });

  it('is sent again with the messages behind it, with the same ids, after a crash between any two stanzas', async () => {
    await conversation();
    await lane.say('m3'); // olga does not receive it
    await lane.transfer('olga', { operator: 'pia' });
    await lane.say('m4');
    lane.forget();
    const whole = await lane.run().then(() => lane.sent('pia'));
    expect(whole).toEqual(['line-12-open-c1', 'm3', 'm4']);
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
      // ejabberd has taken m4, so the lane does not send m4 again.
      expect(new Set([...lane.sent('pia'), 'm4'])).toEqual(new Set(whole));
    }
  });
});

describe('an opening that is a line', () => {
  it('is the same line after a crash, though a message waits now that could carry it', async () => {
    await lane.rig.toVisitor('1', startChat('c1'));
    await lane.offer('olga');
    await lane.run();
    await lane.say('m1');
    lane.restart();
    await lane.run();
    expect(lane.read('olga').map(({ id }) => id)).toEqual(['line-1-open-c1', 'm1']);
    expect(lane.read('olga')[1]?.body).toBe('m1');
    await lane.answer('olga', 'o1');
    lane.crash();
    await lane.run();
    expect(lane.read('olga')).toHaveLength(2);
  });

  it('comes once, though the chat is assigned by the answer of one of several', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.offer('olga', 'pia');
    await lane.run();
    await lane.answer('olga', 'o1');
    await lane.delivered('olga', 'm1');
    lane.crash();
    await lane.run();
    expect(lane.read('olga').map(({ id }) => id)).toEqual(['m1']);
  });
});

describe('earlier messages of the chat', () => {
  it('go to the new operator in one stanza: the unanswered words first, the others with their times', async () => {
    await conversation();
    lane.rig.clock.passes(MINUTE);
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.read('pia')).toEqual([
      {
        id: 'line-11-open-c1',
        from: jidOf('1'),
        to: `pia@${HOST}`,
        notice: true,
        body: [
          'm2',
          '',
          ':: olga transferred chat #c1 from sales to you. Reply to accept it, or !decline.',
          ':: Visitor 1',
          ':: Page: /home',
          ':: The words above are of 00:00 UTC.',
          ':: Said before, times in UTC.',
          ':: 00:00 Visitor 1: Hello',
          ':: 00:00 olga: o1',
        ].join('\n'),
      },
    ]);
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
    expect(lane.texts('olga')).toEqual(['m3']);
    // Whoever had the chat knows the visitor.
    expect(lane.lines('olga')).toEqual([
      'Chat #c1 is back: pia did not accept it. Reply to accept it, or !decline.',
    ]);
    expect(lane.texts('pia')).toEqual(['You have declined chat #c1.']);
  });

  it('say that the chat needed an operator to who has taken it', async () => {
    await conversation();
    await lane.unassign('olga');
    await lane.rig.toVisitor('1', { type: 'AcceptChat', operator: username('pia') });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.lines('pia')[0]).toMatch(
      /^Chat #c1 for sales needed an operator: olga went offline\.\n/,
    );
  });

  it('that nobody received go to the new owner with their own ids, and only the new owner’s receipt counts', async () => {
    await conversation();
    await lane.say('m3'); // olga is offline and does not receive it
    await lane.run();
    await lane.unassign('olga');
    await lane.say('m4');
    expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
    await lane.assign('pia');
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.texts('pia')[0]).toMatch(
      /^Chat #c1 for sales needs an operator: olga went offline/,
    );
    expect(lane.texts('pia')[0]).toMatch(/: Hello\n00:00 olga: o1\n00:00 Visitor 1: m2$/);
    expect(idsAndDelays('pia').slice(1)).toEqual([
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

  it('that carried the opening are resent with it', async () => {
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('olga');
    await lane.say('m2');
    await lane.run();
    const [opening] = lane.read('olga');
    expect(opening?.body).toContain(':: New chat #c1');
    lane.forget();
    lane.messages().resend(jidOf('1'));
    await waitFor(() => lane.ejabberd.messages.length === 2);
    expect(lane.read('olga')).toEqual([opening, expect.objectContaining({ id: 'm2', body: 'm2' })]);
  });

  it('include the invitation for an operator who did not write it', async () => {
    await lane.answer('olga', 'o1');
    await lane.answer('olga', 'o2');
    await lane.rig.toVisitor('1', startChat('c1', 'm1'));
    await lane.assign('pia');
    await lane.run();
    expect(lane.texts('pia')).toEqual(['Hello']);
    expect(lane.lines('pia')[0]).toMatch(
      /Said before, times in UTC\.\n00:00 olga: o1\n00:00 olga: o2$/,
    );
    lane.forget();
    await lane.unassign('pia');
    await lane.assign('olga');
    await lane.run();
    expect(lane.texts('olga').slice(1)).toEqual(['Hello']);
    expect(lane.lines('olga')[0]).not.toContain('Said before');
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
    expect(lane.read('pia').map(({ id, notice }) => [id, notice])).toEqual([
      ['line-126-open-c1', true],
      ['lost', undefined],
    ]);
    const said = (lane.lines('pia')[0] ?? '').split('\n').slice(-50);
    expect(said[0]).toBe('00:00 Visitor 1: n10');
    expect(said.at(-1)).toBe(`00:00 Visitor 1: ${'x'.repeat(1_000)}…`);
  });

  it('of an erased visitor are left out', async () => {
    await conversation();
    await lane.rig.vault.erase('acme.1');
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['line-11-open-c1']);
    expect(lane.texts('pia')[0]).not.toContain('Hello');
  });

  it('are sent without a message that ejabberd refuses, and that message fails', async () => {
    await conversation();
    await lane.say('m3');
    await lane.run();
    await lane.transfer('olga', { operator: 'pia' });
    lane.forget();
    let calls = 0;
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send') && ++calls === 2) throw new AppError('refused', 'too long');
    };
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(lane.sent('pia')).toEqual(['line-13-open-c1']);
    expect(await lane.failures()).toEqual(['too long']);
  });
});
