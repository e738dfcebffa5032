/** Suggests the known word that was probably meant by an unknown one. */

/** A longer word is no typing error. The limit also bounds the work. */
const WORD_MAX_LENGTH = 40;
/** So many letters at the beginning identify a word. */
const PREFIX_LENGTH = 2;
/** A known word of this length is recognised with its argument written directly behind it. */
const JOINED_MIN_LENGTH = 4;

/** Distance of a prefix of a known word, and of a known word with its argument directly behind it. */
const PREFIX_DISTANCE = 0.5;
const JOINED_DISTANCE = 1.5;

/**
 * The number of single changes between two words: a letter added, removed or replaced, or two neighbours swapped. This
 * is the "optimal string alignment" distance (Damerau 1964). Swaps count as one, because they are the most common error.
 */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      const options = [
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      ];
      const swap = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swap) options.push((beforeLast[j - 2] ?? 0) + 1);
      row.push(Math.min(...options));
    }
    beforeLast = last;
    last = row;
  }
  return last[other.length] ?? 0;
}

function distance(word: string, known: string): number {
  if (word === known) return 0;
  if (word.length >= PREFIX_LENGTH && known.startsWith(word)) return PREFIX_DISTANCE;
  if (known.length >= JOINED_MIN_LENGTH && word.startsWith(known)) return JOINED_DISTANCE;
  return editDistance(word, known);
}

/**
 * The nearest known word, and of several the first; null if none is near.
 * @param word in lower case
 */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word === '' || word.length > WORD_MAX_LENGTH) return null;
  const most = word.length <= 5 ? 1.5 : 2;
  let best: string | null = null;
  let least = most + 0.1;
  for (const candidate of known) {
    const far = distance(word, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}
