import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PARTITIONS } from '../../../src/runtime/leases/ownership.ts';
import {
  applyLease,
  expiredOwners,
  type LeaseState,
  parseLeaseFact,
  shiftOf,
} from '../../../src/runtime/leases/state.ts';

const DURATION = 8_000;
const holding = (state: LeaseState, owner: string, partitions: readonly number[], at = 0) =>
  applyLease(
    state,
    { type: 'LeaseRenewed', data: { owner, name: owner, durationMs: DURATION, partitions } },
    at,
  );
const of = (state: LeaseState, owner: string) => state.get(owner)?.partitions ?? [];
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

/** One process takes and gives all that it would, in one step. */
function step(state: LeaseState, me: string): LeaseState {
  const { take, give } = shiftOf(state, me);
  const kept = of(state, me).filter((n) => !give.includes(n));
  return holding(state, me, [...kept, ...take]);
}

test('the first process takes everything', () => {
  expect(shiftOf(new Map(), 'a').take).toEqual(upTo(PARTITIONS));
});

test('a process that joins takes nothing before others give', () => {
  const alone = holding(new Map(), 'a', upTo(PARTITIONS));
  const joined = holding(alone, 'b', []);
  expect(shiftOf(joined, 'b')).toEqual({ take: [], give: [] });
  expect(shiftOf(joined, 'a').give).toHaveLength(8);
});

test('an owner expires when no process heard of it for its lease and a little more', () => {
  const state = holding(holding(new Map(), 'a', [1], 1_000), 'b', [2], 1_000);
  expect(expiredOwners(state, 'b', 1_000 + DURATION)).toEqual([]);
  expect(expiredOwners(state, 'b', 1_501 + DURATION)).toEqual(['a']);
  const heard = holding(state, 'a', [1], 5_000);
  expect(expiredOwners(heard, 'b', 1_501 + DURATION)).toEqual([]);
});

test('expired and ended owners hold nothing', () => {
  const state = holding(holding(new Map(), 'a', [1]), 'b', [2]);
  const expired = applyLease(state, { type: 'LeaseExpired', data: { owner: 'a', by: 'b' } }, 0);
  expect([...expired.keys()]).toEqual(['b']);
  expect(applyLease(expired, { type: 'LeaseEnded', data: { owner: 'b' } }, 0).size).toBe(0);
});

test('other facts are ignored', () => {
  expect(parseLeaseFact('VisitorArrived', {})).toBeNull();
});

const happenings = fc.array(
  fc.record({
    what: fc.constantFrom('step' as const, 'join' as const, 'die' as const),
    who: fc.integer({ min: 0, max: 6 }),
  }),
  { maxLength: 60 },
);

test('in any order of joins, deaths and steps no partition has two owners, and the end is balanced', () => {
  fc.assert(
    fc.property(happenings, (list) => {
      let state: LeaseState = new Map();
      for (const { what, who } of list) {
        const me = `p${who}`;
        if (what === 'join' && !state.has(me)) state = holding(state, me, []);
        else if (what === 'die') {
          state = applyLease(state, { type: 'LeaseEnded', data: { owner: me } }, 0);
        } else if (state.has(me)) state = step(state, me);
        const all = [...state.values()].flatMap(({ partitions }) => partitions);
        expect(new Set(all).size).toBe(all.length);
      }
      if (state.size === 0) state = holding(state, 'p0', []);
      // Without further changes they come to rest: no process takes or gives any more.
      for (let round = 0; round < 40; round++) {
        for (const me of state.keys()) state = step(state, me);
      }
      for (const me of state.keys()) expect(shiftOf(state, me)).toEqual({ take: [], give: [] });
      const counts = [...state.values()].map(({ partitions }) => partitions.length);
      expect(counts.reduce((sum, n) => sum + n, 0)).toBe(PARTITIONS);
      expect(Math.min(...counts)).toBe(Math.floor(PARTITIONS / counts.length));
      expect(Math.max(...counts)).toBe(Math.ceil(PARTITIONS / counts.length));
    }),
    { numRuns: 300 },
  );
});

test('as few partitions move as possible', () => {
  let state = holding(holding(new Map(), 'a', upTo(8)), 'b', upTo(16).slice(8));
  state = holding(state, 'c', []);
  const before = new Map([...state].map(([owner, { partitions }]) => [owner, partitions]));
  for (let round = 0; round < 10; round++) for (const me of state.keys()) state = step(state, me);
  for (const owner of ['a', 'b']) {
    expect(before.get(owner)).toEqual(expect.arrayContaining([...of(state, owner)]));
  }
  expect(of(state, 'c')).toHaveLength(5);
});
