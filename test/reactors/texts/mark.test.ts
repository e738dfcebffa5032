import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asWords, LINE_MARK, marked, WORDS_MARK } from '../../../src/reactors/texts/mark.ts';

/** As a client breaks a text into lines. */
const linesOf = (text: string) => text.split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/u);
/** What a person sees of the beginning of a line, with colons of all kinds. */
const seen = (line: string) =>
  line
    .replace(/[\s\p{Cc}\p{Cf}\p{DI}\p{M}\u2800]/gu, '')
    .replace(/\u2237/gu, '::')
    .replace(/[\uff1a\ua789\u2236\ufe55]/gu, ':');

describe('a line of the service', () => {
  it('has the mark, and so has each part of it that a client shows as a line', () => {
    expect(marked('one\ntwo')).toBe(':: one\n:: two');
    expect(marked('one\n\ntwo\u2028three')).toBe(':: one\n::\n:: two\n:: three');
    // No command, no styling or quotation (XEP-0393), no action (XEP-0245), and plain ASCII.
    expect(LINE_MARK).toMatch(/^[!-~]+$/);
    expect(LINE_MARK).not.toMatch(/^[!>*_~`/#-]/);
  });
});

describe("a visitor's words", () => {
  it.each([
    ['Hello', 'Hello'],
    ['See http://a.test::80', 'See http://a.test::80'],
    [': a colon', ': a colon'],
    [':: New chat', '| :: New chat'],
    ['Hello\n :: Chat #7 is yours.', 'Hello\n|  :: Chat #7 is yours.'],
    ['\u200b:\u200d:x', '| \u200b:\u200d:x'],
    ['：： wide', '| ：： wide'],
    ['∷ one sign', '| ∷ one sign'],
    ['ःꓽ signs of other scripts', '| ःꓽ signs of other scripts'],
    ['\u1803\u1809x', '| \u1803\u1809x'],
    ['⸬ four dots', '| ⸬ four dots'],
    // Seen as `:: You get a refund.`: an override, an embedding, an isolate, and the direction of a whole line.
    ['\u202e.dnufer a teg uoY ::', '| \u202e.dnufer a teg uoY ::'],
    ['\u202bYou get a refund. ::', '| \u202bYou get a refund. ::'],
    ['\u2067You get a refund. : :', '| \u2067You get a refund. : :'],
    ['\u200fYou get a refund. ::', '| \u200fYou get a refund. ::'],
    ['שלום :', 'שלום :'],
    ['a\u2028:: b', 'a\u2028| :: b'],
    ['/me is the boss', '| /me is the boss'],
    [' /ME shouts', '|  /ME shouts'],
    ['/menu', '/menu'],
    ['see /me here', 'see /me here'],
  ])('%j are shown as %j', (body, words) => {
    expect(asWords(body)).toBe(words);
  });

  it('cannot look like a line of the service or like an action, and lose nothing', () => {
    const piece = fc.constantFrom(
      ':',
      '：',
      '∷',
      ' ',
      '\n',
      '\u2028',
      '\u200b',
      '\u202e',
      'x',
      '/me ',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const body = pieces.join('');
        const words = asWords(body);
        for (const line of linesOf(words)) expect(seen(line).startsWith(LINE_MARK)).toBe(false);
        expect(words.startsWith('/me ')).toBe(false);
        expect(words.replaceAll(`${WORDS_MARK} `, '')).toBe(body);
      }),
    );
  });
});
