/**
 * Texts as words, so that a text is found by what people type: without regard to case and diacritics, in every script.
 */

/**
 * Scripts that put no blanks between words, or that put endings right behind them (Hangul). Each of their characters is a
 * word of its own, and several in a row are searched as a phrase. So a Chinese word of two characters is found.
 */
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{scx=${script}}`)
  .join('');
/** A character of those scripts (half-width Kana have a mark behind it), a word of any other script, or a picture. */
const WORD = new RegExp(
  `[[${UNSPACED}]&&[\\p{L}\\p{N}\\p{M}]][\\uff9e\\uff9f]?|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+|\\p{RGI_Emoji}`,
  'gv',
);
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'v');

/** Marks that people leave out when they type: accents, Hebrew points, Arabic vowels. Vowels of Indian scripts are none. */
const LEFT_OUT = new RegExp(
  [
    '[\\u0300-\\u036f\\u0483-\\u0487\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\ufe20-\\ufe2f]',
    '[\\u0591-\\u05bd\\u05bf-\\u05c7]',
    '[\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670]',
  ].join('|'),
  'g',
);
/** Letters that Unicode does not take apart, as people type them on a keyboard without them. */
const PLAIN: Readonly<Record<string, string>> = {
  ß: 'ss',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ħ: 'h',
  ı: 'i',
  æ: 'ae',
  œ: 'oe',
  þ: 'th',
  ŋ: 'n',
  ŧ: 't',
  ĸ: 'k',
  ς: 'σ',
};
const NOT_PLAIN = new RegExp(`[${Object.keys(PLAIN).join('')}]`, 'g');
/** Hiragana, which stand for the same sounds as the Katakana that come {@link TO_KATAKANA} behind them. */
const HIRAGANA = /[\u3041-\u3096\u309d\u309e]/g;
const TO_KATAKANA = 0x60;
const katakanaOf = (hiragana: string): string =>
  String.fromCharCode(hiragana.charCodeAt(0) + TO_KATAKANA);
const NO_WORD = /[^\p{L}\p{N}\p{M}]/gu;
const ASCII_WORD = /^[a-z0-9]*$/;

/** Longest word, in UTF-16 units: of a longer one the beginning counts. */
export const MAX_WORD_CHARACTERS = 64;

/** A word of a text. */
export interface Word {
  /** As it is compared with others. */
  readonly plain: string;
  /** Where it begins in the text, and where it has ended, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** @returns the word in lower case, without diacritics, Kana as Katakana; pictures stay as they are */
function plainOf(word: string): string {
  const lower = word.toLowerCase();
  if (ASCII_WORD.test(lower)) return lower.slice(0, MAX_WORD_CHARACTERS);
  // NFKD first: the lower case of İ is i and a dot, which is left out then.
  const plain = lower
    .normalize('NFKD')
    .replace(LEFT_OUT, '')
    .normalize('NFC')
    .toLowerCase()
    .replace(NOT_PLAIN, (letter) => PLAIN[letter] ?? letter)
    .replace(HIRAGANA, katakanaOf)
    .replace(NO_WORD, '');
  return (plain || lower).slice(0, MAX_WORD_CHARACTERS).toWellFormed();
}

/**
 * The words of a text, in order. Blanks and punctuation are none.
 * @param text in NFC (`String.normalize`): the places are places in it
 * @param most words at most
 */
export function wordsOf(text: string, most = Number.POSITIVE_INFINITY): Word[] {
  const words: Word[] = [];
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (words.length >= most) break;
    words.push({ plain: plainOf(word), start: index, end: index + word.length });
  }
  return words;
}

/** True for a word of a script without blanks: it is one character, so nobody types its beginning. */
export const isUnspaced = (plain: string): boolean => IS_UNSPACED.test(plain);

/** Words that have to follow each other. With `isOpen` the last one may go on: somebody still types it. */
export interface Phrase {
  readonly words: readonly string[];
  readonly isOpen: boolean;
}

/** Phrases of one question at most, … */
export const MAX_PHRASES = 16;
/** … and words of all of them together. */
export const MAX_PHRASE_WORDS = 64;

/**
 * What somebody asks for: all of these phrases, in any order. What stands between two blanks is a phrase (`you@example.org`
 * has three words). The last word may be the beginning of one, unless a blank follows. Quotes and operators mean nothing.
 * @returns none if the question has no word
 */
export function phrasesOf(question: string): Phrase[] {
  const text = question.normalize('NFC');
  const phrases: Phrase[] = [];
  let left = MAX_PHRASE_WORDS;
  for (const part of text.split(/\s+/u)) {
    if (phrases.length === MAX_PHRASES || left === 0) break;
    const words = wordsOf(part, left).map(({ plain }) => plain);
    if (words.length === 0) continue;
    left -= words.length;
    phrases.push({ words, isOpen: false });
  }
  const last = phrases.at(-1);
  const end = last?.words.at(-1);
  if (!last || end === undefined || /\s$/u.test(text) || isUnspaced(end)) return phrases;
  return [...phrases.slice(0, -1), { ...last, isOpen: true }];
}

/** Where a phrase stands among words, as the numbers of its first word. */
function placesOf({ words: wanted, isOpen }: Phrase, words: readonly Word[]): number[] {
  const places: number[] = [];
  for (let first = 0; first + wanted.length <= words.length; first += 1) {
    const stands = wanted.every((plain, i) => {
      const word = words[first + i]?.plain;
      return isOpen && i === wanted.length - 1 ? word?.startsWith(plain) : word === plain;
    });
    if (stands) places.push(first);
  }
  return places;
}

/** A part of a text that was asked for: where it begins, and where it has ended, in UTF-16 units. */
export interface Hit {
  readonly start: number;
  readonly end: number;
}

/** A part of a text, with its hits. Where something was left out, it has a `…`. */
export interface Snippet {
  readonly text: string;
  /** Places in this text, in order. */
  readonly hits: readonly Hit[];
}

/** Longest snippet, in UTF-16 units. */
export const SNIPPET_CHARACTERS = 160;
/** What a snippet has before its first hit. */
const LEAD_CHARACTERS = 40;
const MAX_SNIPPET_HITS = 20;

/**
 * Which of the phrases a text has.
 * @param most words of the text to look at
 */
export function findPhrases(
  phrases: readonly Phrase[],
  text: string,
  most: number,
): { readonly has: readonly boolean[]; readonly snippet: Snippet | null } {
  const whole = text.normalize('NFC');
  const words = wordsOf(whole, most);
  const places = phrases.map((phrase) => placesOf(phrase, words));
  const hits = phrases.flatMap(({ words: wanted }, i) =>
    (places[i] ?? []).map((first) => ({
      start: words[first]?.start ?? 0,
      end: words[first + wanted.length - 1]?.end ?? 0,
    })),
  );
  return {
    has: places.map((each) => each.length > 0),
    snippet: hits.length > 0 ? snippetOf(whole, hits) : null,
  };
}

function snippetOf(text: string, hits: readonly Hit[]): Snippet {
  const sorted = hits.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const first = sorted[0]?.start ?? 0;
  const isWhole = text.length <= SNIPPET_CHARACTERS;
  const begin = isWhole ? 0 : beginning(text, Math.max(0, first - LEAD_CHARACTERS), first);
  const end = isWhole ? text.length : Math.min(text.length, begin + SNIPPET_CHARACTERS);
  const [before, after] = [begin > 0 ? '…' : '', end < text.length ? '…' : ''];
  const shift = before.length - begin;
  const shown: Hit[] = [];
  for (const hit of sorted) {
    const [start, stop] = [hit.start + shift, Math.min(hit.end, end) + shift];
    const isInside = start < stop && start >= (shown.at(-1)?.end ?? 0);
    if (isInside && shown.length < MAX_SNIPPET_HITS) shown.push({ start, end: stop });
  }
  return { text: `${before}${text.slice(begin, end).toWellFormed()}${after}`, hits: shown };
}

/** Where a snippet may begin: behind a blank if there is one, and never within a character. */
function beginning(text: string, from: number, hit: number): number {
  if (from === 0) return 0;
  const blank = text.slice(from, hit).search(/\s/u);
  const begin = blank < 0 ? from : from + blank + 1;
  const isSplit = /[\udc00-\udfff]/.test(text.charAt(begin));
  return isSplit ? begin + 1 : begin;
}
