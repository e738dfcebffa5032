/**
 * Times and durations in the texts for operators. A time says of which place it is. All are in UTC, because the operator's
 * time zone is unknown; only what time it is for the visitor is a time of theirs ({@link visitorsTime}).
 */
import { Lru } from '../../kit/lru.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `2026-01-31` */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** `14:05` */
export const timeOf = (at: number): string => new Date(at).toISOString().slice(11, 16);

/** The time, with its day unless that is today. For lists whose heading says that it is UTC. */
export const bareStampOf = (at: number, now: number): string =>
  dayOf(at) === dayOf(now) ? timeOf(at) : `${dayOf(at)} ${timeOf(at)}`;

/** The time, with its day unless that is today, and its place. */
export const stampOf = (at: number, now: number): string => `${bareStampOf(at, now)} UTC`;

/** Formatters kept in memory. A new one takes 300 µs. There are some 600 time zones, but visitors can invent names. */
const FORMATTERS_MAX = 1000;
const formatters = new Lru<Intl.DateTimeFormat>(FORMATTERS_MAX);

function formatterOf(zone: string): Intl.DateTimeFormat | null {
  const known = formatters.get(zone);
  if (known) return known;
  try {
    const formatter = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
    });
    formatters.set(zone, formatter);
    return formatter;
  } catch {
    return null; // RangeError of an unknown time zone, ECMA-402 §11.1.2
  }
}

/**
 * `09:05 in New York`: what time it is for the visitor.
 * @param zone of IANA, such as `America/New_York`
 * @returns null if the zone is missing or unknown
 */
export function visitorsTime(at: number, zone: string | undefined): string | null {
  const formatter = zone ? formatterOf(zone) : null;
  if (!formatter) return null;
  const time = formatter.format(at);
  const { timeZone } = formatter.resolvedOptions();
  // `Etc/GMT+3`, `EST` and `+03:00` name no place.
  const place = /^(?!Etc\/).*\/([^/]+)$/.exec(timeZone)?.[1]?.replaceAll('_', ' ');
  return place === undefined ? `${time} ${timeZone}` : `${time} in ${place}`;
}

/**
 * A duration in its two largest units, such as `2 h 5 min`.
 * @param ms a negative duration (clocks differ) counts as 0
 */
export function durationOf(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.max(0, Math.floor(ms / SECOND_MS))} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  const [large, small, unit, smallUnit] =
    ms < DAY_MS ? [HOUR_MS, MINUTE_MS, 'h', 'min'] : [DAY_MS, HOUR_MS, 'd', 'h'];
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${unit}${rest > 0 ? ` ${rest} ${smallUnit}` : ''}`;
}
