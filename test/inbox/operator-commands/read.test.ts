import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CANNED_TEXT_MAX_CHARACTERS } from '../../../src/actors/tenant/canned-texts.ts';
import { LHC_COMMANDS } from '../../../src/actors/tenant/lhc-commands.ts';
import { filledIn } from '../../../src/inbox/operator-commands/placeholders.ts';
import { COMMANDS, readWritten, UNKNOWN } from '../../../src/inbox/operator-commands/read.ts';
import { WHOM_MAX_LENGTH } from '../../../src/inbox/operator-commands/read-arguments.ts';
import { nearest } from '../../../src/inbox/operator-commands/spelling.ts';
import { tenantWith } from '../../support/tenant.ts';

const read = (body: string) => readWritten(body, LHC_COMMANDS);
const message = (body: string) => ({ kind: 'message', body });
const unknown = (argument: string | null) => ({ kind: 'question', command: UNKNOWN, argument });
const faulty = (command: string, reason: RegExp) => ({
  kind: 'faulty',
  command,
  reason: expect.stringMatching(reason),
});

describe('a message', () => {
  it.each([
    ['Hello', 'Hello'],
    ['Hello! !take', 'Hello! !take'],
    ['', ''],
    ['  two  ', '  two  '],
    ['¡Hola!', '¡Hola!'],
    ['> !take', '> !take'],
    ['> !take\n', '> !take\n'],
    ['> Hello?\nHello! !take', '> Hello?\nHello! !take'],
    ['> Hello?\n> Anybody?\n!!yes', '> Hello?\n> Anybody?\n!yes'],
    ['❗ urgent', '❗ urgent'],
    // One exclamation mark less is sent.
    ['!!', '!'],
    ['!!take', '!take'],
    [' \n!!important: read this', '!important: read this'],
    ['!!!', '!!'],
    ['！！全角', '！全角'],
    ['!！mixed', '！mixed'],
    ['\ufeff!\u200b!hidden', '!hidden'],
  ])('%j is %j to the visitor', (body, sent) => {
    expect(read(body)).toEqual(message(sent));
  });
});

