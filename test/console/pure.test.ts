/** Parts of the console that need no browser: addresses, times, live events, the waits between tries. */
import { describe, expect, it } from 'vitest';
import { retryDelay } from '../../console/src/api/backoff.ts';
import { createSseParser } from '../../console/src/api/sse.ts';
import { routeOf, to } from '../../console/src/route.ts';
import { addressOf, groupsOf } from '../../console/src/search/groups.ts';
import { absolute, duration, moment, offset, relative } from '../../console/src/times.ts';

describe('addresses', () => {
  it.each([
    ['/console', { page: 'board' }],
    ['/console/', { page: 'board' }],
    ['/console/streams', { page: 'streams' }],
    ['/console/streams/visitor-acme.7', { page: 'stream', stream: 'visitor-acme.7' }],
    ['/console/streams/visitor-acme.a%2Fb', { page: 'stream', stream: 'visitor-acme.a/b' }],
    ['/console/traces/01a', { page: 'trace', id: '01a' }],
    ['/console/dead-letters/a%20b', { page: 'dead-letter', id: 'a b' }],
    ['/console/search', { page: 'search' }],
    ['/console/streams/a/b', { page: 'none' }],
    ['/console/streams/%', { page: 'none' }],
    ['/console/search/x', { page: 'none' }],
    ['/console/else', { page: 'none' }],
  ])('%s', (path, route) => {
    expect(routeOf(path)).toEqual(route);
  });

  it.each(['visitor-acme.7', 'a/b?c#d', '100%', 'ключ', '..'])(
    'lead back to the stream %s',
    (name) => {
      const { pathname, searchParams } = new URL(to.stream(name, 0), 'http://x');
      // A URL cannot hold `..` as a part of its path, and no stream is called so.
      if (name === '..') expect(routeOf(pathname)).not.toMatchObject({ page: 'stream' });
      else expect(routeOf(pathname)).toEqual({ page: 'stream', stream: name });
      expect(searchParams.get('revision')).toBe('0');
    },
  );

  it('leave out what is not set', () => {
    expect(to.streams({ category: '', tenant: null, text: 'a b&c' })).toBe(
      '/console/streams?text=a+b%26c',
    );
  });
});

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [3_661_000, '1 h 1 min'],
    [90_000_000, '1 d 1 h'],
    [86_400_000 * 400, '400 d'],
    [-5, '0 ms'],
  ])('a duration of %d ms', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it.each([
    [0, 'now'],
    [-999, 'now'],
    [-200_000, '3 min ago'],
    [59_000, 'in 59 s'],
    [-90_000_000, '1 d ago'],
  ])('%d ms away', (off, text) => {
    expect(relative(1e12 + off, 1e12)).toBe(text);
  });

  it('have their zone', () => {
    const at = Date.UTC(2026, 10, 29, 23, 30, 5, 7);
    expect(absolute(at, { zone: 'UTC', millis: true })).toBe('2026-11-29 23:30:05.007 UTC');
    expect(absolute(at, { zone: 'Europe/Riga' })).toMatch(/^2026-11-30 01:30:05 (GMT\+2|EET)$/);
    expect(absolute(Number.NaN)).toBe('no time');
    expect(absolute(1e300)).toBe('no time');
  });

  it.each([
    [0, '+0 ms'],
    [999.4, '+999 ms'],
    [1_432, '+1.432 s'],
    [59_999, '+59.999 s'],
    [61_000, '+1 min 1 s'],
  ])('so long after something else: %d ms', (ms, text) => {
    expect(offset(ms)).toBe(text);
  });

  it('have ms, and a date of their own on another day', () => {
    const begin = Date.UTC(2026, 10, 29, 23, 59, 59, 7);
    expect(moment(begin, begin, 'UTC')).toBe('23:59:59.007');
    expect(moment(begin + 1_000, begin, 'UTC')).toBe('2026-11-30 00:00:00.007');
    expect(moment(begin + 1_000, begin, 'Europe/Riga')).toBe('02:00:00.007');
    expect(moment(Number.NaN, begin, 'UTC')).toBe('no time');
  });
});

describe('server-sent events', () => {
  const STREAM =
    ': alive\n\nevent: visitor\nid: 7\ndata: {"a":1}\n\ndata: one\r\ndata: two\r\n\r\nid: 9\n\n';

  it('come whole', () => {
    const parser = createSseParser();
    expect(parser.feed(STREAM)).toEqual([
      { type: 'visitor', data: '{"a":1}' },
      { type: 'message', data: 'one\ntwo' },
    ]);
    // A block without data is no event, and its id counts: a heartbeat.
    expect(parser.lastEventId).toBe('9');
  });

  it('come the same in pieces of any size', () => {
    const whole = createSseParser().feed(STREAM);
    for (let size = 1; size < STREAM.length; size += 1) {
      const parser = createSseParser('6');
      const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(pieces.flatMap((piece) => parser.feed(piece))).toEqual(whole);
      expect(parser.lastEventId).toBe('9');
    }
  });

  it('count with their id only when they are complete', () => {
    const parser = createSseParser('3');
    expect(parser.feed('id: 4\ndata: x\n')).toEqual([]);
    expect(parser.lastEventId).toBe('3');
    parser.feed('\n');
    expect(parser.lastEventId).toBe('4');
  });
});

it('tries wait longer and longer, and never all at once', () => {
  const waits = Array.from({ length: 10 }, (_, attempt) => retryDelay(attempt, 0));
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect([retryDelay(0, 0), retryDelay(0, 1)]).toEqual([500, 1_000]);
  expect([retryDelay(50, 0), retryDelay(5_000, 1)]).toEqual([15_000, 30_000]);
});

it('results of a search are in groups, and lead to their places', () => {
  const one = {
    stream: 'visitor-acme.7',
    revision: 3,
    tenant: 'acme',
    title: '#c7',
    detail: '',
    at: 1,
  };
  const items = [
    { ...one, kind: 'trace' as const, title: 'req-1' },
    { ...one, kind: 'chat' as const },
    { ...one, kind: 'visitor' as const, revision: null },
    { ...one, kind: 'chat' as const, title: '#c8' },
  ];
  expect(groupsOf(items).map(({ name, items: found }) => [name, found.length])).toEqual([
    ['Visitors', 1],
    ['Chats', 2],
    ['Traces', 1],
  ]);
  expect(items.map(addressOf)).toEqual([
    '/console/traces/req-1',
    '/console/streams/visitor-acme.7?revision=3',
    '/console/streams/visitor-acme.7',
    '/console/streams/visitor-acme.7?revision=3',
  ]);
});
