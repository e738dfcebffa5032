/** Languages of visitors and operators: tags of BCP 47, such as `de-AT`. */
import { z } from 'zod';

/** The longest tag that RFC 5646 §4.4.1 wants everybody to take. */
export const MAX_LANGUAGE_CHARACTERS = 35;

/** The tag as the standard writes it (`de-AT`); null for a text that is none. */
export function languageTag(text: string): string | null {
  if (text.length > MAX_LANGUAGE_CHARACTERS) return null;
  try {
    return Intl.getCanonicalLocales(text.trim().replaceAll('_', '-'))[0] ?? null;
  } catch {
    return null; // a RangeError (ECMA-402 §9.2.1)
  }
}

const lengthOfPrimary = (tag: string): number => {
  const end = tag.indexOf('-');
  return end < 0 ? tag.length : end;
};

/** True if the tags name one language, whatever their regions and scripts are: who speaks `de` understands `de-AT`. */
export function isSameLanguage(one: string, other: string): boolean {
  const length = lengthOfPrimary(one);
  return length === lengthOfPrimary(other) && one.startsWith(other.slice(0, length));
}

/** A language that an administrator writes. */
export const Language = z
  .string()
  .refine((text) => languageTag(text) !== null, 'has to be a language tag such as de or pt-BR')
  .overwrite((text) => languageTag(text) ?? text);
