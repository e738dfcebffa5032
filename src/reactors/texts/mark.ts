/**
 * The mark that tells lines of the service from a visitor's words, in every client: it is plain ASCII, no command (`!`),
 * no styling or quotation (XEP-0393), no action (XEP-0245). Words that would look like a line of the service, or like an
 * action, get a mark of their own, so that no visitor can write in the service's name.
 */

import { LINE_BREAK } from '../../kit/lines.ts';

/** At the beginning of each line of the service. */
export const LINE_MARK = '::';
/** Before a visitor's own line that would be taken for something else. */
export const WORDS_MARK = '|';

// Two colons, or what looks like them, behind blanks and invisible characters.
const INVISIBLE = String.raw`[\s\p{Cc}\p{Cf}\p{DI}\p{M}\u2800]*`;
// As in the confusables of UTS #39, and some more. The marks among them (Mc) stand before the invisible ones.
const COLON = String.raw`[:\u02d0\u02f8\u0589\u05c3\u0703\u0704\u0903\u0983\u0a83\u0b03\u0c03\u0c83\u0d03\u1361\u16ec\u1803\u1809\u205a\u2236\u2982\ua4fd\ua789\ufe13\ufe30\ufe55\uff1a\u{10781}]`;
const TWO = String.raw`[\u1368\u2058\u2237\u2a74\u2e2c]`;
const LIKE_MARK = `(?:${COLON}${INVISIBLE}(?:${COLON}|${TWO})|${TWO})`;
const LIKE_LINE_MARK = new RegExp(`^${INVISIBLE}${LIKE_MARK}`, 'u');
/** Where a line has letters from right to left, or orders to write so, its end may be seen at the left (UAX #9). */
const RIGHT_TO_LEFT =
  /[\u061c\u200f\u202b\u202e\u2067\u2068\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LIKE_MARK_WITHIN = new RegExp(LIKE_MARK, 'u');
const ACTION = /^[\s\p{Cf}\p{DI}]*\/me\s/iu;

/** Each line of a text with the mark. */
export const marked = (text: string): string =>
  text
    .split(LINE_BREAK)
    .map((part, index) => (index % 2 === 1 ? '\n' : `${LINE_MARK} ${part}`.trimEnd()))
    .join('');

/** True if the line may be seen with the mark at its beginning. */
const isLikeMarked = (line: string): boolean =>
  LIKE_LINE_MARK.test(line) || (RIGHT_TO_LEFT.test(line) && LIKE_MARK_WITHIN.test(line));

/** A visitor's text as operators read it. */
export const asWords = (text: string): string => {
  const lines = text
    .split(LINE_BREAK)
    .map((part, index) => (index % 2 === 0 && isLikeMarked(part) ? `${WORDS_MARK} ${part}` : part))
    .join('');
  return ACTION.test(lines) ? `${WORDS_MARK} ${lines}` : lines;
};
