/**
 * The beginning of a text, at most so many characters of UTF-16. Not through a character: XML has no half ones, and a �
 * would stand there (src/kit/xml-text.ts).
 */
export const cut = (text: string, most: number): string =>
  text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
