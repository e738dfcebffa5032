/** A number of an option, such as `--limit 50`. */
import { InvalidArgumentError } from 'commander';

/** @param most the number may be from 1 to this. @returns what commander parses the option with */
export const countOption =
  (most: number) =>
  (text: string): number => {
    const count = Number(text);
    if (Number.isSafeInteger(count) && count >= 1 && count <= most) return count;
    throw new InvalidArgumentError(`It has to be a number from 1 to ${most}.`);
  };
