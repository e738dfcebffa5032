/** Text that people or their browsers wrote: what may be in it, and how much of it. */
import { z } from '@hono/zod-openapi';
import { isXmlText, xmlLineEnds } from '../../kit/xml-text.ts';

const REFUSED =
  'holds a control character or half of a surrogate pair; only \\n and \\t are allowed';

/** A visitor's message at most, in bytes of UTF-8. */
const MAX_MESSAGE_BYTES = 65_536;

/** One line: line breaks and tabs, as in a page's title, become a space. */
export const line = (max: number) =>
  z
    .string()
    .overwrite((text) => (/[\t\r\n]/.test(text) ? text.replace(/[\t\r\n ]+/g, ' ') : text).trim())
    .max(max, `is longer than ${max} characters`)
    .refine(isXmlText, REFUSED);

/** The same, of at least one character. */
export const filledLine = (max: number) => line(max).min(1, 'is empty');

/** A message: several lines, `\r\n` becomes `\n`. */
export const MessageBody = z
  .string()
  .overwrite(xmlLineEnds)
  .min(1, 'is empty')
  .refine(isXmlText, REFUSED)
  .refine(
    (text) => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES,
    `is longer than ${MAX_MESSAGE_BYTES} bytes`,
  )
  .openapi({ description: `Text, at most ${MAX_MESSAGE_BYTES} bytes of UTF-8` });

/** A message's id as the caller names it; it becomes a stanza's id. */
export const MessageId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'a message id is A-Z, a-z, 0-9, ., _, : and -, at most 128')
  .openapi({ description: 'Unique for this visitor; the same id again is the same message' });