describe('a command', () => {
  it.each<[string, object]>([
    ['!take', { kind: 'take' }],
    ['!TAKE', { kind: 'take' }],
    ['!Take. ', { kind: 'take' }],
    ['  \n!take\n', { kind: 'take' }],
    ['\ufeff\u200b!\u2060take\u200f', { kind: 'take' }],
    ['！take', { kind: 'take' }],
    ['\u0085\u007f\u2800!take', { kind: 'take' }],
    ['> Hello?\n\u0080!note\u0085\u2800x', unknown('note')],
    ['﹗ｔａｋｅ', { kind: 'take' }],
    ['> Hello?\n!take', { kind: 'take' }],
    ['\u200b> Hello?\n>\n > Anybody?\n\n !note > 5', { kind: 'note', text: '> 5' }],
    ['!decline', { kind: 'decline' }],
    ['!transfer bob', { kind: 'transfer', name: 'bob' }],
    ['!Transfer: @Bob', { kind: 'transfer', name: 'Bob' }],
    ['!transfer  second\u00a0 level ', { kind: 'transfer', name: 'second level' }],
    ['!close', { kind: 'close', reason: null }],
    ['!close solved,\nby phone', { kind: 'close', reason: 'solved, by phone' }],
    ['!note first\n  second\n', { kind: 'note', text: 'first\n  second' }],
    ['!note\nbelow', { kind: 'note', text: 'below' }],
    ['!note !important', { kind: 'note', text: '!important' }],
    ['!away', { kind: 'availability', command: 'away' }],
    ['!back', { kind: 'availability', command: 'back' }],
    ['!info', { kind: 'question', command: 'info', argument: null }],
    ['!İnfo', { kind: 'question', command: 'info', argument: null }],
    ['!history', { kind: 'question', command: 'history', argument: null }],
    ['!history 7', { kind: 'question', command: 'history', argument: '7' }],
    ['!history 5000', { kind: 'question', command: 'history', argument: '100' }],
    ['!help', { kind: 'question', command: 'help', argument: null }],
    ['!help !Transfer', { kind: 'question', command: 'help', argument: 'transfer' }],
    ['!help all', { kind: 'question', command: 'help', argument: 'all' }],
    ['!help ALL.', { kind: 'question', command: 'help', argument: 'all' }],
    ['!help me please', { kind: 'question', command: 'help', argument: null }],
    // Commands of LHC, as LHC reads them.
    ['!block', { kind: 'lhc', command: 'block', text: '!block' }],
    ['!Name\nAnn  Smith ', { kind: 'lhc', command: 'name', text: '!name Ann  Smith' }],
    ['!closed', { kind: 'lhc', command: 'closed', text: '!closed' }],
    // A name that the service and LHC share is the service's. `!lhc` reaches LHC's command.
    ['!lhc close', { kind: 'lhc', command: 'close', text: '!close' }],
    ['!lhc !Greet  --arg Ann', { kind: 'lhc', command: 'greet', text: '!greet --arg Ann' }],
  ])('%j', (body, written) => {
    expect(read(body)).toEqual(written);
  });

  it.each<[string, object]>([
    ['!transfer', faulty('transfer', /to whom/)],
    ['!transfer \u200b', faulty('transfer', /to whom/)],
    [`!transfer ${'x'.repeat(129)}`, faulty('transfer', /too long/)],
    ['!note', faulty('note', /write the note/)],
    [`!close ${'x'.repeat(201)}`, faulty('close', /longer than 200/)],
    ['!history yesterday', faulty('history', /how many/)],
    ['!history 0', faulty('history', /how many/)],
    ['!history -1', faulty('history', /how many/)],
    ['!history 1.5', faulty('history', /how many/)],
    ['!lhc', faulty('lhc', /name a command of LHC/)],
    ['!lhc ???', faulty('lhc', /name a command of LHC/)],
    // These were not meant as commands, or have a message attached.
    ['!back in a minute', faulty('back', /it takes no text/)],
    ['!take\nHello Ann', faulty('take', /it takes no text/)],
    ['!decline this offer', faulty('decline', /it takes no text/)],
    ['!away !back', faulty('away', /it takes no text/)],
    ['!info Ann', faulty('info', /it takes no text/)],
  ])('%j is explained', (body, written) => {
    expect(read(body)).toEqual(written);
  });

  it.each<[string, string | null]>([
    ['!', null],
    ['！', null],
    ['! ', null],
    ['!?', null],
    ['!…', null],
    ['! take', 'take'],
    ['! text for the visitor', null],
    ['!tkae', 'take'],
    ['!takе', 'take'], // a Cyrillic letter
    ['!tak', 'take'],
    ['!transfr bob', 'transfer'],
    ['!transferbob', 'transfer'],
    ['!hist 5', 'history'],
    ['!blok', 'block'],
    ['!close?', 'close'],
    ['!привет', null],
    ['!password123', null],
    ['!constructor', null],
    ['!__proto__', null],
  ])('%j is not known; meant was %j', (body, meant) => {
    expect(read(body)).toEqual(unknown(meant));
  });

  it('that is as long as a message may be is unknown, and costs no time', () => {
    expect(read(`!${'x'.repeat(1_000_000)}`)).toEqual(unknown(null));
    expect(read(`${' '.repeat(1_000_000)}!take`)).toEqual({ kind: 'take' });
    expect(read(`!${'\u200b'.repeat(1_000_000)}`)).toEqual(unknown(null));
    expect(read(`${'> \n \n'.repeat(200_000)}!take`)).toEqual({ kind: 'take' });
    const quotes = `${'> \n'.repeat(200_000)}${' '.repeat(200_000)}x`;
    expect(read(quotes)).toEqual(message(quotes));
  });

  it('of a tenant whose LHC has commands of its own', () => {
    expect(readWritten('!greet Ann', ['greet'])).toEqual({
      kind: 'lhc',
      command: 'greet',
      text: '!greet Ann',
    });
    expect(readWritten('!block', ['greet'])).toEqual(unknown(null));
    expect(readWritten('!block', [])).toEqual(unknown(null));
    expect(readWritten('!help', ['help'])).toMatchObject({ kind: 'question' });
  });

  it('of our own is never passed on to LHC, and never unknown', () => {
    for (const { name } of COMMANDS.filter(({ name }) => name !== 'lhc')) {
      const written = readWritten(`!${name}`, []);
      expect(written.kind, name).not.toBe('lhc');
      expect(written, name).not.toMatchObject({ command: UNKNOWN });
    }
  });

  it('of LHC has a name that the settings accept', () => {
    const settings = { id: 'acme', host: 'xmpp.test', apiKey: 'key-of-acme-0123456789' };
    const parsed = tenantWith({ ...settings, lhcCommands: LHC_COMMANDS });
    expect(parsed.lhcCommands).toEqual(LHC_COMMANDS);
    expect(new Set(LHC_COMMANDS).size).toBe(LHC_COMMANDS.length);
  });
});

