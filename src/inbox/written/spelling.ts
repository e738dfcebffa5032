/** Which known word was meant by one that is not known. */

/** What is longer is no slip of the hand; it also bounds the work. */
const LONGEST = 40;
/** A beginning of so many letters says which word it is. */
const PREFIX = 2;
/** A word that is so long may have its argument glued to it. */
const GLUED = 4;

/**
 * Steps from one word to the other: a letter more, less or other, or two neighbours swapped ("optimal string alignment",
 * Damerau 1964), since a swap is the most common slip.
 */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      const steps = [
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      ];
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) steps.push((before[j - 2] ?? 0) + 1);
      row.push(Math.min(...steps));
    }
    before = last;
    last = row;
  }
  return last[other.length] ?? 0;
}

function farness(word: string, known: string): number {
  if (word === known) return 0;
  if (word.length >= PREFIX && known.startsWith(word)) return 0.5;
  if (known.length >= GLUED && word.startsWith(known)) return 1.5;
  return distance(word, known);
}

/**
 * The known word that is nearest, of several the first; null when none is near.
 * @param word in lower case
 */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word === '' || word.length > LONGEST) return null;
  const most = word.length <= 5 ? 1.5 : 2;
  let found: string | null = null;
  let least = most + 0.1;
  for (const candidate of known) {
    const far = farness(word, candidate);
    if (far < least) [found, least] = [candidate, far];
  }
  return found;
}
