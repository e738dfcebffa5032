/** Lines of a text. */

/** What clients show as the end of a line: with the separators of Unicode (UAX #14: BK, CR, LF, NL). */
export const LINE_BREAK = /(\r\n|[\n\v\f\r\u0085\u2028\u2029])/u;
const EVERY_BREAK = new RegExp(LINE_BREAK, 'gu');
const AROUND_BREAK = /[\t\n\v\f\r\u0085\u2028\u2029 ]+/gu;

/** Each run of whitespace with a tab or a line break becomes one space. */
export const onOneLine = (text: string): string =>
  text.includes('\t') || LINE_BREAK.test(text) ? text.replace(AROUND_BREAK, ' ') : text;

/** The text with all lines but the first indented, whatever ends them. */
export const hanging = (text: string): string => text.replace(EVERY_BREAK, '\n  ');
