import { describe, expect, it } from 'vitest';
import {
  closedOf,
  openingOf,
  overflowsOf,
  termsOf,
  withSources,
} from '../../../src/actors/tenant/department-settings.ts';
import { MAX_OVERFLOWS, Routing } from '../../../src/actors/tenant/routing-settings.ts';
import { TenantSettings, TenantTemplate } from '../../../src/actors/tenant/settings.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const ago = (seconds: number) => NOW - seconds * 1000;
const NEVER = { timezone: 'UTC', week: {} };
/** Open when the tenant is closed. */
const NOON = { timezone: 'UTC', week: { thu: ['11:00-13:00'] } };
const to = (department: string, after = 10) => ({ overflow: { to: department, after } });
const routing = (departments: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  Routing.parse({ departments, ...more });
const faultsOf = (departments: Record<string, unknown>) =>
  (Routing.safeParse({ departments }).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')} ${message}`,
  );

describe('faults of overflow', () => {
  it('a circle is named, for each department from which one comes into it', () => {
    expect(faultsOf({ a: to('b'), b: to('c'), c: to('a'), d: to('b'), e: to('f') })).toEqual([
      'departments.a.overflow.to goes round in a circle: a → b → c → a',
      'departments.b.overflow.to goes round in a circle: b → c → a → b',
      'departments.c.overflow.to goes round in a circle: c → a → b → c',
      'departments.d.overflow.to goes round in a circle: d → b → c → a → b',
    ]);
    expect(faultsOf({ a: to('a') })).toEqual([
      'departments.a.overflow.to goes round in a circle: a → a',
    ]);
  });

  it('a chain has a bound', () => {
    const chain = (length: number) =>
      Object.fromEntries(Array.from({ length }, (_, i) => [`d${i}`, to(`d${i + 1}`)]));
    expect(faultsOf(chain(MAX_OVERFLOWS))).toEqual([]);
    expect(faultsOf(chain(MAX_OVERFLOWS + 1))).toEqual([
      'departments.d0.overflow.to has more than 10 departments one after the other',
    ]);
  });

  it.each([
    [{ overflow: { to: 'b' } }, 'departments.a.overflow.after'],
    [{ overflow: { to: 'b', after: 0 } }, 'departments.a.overflow.after'],
    [{ overflow: { to: '', after: 1 } }, 'departments.a.overflow.to'],
    [{ maxChats: 0 }, 'departments.a.maxChats'],
    [{ maxWaiting: 1.5 }, 'departments.a.maxWaiting'],
    [{ tierWait: -1 }, 'departments.a.tierWait'],
    [{ language: { match: 'must' } }, 'departments.a.language.match'],
    [{ hours: { timezone: 'UTC', week: { mon: ['x'] } } }, 'departments.a.hours.week.mon.0'],
  ])('%j is wrong in %s', (department, field) => {
    expect(faultsOf({ a: department }).map((fault) => fault.split(' ', 1)[0])).toEqual([field]);
  });
});

it('a template for instances takes all of them', () => {
  const departments = { a: { ...to('b'), hours: NOON, maxChats: 3, tierWait: 5 } };
  const template = TenantTemplate.parse({
    id: 'shops',
    host: 'chat.test',
    instance: '*',
    routing: { departments, hours: NEVER, language: { match: 'require' } },
  });
  expect(template.routing).toMatchObject({ departments, language: { match: 'require', wait: 60 } });
});

it('settings without any of them say what they said before', () => {
  const settings = { id: 'acme', host: 'chat.test', apiKey: 'k'.repeat(16) };
  expect(TenantSettings.parse(settings).routing).toEqual({
    by: 'service',
    policy: 'least-loaded',
    capacity: 5,
    departments: {},
  });
});

it('a department has its own terms, or else the tenant’s', () => {
  const all = routing(
    { a: { tierWait: 0, language: { match: 'prefer' }, hours: NOON }, b: { capacity: 2 } },
    { tierWait: 7, language: { match: 'require', wait: 9 }, hours: NEVER },
  );
  expect(termsOf(all, 'a', NOW)).toMatchObject({ tierWaitMs: 0, languageWaitMs: 0 });
  expect(termsOf(all, 'b', NOW)).toMatchObject({
    tierWaitMs: 7_000,
    languageWaitMs: 9_000,
    departmentCapacity: 2,
  });
  expect(openingOf(all, 'a', NOW)).toEqual({ open: true, until: NOW + 3_600_000 });
  expect(openingOf(all, 'a', NOW + 3_599_999).open).toBe(true);
  expect(openingOf(all, 'a', NOW + 3_600_000).open).toBe(false);
  // The clock was put back.
  expect(openingOf(all, 'a', NOW)).toEqual({ open: true, until: NOW + 3_600_000 });
  expect(openingOf(all, 'a', NOW - 7_200_000)).toEqual({ open: false, until: NOW - 3_600_000 });
  expect(openingOf(all, 'b', NOW).open).toBe(false);
  expect(openingOf(all, null, NOW).open).toBe(false);
  // The name of a property of every object is a department like others.
  expect(termsOf(all, 'constructor', NOW)).toMatchObject({ tierWaitMs: 7_000 });
});

describe('where a chat may go', () => {
  const chain = routing({ a: to('b', 10), b: to('c', 20), c: to('d', 30) });
  const at = (department: string | null, seconds: number, overflowed: string[] = []) => ({
    department,
    waitsSince: ago(seconds),
    overflowed,
  });
  it.each([
    ['a', 9, []],
    ['a', 10, ['b']],
    ['a', 29, ['b']],
    ['a', 30, ['b', 'c']],
    ['a', 60, ['b', 'c', 'd']],
    ['b', 19, []],
    ['b', 50, ['c', 'd']],
    ['d', 900, []],
    [null, 900, []],
  ])('from %s after %i s: %j', (department, seconds, expected) => {
    expect(overflowsOf(chain, at(department, seconds), NOW, false)).toEqual(expected);
  });

  it('from a full one at once, and on from there after the time of the next', () => {
    expect(overflowsOf(chain, at('a', 0), NOW, true)).toEqual(['b']);
    expect(overflowsOf(chain, at('a', 20), NOW, true)).toEqual(['b', 'c']);
  });

  it('through a closed one at once, and never into it', () => {
    const closed = routing({ a: { ...to('b'), hours: NEVER }, b: { ...to('c'), hours: NEVER } });
    expect(overflowsOf(closed, at('a', 0), NOW, false)).toEqual(['c']);
  });

  it('not back, whatever the settings have become', () => {
    expect(overflowsOf(chain, at('a', 900, ['c']), NOW, false)).toEqual(['b']);
    const circle = { ...chain, departments: { a: to('b'), b: to('a') } } as Routing;
    expect(overflowsOf(circle, at('a', 900), NOW, false)).toEqual(['b']);
    expect(overflowsOf(circle, at('b', 900, ['a']), NOW, false)).toEqual([]);
  });

  it('a time from a wrong clock counts as over', () => {
    expect(overflowsOf(chain, at('a', -100_000), NOW, false)).toEqual(['b', 'c', 'd']);
  });

  it('finds whose chats may go to a department', () => {
    expect([...withSources(chain, ['c'])].sort()).toEqual(['a', 'b', 'c']);
    expect(withSources(chain, ['x'])).toEqual(['x']);
  });

  it('is closed only where no department of the chain is open', () => {
    const some = routing(
      { a: { ...to('b'), hours: NEVER }, b: { hours: NOON }, c: { hours: NEVER } },
      { hours: NEVER },
    );
    expect(closedOf(some, NOW)).toEqual({ names: ['c'], others: true, named: ['a', 'b', 'c'] });
    expect(closedOf(some, NOW + 7_200_000).names).toEqual(['a', 'b', 'c']);
  });
});
