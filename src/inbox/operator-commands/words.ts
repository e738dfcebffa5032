/** Words as people type them on phones, in one form. */

/** A word is cut here before it is normalised: no command is this long. */
const WORD_MAX_LENGTH = 100;

/** The word without the changes that phones make: a capital letter (`İ` for a Turkish `i`), a full stop at the end. */
export const plain = (word: string): string =>
  word
    .slice(0, WORD_MAX_LENGTH)
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{DI}]/gu, '')
    .toLowerCase()
    .replace(/[.,:;!]+$/, '');

/** True if the text has only invisible characters. */
export const isBlank = (text: string): boolean => /^[\s\p{Cc}\p{Cf}\p{DI}\u2800]*$/u.test(text);

export const oneLine = (text: string): string => text.replace(/\s+/gu, ' ').trim();
