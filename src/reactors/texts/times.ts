/** Times and durations in words, for lines that operators read. In UTC: where an operator sits is not known. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `2026-01-31` */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** `14:05` */
export const timeOf = (at: number): string => new Date(at).toISOString().slice(11, 16);

/** The time, with its day when that is not today. */
export const stampOf = (at: number, now: number): string =>
  dayOf(at) === dayOf(now) ? `${timeOf(at)} UTC` : `${dayOf(at)} ${timeOf(at)} UTC`;

/** @param ms what is negative, by clocks that differ, is nothing */
export function durationOf(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  const [most, rest, units] = ms < DAY ? [HOUR, MINUTE, 'h min'] : [DAY, HOUR, 'd h'];
  const [unit, part] = units.split(' ');
  const left = Math.floor((ms % most) / rest);
  return `${Math.floor(ms / most)} ${unit}${left > 0 ? ` ${left} ${part}` : ''}`;
}
