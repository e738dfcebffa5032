/** Days of a time zone, as times. */
import { z } from '@hono/zod-openapi';

const MINUTE_MS = 60_000;
/** No local day is longer, with what a change of the clocks adds; none begins further from the same day in UTC. */
const MOST_MINUTES = 26 * 60;

const known = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false; // a RangeError for what is no time zone
  }
};

/** A time zone by its IANA name. */
export const TimeZone = z
  .string()
  .max(64)
  .refine(known, 'is no time zone: give a name as Europe/Riga')
  .default('UTC')
  .openapi({ description: 'In which days begin: an IANA name, as Europe/Riga' });

/**
 * The beginning of the local day of a time: the first minute with its date, also where the clocks skip midnight.
 * @param at ms since 1970
 * @param zone a name that {@link TimeZone} has accepted
 */
export function startOfDay(at: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  });
  const today = format.format(at);
  // Clocks are changed at whole minutes. Before `outside` there was another date, from `inside` on it is this one.
  let inside = Math.floor(at / MINUTE_MS);
  let outside = inside - MOST_MINUTES;
  while (inside - outside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (format.format(middle * MINUTE_MS) === today) inside = middle;
    else outside = middle;
  }
  return inside * MINUTE_MS;
}
