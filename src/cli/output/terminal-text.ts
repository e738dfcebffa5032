/**
 * Text of strangers on a terminal: what a visitor writes must neither command the terminal of an engineer nor move the
 * columns. Widths are counted in cells, as terminals do (Unicode Standard Annex #11, and emoji in two cells).
 */

/**
 * Controls (escape sequences begin with one), line and paragraph separators, lone surrogates, and format characters, among
 * them those that turn the direction of writing (bidi). The two joiners stay: scripts of India and Persia, and emoji, need
 * them, and they do nothing by themselves.
 */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200C\u200D])\p{Cf}/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const escaped = (character: string): string =>
  SHORT[character] ??
  Array.from(
    { length: character.length },
    (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
  ).join('');

/**
 * The same text with everything that a terminal would obey written as in JSON: `\n`, `\u001b`. Text that JSON.stringify
 * made stays the JSON of the same value.
 */
export const visible = (text: string): string => text.replace(OBEYED, escaped);

/** The same for a text of several lines. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

/** One line of JSON that is safe on a terminal. */
export const jsonLine = (value: unknown): string => visible(JSON.stringify(value));

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** East_Asian_Width W and F, by blocks. JavaScript has no property for it. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f|\p{RI})/u;
const WITHOUT_WIDTH = /^[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]/u;
const ONLY_ASCII = /^[\x20-\x7e]*$/;

/** Marks on one letter at most: hundreds of them cover the lines above and below. Families of emoji have 11 code points. */
const MOST_CODE_POINTS = 16;

const cellsOf = (grapheme: string): number => {
  if (WITHOUT_WIDTH.test(grapheme)) return 0;
  return WIDE.test(grapheme) || EMOJI.test(grapheme) ? 2 : 1;
};

/** How many cells of a terminal a visible text takes. */
export function widthOf(text: string): number {
  if (ONLY_ASCII.test(text)) return text.length;
  let cells = 0;
  for (const { segment } of graphemes.segment(text)) cells += cellsOf(segment);
  return cells;
}

const CUT = '…';

/** The text in this many cells at most; what is cut off is marked with `…`. @param cells at least 1 */
export function cut(text: string, cells: number): string {
  if (text.length <= cells && ONLY_ASCII.test(text)) return text;
  let whole = '';
  let short = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const points = [...segment];
    const shown =
      points.length > MOST_CODE_POINTS ? `${points.slice(0, MOST_CODE_POINTS).join('')}` : segment;
    const width = cellsOf(segment);
    if (used + width > cells) return short + CUT;
    used += width;
    whole += shown;
    if (used < cells) short = whole;
  }
  return whole;
}

/** Fills a visible text with spaces to this many cells. */
export const padded = (text: string, cells: number): string =>
  text + ' '.repeat(Math.max(0, cells - widthOf(text)));
