/**
 * Texts that a visitor never gets because they may be a whisper that was written wrongly, or have one in them
 * (docs/adr/0062). In doubt nothing is sent: whoever meant something else writes it in other words.
 */
import { editDistance } from '../../kit/edit-distance.ts';

const WHISPER = 'whisper';

/** What an operator reads instead. */
export const LIKE_WHISPER =
  'it may be a misspelt whisper. A whisper is a message of its own that begins with !whisper; for the visitor, use other words';
export const QUOTES_WHISPER = 'it quotes a whisper or a note, and the visitor would read that';

/** A word behind an exclamation mark, of any kind that keyboards make. */
const MARKED = /[!\uff01\ufe57][\p{Cf}\p{DI}]*(\s*)([\p{L}\p{M}\p{N}\p{Cf}\p{DI}]{1,40})/gu;
/** The first word: behind quotations, `/me`, and whatever signs somebody has typed for the exclamation mark. */
const FIRST =
  /^(?:[\s\p{Cf}\p{DI}]*>[^\n]*\n)*\s*(?:\/me\s+)?([^\p{L}\s]*)\s*([\p{L}\p{M}]{1,40})/u;
/** The line that shows a whisper, in a quotation: as it comes, and in `!history`, which has notes as well. */
const QUOTED_LINE =
  /^[\s>]*(?:::[^\n]* whispers(?: \(corrected\))?|(?:::)?\s*\d\d:\d\d [^\n]*\((?:whisper|note)\)(?: \([a-z ]+\))?): /mu;
/** What stands in the lines of a quotation. */
const QUOTED_WORDS = /^[\s\p{Cf}\p{DI}]*>[\s>]*([^\n]*)/gmu;
/** Words that are one letter away, and mean something. */
const OTHER_WORDS: ReadonlySet<string> = new Set(['whisker', 'whiskers']);

const folded = (word: string): string =>
  word
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{DI}]/gu, '')
    .toLowerCase();

/** True if the word is so many letters away from "whisper", or begins with it. */
const isNear = (word: string, letters: number): boolean =>
  word.startsWith(WHISPER) || editDistance(word, WHISPER) <= letters;
/** True for a word without a mark: at the beginning of a text, or of a sentence behind an exclamation. */
const isMeant = (word: string): boolean => isNear(word, 1) && !OTHER_WORDS.has(word);

/** True for the name of a command that may be a whisper: it must not go to LHC. */
export const isLikeWhisper = (name: string): boolean => isNear(folded(name), 2);

/** Why the visitor must not get this text; null if they may. @param text with the quotation before it */
export function whisperIn(text: string): string | null {
  if (QUOTED_LINE.test(text)) return QUOTES_WHISPER;
  for (const [, space, next = ''] of text.matchAll(MARKED)) {
    const word = folded(next);
    if (space === '' ? isNear(word, 2) : isMeant(word)) return LIKE_WHISPER;
  }
  if (beginsLikeWhisper(text)) return LIKE_WHISPER;
  // A misspelt one stands in the room, and others can quote it.
  for (const [, quoted = ''] of text.matchAll(QUOTED_WORDS)) {
    if (beginsLikeWhisper(quoted)) return QUOTES_WHISPER;
  }
  return null;
}

function beginsLikeWhisper(text: string): boolean {
  const [, signs = '', first = ''] = FIRST.exec(text) ?? [];
  const word = folded(first);
  const isShort = signs === '/' && word === 'w';
  return isShort || (signs === '' ? isMeant(word) : isNear(word, 2));
}
