/** Local parts of JIDs that may not have certain characters (XEP-0106). */

/** By character, the hex digits of its code. */
const CODES: Readonly<Record<string, string>> = {
  ' ': '20',
  '"': '22',
  '&': '26',
  "'": '27',
  '/': '2f',
  ':': '3a',
  '<': '3c',
  '>': '3e',
  '@': '40',
  '\\': '5c',
};
const CHARACTERS = Object.fromEntries(Object.entries(CODES).map(([char, code]) => [code, char]));

/** A backslash is escaped only where it would look like an escape (XEP-0106 §4.2). */
const ESCAPED = /[ "&'/:<>@]|\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/gi;

export const escapeLocalPart = (text: string): string =>
  text.replace(ESCAPED, (character) => `\\${CODES[character]}`);

export const unescapeLocalPart = (local: string): string =>
  local.replace(/\\(20|22|26|27|2f|3a|3c|3e|40|5c)/gi, (whole, code: string) => {
    return CHARACTERS[code.toLowerCase()] ?? whole;
  });
