/**
 * Times and durations in the texts for operators. A time says of which place it is. All are in UTC, because the operator's
 * time zone is unknown; only what time it is for the visitor is a time of theirs ({@link visitorsTime}).
 */
import { localTime } from './presence-text.ts';

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

/**
 * `09:05 in New York`: what time it is for the visitor.
 * @param zone of IANA, such as `America/New_York`
 * @returns null if the zone is missing or unknown
 */
export function visitorsTime(at: number, zone: string | undefined): string | null {
  const time = localTime(at, zone);
  if (time === null) return null;
  // `Etc/GMT+3` and `EST` name no place.
  const place = /^(?!Etc\/).*\/([^/]+)$/.exec(zone ?? '')?.[1]?.replaceAll('_', ' ');
  return place === undefined ? `${time} ${zone}` : `${time} in ${place}`;
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
