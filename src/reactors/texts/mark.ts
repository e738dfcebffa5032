/**
 * The mark that tells lines of the service from a visitor's words, in every client: it is plain ASCII, no command (`!`),
 * no styling or quotation (XEP-0393), no action (XEP-0245). Words that would look like a line of the service, or like an
 * action, get a mark of their own, so that no visitor can write in the service's name.
 */

/** At the beginning of each line of the service. */
export const LINE_MARK = '::';
/** Before a visitor's own line that would be taken for something else. */
export const WORDS_MARK = '|';

/** What clients show as the end of a line: with the separators of Unicode (UAX #14: BK, CR, LF, NL). */
const LINE_BREAK = /(\r\n|[\n\v\f\r\u0085\u2028\u2029])/u;

// Two colons, or what looks like them, behind blanks and invisible characters.
const INVISIBLE = String.raw`[\s\p{Cc}\p{Cf}\p{DI}\p{M}\u2800]*`;
const COLON = String.raw`[:\u02d0\u02f8\u0589\u05c3\u0703\u0704\u16ec\u205a\u2236\ua789\ufe13\ufe30\ufe55\uff1a]`;
const TWO = String.raw`[\u2237\u2a74]`;
const LIKE_LINE_MARK = new RegExp(
  `^${INVISIBLE}(?:${COLON}${INVISIBLE}(?:${COLON}|${TWO})|${TWO})`,
  'u',
);
const ACTION = /^[\s\p{Cf}\p{DI}]*\/me\s/iu;

/** Each line of a text with the mark. */
export const marked = (text: string): string =>
  text
    .split(LINE_BREAK)
    .map((part, index) => (index % 2 === 1 ? '\n' : `${LINE_MARK} ${part}`.trimEnd()))
    .join('');

/** A visitor's text as operators read it. */
export const asWords = (text: string): string => {
  const lines = text
    .split(LINE_BREAK)
    .map((part, index) =>
      index % 2 === 0 && LIKE_LINE_MARK.test(part) ? `${WORDS_MARK} ${part}` : part,
    )
    .join('');
  return ACTION.test(lines) ? `${WORDS_MARK} ${lines}` : lines;
};
