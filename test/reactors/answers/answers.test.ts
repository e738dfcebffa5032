import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperatorFact } from '../../../src/actors/operator/machine.ts';
import { CannedName } from '../../../src/actors/tenant/canned-texts.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { Profile } from '../../../src/actors/visitor/profile.ts';
import { COMMANDS, UNKNOWN } from '../../../src/inbox/operator-commands/read.ts';
import { type Answers, createAnswers } from '../../../src/reactors/answers/answers.ts';
import { QUEUE_MAX_LINES, WHO_MAX_LINES } from '../../../src/reactors/answers/team.ts';
import { durationOf, stampOf, visitorsTime } from '../../../src/reactors/texts/times.ts';
import {
  assignChat,
  closeChat,
  DELAYS,
  refuseByLhc,
  sendMessage,
  startChat,
  whisper,
} from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { newId, openRig, type Rig } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';

const MINUTE = 60_000;
const EVERY_DAY = Object.fromEntries(
  ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, ['00:00-24:00']]),
);
let rig: Rig;
let answers: Answers;
beforeEach(async () => {
  rig = await openRig();
  answers = createAnswers(rig);
});
afterEach(() => rig.close());

const tenant = (more: Record<string, unknown> = {}) =>
  tenantWith({
    id: 'acme',
    host: 'xmpp.test',
    apiKey: 'key-of-acme-0123456789',
    ...more,
  });
const answerTo = (fact: OperatorFact, settings = tenant()) =>
  answers.answerTo(settings, username('op1'), fact);
const ask = async (command: string, argument: string | null = null, settings = tenant()) => {
  const data = { visitor: visitorKey('1'), messageId: 'x', command, argument };
  return (await answerTo({ type: 'QuestionAsked', data }, settings))?.texts ?? [];
};
const info = async () => (await ask('info')).join('\n').split('\n');
const later = (minutes: number) => rig.clock.passes(minutes * MINUTE);
const view = (profile: Profile = { page: '/' }, department: string | null = null) =>
  rig.toVisitor('1', { type: 'ViewPage', digest: newId(), department, delays: DELAYS, profile });
const answered = (by: string, body: string): VisitorCommand => ({
  type: 'ReceiveOperatorMessage',
  operator: username(by),
  messageId: newId(),
  body,
});
/** A chat that was started, answered and closed. */
async function chat(id: string, by: string, reason: string | null = null) {
  await rig.toVisitor('1', startChat(id));
  await rig.toVisitor('1', assignChat(by, null, id));
  later(2);
  await rig.toVisitor('1', answered(by, 'Hello'));
  later(10);
  await rig.toVisitor('1', { ...closeChat(id), reason } as VisitorCommand); // a close takes a reason
}

