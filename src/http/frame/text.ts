/** Messages as callers send them. */
import { z } from '@hono/zod-openapi';
import { legibleText } from '../../kit/xml-text.ts';

/** A visitor's message at most, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 65_536;

/**
 * What a visitor says: one or several lines; `\r\n` becomes `\n`. It loses what XML cannot carry, and may be empty then. A
 * text that is too long is refused: to cut it would change what was said.
 */
export const VisitorText = z
  .string()
  .overwrite(legibleText)
  .refine(
    (text) => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES,
    `is longer than ${MAX_MESSAGE_BYTES} bytes`,
  )
  .openapi({ description: `Text, at most ${MAX_MESSAGE_BYTES} bytes of UTF-8` });

/** The body of a message. */
export const MessageBody = VisitorText.min(1, 'is empty');

/** The caller's id of a message. It becomes the id of a stanza. */
export const MessageId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'a message id is A-Z, a-z, 0-9, ., _, : and -, at most 128')
  .openapi({
    description:
      'Unique for this visitor. The same id again means the same message; with another text or in another chat it is a conflict (409)',
  });
