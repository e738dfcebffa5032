/** A measured value and its reference, from the same run. bench/RESULTS.md has full runs. */
export interface Row {
  /** The same in every run. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the same machine does without our code. */
  readonly reference: number;
  /** The median of value / reference over the rounds, so not exactly the quotient of the two medians. */
  readonly ratio: number;
  /** The ratio should reach this, or stay below it. */
  readonly aim: number;
  readonly better: 'higher' | 'lower';
}

/** True if the ratio reaches the aim. */
export const reached = ({ ratio, aim, better }: Row): boolean =>
  better === 'higher' ? ratio >= aim : ratio <= aim;

/** The value in the middle, or the mean of the two in the middle. @throws {RangeError} for an empty list */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  if (low === undefined || high === undefined) throw new RangeError('the median of nothing');
  return (low + high) / 2;
};

/** One value and its reference, measured one after the other. */
export interface Round {
  readonly value: number;
  readonly reference: number;
}

/** The medians over all rounds. */
export const mediansOf = (
  rounds: readonly Round[],
): Pick<Row, 'value' | 'reference' | 'ratio'> => ({
  value: median(rounds.map(({ value }) => value)),
  reference: median(rounds.map(({ reference }) => reference)),
  ratio: median(rounds.map(({ value, reference }) => value / reference)),
});

/** The quantile by the nearest rank, such as 0.99; NaN for an empty list. */
export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? Number.NaN;
