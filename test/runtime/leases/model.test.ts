/** Leases in a simulated world (world.ts): a partition never has two owners, and in the end each has one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '../../service/campaign/random.ts';
import { type LeaseWorld, leaseWorld, STORE_FAULTS } from './world.ts';

const NAMES = ['a', 'b', 'c'] as const;
/** An append may take 15 s. Then a lease ends, another process notices, and the partitions get new owners. */
const BOUND_MS = 60_000;

const who = fc.constantFrom(...NAMES);
const ms = fc.integer({ min: 50, max: 25_000 });
const happening = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('start' as const), who }) },
  fc.record({ what: fc.constant('kill' as const), who }),
  fc.record({ what: fc.constant('stop' as const), who }),
  fc.record({ what: fc.constant('pause' as const), who, ms, sleeps: fc.boolean() }),
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('disturb' as const),
      ms,
      who: fc.option(who),
      kind: fc.constantFrom(...STORE_FAULTS),
    }),
  },
  fc.record({
    what: fc.constant('lag' as const),
    who,
    lagMs: fc.integer({ min: 0, max: 10_000 }),
    finishMs: fc.integer({ min: 0, max: 4_000 }),
  }),
);
const story = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 8_000 })), { maxLength: 20 });

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

function happens(world: LeaseWorld, each: Happening): void {
  if (each.what === 'start') world.start(each.who);
  else if (each.what === 'kill') world.kill(each.who);
  else if (each.what === 'stop') void world.stop(each.who);
  else if (each.what === 'pause') world.pause(each.who, each.ms, each.sleeps);
  else if (each.what === 'lag') world.lag(each.who, each.lagMs, each.finishMs);
  else if (each.who === null) world.disturbAll(each.kind, each.ms);
  else world.disturb(each.who, each.kind, each.ms);
}

const RUNS = Number(process.env.RUNS ?? 60);

test('no partition has two owners or an owner that has not seen what others did; in the end each has one', async () => {
  await fc.assert(
    fc.asyncProperty(story, fc.integer(), async (happenings, seed) => {
      const world = leaseWorld(seeded(seed).next);
      world.start('a');
      world.start('b');
      await world.passes(3_000);
      for (const [each, thenMs] of happenings) {
        happens(world, each);
        await world.passes(thenMs);
      }
      world.heal();
      await world.passes(30_000); // processes that were stopping are gone
      world.start('a');
      await world.passes(BOUND_MS);
      expect(world.faults).toEqual([]);
      const owners = world.owners();
      expect(owners.map(({ length }) => length)).toEqual(owners.map(() => 1));
      const share = world.running().map((name) => owners.filter((of) => of.includes(name)).length);
      expect(Math.max(...share) - Math.min(...share)).toBeLessThanOrEqual(1);
      // The processes die one by one. The last one has everything.
      for (const name of world.running().slice(1)) {
        world.kill(name);
        await world.passes(15_000);
        expect(world.faults).toEqual([]);
        expect(world.owners().filter(({ length }) => length !== 1)).toEqual([]);
      }
    }),
    { numRuns: RUNS, ...(process.env.SEED ? { seed: Number(process.env.SEED) } : {}) },
  );
}, 300_000);

const shares = (world: LeaseWorld) =>
  world.running().map((name) => world.owners().filter((of) => of.join() === name).length);

async function pair(seed = 1): Promise<LeaseWorld> {
  const world = leaseWorld(seeded(seed).next);
  world.start('a');
  await world.passes(1_000);
  world.start('b');
  await world.passes(5_000);
  expect(shares(world)).toEqual([8, 8]);
  return world;
}

test('after a hand-over of unknown outcome, partitions that come back are served', async () => {
  const world = leaseWorld(seeded(1).next);
  world.start('a');
  await world.passes(2_000);
  world.start('b');
  world.disturb('a', 'unknown', 1_000);
  await world.passes(40_000);
  expect(shares(world)).toEqual([8, 8]);
  world.kill('b');
  await world.passes(15_000);
  expect(shares(world)).toEqual([16]);
});

test('a process that slept while the stream was cut past its last fact holds nothing', async () => {
  const world = await pair();
  world.pause('a', 2 * 3600_000, false);
  await world.passes(2 * 3600_000);
  await world.passes(10_000);
  expect(world.faults).toEqual([]);
  expect(shares(world)).toEqual([8, 8]);
}, 60_000);

test('no process is declared gone when the store freezes during appends', async () => {
  for (let afterMs = 0; afterMs < 2_600; afterMs += 130) {
    const world = await pair(afterMs);
    await world.passes(afterMs);
    world.disturbAll('frozen', 12_000);
    await world.passes(30_000);
    expect(world.types()).not.toContain('LeaseExpired');
    expect(shares(world)).toEqual([8, 8]);
  }
});

test('a lease that ends for a moment during its renewal is announced; otherwise an effect would wait for ever', async () => {
  for (let frozenMs = 4_000; frozenMs < 7_500; frozenMs += 50) {
    const world = leaseWorld(seeded(1).next);
    world.start('a'); // alone, because otherwise its renewal meets a conflict
    await world.passes(6_000);
    world.disturb('a', 'stuck', frozenMs);
    for (let each = 0; each < 160; each++) await world.passes(50);
    expect(world.faults).toEqual([]);
  }
});

test('the log is read again for a partition that went and came back during the first read', async () => {
  const world = await pair();
  world.lag('a', 7_000, 0);
  const first = world.stop('b');
  await world.passes(500);
  await first;
  world.start('b');
  await world.passes(3_000);
  expect(shares(world)[1]).toBe(8);
  const stopped = world.stop('b');
  await world.passes(15_000);
  await stopped;
  expect(world.faults).toEqual([]);
  expect(shares(world)).toEqual([16]);
});

test('a stop while the store is away ends in time', async () => {
  const world = await pair();
  world.disturbAll('frozen', 60_000);
  const stopped = world.stop('a');
  await world.passes(20_000);
  expect(await stopped).toBeLessThanOrEqual(3_000);
});
