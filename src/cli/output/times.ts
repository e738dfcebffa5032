/** Times as people write and read them on a command line. Inside, a time is ms since 1970. */
import { AppError } from '../../errors.ts';

const two = (n: number): string => String(n).padStart(2, '0');

/** `2026-11-29 14:05:12.345`, in the zone of this machine, or in UTC with a `Z`. */
export function timeText(at: number, utc: boolean): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  if (utc) return date.toISOString().replace('T', ' ');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `350 ms`, `12.4 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`. @param ms at least 0 */
export function durationText(ms: number): string {
  const both = (a: number, unit: string, b: number, part: string): string =>
    b === 0 ? `${a} ${unit}` : `${a} ${unit} ${b} ${part}`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Number((ms / SECOND).toFixed(1))} s`;
  if (ms < HOUR) {
    return both(Math.floor(ms / MINUTE), 'min', Math.floor((ms % MINUTE) / SECOND), 's');
  }
  if (ms < DAY) return both(Math.floor(ms / HOUR), 'h', Math.floor((ms % HOUR) / MINUTE), 'min');
  return both(Math.floor(ms / DAY), 'd', Math.floor((ms % DAY) / HOUR), 'h');
}

/** `3 min 20 s ago`, `in 12 s`, `now`. */
export function relativeText(at: number, now: number): string {
  const ms = at - now;
  if (Math.abs(ms) < SECOND / 2) return 'now';
  return ms < 0 ? `${durationText(-ms)} ago` : `in ${durationText(ms)}`;
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  min: MINUTE,
  h: HOUR,
  d: DAY,
};

/** `90s`, `15m`, `1h`, `2d`, or ms; null for another text. */
export function durationOf(text: string): number | null {
  const [, number, unit = 'ms'] = /^(\d{1,12}) ?(ms|s|m|min|h|d)?$/.exec(text.trim()) ?? [];
  const factor = UNITS[unit];
  return number === undefined || factor === undefined ? null : Number(number) * factor;
}

const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?$/;
const LOCAL = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?$/;
const WITH_ZONE =
  /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * The time that a person means: `2026-11-29T14:05:12Z`, `2026-11-29 14:05`, `14:05` (the last time that it was 14:05),
 * `10m ago`, `now`, or ms since 1970. Without a zone it is the zone of this machine, with `utc` UTC.
 * @param option its name, for the message
 * @throws {AppError} `invalid` for another text
 */
export function timeOf(
  option: string,
  text: string,
  { now, utc }: { readonly now: number; readonly utc: boolean },
): number {
  const at = parsed(text.trim(), now, utc);
  if (at !== null && Number.isSafeInteger(at)) return at;
  throw new AppError(
    'invalid',
    `${option} has to be a time such as 2026-11-29T14:05:12Z, "2026-11-29 14:05", 14:05 or "10m ago"`,
    { field: option },
  );
}

function parsed(text: string, now: number, utc: boolean): number | null {
  if (text === 'now') return now;
  const ago = /^(.+?) ?ago$/.exec(text)?.[1];
  if (ago !== undefined) {
    const ms = durationOf(ago);
    return ms === null || /^\d+$/.test(ago) ? null : now - ms;
  }
  if (/^\d{12,14}$/.test(text)) return Number(text);
  if (WITH_ZONE.test(text)) return Date.parse(text.replace(' ', 'T'));
  if (LOCAL.test(text)) {
    const iso = text.includes(':') ? text.replace(' ', 'T') : `${text}T00:00`;
    return Date.parse(utc ? `${iso}Z` : iso);
  }
  return clockTime(text, now, utc);
}

/** Today, or yesterday if that is still to come. */
function clockTime(text: string, now: number, utc: boolean): number | null {
  const [, hours, minutes, seconds = '0', fraction = '0'] = CLOCK.exec(text) ?? [];
  if (hours === undefined || minutes === undefined) return null;
  const clock = [hours, minutes, seconds, fraction.padEnd(3, '0')].map(Number);
  const [h = 0, m = 0, s = 0, ms = 0] = clock;
  if (h > 23 || m > 59 || s > 59) return null;
  const date = new Date(now);
  if (utc) date.setUTCHours(h, m, s, ms);
  else date.setHours(h, m, s, ms);
  if (date.getTime() > now) {
    if (utc) date.setUTCDate(date.getUTCDate() - 1);
    else date.setDate(date.getDate() - 1);
  }
  return date.getTime();
}