describe('!info', () => {
  it('says that the visitor is unknown', async () => {
    expect(await info()).toEqual(['This visitor is unknown.']);
  });

  it('describes a visitor: name, place, local time, visits, page, referrer, arrival', async () => {
    await view({ page: '/home' });
    later(90);
    const profile = { page: 'https://shop.test/a', title: 'Shoes', referrer: 'https://find.test/' };
    const person = { nick: 'Ann', city: 'Vilnius', country: 'LT', timezone: 'Europe/Vilnius' };
    await view({ ...profile, ...person, visits: 3 }, 'sales');
    expect(await info()).toEqual([
      'Visitor Ann · Vilnius, LT · 03:30 in Vilnius · visit 3',
      'Page: Shoes — https://shop.test/a',
      'From https://find.test/',
      'Department sales. Here since 00:00 UTC (1 h 30 min ago).',
      'No open chat.',
      'No earlier chats.',
    ]);
  });

  it('describes the open chat: how long it waited, who has it, who is asked', async () => {
    await view();
    await rig.toVisitor('1', startChat('c1', 'm1'));
    later(3);
    const open = 'Chat #c1 for sales, started 00:00 UTC (3 min ago), 1 message from the visitor';
    expect(await info()).toContain(`${open}; waiting for an operator for 3 min.`);
    await rig.toVisitor('1', {
      type: 'OfferChat',
      chatId: 'c1',
      operators: [username('op1'), username('op2')],
      reason: 'broadcast',
    });
    expect(await info()).toContain(
      `${open}; offered to op1, op2; waiting for an operator for 3 min.`,
    );
    await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op2') });
    expect(await info()).toContain(`${open}; op2 has it.`);
    expect(await info()).toContain('First answer after 3 min.');
    await rig.toVisitor('1', {
      type: 'TransferChat',
      chatId: 'c1',
      from: username('op2'),
      operator: username('op1'),
      department: null,
      reservation: null,
    });
    expect(await info()).toContain(`${open}; offered to op1, no answer yet.`);
  });

  it('lists earlier chats, the newest first, with their operators and how they ended', async () => {
    await view();
    for (const n of [1, 2, 3, 4, 5, 6]) await chat(`c${n}`, n % 2 ? 'op1' : 'op2', `done ${n}`);
    await rig.toVisitor('1', startChat('c7'));
    await rig.toVisitor('1', closeChat('c7', 'system'));
    later(24 * 60);
    const lines = await info();
    const from = lines.indexOf('7 earlier chats, the last with op2:');
    expect(lines.slice(from + 1)).toEqual([
      '#c7 · 2026-01-01 01:12 UTC · 0 s · sales · nobody answered · closed by the system',
      '#c6 · 2026-01-01 01:00 UTC · 12 min · sales · with op2 · closed by the visitor (done 6)',
      '#c5 · 2026-01-01 00:48 UTC · 12 min · sales · with op1 · closed by the visitor (done 5)',
      '#c4 · 2026-01-01 00:36 UTC · 12 min · sales · with op2 · closed by the visitor (done 4)',
      '#c3 · 2026-01-01 00:24 UTC · 12 min · sales · with op1 · closed by the visitor (done 3)',
    ]);
  });

  it('names every operator of an earlier chat, and how long the first answer of an open chat took', async () => {
    await view();
    for (const id of ['c1', 'c2']) {
      await rig.toVisitor('1', startChat(id));
      later(1);
      await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
      later(4);
      await rig.toVisitor('1', {
        type: 'TransferChat',
        chatId: id,
        from: username('op1'),
        operator: username('op2'),
        department: null,
        reservation: null,
      });
      await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op2') });
      if (id === 'c1') await rig.toVisitor('1', closeChat(id));
    }
    const lines = await info();
    expect(lines).toContain('First answer after 1 min.');
    expect(lines.at(-1)).toBe(
      '#c1 · 00:00 UTC · 5 min · sales · with op1, op2 · closed by the visitor',
    );
  });

  it('describes a visitor who has left or is invited, and says nothing about an erased visitor', async () => {
    await view({ page: '/secret', nick: 'Ann' });
    await rig.toVisitor('1', answered('op1', 'May I help?'));
    expect(await info()).toContain('Invited by op1, no answer yet.');
    await rig.toVisitor('1', { type: 'TimeOut' });
    later(2);
    expect(await info()).toContain('Last seen 00:00 UTC (2 min ago).');
    await rig.vault.erase('acme.1');
    const text = (await info()).join('\n');
    expect(text).not.toMatch(/Ann|secret/);
    expect(text).toContain('Visitor 1');
  });

  it('stays short, and reads a limited part of a long history', async () => {
    const long = '😀'.repeat(2000);
    await view({ page: `/${long}`, title: long, nick: `x${long}`, referrer: `y${long}` });
    let reads = 0;
    const { store, actors, personal, names, team, canned, now } = rig;
    const counting = createAnswers({
      actors,
      team,
      canned,
      personal,
      names,
      now,
      store: {
        readStream: (stream, options) => {
          reads += 1;
          return store.readStream(stream, options);
        },
      },
    });
    for (let n = 0; n < 1_250; n++) await view({ page: `/${n}` });
    for (let n = 0; n < 50; n++) await view({ page: `/${long}`, title: long });
    reads = 0;
    const data = { visitor: visitorKey('1'), messageId: 'x', command: 'info', argument: null };
    const told = await counting.answerTo(tenant(), username('op1'), {
      type: 'QuestionAsked',
      data,
    });
    const text = told?.texts.join('\n') ?? '';
    expect(text.length).toBeLessThan(4_000);
    expect(text.isWellFormed()).toBe(true);
    expect(text).toContain('Here now.'); // when it arrived is too long ago
    expect(reads).toBe(4);
  });
});

