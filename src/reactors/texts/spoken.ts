/** The language of a visitor, in words. */

const names = new Intl.DisplayNames('en', { type: 'language', fallback: 'code' });

/** `speaks Austrian German`. @param tag BCP 47 @returns null if it is not known */
export function spokenBy(tag: string | null): string | null {
  if (tag === null) return null;
  return `speaks ${names.of(tag) ?? tag}`;
}
