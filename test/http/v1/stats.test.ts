/** Statistics of a day: which day it is, what counts, and how times are measured. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startOfDay, TimeZone } from '../../../src/http/frame/days.ts';
import { computeStatistics } from '../../../src/projections/statistics.ts';
import { durationsOf } from '../../../src/projections/stats.ts';
import type { MeasuredChat, Range, StatsQueries } from '../../../src/projections/stats-queries.ts';
import { fakeApp, NEWEST } from '../fakes.ts';

const ACME = '/v1/acme';
const NOW = Date.parse('2026-01-01T00:00:00Z');

describe('stats', () => {
  const ranges: Range[] = [];
  const row = (
    department: string | null,
    wait: number | null,
    answer: number | null,
    more: Partial<MeasuredChat> = {},
  ): MeasuredChat => ({
    department,
    closed: true,
    startedAt: 1000,
    acceptedAt: wait === null ? null : 1000 + wait,
    answeredAt: answer === null ? null : 1000 + answer,
    overflowed: [],
    ...more,
  });
  const portions: readonly (readonly MeasuredChat[])[] = [
    Array.from({ length: 10 }, (_, n) => row('sales', (n + 1) * 1000, (n + 1) * 2000)),
    [
      row('help', null, null, { overflowed: ['sales'] }),
      row(null, null, null, { closed: false, overflowed: ['sales', 'help'] }),
    ],
  ];
  const work = { askedAt: 0, acceptedAt: 1, answeredAt: 3000, messages: 2, missed: 0, declined: 0 };
  const numbers = () => {
    const { deps } = fakeApp();
    return fakeApp({
      readModels: {
        ...deps.readModels,
        stats: { of: (range) => computeStatistics(() => queries, range) },
      },
    });
  };
  const queries: StatsQueries = {
    chats: (range, after) => {
      ranges.push(range);
      const at = after === null ? 0 : Number(after[0]);
      const rows = portions[at] ?? [];
      return { rows, next: at + 1 < portions.length ? [at + 1] : null };
    },
    work: () => ({
      rows: [
        { operator: 'zoe', ...work },
        { operator: 'ann', ...work, acceptedAt: null, answeredAt: null, missed: 2 },
        { operator: 'zoe', ...work, askedAt: 5000, declined: 1 },
      ],
      next: null,
    }),
  };

  test('count and measure in total, by department and by operator', async () => {
    const { json } = await numbers().ask('GET', `${ACME}/stats`);
    const waiting = { count: 10, mean: 5.5, p50: 5, p95: 10, max: 10 };
    const answer = { count: 10, mean: 11, p50: 10, p95: 20, max: 20 };
    const none = { count: 0, mean: null, p50: null, p95: null, max: null };
    expect(json).toEqual({
      since: NOW,
      until: NOW + 86_400_000,
      timezone: 'UTC',
      position: NEWEST,
      total: {
        chats: 12,
        open: 1,
        closed: 11,
        served: 10,
        missed: 1,
        overflowed: 2,
        waiting,
        answer,
      },
      departments: [
        {
          department: 'help',
          chats: 1,
          open: 0,
          closed: 1,
          served: 0,
          missed: 1,
          overflowed: 1,
          waiting: none,
          answer: none,
        },
        {
          department: 'sales',
          chats: 10,
          open: 0,
          closed: 10,
          served: 10,
          missed: 0,
          overflowed: 2,
          waiting,
          answer,
        },
        {
          department: null,
          chats: 1,
          open: 1,
          closed: 0,
          served: 0,
          missed: 0,
          overflowed: 0,
          waiting: none,
          answer: none,
        },
      ],
      operators: [
        {
          operator: 'ann',
          chats: 0,
          messages: 2,
          missedOffers: 2,
          declinedOffers: 0,
          answer: none,
        },
        {
          operator: 'zoe',
          chats: 2,
          messages: 4,
          missedOffers: 0,
          declinedOffers: 1,
          answer: { count: 1, mean: 3, p50: 3, p95: 3, max: 3 },
        },
      ],
    });
  });

  test('cover the requested range', async () => {
    const { ask } = numbers();
    const range = async (query: string) => {
      ranges.length = 0;
      await ask('GET', `${ACME}/stats?${query}`);
      const [first] = ranges;
      return first && [new Date(first.since).toISOString(), new Date(first.until).toISOString()];
    };
    expect(await range('timezone=Europe/Riga')).toEqual([
      '2025-12-31T22:00:00.000Z',
      '2026-01-01T22:00:00.000Z',
    ]);
    expect(await range('since=2025-12-30T12:00Z')).toEqual([
      '2025-12-30T12:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
    ]);
    expect(await range('since=2020-02-01')).toEqual([
      '2020-02-01T00:00:00.000Z',
      '2020-03-03T00:00:00.000Z',
    ]);
    expect(await range('until=2025-12-30T00:00Z')).toEqual([
      '2025-12-29T00:00:00.000Z',
      '2025-12-30T00:00:00.000Z',
    ]);
    expect(await range('since=2025-12-01&until=2026-01-01')).toEqual([
      '2025-12-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
    ]);
  });
});

describe('a day starts', () => {
  test.each([
    ['UTC', '2026-03-29T12:00Z', '2026-03-29T00:00Z'],
    ['UTC', '2026-03-29T00:00Z', '2026-03-29T00:00Z'],
    // Clocks go forward at 3:00 and back at 4:00: those days have 23 and 25 hours.
    ['Europe/Riga', '2026-03-29T20:59Z', '2026-03-28T22:00Z'],
    ['Europe/Riga', '2026-03-29T21:00Z', '2026-03-29T21:00Z'],
    ['Europe/Riga', '2026-10-25T21:59Z', '2026-10-24T21:00Z'],
    ['Europe/Riga', '2026-10-25T22:00Z', '2026-10-25T22:00Z'],
    // The clocks skip midnight: the day starts at 1:00.
    ['Africa/Cairo', '2026-04-24T10:00Z', '2026-04-23T22:00Z'],
    ['America/New_York', '2026-01-01T04:59Z', '2025-12-31T05:00Z'],
    ['Asia/Kathmandu', '2026-01-01T18:14Z', '2025-12-31T18:15Z'],
    ['Pacific/Kiritimati', '2026-01-01T10:00Z', '2026-01-01T10:00Z'],
  ])('in %s at %s: %s', (zone, at, start) => {
    expect(new Date(startOfDay(Date.parse(at), TimeZone.parse(zone))).toISOString()).toBe(
      new Date(start).toISOString(),
    );
  });
});

test('percentiles are by the nearest rank: measured values, with the right share of values below', () => {
  const times = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(times, (some) => {
      const { count, mean, p50, p95, max } = durationsOf(some.map((time) => time * 1000));
      const atMost = (value: number | null) =>
        some.filter((time) => value !== null && time <= value).length / some.length;
      const below = (value: number | null) =>
        some.filter((time) => value !== null && time < value).length / some.length;
      for (const [value, share] of [
        [p50, 0.5],
        [p95, 0.95],
        [max, 1],
      ] as const) {
        expect(some).toContain(value);
        expect(atMost(value)).toBeGreaterThanOrEqual(share);
        expect(below(value)).toBeLessThan(share);
      }
      expect(count).toBe(some.length);
      expect(mean).toBeCloseTo(some.reduce((sum, time) => sum + time, 0) / some.length, 2);
    }),
  );
});
