/** Times on the clocks of a time zone. Pure but for a cache: what Intl knows of a zone is data. */
import { Lru } from './lru.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Formatters kept in memory. Making one costs some 50 µs. */
const FORMATS_KEPT = 200;
const formats = new Lru<Intl.DateTimeFormat>(FORMATS_KEPT);

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(zone, format);
  return format;
}

/** How far the clocks of a zone are ahead of UTC, in ms. @param at ms since 1970 */
export function offsetAt(zone: string, at: number): number {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of formatOf(zone).formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const shown = Date.UTC(year, month - 1, day, hour, minute, second);
  return shown - Math.floor(at / 1000) * 1000;
}

/** The date that the clocks of a zone show, as `2026-12-24`. @param at ms since 1970 */
export const dateAt = (zone: string, at: number): string =>
  new Date(at + offsetAt(zone, at)).toISOString().slice(0, 10);

/** A date so many days later, or earlier if negative. */
export const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);

/** 0 is Sunday. */
export const weekdayOf = (date: string): number => new Date(`${date}T00:00Z`).getUTCDay();

/**
 * When the clocks of a zone show a time of a date first, in ms since 1970. If they skip it, because they are put forward,
 * it is when they are.
 * @param minutes since the beginning of the date; 1440 is the beginning of the next one
 */
export function instantOf(zone: string, date: string, minutes: number): number {
  const shown = Date.parse(`${date}T00:00Z`) + minutes * MINUTE_MS;
  // A zone changes its clocks once within two days at most.
  const [before, after] = [offsetAt(zone, shown - DAY_MS), offsetAt(zone, shown + DAY_MS)];
  for (const offset of [before, after]) {
    if (offsetAt(zone, shown - offset) === offset) return shown - offset;
  }
  let [early, late] = [shown - after, shown - before];
  while (late - early > 1000) {
    const middle = Math.floor((early + late) / 2000) * 1000;
    if (offsetAt(zone, middle) === before) early = middle;
    else late = middle;
  }
  return late;
}