describe('!history', () => {
  it('is empty for an unknown visitor and for a visitor without messages', async () => {
    expect(await ask('history')).toEqual(['No messages yet.']);
    await view();
    expect(await ask('history', '5')).toEqual(['No messages yet.']);
  });

  it('lists messages of both sides, notes and commands by day and chat, the oldest first', async () => {
    await view({ page: '/', nick: 'Ann' });
    await rig.toVisitor('1', answered('op1', 'May I help?'));
    later(1);
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
    later(24 * 60);
    await rig.toVisitor('1', answered('op1', 'Two\u2028lines'));
    const note = {
      type: 'AddNote',
      operator: username('op1'),
      noteId: 'n1',
      body: 'angry',
    } as const;
    await rig.toVisitor('1', note);
    await rig.toVisitor('1', {
      type: 'SendOperatorCommand',
      operator: username('op1'),
      messageId: 'x1',
      command: 'name',
      text: '!name Ann',
    });
    expect(await ask('history')).toEqual([
      [
        'The last 5 messages. Times are in UTC.',
        '2026-01-01, no chat:',
        '00:00 op1: May I help?',
        '2026-01-01, chat #c1:',
        '00:01 Visitor Ann: Hello',
        '2026-01-02, chat #c1:',
        '00:01 op1: Two\n  lines',
        '00:01 op1 (note): angry',
        '00:01 op1 (to LHC): !name Ann',
      ].join('\n'),
    ]);
    expect(await ask('history', '1')).toEqual([
      'The last message. Times are in UTC.\n2026-01-02, chat #c1:\n00:01 op1 (to LHC): !name Ann',
    ]);
  });

  it('has whispers, with their newest words: they are for the whole team', async () => {
    await view({ page: '/' });
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
    await rig.toVisitor('1', whisper('op2', 'w1', { body: 'A dicount' }));
    await rig.toVisitor('1', whisper('op2', 'w2', { body: 'A discount', replaces: 'w1' }));
    expect((await ask('history')).join('\n').split('\n').slice(2)).toEqual([
      '00:00 Visitor 1: Hello',
      '00:00 op2 (whisper) (corrected): A discount',
    ]);
  });

  it('marks what LHC has refused', async () => {
    await view({ page: '/' });
    await rig.toVisitor('1', answered('op1', 'May I help?'));
    await rig.toVisitor('1', answered('op1', 'Hello?'));
    const [first] = (await rig.facts('visitor-acme.1')).filter(
      ({ type }) => type === 'OperatorMessageReceived',
    );
    await rig.toVisitor('1', refuseByLhc({ revision: first?.revision ?? -1, chatId: null }));
    expect((await ask('history')).join('\n').split('\n').slice(2)).toEqual([
      '00:00 op1 (not delivered): May I help?',
      '00:00 op1: Hello?',
    ]);
  });

  it('has 20 messages without a number, and at most the given number', async () => {
    await view();
    await rig.toVisitor('1', startChat('c1'));
    for (let n = 0; n < 30; n++) await rig.toVisitor('1', sendMessage(`m${n}`));
    for (const [argument, count] of [
      [null, 20],
      ['7', 7],
      ['100', 30],
    ] as const) {
      const [text = ''] = await ask('history', argument);
      expect(text.split('\n').filter((line) => line.includes('Hello'))).toHaveLength(count);
    }
  });

  it('with long messages is split into texts of 8 kB, of which the last are sent', async () => {
    await view({ page: '/', nick: 'Ann' });
    await rig.toVisitor('1', startChat('c1'));
    for (let n = 0; n < 100; n++) {
      const body = `${n} ${'😀'.repeat(1_000)}`;
      await rig.toVisitor('1', { type: 'SendMessage', messageId: `m${n}`, chatId: null, body });
    }
    const texts = await ask('history', '100');
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.length).toBeLessThanOrEqual(5);
    for (const text of texts) {
      expect(Buffer.byteLength(text)).toBeLessThan(8_200);
      expect(text.isWellFormed()).toBe(true);
    }
    expect(texts[0]).toContain('The oldest are left out');
    const numbers = [...texts.join('\n').matchAll(/Ann: (\d+) /g)].map(([, n]) => Number(n));
    expect(numbers.at(-1)).toBe(99);
    expect(numbers).toEqual(numbers.map((_, index) => 99 - (numbers.length - 1) + index));
  });

  it('of an erased visitor is empty', async () => {
    await view({ page: '/', nick: 'Ann' });
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.vault.erase('acme.1');
    const [text] = await ask('history');
    expect(text).toContain('00:00 Visitor 1: (erased)');
    expect(text).not.toContain('Hello');
  });
});