describe('any text', () => {
  /** Invisible characters, listed by hand: the parser's own list must not judge itself. */
  const NOTHING = ['', ' ', '\n', '\t', '\u00a0', '\u200b', '\u200d', '\u200e', '\u2060', '\ufeff'];
  NOTHING.push('\u00ad', '\u202e', '\u2067', '\ufe0f', '\u034f', '\u3000', '\u180e');
  const nothing = fc
    .array(fc.constantFrom(...NOTHING), { maxLength: 6 })
    .map((all) => all.join(''));
  const mark = fc.constantFrom('!', '！', '﹗');
  const names = [...COMMANDS.map(({ name }) => name), ...LHC_COMMANDS];
  const rest = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc
      .tuple(fc.constantFrom(...names), nothing, fc.string({ unit: 'grapheme' }))
      .map((parts) => parts.join('')),
  );
  const startsAgain = /^(?:[\p{Cf}\p{DI}])*[!！﹗]/u;

  const quote = fc
    .array(fc.tuple(nothing, fc.string({ unit: 'grapheme' })), { maxLength: 3 })
    .map((all) => all.map(([odd, text]) => `${odd}>${text.replaceAll('\n', '')}\n`).join(''));

  it('that begins with one ! is no message to the visitor', () => {
    fc.assert(
      fc.property(quote, nothing, mark, rest, (quoted, before, first, behind) => {
        fc.pre(!startsAgain.test(behind));
        expect(read(`${quoted}${before}${first}${behind}`).kind).not.toBe('message');
      }),
      { numRuns: 3_000 },
    );
  });

  it('that begins with two ! is a message without the first one', () => {
    fc.assert(
      fc.property(quote, nothing, mark, mark, rest, (quoted, before, first, second, behind) => {
        expect(read(`${quoted}${before}${first}${second}${behind}`)).toEqual(
          message(`${quoted}${second}${behind}`),
        );
      }),
    );
  });

  it('without ! at its beginning is a message, unchanged', () => {
    fc.assert(
      fc.property(rest, (body) => {
        fc.pre(!/^[\s\p{Cf}\p{DI}]*[!！﹗>]/u.test(body));
        expect(read(body)).toEqual(message(body));
      }),
    );
  });

  it('that is an unknown command leaves no trace but the name of a known command', () => {
    fc.assert(
      fc.property(mark, rest, (first, behind) => {
        const written = read(`${first}${behind}`);
        if (written.kind !== 'question' || written.argument === null) return;
        expect([...names, ...Array.from({ length: 101 }, (_, n) => String(n))]).toContain(
          written.argument,
        );
      }),
    );
  });
});

