/** Days of a time zone as instants. */
import { z } from '@hono/zod-openapi';
import { isTimeZone, MAX_ZONE_CHARACTERS } from '../../kit/time-zone.ts';

const MINUTE_MS = 60_000;
/** No local day is longer, even with a change of the clocks, and none starts further from the same day in UTC. */
const MAX_DAY_MINUTES = 26 * 60;

/** A time zone by its IANA name. */
export const TimeZone = z
  .string()
  .max(MAX_ZONE_CHARACTERS)
  .refine(isTimeZone, 'is not a time zone: give a name such as Europe/Riga')
  .default('UTC')
  .openapi({ description: 'The time zone in which days start: an IANA name such as Europe/Riga' });

/**
 * The start of the local day of an instant: the first minute with the same date, also where the clocks skip midnight.
 * @param at ms since 1970
 * @param zone a name that {@link TimeZone} accepts
 * @returns ms since 1970
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
  // Bisection by minutes, since clocks change at whole minutes: `outside` has another date, `inside` has this one.
  let inside = Math.floor(at / MINUTE_MS);
  let outside = inside - MAX_DAY_MINUTES;
  while (inside - outside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (format.format(middle * MINUTE_MS) === today) inside = middle;
    else outside = middle;
  }
  return inside * MINUTE_MS;
}