/** At the desk: there is no visitor. */
const askDesk = async (
  command: string,
  more: Record<string, unknown> = {},
  settings = tenant(),
) => {
  const data = { visitor: null, messageId: 'x', command, argument: null, ...more };
  const answer = await answerTo({ type: 'QuestionAsked', data }, settings);
  expect(answer?.visitor).toBeNull();
  return (answer?.texts ?? []).join('\n').split('\n');
};
const colleague = (name: string, more: Record<string, unknown> = {}) => ({
  username: username(name),
  departments: [],
  availability: 'available' as const,
  away: false,
  chats: 0,
  capacity: 3,
  tier: 1,
  tiers: {},
  languages: [],
  ...more,
});
const queued = (key: string, more: Record<string, unknown> = {}) => ({
  visitor: visitorKey(key),
  chatId: key,
  nick: null,
  department: null,
  overflowedFrom: [],
  language: null,
  page: null,
  startedAt: rig.now(),
  offered: [],
  inLhc: false,
  ...more,
});
/** The tenant's hours, which sales has, and a department that is always open. */
const HOURS = {
  routing: {
    hours: { timezone: 'UTC', week: { mon: ['09:00-12:00'] } },
    departments: { care: { hours: { timezone: 'UTC', week: EVERY_DAY } } },
  },
};

