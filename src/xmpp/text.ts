/** Text as XML can carry it. */

/**
 * Makes a text fit for a stanza. XML 1.0 has no way at all to write most control characters, lone surrogates, U+FFFE
 * and U+FFFF (https://www.w3.org/TR/xml/#charsets): ejabberd ends the stream of whoever sends one. Each becomes U+FFFD,
 * so that the reader sees that something was there. Line ends become `\n`, which is what XML makes of them anyway.
 */
export function xmlText(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must go.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .toWellFormed()
  );
}
