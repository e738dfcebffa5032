import { expect, test } from 'vitest';
import {
  CONTACT_TEXTS_PER_TICK,
  CONTACTS_AT_ONCE,
  createWays,
  RECONCILIATIONS_AT_ONCE,
  STATUS_TEXTS_PER_TICK,
} from '../../../src/reactors/visitors/ways.ts';
import { tenantId, visitorKey } from '../../support/names.ts';

const visitorsOf = (tenant: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ tenant: tenantId(tenant), key: visitorKey(`${n}`) }));
const SLOW = visitorsOf('accounts', 1_000);
const FAST = visitorsOf('component', 4_000);

/** Works that do not end before {@link finish}. */
function world() {
  const ways = createWays(({ tenant }) => (tenant === 'component' ? 'component' : 'accounts'));
  let running = 0;
  const ends: (() => void)[] = [];
  const run = (visitor: (typeof SLOW)[number]) =>
    ways.run(visitor, async () => {
      running += 1;
      await new Promise<void>((resolve) => void ends.push(resolve));
      running -= 1;
    });
  return { ways, run, running: () => running, finish: () => ends.splice(0).map((end) => end()) };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('so many run for each transport, four times as many are taken, and the other goes on', async () => {
  const { ways, run, running } = world();
  const taken = ways.take((room) => SLOW.filter((visitor) => room(visitor, false)));
  expect(taken).toHaveLength(4 * RECONCILIATIONS_AT_ONCE);
  for (const visitor of taken) void run(visitor);
  await turn();
  expect(running()).toBe(RECONCILIATIONS_AT_ONCE);
  const [slow] = SLOW;
  const [fast] = FAST;
  if (!slow || !fast) throw new Error('nobody');
  const answers = ways.take((room) => [room(slow, false), room(fast, false)]);
  expect(answers).toEqual([false, true]);
  void run(fast);
  await turn();
  expect(running()).toBe(RECONCILIATIONS_AT_ONCE + 1);
});

test('without room for anybody the look ends; it goes on when there is room again', async () => {
  const { ways, run, running, finish } = world();
  const all = [...SLOW, ...FAST];
  const taken = ways.take((room) => all.filter((visitor) => room(visitor, false) === true));
  expect(taken).toHaveLength(4 * (RECONCILIATIONS_AT_ONCE + CONTACTS_AT_ONCE));
  for (const visitor of taken) void run(visitor);
  await turn();
  const [slow, fast] = [SLOW[0], FAST[0]];
  if (!slow || !fast) throw new Error('nobody');
  expect(ways.take((room) => [room(slow, false), room(fast, false)])).toEqual([false, null]);
  expect(ways.hasRoomAgain(slow)).toBe(false);
  while (running() > 0) {
    finish();
    await turn();
  }
  expect([ways.hasRoomAgain(slow), ways.hasRoomAgain(fast)]).toEqual([true, true]);
  ways.take((room) => room(slow, false));
  expect(ways.hasRoomAgain(slow)).toBe(false);
});

test('so many status texts go in one tick for each transport; whoever comes, leaves or waits goes anyway', () => {
  const { ways } = world();
  const texts = (visitors: typeof SLOW) =>
    ways.take((room) => visitors.filter((visitor) => room(visitor, true)).length);
  expect(texts(SLOW)).toBe(0);
  ways.tick();
  expect([texts(SLOW), texts(FAST)]).toEqual([STATUS_TEXTS_PER_TICK, CONTACT_TEXTS_PER_TICK]);
  expect([texts(SLOW), texts(FAST)]).toEqual([0, 0]);
  const arrivals = ways.take((room) => SLOW.filter((visitor) => room(visitor, false)));
  expect(arrivals).toHaveLength(4 * RECONCILIATIONS_AT_ONCE);
  ways.tick();
  expect(texts(SLOW)).toBe(STATUS_TEXTS_PER_TICK);
});
