/** Text that people or their browsers write, as far as the domain accepts it. */
import { z } from 'zod';
import { isXmlText } from '../kit/xml-text.ts';

/** A name at most: of a person, a department, a city. */
export const MAX_NAME_CHARACTERS = 128;

/** Why {@link isXmlText} refused a text. */
export const NOT_XML_TEXT =
  'holds a control character or half of a surrogate pair; only \\n and \\t are allowed';

/** Whitespace becomes one space wherever it has a tab or a line break. */
const onOneLine = (text: string): string =>
  (/[\t\r\n]/.test(text) ? text.replace(/[\t\r\n ]+/g, ' ') : text).trim();

/**
 * One line, trimmed. Line breaks and tabs, as in a page's title, become a space.
 * @param most characters
 */
export const line = (most: number) =>
  z
    .string()
    .overwrite(onOneLine)
    .max(most, `is longer than ${most} characters`)
    .refine(isXmlText, NOT_XML_TEXT);

/**
 * One line, of at least one character.
 * @param most characters
 */
export const filledLine = (most: number) => line(most).min(1, 'is empty');
