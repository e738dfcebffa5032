/** Times and durations in words. Pure, so that tests can ask it. */

const UNITS: readonly [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** A duration with its two largest units: `3 min 20 s`. @param ms not negative; less than a second is in ms */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** How long after something else, exact to the millisecond up to a minute: `+24 ms`, `+32.421 s`, `+3 min 20 s`. */
export function offset(ms: number): string {
  const isShort = ms >= 1_000 && ms < 60_000;
  return `+${isShort ? `${(ms / 1_000).toFixed(3)} s` : duration(ms)}`;
}

/** How long ago, or how soon: `3 min ago`, `in 20 s`, `now`. */
export function relative(at: number, now: number): string {
  const off = at - now;
  if (Math.abs(off) < 1_000) return 'now';
  const text = duration(Math.abs(off)).split(' ').slice(0, 2).join(' ');
  return off > 0 ? `in ${text}` : `${text} ago`;
}

/**
 * The time of day with ms, in the reader's zone: `21:30:05.123`. With its date if that is another one than that of `begin`.
 * @param at ms since 1970
 */
export function moment(at: number, begin: number, zone?: string): string {
  const options = { millis: true, ...(zone !== undefined && { zone }) };
  const [day, time = ''] = absolute(at, options).split(' ');
  const [firstDay] = absolute(begin, options).split(' ');
  return day === firstDay ? time : `${day} ${time}`;
}

/** The date and time in the reader's zone, with the zone: `2026-11-29 21:30:05 GMT+1`. @param millis shows ms too */
export function absolute(
  at: number,
  { zone, millis = false }: { zone?: string; millis?: boolean } = {},
): string {
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) return 'no time';
  const parts = new Map(
    new Intl.DateTimeFormat('en-GB', {
      ...(zone !== undefined && { timeZone: zone }),
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      hourCycle: 'h23',
      timeZoneName: 'short',
    })
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const get = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  const fraction = millis ? `.${get('fractionalSecond')}` : '';
  return `${get('year')}-${get('month')}-${get('day')} ${get('hour')}:${get('minute')}:${get('second')}${fraction} ${get('timeZoneName')}`;
}
