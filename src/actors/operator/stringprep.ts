/**
 * What ejabberd accepts as a password: it prepares one as a resource, by the profile Resourceprep (RFC 3920 appendix B) of
 * stringprep (RFC 3454). That is Unicode 3.2 of 2002, and stricter than RFC 8265.
 */
import { LEFT_TO_RIGHT, RIGHT_TO_LEFT, UNASSIGNED } from './stringprep-tables.ts';

/** The test of a table: whether a code point is in it. */
function memberOf(table: string): (codePoint: number) => boolean {
  const numbers = table.split(' ').map((digits) => Number.parseInt(digits, 36));
  /** The first and last code point of each range, in order. */
  const edges: number[] = [];
  let last = 0;
  for (const [index, number] of numbers.entries()) {
    last += number;
    edges[index] = last;
  }
  return (codePoint) => {
    let [low, high] = [0, edges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((edges[middle] ?? 0) < codePoint) low = middle + 1;
      else high = middle;
    }
    // The first edge that is not below it: the end of a range that has it, or the beginning of one.
    return low % 2 === 1 || edges[low] === codePoint;
  };
}

const isUnassigned = memberOf(UNASSIGNED);
const isRightToLeft = memberOf(RIGHT_TO_LEFT);
const isLeftToRight = memberOf(LEFT_TO_RIGHT);

/** Of table C, what RFC 8265 allows: format characters, replacement characters (C.6), descriptions of ideographs (C.7). */
const PROHIBITED = /[\u06dd\u070f\u180e\u2ff0-\u2ffb\ufff9-\uffff\u{1d173}-\u{1d17a}]/u;

/** Of a resource (RFC 7622 §3.4), also in its normal form: one sign may stand for a sentence. */
export const MAX_PASSWORD_BYTES = 1_023;

const pointsOf = (text: string): number[] => Array.from(text, (each) => each.codePointAt(0) ?? 0);

/**
 * Why ejabberd refuses a password that RFC 8265 allows.
 * @param prepared as `preparePassword` does
 * @returns the reason, without a part of the password; null if ejabberd accepts it
 */
export function resourcePrepFault(prepared: string): string | null {
  // Later versions of Unicode compose more. What is not assigned in 3.2 has to be found before.
  const normal = prepared.normalize('NFKC');
  if ([...pointsOf(prepared), ...pointsOf(normal)].some(isUnassigned)) {
    return 'holds a character that ejabberd does not know: emoji and all others that are younger than 2002';
  }
  if (Buffer.byteLength(normal) > MAX_PASSWORD_BYTES) {
    return `is longer than ${MAX_PASSWORD_BYTES} bytes in UTF-8, in the form in which ejabberd measures it`;
  }
  if (PROHIBITED.test(normal)) return 'holds a character that ejabberd refuses in a password';
  return breaksDirection(pointsOf(normal))
    ? 'has letters of a script that is written from right to left: ejabberd wants it to begin and end with such letters, and to have none of other scripts'
    : null;
}

/** RFC 3454 §6. */
function breaksDirection(points: readonly number[]): boolean {
  if (!points.some(isRightToLeft)) return false;
  const ends = [points[0], points.at(-1)];
  return (
    points.some(isLeftToRight) || !ends.every((end) => end !== undefined && isRightToLeft(end))
  );
}
