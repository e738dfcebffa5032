/** An operator's words as LHC shows them to the visitor, and carries nothing of them out. */

/** Browsers show nothing for it, and LHC does not take what stands behind it for a command or for markup. */
const WORD_JOINER = '\u2060';

/** A message for the visitor's eyes: one that begins with `!` and is no command would be carried out. */
export const literal = (body: string): string =>
  body.trimStart().startsWith('!') ? `${WORD_JOINER}${body}` : body;

/** LHC puts a line of its own in the place of a text with `[html]` in it, and nobody would know. */
export const withoutHtmlTag = (body: string): string =>
  body.replaceAll('[html]', `[${WORD_JOINER}html]`);
