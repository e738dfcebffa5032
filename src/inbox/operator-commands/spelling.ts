/** Suggests the known word that was probably meant by an unknown one. */
import { editDistance } from '../../kit/edit-distance.ts';

/** A longer word is no typing error. The limit also bounds the work. */
const WORD_MAX_LENGTH = 40;
/** So many letters at the beginning identify a word. */
const PREFIX_LENGTH = 2;
/** A known word of this length is recognised with its argument written directly behind it. */
const JOINED_MIN_LENGTH = 4;

/** Distance of a prefix of a known word, and of a known word with its argument directly behind it. */
const PREFIX_DISTANCE = 0.5;
const JOINED_DISTANCE = 1.5;

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
