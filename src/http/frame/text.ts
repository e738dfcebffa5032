/** Messages as callers send them. */
import { z } from '@hono/zod-openapi';
import { NOT_XML_TEXT } from '../../actors/input-text.ts';
import { isXmlText, xmlLineEnds } from '../../kit/xml-text.ts';

/** A visitor's message at most, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 65_536;

/** The body of a message: one or several lines; `\r\n` becomes `\n`. */
export const MessageBody = z
  .string()
  .overwrite(xmlLineEnds)
  .min(1, 'is empty')
  .refine(isXmlText, NOT_XML_TEXT)
  .refine(
    (text) => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES,
    `is longer than ${MAX_MESSAGE_BYTES} bytes`,
  )
  .openapi({ description: `Text, at most ${MAX_MESSAGE_BYTES} bytes of UTF-8` });

/** The caller's id of a message. It becomes the id of a stanza. */
export const MessageId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'a message id is A-Z, a-z, 0-9, ., _, : and -, at most 128')
  .openapi({ description: 'Unique for this visitor. The same id again means the same message' });
