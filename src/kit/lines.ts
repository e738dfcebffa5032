/** Lines of a text. */

/** What clients show as the end of a line: with the separators of Unicode (UAX #14: BK, CR, LF, NL). */
export const LINE_BREAK = /(\r\n|[\n\v\f\r\u0085\u2028\u2029])/u;
const EVERY_BREAK = new RegExp(LINE_BREAK, 'gu');
const AROUND_BREAK = /[\t\n\v\f\r\u0085\u2028\u2029 ]+/gu;

/**
 * Embeddings, overrides and isolates (UAX #9). One that is not closed turns round whatever stands behind it in the line: a name
 * with one would change the service's own words.
 */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/gu;

/** Each run of whitespace with a tab or a line break becomes one space. What changes the direction of writing is left out. */
export function onOneLine(text: string): string {
  const line = text.replace(DIRECTIONS, '');
  return line.includes('\t') || LINE_BREAK.test(line) ? line.replace(AROUND_BREAK, ' ') : line;
}

/** The text with all lines but the first indented, whatever ends them. */
export const hanging = (text: string): string => text.replace(EVERY_BREAK, '\n  ');
