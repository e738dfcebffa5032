/** Numbers in a tenant's settings. */
import { z } from 'zod';

/** No duration is longer than a year. */
export const MAX_SECONDS = 31_536_000;

/** @param unit what is counted, for the message about a wrong value */
export function count(unit: string, least: number, most: number) {
  const error = `has to be a whole number from ${least} to ${most} (${unit}), without quotes`;
  return z.number(error).int(error).min(least, error).max(most, error);
}
