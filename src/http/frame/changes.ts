/**
 * What the frame tells a caller about a body that was not taken as it came (ADR 0031). Schemas clean texts silently, and
 * an answer that says nothing would hide a fault of the caller for ever.
 */
import { z } from '@hono/zod-openapi';
import { isXmlText, legibleText, xmlLineEnds } from '../../kit/xml-text.ts';
import { type FieldError, MAX_FIELD_ERRORS } from './problem.ts';

/** In the answer to a command. */
export const Changed = z
  .array(z.object({ field: z.string(), reason: z.string() }))
  .optional()
  .openapi({
    description:
      'Fields of the body that were not taken as they came: cut, cleaned of characters that XML cannot carry, or left out. Absent if there are none',
  });

/**
 * The fields that a schema has changed. Differences in whitespace are none.
 * @param given parsed JSON
 * @param taken the output of the schema for it
 * @returns {@link MAX_FIELD_ERRORS} at most. Reasons quote nothing
 */
export function changesOf(given: unknown, taken: unknown): readonly FieldError[] {
  return [...changesAt('', given, taken)].slice(0, MAX_FIELD_ERRORS);
}

function* changesAt(field: string, given: unknown, taken: unknown): Iterable<FieldError> {
  if (given === taken || given === null || given === undefined) return;
  if (typeof given === 'object') {
    if (typeof taken !== 'object' || taken === null) yield { field, reason: LEFT_OUT };
    else yield* changesWithin(field, given, taken);
    return;
  }
  const reason = typeof given === 'string' ? textReason(given, taken) : `counts as ${taken}`;
  if (reason !== null) yield { field, reason };
}

function* changesWithin(at: string, given: object, taken: object): Iterable<FieldError> {
  // A list that lost repetitions has other places.
  if (Array.isArray(given) && Array.isArray(taken) && given.length !== taken.length) return;
  for (const [key, value] of Object.entries(given)) {
    yield* changesAt(at ? `${at}.${key}` : key, value, Reflect.get(taken, key));
  }
}

const LEFT_OUT = 'was left out: nothing of it can be used';

const spaces = (text: string): string => text.replace(/[\t\r\n ]+/g, ' ').trim();

function textReason(given: string, taken: unknown): string | null {
  const legible = spaces(legibleText(given));
  if (typeof taken !== 'string' || taken === '') return given.trim() === '' ? null : LEFT_OUT;
  const isCut = spaces(taken) !== legible && legible.startsWith(spaces(taken));
  if (isCut) return `was cut to ${taken.length} characters`;
  if (isXmlText(xmlLineEnds(given))) return null;
  return 'has lost characters that XML cannot carry';
}
