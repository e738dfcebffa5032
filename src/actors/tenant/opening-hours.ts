/**
 * Opening hours: weekly hours on the clocks of a time zone, with exceptions by date (docs/adr/0059). Whether it is open is a
 * function of the hours and the time.
 */
import { z } from 'zod';
import { isTimeZone, MAX_ZONE_CHARACTERS } from '../../kit/time-zone.ts';
import { dateAfter, dateAt, instantOf, weekdayOf } from '../../kit/zoned-time.ts';

/** Ranges of one day. */
export const MAX_RANGES = 8;
/** Dates with other hours. */
export const MAX_EXCEPTIONS = 400;
/** The away message, in UTF-16 units. */
export const MAX_MESSAGE_CHARACTERS = 1_000;
/** How far ahead the next opening is looked for. */
export const LOOK_AHEAD_DAYS = 400;
/** How far ahead the next closing is looked for. What is open for longer counts as never closing. */
const OPEN_LOOK_AHEAD_DAYS = 15;

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const RANGE = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/;
const RANGE_FORM =
  'has to be HH:MM-HH:MM, from 00:00 to 24:00; an end before the beginning is on the next day';

/** A range of one day, in minutes since its beginning. An end past 1440 is on the next day. */
interface Range {
  readonly from: number;
  readonly to: number;
}

const DAY_MINUTES = 1_440;

function rangeOf(text: string): Range | null {
  const [, h1, m1, h2, m2, h24] = RANGE.exec(text) ?? [];
  if (h1 === undefined) return null;
  const from = Number(h1) * 60 + Number(m1);
  const to = h24 === undefined ? Number(h2) * 60 + Number(m2) : DAY_MINUTES;
  return from === to ? null : { from, to: to > from ? to : to + DAY_MINUTES };
}

const Ranges = z
  .array(z.string().refine((text) => rangeOf(text) !== null, RANGE_FORM))
  .max(MAX_RANGES, `has more than ${MAX_RANGES} ranges`);

const NO_DATE = 'has a date that is none: it has to be YYYY-MM-DD';
const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(`${text}T00:00Z`)) &&
  dateAfter(text, 0) === text;

export const OpeningHours = z.strictObject({
  timezone: z
    .string()
    .max(MAX_ZONE_CHARACTERS)
    .refine(isTimeZone, 'has to be the name of a time zone, such as Europe/Berlin'),
  /** A day that is left out is closed. */
  week: z.strictObject({
    mon: Ranges.optional(),
    tue: Ranges.optional(),
    wed: Ranges.optional(),
    thu: Ranges.optional(),
    fri: Ranges.optional(),
    sat: Ranges.optional(),
    sun: Ranges.optional(),
  }),
  /** By date, in place of that weekday's ranges. An empty list: closed. */
  exceptions: z
    .record(z.string().refine(isDate, NO_DATE), Ranges)
    .refine(
      (dates) => Object.keys(dates).length <= MAX_EXCEPTIONS,
      `has more than ${MAX_EXCEPTIONS} dates`,
    )
    .optional(),
  /** What a visitor reads who starts a chat while it is closed. Without it, nothing. */
  message: z
    .string()
    .trim()
    .min(1, 'is empty')
    .max(MAX_MESSAGE_CHARACTERS, `is longer than ${MAX_MESSAGE_CHARACTERS} characters`)
    .regex(/^(?:\P{Cc}|\n)*$/u, 'must not have a control character')
    .optional(),
});
export type OpeningHours = z.infer<typeof OpeningHours>;

export interface Opening {
  readonly open: boolean;
  /** When that changes, in ms since 1970; null if it does not. */
  readonly until: number | null;
}

export const ALWAYS_OPEN: Opening = { open: true, until: null };

function rangesOf({ week, exceptions }: OpeningHours, date: string): readonly Range[] {
  const own = exceptions && Object.hasOwn(exceptions, date) ? exceptions[date] : undefined;
  const day = DAYS[weekdayOf(date)];
  const texts = own ?? (day === undefined ? [] : (week[day] ?? []));
  return texts.flatMap((text) => rangeOf(text) ?? []);
}

/** The times of a date's ranges, in ms since 1970, the earliest first. */
const timesOf = (hours: OpeningHours, date: string): { from: number; to: number }[] =>
  rangesOf(hours, date)
    .map(({ from, to }) => ({
      from: instantOf(hours.timezone, date, from),
      to: instantOf(hours.timezone, date, to),
    }))
    .toSorted((a, b) => a.from - b.from);

/**
 * Whether it is open, and until when. A range belongs to the day on which it begins. If clocks are put forward over its
 * beginning or end, it begins or ends then; if they are put back, the first of two equal times counts.
 * @param now ms since 1970
 */
export function openingAt(hours: OpeningHours, now: number): Opening {
  const today = dateAt(hours.timezone, now);
  /** While it is open: when it closes, as far as is known. */
  let until: number | null = null;
  for (let day = -1; day <= LOOK_AHEAD_DAYS; day++) {
    if (until !== null && day > OPEN_LOOK_AHEAD_DAYS) return ALWAYS_OPEN;
    for (const { from, to } of timesOf(hours, dateAfter(today, day))) {
      if (to <= now || from >= to) continue;
      if (from <= (until ?? now)) until = Math.max(until ?? now, to);
      else if (until === null) return { open: false, until: from };
      else return { open: true, until };
    }
    // What begins on a later day begins no earlier than that day.
    if (until !== null && until < instantOf(hours.timezone, dateAfter(today, day + 1), 0)) {
      return { open: true, until };
    }
  }
  return until === null ? { open: false, until: null } : ALWAYS_OPEN;
}