describe('at the desk', () => {
  it('!who says who is available, with chats, places and departments', async () => {
    rig.team.rows.colleagues = [
      colleague('op1', { chats: 1, departments: ['sales', 'care'] }),
      colleague('op2', { availability: 'away', away: true }),
    ];
    expect(await askDesk('who')).toEqual([
      '1 operator is available, with 2 free places.',
      'op1 (you): available, 1 of 3 chats · sales, care',
      'op2: away (!away), 0 of 3 chats',
    ]);
  });

  it('!who says tiers, languages and what is closed, where a team has them', async () => {
    rig.team.rows.colleagues = [
      colleague('op1', {
        availability: 'busy',
        departments: ['sales', 'care'],
        tiers: { care: 2 },
        languages: ['de', 'en'],
      }),
      colleague('op2', { availability: 'offline', tier: 3 }),
    ];
    expect(await askDesk('who', {}, tenant(HOURS))).toEqual([
      'Nobody is available.',
      'op1 (you): busy, 0 of 3 chats · sales, care (tier 2) · tier 1 · speaks de, en',
      'op2: offline, 0 of 3 chats · tier 3',
      expect.stringMatching(/^Closed now: sales \(opens (\d{4}-\d\d-\d\d )?09:00 UTC\)\.$/),
    ]);
    // LHC knows nothing of our opening hours.
    const byLhc = tenant({ routing: { ...HOURS.routing, by: 'lhc' } });
    expect((await askDesk('who', {}, byLhc)).join()).not.toContain('Closed');
  });

  it('!queue says where a chat came from, that its department is closed, and the language', async () => {
    rig.team.rows.queue = [
      queued('1', { department: 'sales', language: 'pt-BR' }),
      queued('2', { department: 'care', overflowedFrom: ['x', 'sales'] }),
      queued('3'),
    ];
    expect(await askDesk('queue', {}, tenant(HOURS))).toEqual([
      '3 visitors wait, the longest first:',
      '#1 Visitor 1 · sales · closed now · speaks Brazilian Portuguese · 0 s',
      '#2 Visitor 2 · care, from sales · 0 s',
      '#3 Visitor 3 · closed now · 0 s',
    ]);
  });

  it('long lists are cut, and say how much more there is', async () => {
    rig.team.rows.colleagues = Array.from({ length: 32 }, (_, n) => colleague(`op${n}`));
    const lines = await askDesk('who');
    expect(lines).toHaveLength(WHO_MAX_LINES + 2);
    expect(lines.at(-1)).toBe('and 12 more');
    rig.team.rows.queue = Array.from({ length: QUEUE_MAX_LINES + 1 }, (_, n) => queued(String(n)));
    const waiting = await askDesk('queue');
    expect(waiting[0]).toBe('16 visitors wait, the longest first:');
    expect(waiting.at(-1)).toBe('and 1 more');
  });

  it('!queue says who waits, how long, where they are, and who is asked', async () => {
    expect(await askDesk('queue')).toEqual(['Nobody waits.']);
    rig.team.rows.queue = [
      queued('1', {
        chatId: '7',
        nick: `Anna\n:: ${'x'.repeat(100)}`,
        department: 'sales',
        page: 'Shoes',
        offered: [username('op1'), username('op2')],
      }),
    ];
    later(3);
    const [head, line = '', ...others] = await askDesk('queue');
    expect(head).toBe('1 visitor waits:');
    expect(line).toMatch(
      /^#7 Visitor Anna :: x+… · sales · 3 min · offered to op1, op2 · Page: Shoes$/,
    );
    expect(line.length).toBeLessThan(140);
    expect(others).toEqual([]);
  });

  it('!stats counts the chats of today, and the busiest operators', async () => {
    rig.team.rows.stats = {
      chats: 12,
      open: 2,
      served: 9,
      missed: 1,
      waitedMedianS: 40,
      waitedLongestS: 300,
      operators: [
        { operator: username('op1'), chats: 3, missedOffers: 0 },
        { operator: username('op2'), chats: 6, missedOffers: 1 },
      ],
    };
    expect(await askDesk('stats')).toEqual([
      'Today until 00:00 UTC: 12 chats, 9 answered, 1 missed, 2 open.',
      'Visitors waited 40 s (the median), 5 min at most.',
      'op2: 6 chats, 1 offer missed',
      'op1 (you): 3 chats',
    ]);
  });

  it('!canned lists the beginnings of the texts', async () => {
    expect(await askDesk('canned')).toEqual([
      'Your team has no canned texts. To save one: !canned add NAME TEXT',
    ]);
    const text = { name: CannedName.parse('greeting'), text: 'Hello\nyou' };
    await rig.canned.save(tenant().id, text, null, {});
    expect(await askDesk('canned')).toEqual([
      'greeting: Hello you',
      'In a conversation !canned NAME sends one. To save one: !canned add NAME TEXT',
    ]);
  });

  it('!invite says who was invited, or who may be meant', async () => {
    await view({ page: '/', nick: 'Anna' });
    expect(await askDesk('invite', { argument: 'sent', visitors: [visitorKey('1')] })).toEqual([
      'Visitor Anna has your invitation. The conversation with them: xmpp:visitor.1@xmpp.test',
    ]);
    const visitors = [visitorKey('1'), visitorKey('2')];
    expect(await askDesk('invite', { visitors, more: 4 })).toEqual([
      'Several visitors fit. Nobody was invited. Write it again with one of these:',
      '!invite 1 TEXT: Visitor Anna',
      '!invite 2 TEXT: Visitor 2',
      'and 4 more',
    ]);
    expect(await askDesk('invite', { visitors: [visitorKey('1')] })).toEqual([
      'This visitor may be meant. Nobody was invited. Write it again so:',
      '!invite 1 TEXT: Visitor Anna',
    ]);
  });

  it('a text, an unknown command and a refusal are answered', async () => {
    expect(await askDesk('desk')).toEqual([expect.stringMatching(/^This is the front desk/)]);
    expect(await askDesk(UNKNOWN, { argument: 'who' })).toEqual([
      'This command is unknown. Did you mean !who? !help lists the commands of the front desk.',
    ]);
    const help = await askDesk('help');
    for (const { usage, only } of COMMANDS) {
      const has = help.some((line) => line.startsWith(`${usage}: `));
      expect(has, usage).toBe(only !== 'conversation');
    }
    const data = { visitor: null, messageId: 'x', reason: 'why not?', command: 'invite' };
    expect((await answerTo({ type: 'MessageRefused', data }))?.texts).toEqual([
      '!invite: why not?',
    ]);
  });
});

