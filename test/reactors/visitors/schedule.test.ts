/** Tenants take turns in the schedule of visitors, and in what runs of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { createLimiter } from '../../../src/kit/limiter.ts';
import type { Visitor } from '../../../src/reactors/visitors/desired.ts';
import { createSchedule } from '../../../src/reactors/visitors/schedule.ts';
import { visitorKey } from '../../support/names.ts';

const visitor = (tenant: string, n: number): Visitor => ({
  tenant: TenantId.parse(tenant),
  key: visitorKey(`v${n}`),
});
const everybody = () => true;
const schedule = (now = () => 0) => createSchedule(now, everybody);
/** Stops after so many. */
const atMost = (most: number) => () => (most-- > 0 ? true : null);

describe('the schedule', () => {
  it('takes one visitor of each tenant in turn, each tenant in order', () => {
    const all = schedule();
    for (let n = 0; n < 3; n++) all.add(visitor('big', n), 0);
    all.add(visitor('small', 0), 0);
    expect(all.take(everybody)).toEqual([
      visitor('big', 0),
      visitor('small', 0),
      visitor('big', 1),
      visitor('big', 2),
    ]);
    expect(all.size()).toBe(4);
  });

  it('goes on with the tenant whose turn it was', () => {
    const all = schedule();
    for (let n = 0; n < 4; n++)
      for (const tenant of ['a', 'b', 'c']) all.add(visitor(tenant, n), 0);
    const turns = Array.from({ length: 12 }, () => all.take(atMost(1))).flat();
    expect(turns.map(({ tenant }) => tenant).join('')).toBe('abc'.repeat(4));
  });

  it('skips visitors who are not due, are busy, or may not be taken', () => {
    let now = 0;
    const all = schedule(() => now);
    all.add(visitor('a', 0), 10);
    all.add(visitor('a', 1), 0);
    all.add(visitor('b', 0), 0);
    expect(all.take(({ visitor: { tenant } }) => tenant !== 'b')).toEqual([visitor('a', 1)]);
    all.add(visitor('a', 1), 0); // busy
    now = 10;
    expect(all.take(everybody)).toEqual([visitor('b', 0), visitor('a', 0)]);
    all.busy.clear();
    expect(all.take(everybody)).toEqual([visitor('a', 1)]);
    all.forget(() => true);
    expect(all.take(everybody)).toEqual([]);
  });

  it('is fair for any mixture of tenants: no tenant gets two turns while another waits', () => {
    const arrivals = fc.array(
      fc.record({ tenant: fc.constantFrom('a', 'b', 'c', 'd'), n: fc.nat(40), at: fc.nat(3) }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 7 }), (all, portion) => {
        let now = 0;
        const each = schedule(() => now);
        const waiting = new Map<TenantId, Set<string>>();
        for (const { tenant, n, at } of all) {
          const who = visitor(tenant, n);
          each.add(who, at);
          waiting.set(who.tenant, (waiting.get(who.tenant) ?? new Set()).add(who.key));
        }
        now = 3; // all are due
        let taken: Visitor[];
        const turns: Visitor[] = [];
        do {
          taken = each.take(atMost(portion));
          turns.push(...taken);
        } while (taken.length > 0);
        let round = new Set<TenantId>();
        for (const { tenant, key } of turns) {
          if (round.has(tenant)) {
            // A second turn: all who still wait have had theirs.
            for (const [other, keys] of waiting) {
              if (keys.size > 0) expect(round.has(other)).toBe(true);
            }
            round = new Set();
          }
          round.add(tenant);
          expect(waiting.get(tenant)?.delete(key)).toBe(true);
        }
        expect([...waiting.values()].every((keys) => keys.size === 0)).toBe(true);
      }),
    );
  });
});

it('10,000 visitors of one tenant who wait for a login delay a visitor of another tenant by a few logins', async () => {
  const all = schedule();
  const placesAtOnce = 20;
  const limited = createLimiter(placesAtOnce);
  for (let n = 0; n < 10_000; n++) all.add(visitor('big', n), 0);
  let logins = 0;
  let finish = (): void => {};
  const tick = () => {
    // As the reconciler does: 128 visitors wait for a place.
    for (const who of all.take(() => (all.busy.size >= 128 ? null : true))) {
      void limited(async () => {
        logins += 1;
        if (who.tenant === 'small') return finish();
        await new Promise(setImmediate);
      }, who.tenant).finally(() => {
        all.busy.delete(`${who.tenant}.${who.key}`);
        all.presenceEnded(who);
        tick();
      });
    }
  };
  tick();
  while (logins < 1_000) await new Promise(setImmediate);
  const before = logins;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  all.add(visitor('small', 0), 0);
  await done;
  expect(logins - before).toBeLessThanOrEqual(3 * placesAtOnce);
  all.forget(() => true);
});
