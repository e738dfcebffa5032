import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  findPhrases,
  MAX_PHRASE_WORDS,
  MAX_PHRASES,
  MAX_WORD_CHARACTERS,
  phrasesOf,
  SNIPPET_CHARACTERS,
  wordsOf,
} from '../../src/kit/words.ts';

const plain = (text: string) => wordsOf(text.normalize('NFC')).map((word) => word.plain);
const finds = (question: string, text: string): boolean => {
  const phrases = phrasesOf(question);
  return phrases.length > 0 && findPhrases(phrases, text, 1000).has.every((has) => has);
};

test.each([
  ['Crème Brûlée', 'creme brulee'],
  ['STRASSE Straße', 'strasse strasse'],
  ['İstanbul ISTANBUL ıspanak', 'istanbul istanbul ispanak'],
  ['Đặng Thị Ngọc', 'dang thi ngoc'],
  ['smørrebrød Łódź æther Þór', 'smorrebrod lodz aether thor'],
  ['ЁЛКА', 'елка'],
  ['Ὀδυσσεύς', 'οδυσσευσ'],
  ['שָׁלוֹם', 'שלום'],
  ['مَرْحَبًا', 'مرحبا'],
  ['हिन्दी किताब', 'हिन्दी किताब'], // vowels of Indian scripts are no accents
  ['ﬁne ２０２６', 'fine 2026'],
  ['你好，世界 hello', '你 好 世 界 hello'],
  ['がっこう', 'ガ ッ コ ウ'],
  ['ｶﾞﾂｺｰ ﾞ', 'ガ ツ コ ー \u3099'], // half-width, the mark is a character of its own
  ['학교에서', '학 교 에 서'],
  ['jane.doe@example.org', 'jane doe example org'],
  ['👍🏽 ok', '👍🏽 ok'],
  ['"a" AND NOT (b*) NEAR/3 -x c:y', 'a and not b near 3 x c y'],
])('the words of %s', (text, words) => {
  expect(plain(text).join(' ')).toBe(words);
});

test('each word knows its place, also where letters are taken apart', () => {
  const text = 'A\u0301b — Straße'.normalize('NFC');
  expect(wordsOf(text).map(({ start, end }) => text.slice(start, end))).toEqual(['Áb', 'Straße']);
});

test.each([
  ['cafe', 'Un CAFÉ, svp'],
  ['CAFÉ', 'un cafe'],
  ['世界', '你好，世界！'],
  ['ตลาด', 'ไปตลาดน้ำ'],
  ['학교', '학교에서'],
  ['さくら', 'サクラの花'],
  ['パスワード', 'ﾊﾟｽﾜｰﾄﾞを忘れた'],
  ['ぱす', 'パスワード'],
  ['istanbul', 'İSTANBUL'],
  ['sho', 'new shoes'],
  ['shoes new', 'new shoes'],
  ['doe@example', 'jane.doe@example.org'],
  ['e\u0301te\u0301', 'l’été'],
])('%s is found in: %s', (question, text) => {
  expect(finds(question, text)).toBe(true);
});

test.each([
  ['sho ', 'new shoes'], // whoever types a blank has ended the word
  ['sho new', 'new shoes'],
  ['界世', '你好，世界！'],
  ['doe.jane', 'jane.doe@example.org'],
  ['shoes hat', 'new shoes'],
  ['hoes', 'new shoes'],
])('%s is not found in: %s', (question, text) => {
  expect(finds(question, text)).toBe(false);
});

describe('a question', () => {
  test('of any characters has only words, no more than the bounds, and no long ones', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (question) => {
        const phrases = phrasesOf(question);
        const words = phrases.flatMap((phrase) => phrase.words);
        expect(phrases.length).toBeLessThanOrEqual(MAX_PHRASES);
        expect(words.length).toBeLessThanOrEqual(MAX_PHRASE_WORDS);
        for (const word of words) {
          expect(word).toMatch(/^[^\s"*()]+$/u);
          expect(word.length).toBeLessThanOrEqual(MAX_WORD_CHARACTERS);
          expect(word.isWellFormed()).toBe(true);
        }
      }),
    );
  });

  test.each(['', '   ', '"', '"" * -', '()'])('without words has none: %s', (question) => {
    expect(phrasesOf(question)).toEqual([]);
  });
});

describe('a snippet', () => {
  const snippetOf = (question: string, text: string) =>
    findPhrases(phrasesOf(question), text, 10_000).snippet;

  test('marks what was asked for, and overlapping hits once', () => {
    const snippet = snippetOf('red sho', 'Red shoes and red shoelaces');
    const marked = snippet?.hits.map(({ start, end }) => snippet.text.slice(start, end));
    expect(marked).toEqual(['Red', 'shoes', 'red', 'shoelaces']);
    expect(snippetOf('a.b b', 'a.b')?.hits).toEqual([{ start: 0, end: 3 }]);
  });

  test('of a long text is around the first hit, and says where something is left out', () => {
    const text = `${'before '.repeat(50)}Needle${' behind'.repeat(50)}`;
    const snippet = snippetOf('needle', text);
    expect(snippet?.text).toMatch(/^…before .*Needle behind.*…$/);
    expect(snippet?.text.length).toBeLessThanOrEqual(SNIPPET_CHARACTERS + 2);
    const [hit] = snippet?.hits ?? [];
    expect(snippet?.text.slice(hit?.start, hit?.end)).toBe('Needle');
  });

  test('is never cut within a character, and all hits are in it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('👍', 'needle ', 'x', 'é', '世', ' ', 'a\u0301'), {
          maxLength: 400,
        }),
        (parts) => {
          const snippet = snippetOf('needle', parts.join(''));
          if (!snippet) return;
          expect(snippet.text.isWellFormed()).toBe(true);
          let before = 0;
          for (const { start, end } of snippet.hits) {
            expect(start).toBeGreaterThanOrEqual(before);
            expect(end).toBeLessThanOrEqual(snippet.text.length);
            before = end;
          }
          const [first] = snippet.hits;
          expect(snippet.text.slice(first?.start, first?.end)).toContain('needle');
        },
      ),
    );
  });
});