describe('!help', () => {
  it('is short: the commonest commands, and how to read of the others', async () => {
    const [text = ''] = await ask('help');
    const lines = text.split('\n');
    expect(lines.map((line) => /^!\w+/.exec(line)?.[0])).toEqual(
      ['take', 'decline', 'transfer', 'close', 'info', 'history', 'help'].map((name) => `!${name}`),
    );
    expect(lines.at(-1)).toMatch(/^!help all: .* !help COMMAND: /);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('all names every command in a line, and the commands of LHC', async () => {
    const [text = ''] = await ask('help', 'all');
    for (const { usage, only } of COMMANDS) {
      const has = text.split('\n').join('|').includes(`|${usage}: `);
      expect(has, usage).toBe(only !== 'desk');
    }
    expect(text).toContain('!!text');
    const passed = text.split('\n').at(-1) ?? '';
    expect(passed).toMatch(/^Passed on to LHC: .*!block/);
    expect(passed).not.toMatch(/!close(?!d)|!info|!help|!note/);
  });

  it('names the LHC commands of the tenant, if it has any', async () => {
    const [text = ''] = await ask('help', 'all', tenant({ lhcCommands: ['greet', 'info'] }));
    expect(text.split('\n').at(-1)).toBe('Passed on to LHC: !greet');
    const [none = ''] = await ask('help', 'all', tenant({ lhcCommands: [] }));
    expect(none).not.toContain('LHC: ');
  });

  it.each([
    ['transfer', '!transfer NAME: transfer the chat to an operator or a department'],
    ['block', '!block is a command of LHC and is passed on to LHC.'],
  ])('with the topic %s explains that topic', async (topic, text) => {
    expect(await ask('help', topic)).toEqual([text]);
  });
});

describe('other answers to an operator', () => {
  it.each([
    [UNKNOWN, 'take', /^Nothing was sent\. .*Did you mean !take\? .*!!/],
    [UNKNOWN, null, /^Nothing was sent\. (?!.*Did you mean).*!help.*!!/],
    ['of-a-later-release', 'x', /^Nothing was sent\. (?!.*Did you mean)/],
  ])('%s %s: the text was no command', async (command, argument, text) => {
    expect(await ask(command, argument)).toEqual([expect.stringMatching(text)]);
  });

  it.each<[OperatorFact, string]>([
    [
      {
        type: 'MessageRefused',
        data: { visitor: visitorKey('1'), messageId: 'x', reason: 'this visitor has left' },
      },
      'Not delivered: this visitor has left.',
    ],
    [
      {
        type: 'MessageRefused',
        data: { visitor: visitorKey('1'), messageId: 'x', reason: 'why not?', command: 'transfer' },
      },
      '!transfer: why not?',
    ],
    [
      {
        type: 'MessageRefused',
        data: {
          visitor: visitorKey('1'),
          messageId: 'x',
          reason: 'the visitor has the message already',
          retraction: true,
        },
      },
      'Not taken back: the visitor has the message already.',
    ],
    [
      {
        type: 'AvailabilitySet',
        data: {
          away: true,
          visitor: visitorKey('1'),
          messageId: 'x',
          availability: { from: 'available', to: 'away' },
        },
      },
      'You get no new chats until you write !back. You keep your open chats.',
    ],
    [
      {
        type: 'AvailabilitySet',
        data: {
          away: false,
          visitor: visitorKey('1'),
          messageId: 'x',
          availability: { from: 'away', to: 'available' },
        },
      },
      'You get new chats again.',
    ],
    [
      {
        type: 'AvailabilitySet',
        data: {
          away: false,
          visitor: visitorKey('1'),
          messageId: 'x',
          availability: { from: 'busy', to: 'busy' },
        },
      },
      'You get new chats again as soon as your client shows you as available. Now you are busy. Of several clients the one with the highest priority counts.',
    ],
  ])('%j', async (fact, text) => {
    expect(await answerTo(fact)).toEqual({ visitor: '1', texts: [text] });
  });

  it('do not follow facts that are no question', async () => {
    expect(await answerTo({ type: 'ChatReleased', data: gone })).toBeNull();
    const closed = {
      chatId: 'c1',
      operator: username('op1'),
      by: 'operator',
      reason: null,
    } as const;
    const fact = { type: 'ChatClosed', data: closed } as const;
    expect(await answers.confirmationsOf(tenant(), fact)).toEqual([]);
  });
  const gone = { reservation: null, visitor: visitorKey('1'), chatId: 'c1', reason: 'closed' };

  it('confirm a note, and a command that is passed on to LHC', async () => {
    const noted = { chatId: 'c1', operator: username('op1'), noteId: 'n1' };
    expect(await answers.confirmationsOf(tenant(), { type: 'NoteAdded', data: noted })).toEqual([
      { to: 'op1', text: 'Your note is in chat #c1. The visitor does not see the note.' },
    ]);
    const data = { chatId: 'c1', operator: username('op1'), messageId: 'x', command: 'block' };
    const sent = { type: 'OperatorCommandSent', data } as const;
    expect(await answers.confirmationsOf(tenant(), sent)).toEqual([
      { to: 'op1', text: '!block was passed on to LHC.' },
    ]);
  });
});

describe('a time', () => {
  it.each([
    [-5, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [5_400_000, '1 h 30 min'],
    [86_400_000, '1 d'],
    [90_000_000, '1 d 1 h'],
  ])('%d ms are %s', (ms, text) => {
    expect(durationOf(ms)).toBe(text);
  });

  it.each([
    ['America/New_York', '19:10 in New York'],
    ['america/argentina/buenos_aires', '21:10 in Buenos Aires'],
    ['UTC', '00:10 UTC'],
    ['Etc/GMT+3', '21:10 Etc/GMT+3'],
    ['+05:30', '05:40 +05:30'],
    ['Nowhere/Else', null],
    ['', null],
    [undefined, null],
  ])('of a visitor in %s is %s', (zone, text) => {
    expect(visitorsTime(Date.parse('2026-01-02T00:10:00Z'), zone)).toBe(text);
  });

  it('has the date if it is not today', () => {
    const now = Date.parse('2026-01-02T00:10:00Z');
    expect(stampOf(now - 10 * MINUTE, now)).toBe('00:00 UTC');
    expect(stampOf(now - 11 * MINUTE, now)).toBe('2026-01-01 23:59 UTC');
  });
});
