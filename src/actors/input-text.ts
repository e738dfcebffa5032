/** Rules for text that people or their browsers write. */
import { z } from 'zod';
import { isXmlText } from '../kit/xml-text.ts';

/** Longest name of a person, a department or a city, in UTF-16 units. */
export const MAX_NAME_CHARACTERS = 128;

/** The reason that callers read if {@link isXmlText} refuses a text. */
export const NOT_XML_TEXT =
  'holds a control character or half of a surrogate pair; only \\n and \\t are allowed';

/** Each run of whitespace with a tab or a line break becomes one space. */
const onOneLine = (text: string): string =>
  (/[\t\r\n]/.test(text) ? text.replace(/[\t\r\n ]+/g, ' ') : text).trim();

/**
 * A schema for one line of text, trimmed. Line breaks and tabs, as in a page's title, become a space.
 * @param most longest accepted length, in UTF-16 units
 */
export const line = (most: number) =>
  z
    .string()
    .overwrite(onOneLine)
    .max(most, `is longer than ${most} characters`)
    .refine(isXmlText, NOT_XML_TEXT);

/**
 * A schema for one line that is not empty.
 * @param most longest accepted length, in UTF-16 units
 */
export const filledLine = (most: number) => line(most).min(1, 'is empty');
