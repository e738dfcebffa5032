/** A measured value beside its reference, taken in the same run (bench/RESULTS.md keeps full runs). */
export interface Row {
  /** Stable from run to run. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the same machine does without us. */
  readonly reference: number;
  /** value / reference; the median over the rounds, so not exactly the quotient of the two. */
  readonly ratio: number;
  /** What the ratio should reach, or stay under. */
  readonly aim: number;
  readonly better: 'higher' | 'lower';
}

/** Whether the aim is reached. */
export const reached = ({ ratio, aim, better }: Row): boolean =>
  better === 'higher' ? ratio >= aim : ratio <= aim;

/** The one in the middle (of an even number, the mean of the two). @throws {RangeError} of nothing */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  if (low === undefined || high === undefined) throw new RangeError('the median of nothing');
  return (low + high) / 2;
};
