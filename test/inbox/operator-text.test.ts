import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAction, unreadable, visibleText, withoutAction } from '../../src/inbox/operator-text.ts';

const OTR_BASE = ' \t  \t\t\t\t \t \t \t  ';
const OTR_V2 = '  \t\t  \t ';

describe('what an operator wrote', () => {
  it.each([
    ['plain', 'Hello, world!\n\tZoë 漢字 😀'],
    ['a family', '👨‍👩‍👧‍👦 and 👩🏽‍💻 and ❤️‍🔥 and 🏳️‍🌈'],
    ['a keycap and a text heart', '1️⃣ ❤︎'],
    ['the flag of Wales', '🏴󠁧󠁢󠁷󠁬󠁳󠁿'],
    ['Persian', 'می‌خواهم'],
    ['Hindi', 'क्‍ष क्‌ष'],
    ['Thai with breaks', 'สวัสดี\u200bครับ'],
    ['Hebrew with a mark', 'שלום!\u200f (hi)'],
    ['Arabic with an isolate', 'قال \u2068John (5)\u2069 نعم'],
    ['old Hangul', '\u1100\u1160'],
    ['variants of Han', '葛\u{e0100}'],
    ['tabs and white space', 'a\t\tb   c \t \t d'],
  ])('%s stays', (_what, text) => {
    expect(visibleText(text)).toBe(text);
  });

  it.each([
    ["OTR's offer", `Hello${OTR_BASE}${OTR_V2}`, 'Hello'],
    ["OTR's offer in between", `Hello${OTR_BASE}${OTR_V2}${OTR_V2} you`, 'Hello you'],
    ['OTR alone', OTR_BASE, ''],
    ['zero width spaces', 'pass\u200bword\u2060', 'password'],
    ['joiners in Latin', 'pay\u200dpal\u200c', 'paypal'],
    ['a byte order mark', '\ufeffHello', 'Hello'],
    ['soft hyphens', 'Donau\u00addampf', 'Donaudampf'],
    ['an override', 'photo_\u202egpj.exe', 'photo_gpj.exe'],
    ['an override in Hebrew, with its end', 'שלום \u202eabc\u202c', 'שלום abc'],
    ['marks without a second direction', 'a\u200eb\u200fc', 'abc'],
    ['many marks', 'שלום\u200f\u200f\u200f', 'שלום\u200f'],
    ['an embedding that is not closed in its line', 'שלום \u202babc\nd\u202c', 'שלום abc\nd'],
    ['tags without a flag', 'hi\u{e0068}\u{e0069}\u{e007f}', 'hi'],
    ['hidden variation selectors', 'a\u{e0101}\u{e0102}\ufe00', 'a'],
    ['a second selector', '❤\ufe0f\ufe0f', '❤\ufe0f'],
    ['Hangul fillers', 'a\u3164b\uffa0', 'ab'],
    ['control characters', 'a\u0007b\u009bc', 'abc'],
    ['a joiner at the end', '👍\u200d', '👍'],
    ['a joiner before what has no shape', '🆑\u200d\ufe0f', '🆑\ufe0f'],
  ])('%s is taken out', (_what, text, visible) => {
    expect(visibleText(text)).toBe(visible);
  });

  it('loses nothing that has a shape, and is the same the second time', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '\u200b',
        '\u200c',
        '\u200d',
        '\u202e',
        '\u202b',
        '\u202c',
        '\u2068',
        '\u2069',
        '\u200f',
        '\ufe0f',
        '\u{e0067}',
        '\u{e007f}',
        '🏴',
        '👩',
        'ا',
        'a',
        '\n',
        ' ',
        '\t',
      ),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('').replace(/[\x20\t]+/g, ' '); // OTR's offer has a test of its own
        const visible = visibleText(text);
        const shapes = (each: string) =>
          each.replace(/[\p{DI}\ufff9-\ufffb]|(?![\t\n])\p{Cc}/gu, '');
        expect(shapes(visible)).toBe(shapes(text));
        expect(visibleText(visible)).toBe(visible);
        expect(visible).not.toMatch(/[\u202d\u202e\u2060\ufeff]/);
      }),
    );
  });

  it.each([
    ['?OTRv23?\nOlga has requested an Off-the-Record conversation', 'encrypted'],
    [' ?OTR:AAMC', 'encrypted'],
    ['-----BEGIN PGP MESSAGE-----\n\nhQ', 'encrypted'],
    ['aesgcm://upload.test/a.jpg#0123', 'encrypted-file'],
    ['Look:\naesgcm://upload.test/a.jpg#0123', 'encrypted-file'],
    ['Do you mean ?OTR?', null],
    ['https://upload.test/a.jpg', null],
    ['> aesgcm is a scheme\nyes', null],
  ])('%j: %s', (text, what) => {
    expect(unreadable(text)).toBe(what);
  });

  it.each([
    ['/me looks', 'Olga', '* Olga looks'],
    ['/me looks', null, '* looks'],
    ['> Hi\n> there\n/me waves $&', 'Olga', '> Hi\n> there\n* Olga waves $&'],
    ['Hi\n/me waves', 'Olga', 'Hi\n/me waves'],
    ['/me', 'Olga', '/me'],
    ['/mention it', 'Olga', '/mention it'],
    ['see /me here', 'Olga', 'see /me here'],
  ])('%j of %s reaches the visitor as %j', (text, name, words) => {
    expect(isAction(text) ? withoutAction(text, name) : text).toBe(words);
  });
});
