/** What a terminal gets: widths, control characters, times. */
import { describe, expect, it } from 'vitest';
import { columns, lineOf } from '../../../src/cli/output/screen.ts';
import { cut, jsonLine, padded, visible, widthOf } from '../../../src/cli/output/terminal-text.ts';
import {
  durationOf,
  durationText,
  relativeText,
  timeOf,
  timeText,
} from '../../../src/cli/output/times.ts';
import { testScreen } from '../log/scene.ts';

describe('text', () => {
  it.each([
    ['abc', 3],
    ['日本語', 6],
    ['한국', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['👍🏽', 2],
    ['👨‍👩‍👧‍👦', 2],
    ['🇩🇪', 2],
    ['❤️', 2],
    ['\u0301', 0],
    ['ﾊﾝｶｸ', 4],
    ['ＡＢ', 4],
    ['مرحبا', 5],
  ])('takes cells: %s', (text, cells) => {
    expect(widthOf(text)).toBe(cells);
    expect(widthOf(padded(text, 10))).toBe(10);
  });

  it('is cut with a sign, and never in the middle of a character', () => {
    expect(cut('abcdef', 4)).toBe('abc…');
    expect(cut('日本語', 5)).toBe('日本…');
    expect(cut('日本語', 4)).toBe('日…');
    expect(cut('👨‍👩‍👧‍👦👨‍👩‍👧‍👦', 3)).toBe('👨‍👩‍👧‍👦…');
    expect(cut('abc', 3)).toBe('abc');
    for (let cells = 1; cells < 12; cells += 1) {
      expect(widthOf(cut('a日👍🏽e\u0301ＡＢ語x', cells))).toBeLessThanOrEqual(cells);
    }
    expect([...cut(`a${'\u0301'.repeat(500)}b`, 2)].length).toBeLessThan(20);
  });

  it('shows what a terminal would obey', () => {
    expect(visible('a\u001b[2Jb\n\t\u009b\u202e\u2066\ud800')).toBe(
      'a\\u001b[2Jb\\n\\t\\u009b\\u202e\\u2066\\ud800',
    );
    const value = { text: 'x\u001b\u009b\u202e\u{e0067}\ufeff👨‍👩‍👧' };
    expect(JSON.parse(jsonLine(value))).toEqual(value);
    expect(jsonLine(value)).not.toMatch(/[\p{Cc}\u202e\ufeff]/u);
  });

  it('stands in columns, the last one cut to the terminal', () => {
    const screen = testScreen(20);
    expect(columns(screen, ['NAME', 'X'], [['日本', 'a'.repeat(40)]])).toEqual([
      'NAME  X',
      `日本  ${'a'.repeat(15)}…`,
    ]);
    const long = columns(
      testScreen(Number.POSITIVE_INFINITY),
      [],
      [
        ['a', '→', 'b'],
        ['c'.repeat(81), '→', 'd'],
      ],
    );
    expect(long).toEqual(['a  →  b', `${'c'.repeat(81)}  →  d`]);
    const pieces = [{ text: 'data=1 ' }, { text: 'b'.repeat(40), style: 'personal' as const }];
    expect(lineOf(screen, ['ab', pieces], [2])).toBe(`ab  data=1 ${'b'.repeat(8)}…`);
  });
});

describe('times', () => {
  const now = Date.parse('2026-11-29T14:05:00Z');
  const of = (text: string) => new Date(timeOf('--time', text, { now, utc: true })).toISOString();

  it.each([
    ['2026-11-29T14:05:12Z', '2026-11-29T14:05:12.000Z'],
    ['2026-11-29T14:05+02:00', '2026-11-29T12:05:00.000Z'],
    ['2026-11-29 14:05', '2026-11-29T14:05:00.000Z'],
    ['2026-11-29', '2026-11-29T00:00:00.000Z'],
    ['14:00', '2026-11-29T14:00:00.000Z'],
    ['14:05:30.5', '2026-11-28T14:05:30.500Z'],
    ['10m ago', '2026-11-29T13:55:00.000Z'],
    ['2 h ago', '2026-11-29T12:05:00.000Z'],
    ['now', '2026-11-29T14:05:00.000Z'],
    [String(now), '2026-11-29T14:05:00.000Z'],
  ])('reads %s', (text, expected) => {
    expect(of(text)).toBe(expected);
  });

  it.each(['', 'soon', '25:00', '10:61', '2026-13-01', '10 ago', '-1m ago', '2026-11-29T14:05X'])(
    'refuses %j',
    (text) => {
      expect(() => of(text)).toThrow(/^--time has to be a time/);
    },
  );

  it('reads the zone of this machine without --utc', () => {
    const local = timeOf('--time', '2026-11-29 14:05', { now, utc: false });
    expect(local).toBe(new Date(2026, 10, 29, 14, 5).getTime());
    expect(timeText(local, false)).toBe('2026-11-29 14:05:00.000');
    expect(timeText(now, true)).toBe('2026-11-29 14:05:00.000Z');
  });

  it('writes durations', () => {
    expect([350, 12_400, 200_000, 18_720_000, 273_600_000].map(durationText)).toEqual([
      '350 ms',
      '12.4 s',
      '3 min 20 s',
      '5 h 12 min',
      '3 d 4 h',
    ]);
    expect(relativeText(now - 5_000, now)).toBe('5 s ago');
    expect(relativeText(now + 60_000, now)).toBe('in 1 min');
    expect(['90s', '15m', '2d', '7', '1w', ''].map(durationOf)).toEqual([
      90_000,
      900_000,
      172_800_000,
      7,
      null,
      null,
    ]);
  });
});
