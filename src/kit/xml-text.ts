/**
 * Text that XML 1.0 can carry. XML has no way to write most control characters, lone surrogates, U+FFFE and U+FFFF
 * (https://www.w3.org/TR/xml/#charsets), and ejabberd ends the stream of a client that sends one.
 */
const NOT_XML = /[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const EVERY_NOT_XML = new RegExp(NOT_XML, 'gu');

/** Line ends as XML has them: `\r\n` and `\r` become `\n`. */
export function xmlLineEnds(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** True if XML can carry the text as it is. A `\r` is refused: see {@link xmlLineEnds}. */
export function isXmlText(text: string): boolean {
  return !NOT_XML.test(text);
}

/** Makes any text fit for XML. A character that XML cannot carry becomes U+FFFD, so the reader sees that one was there. */
export function xmlText(text: string): string {
  return xmlLineEnds(text).replace(EVERY_NOT_XML, '\ufffd');
}

/**
 * Makes what somebody wrote fit for XML, as people read it: the line breaks of word processors (U+000B and U+000C) become
 * `\n`, half of a surrogate pair becomes U+FFFD, and what has no shape is left out.
 */
export function legibleText(text: string): string {
  if (isXmlText(text)) return text;
  return xmlLineEnds(text)
    .replace(/[\v\f]/g, '\n')
    .toWellFormed()
    .replace(EVERY_NOT_XML, '');
}
