/**
 * Cuts a text to at most `most` UTF-16 units, and never in the middle of a surrogate pair: XML cannot carry half of one
 * (xml-text.ts would replace it by U+FFFD).
 */
export const cut = (text: string, most: number): string =>
  text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
