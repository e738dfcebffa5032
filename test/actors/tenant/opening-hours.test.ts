import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Opening, OpeningHours, openingAt } from '../../../src/actors/tenant/opening-hours.ts';
import { dateAt, instantOf, offsetAt } from '../../../src/kit/zoned-time.ts';

const hoursOf = (hours: unknown): OpeningHours => OpeningHours.parse(hours);
const utc = (text: string): number => Date.parse(`${text}Z`);
/** An opening with its time in UTC. */
const shown = ({ open, until }: Opening) => [
  open,
  until === null ? null : new Date(until).toISOString().slice(0, 16),
];

const WORKDAYS = hoursOf({
  timezone: 'Europe/Berlin',
  week: Object.fromEntries(
    ['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, ['09:00-12:00', '13:00-17:00']]),
  ),
  exceptions: { '2026-12-24': ['09:00-12:00'], '2026-12-25': [] },
});
const ALWAYS = hoursOf({
  timezone: 'Asia/Kathmandu',
  week: Object.fromEntries(
    ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, ['00:00-24:00']]),
  ),
});

describe('opening hours', () => {
  it.each([
    // Monday, in winter: Berlin is an hour ahead.
    ['2026-11-30T07:59', false, '2026-11-30T08:00'],
    ['2026-11-30T08:00', true, '2026-11-30T11:00'],
    ['2026-11-30T11:00', false, '2026-11-30T12:00'],
    ['2026-11-30T12:00', true, '2026-11-30T16:00'],
    ['2026-11-30T16:00', false, '2026-12-01T08:00'],
    // Friday evening: Monday morning.
    ['2026-12-04T16:30', false, '2026-12-07T08:00'],
    // In summer it is two hours ahead.
    ['2026-07-06T07:00', true, '2026-07-06T10:00'],
  ])('at %s open: %s, until %s', (now, open, until) => {
    expect(shown(openingAt(WORKDAYS, utc(now)))).toEqual([open, until]);
  });

  it('an exception takes the place of the weekday', () => {
    expect(shown(openingAt(WORKDAYS, utc('2026-12-24T11:30')))).toEqual([
      false,
      '2026-12-28T08:00',
    ]);
  });

  it('a range past midnight belongs to the day on which it begins', () => {
    const night = hoursOf({
      timezone: 'UTC',
      week: { fri: ['22:00-06:00'] },
      exceptions: { '2026-12-05': [] },
    });
    expect(shown(openingAt(night, utc('2026-12-05T05:59')))).toEqual([true, '2026-12-05T06:00']);
    expect(shown(openingAt(night, utc('2026-12-05T06:00')))).toEqual([false, '2026-12-11T22:00']);
  });

  it('ranges that touch at midnight are one', () => {
    const hours = hoursOf({
      timezone: 'America/New_York',
      week: { sat: ['20:00-24:00'], sun: ['00:00-04:00'] },
    });
    expect(shown(openingAt(hours, utc('2026-01-04T02:00')))).toEqual([true, '2026-01-04T09:00']);
  });

  it('what never closes has no end, and what never opens no beginning', () => {
    expect(openingAt(ALWAYS, utc('2026-11-30T07:59'))).toEqual({ open: true, until: null });
    const never = hoursOf({ timezone: 'UTC', week: {} });
    expect(openingAt(never, utc('2026-11-30T07:59'))).toEqual({ open: false, until: null });
    const dates = hoursOf({
      timezone: 'UTC',
      week: {},
      exceptions: { '2027-11-30': ['08:00-09:00'] },
    });
    expect(shown(openingAt(dates, utc('2026-11-30T07:59')))).toEqual([false, '2027-11-30T08:00']);
  });

  describe('when clocks change', () => {
    const night = hoursOf({
      timezone: 'Europe/Berlin',
      week: { sun: ['01:00-02:30', '02:45-05:00'] },
    });

    it('forward, over a beginning and an end', () => {
      // 29 March 2026: 02:00 is 03:00, at 01:00 UTC. Both 02:30 and 02:45 are skipped.
      expect(shown(openingAt(night, utc('2026-03-29T00:30')))).toEqual([true, '2026-03-29T03:00']);
      const later = hoursOf({ timezone: 'Europe/Berlin', week: { sun: ['02:30-05:00'] } });
      expect(shown(openingAt(later, utc('2026-03-29T00:30')))).toEqual([false, '2026-03-29T01:00']);
      const never = hoursOf({ timezone: 'Europe/Berlin', week: { sun: ['02:10-02:50'] } });
      expect(shown(openingAt(never, utc('2026-03-29T00:30')))).toEqual([false, '2026-04-05T00:10']);
    });

    it('back: the first of two equal times counts', () => {
      // 25 October 2026: 03:00 is 02:00, at 01:00 UTC. 02:30 is at 00:30 and at 01:30 UTC.
      expect(shown(openingAt(night, utc('2026-10-25T00:29')))).toEqual([true, '2026-10-25T00:30']);
      expect(shown(openingAt(night, utc('2026-10-25T00:30')))).toEqual([false, '2026-10-25T00:45']);
      // It has begun at the first 02:45 and goes on through the second 02:30.
      expect(shown(openingAt(night, utc('2026-10-25T01:30')))).toEqual([true, '2026-10-25T04:00']);
    });

    it('at midnight, which is skipped', () => {
      // Santiago, 6 September 2026: after 23:59 comes 01:00, at 04:00 UTC.
      const hours = hoursOf({ timezone: 'America/Santiago', week: { sun: ['00:00-02:00'] } });
      expect(shown(openingAt(hours, utc('2026-09-06T03:59')))).toEqual([false, '2026-09-06T04:00']);
      expect(shown(openingAt(hours, utc('2026-09-06T04:00')))).toEqual([true, '2026-09-06T05:00']);
    });
  });

  const zone = fc.constantFrom(
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'America/Santiago',
    'Pacific/Apia',
  );
  const time = fc.integer({ min: utc('2010-01-01T00:00'), max: utc('2030-01-01T00:00') });

  it('the time of what a clock shows is then, or the one before it', () => {
    fc.assert(
      fc.property(zone, time, (timezone, now) => {
        const date = dateAt(timezone, now);
        const minutes = Math.floor((now + offsetAt(timezone, now) - Date.parse(date)) / 60_000);
        const found = instantOf(timezone, date, minutes);
        const minute = Math.floor(now / 60_000) * 60_000;
        expect(found).toBeLessThanOrEqual(minute);
        expect(minute - found).toBeLessThanOrEqual(3_600_000);
        expect(found + offsetAt(timezone, found)).toBe(minute + offsetAt(timezone, minute));
      }),
    );
  });

  const clock = fc
    .integer({ min: 0, max: 1_439 })
    .map((m) => new Date(m * 60_000).toISOString().slice(11, 16));
  const ranges = fc.array(
    fc
      .tuple(clock, clock)
      .filter(([from, to]) => from !== to)
      .map(([from, to]) => `${from}-${to}`),
    { maxLength: 3 },
  );
  const anyHours = fc
    .record({
      timezone: zone,
      week: fc.record(
        {
          mon: ranges,
          tue: ranges,
          wed: ranges,
          thu: ranges,
          fri: ranges,
          sat: ranges,
          sun: ranges,
        },
        { requiredKeys: [] },
      ),
    })
    .map(hoursOf);

  it('nothing changes before `until`, and it does then', () => {
    fc.assert(
      fc.property(
        anyHours,
        time,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (hours, now, part) => {
          const { open, until } = openingAt(hours, now);
          if (until === null) return;
          expect(until).toBeGreaterThan(now);
          const between = Math.floor(now + (until - now) * part);
          if (between < until) expect(openingAt(hours, between)).toEqual({ open, until });
          expect(openingAt(hours, until).open).toBe(!open);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    [{ timezone: 'Berlin', week: {} }, 'timezone'],
    [{ timezone: 'UTC', week: { mon: ['9-17'] } }, 'week.mon.0'],
    [{ timezone: 'UTC', week: { mon: ['09:00-09:00'] } }, 'week.mon.0'],
    [{ timezone: 'UTC', week: { mon: ['24:00-09:00'] } }, 'week.mon.0'],
    [{ timezone: 'UTC', week: { mon: Array(9).fill('09:00-10:00') } }, 'week.mon'],
    [{ timezone: 'UTC', week: { monday: [] } }, 'week'],
    [{ timezone: 'UTC', week: {}, exceptions: { '2026-02-30': [] } }, 'exceptions.2026-02-30'],
    [{ timezone: 'UTC', week: {}, message: 'x'.repeat(1_001) }, 'message'],
    [{ timezone: 'UTC', week: {}, message: ' ' }, 'message'],
  ])('%j is wrong in %s', (hours, field) => {
    const { error } = OpeningHours.safeParse(hours);
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
  });
});