describe('the nearest word', () => {
  it.each<[string, string | null]>([
    ['take', 'take'],
    ['atke', 'take'],
    ['tke', 'take'],
    ['taake', 'take'],
    ['t', null],
    ['xyz', null],
    ['', null],
    ['clsoe', 'close'],
    ['histroy', 'history'],
    ['decilne', 'decline'],
  ])('to %j is %j', (word, meant) => {
    expect(nearest(word, ['take', 'decline', 'close', 'history'])).toBe(meant);
  });

  it('is the word itself, also after two slips', () => {
    const words = COMMANDS.map(({ name }) => name).filter((name) => name.length > 4);
    const letter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz');
    fc.assert(
      fc.property(fc.constantFrom(...words), fc.nat(9), letter, (word, place, other) => {
        const at = place % word.length;
        expect(nearest(word, words)).toBe(word);
        expect(nearest(word.slice(0, at) + other + word.slice(at), words)).not.toBeNull();
        expect(nearest(word.slice(0, at) + other + word.slice(at + 1), words)).not.toBeNull();
        expect(nearest(word.slice(0, at) + word.slice(at + 1), words)).not.toBeNull();
      }),
    );
  });
});

describe('to the desk', () => {
  const atDesk = (body: string) => readWritten(body, LHC_COMMANDS, 'desk');
  const question = (command: string) => ({ kind: 'question', command, argument: null });
  it.each<[string, object]>([
    ['Hello', message('Hello')],
    ['!who', question('who')],
    ['!Queue.', question('queue')],
    ['!stats', question('stats')],
    ['!away', { kind: 'availability', command: 'away' }],
    ['!canned', question('canned')],
    ['!who is there', faulty('who', /takes no text/)],
    ['!invite 7 Hello', { kind: 'invite', whom: '7', text: 'Hello' }],
    [
      '!invite "Anna  Smith" Hello\nyou',
      { kind: 'invite', whom: 'Anna Smith', text: 'Hello\nyou' },
    ],
    ['!invite „Anna“ Hi', { kind: 'invite', whom: 'Anna', text: 'Hi' }],
    ['!invite visitor.7@h.test Hi', { kind: 'invite', whom: 'visitor.7@h.test', text: 'Hi' }],
    ['!invite', faulty('invite', /whom and what/)],
    ['!invite Anna', faulty('invite', /whom and what/)],
    [`!invite ${'x'.repeat(WHOM_MAX_LENGTH + 1)} Hi`, faulty('invite', /too long/)],
    ['!take', faulty('take', /in the conversation/)],
    // LHC's commands are about a chat.
    ['!block', unknown(null)],
    ['!hwo', unknown('who')],
  ])('%j', (body, expected) => expect(atDesk(body)).toEqual(expected));

  it('!invite is for the desk alone', () => {
    expect(read('!invite 7 Hello')).toEqual(faulty('invite', /front desk/));
  });
});

describe('canned texts', () => {
  const canned = (what: string, name: string, more = {}) => ({
    kind: 'canned',
    do: what,
    name,
    ...more,
  });
  it.each<[string, object]>([
    ['!canned greeting', canned('use', 'greeting')],
    ['!canned Greeting.', canned('use', 'greeting')],
    ['!canned add greeting Hello\nyou', canned('add', 'greeting', { text: 'Hello\nyou' })],
    ['!canned Add greeting  !important', canned('add', 'greeting', { text: '!important' })],
    ['!canned remove greeting', canned('remove', 'greeting')],
    ['!canned greeting now', faulty('canned', /one name/)],
    ['!canned add', faulty('canned', /name the text/)],
    ['!canned add greeting', faulty('canned', /is empty/)],
    ['!canned add Grüße Hello', faulty('canned', /a-z, 0-9/)],
    ['!canned add add Hello', faulty('canned', /reserved/)],
    ['!canned remove', faulty('canned', /name the text/)],
    [
      `!canned add x ${'y'.repeat(CANNED_TEXT_MAX_CHARACTERS + 1)}`,
      faulty('canned', /longer than/),
    ],
  ])('%j', (body, expected) => expect(read(body)).toEqual(expected));

  it.each([
    ['Hello {visitor}, this is {operator}.', 'Anna', 'Hello Anna, this is Olga.'],
    ['Hello {visitor}, this is {operator}.', null, 'Hello, this is Olga.'],
    ['{visitor}? {name} {operator}', null, '? {name} Olga'],
    ['{visitor}', '{operator}', '{operator}'],
  ])('%j for %j', (text, visitor, filled) => {
    expect(filledIn(text, { operator: 'Olga', visitor })).toBe(filled);
  });
});
