/** An operator's words as LHC shows them to the visitor, and carries nothing of them out. */

import type { OperatorMessage } from './callback-types.ts';

/** Browsers show nothing for it, and LHC does not take what stands behind it for a command or for markup. */
const WORD_JOINER = '\u2060';

/** A message for the visitor's eyes: one that begins with `!` and is no command would be carried out. */
export const literal = (body: string): string =>
  body.trimStart().startsWith('!') ? `${WORD_JOINER}${body}` : body;

/** What stands before a correction where LHC cannot change the message: visitors read many languages. */
export const CORRECTION = '\u270e ';

/** A message of an operator where LHC can only add one: a correction is a new message with a mark. */
export const asNewMessage = ({ body, replaces }: Pick<OperatorMessage, 'body' | 'replaces'>) =>
  replaces === undefined ? literal(body) : `${CORRECTION}${body}`;

/** LHC puts a line of its own in the place of a text with `[html]` in it, and nobody would know. */
export const withoutHtmlTag = (body: string): string =>
  body.replaceAll('[html]', `[${WORD_JOINER}html]`);
