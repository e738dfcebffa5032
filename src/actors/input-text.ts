/** Rules for text that people or their browsers write: what cannot be carried costs itself, and never the rest (ADR 0031). */
import { z } from 'zod';
import { cut } from '../kit/cut.ts';
import { onOneLine } from '../kit/lines.ts';
import { legibleText } from '../kit/xml-text.ts';

/** Longest name of a person, a department or a city, in UTF-16 units. */
export const MAX_NAME_CHARACTERS = 128;

/** What XML cannot carry is left out. */
const legibleLine = (text: string): string => onOneLine(legibleText(text)).trim();

/**
 * A schema for one line of text that names something: what is too long would name something else, and is refused. Line
 * breaks and tabs become a space.
 * @param most longest accepted length, in UTF-16 units
 */
export const line = (most: number) =>
  z.string().overwrite(legibleLine).max(most, `is longer than ${most} characters`);

/**
 * A schema for one line that is not empty.
 * @param most longest accepted length, in UTF-16 units
 */
export const filledLine = (most: number) => line(most).min(1, 'is empty');

/** Blanks and characters without a shape alone. Braille's blank has none either. */
const SHOWS_NOTHING = /^[\p{Z}\p{Cc}\p{Cf}\p{DI}\u2800]*$/u;

/**
 * A schema for one line that describes something. It refuses no text: what is too long is cut, and what nobody would see
 * counts as empty, so that it hides no name that was told before.
 * @param most longest length of the output, in UTF-16 units
 */
export const describingLine = (most: number) =>
  z.string().overwrite((text) => {
    const described = cut(legibleLine(text), most).trimEnd();
    return SHOWS_NOTHING.test(described) ? '' : described;
  });
