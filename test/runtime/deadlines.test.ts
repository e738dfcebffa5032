import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { createDeadlines, DEADLINES_TABLE } from '../../src/runtime/deadlines.ts';
import type { ActorHost } from '../../src/runtime/host/host.ts';
import { type Ownership, partitionOf, soleOwner } from '../../src/runtime/leases/ownership.ts';
import { DELAYS, receive, sendMessage, startChat, viewPage } from '../actors/facts.ts';
import { ALL_PARTITIONS, movableOwnership } from '../support/ownership.ts';
import { openRig as openPatientRig, type Rig, silent } from '../support/rig.ts';
import { waitFor } from '../support/wait.ts';

const rigs: Rig[] = [];
// The thread of the store talks by messages, so only our timers are fake.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  vi.useRealTimers();
  for (const rig of rigs.splice(0)) await rig.close();
});
const stopping: (() => Promise<void>)[] = [];

/** Only the test lets time pass, so no append may wait for others. */
const openRig = (options: Parameters<typeof openPatientRig>[0] = {}): Promise<Rig> =>
  openPatientRig({
    disturb: (store) => ({
      ...store,
      append: (stream, events, expected) => store.append(stream, events, expected),
    }),
    ...options,
  });
const DAY_MS = 86_400_000;

type Wake = ActorHost['wake'];
async function deadlinesOf(rig: Rig, wake: Wake = rig.host.wake, ownership: Ownership = soleOwner) {
  rigs.push(rig);
  const woken: string[] = [];
  const deadlines = createDeadlines({
    db: rig.workFile,
    ownership,
    now: rig.now,
    random: () => 0.5,
    logger: silent,
    host: {
      wake: (stream, at) => {
        woken.push(stream);
        return wake(stream, at);
      },
    },
  });
  stopping.push(deadlines.stop);
  const caughtUp = await rig.follow([DEADLINES_TABLE], [deadlines]);
  return { deadlines, woken, caughtUp };
}

/** Moves the clock and fires the timers. */
async function passes(rig: Rig, ms: number): Promise<void> {
  rig.clock.passes(ms);
  await vi.advanceTimersByTimeAsync(ms);
}
const has = (rig: Rig, key: string, type: string) =>
  waitFor(async () => (await rig.types(`visitor-acme.${key}`)).includes(type), {
    what: `${type} of ${key}`,
  });
const arrive = (rig: Rig, key: string, hardTimeout: number) =>
  rig.toVisitor(key, viewPage('home', { ...DELAYS, hardTimeout }));

it('fires each deadline once, in order of the due times', async () => {
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  await arrive(rig, 'late', 9_000);
  await arrive(rig, 'early', 3_000);
  await arrive(rig, 'middle', 6_000);
  await caughtUp();
  await passes(rig, 2_999);
  expect(woken).toEqual([]);
  await passes(rig, 1);
  await has(rig, 'early', 'TimedOut');
  await passes(rig, 3_000);
  await has(rig, 'middle', 'TimedOut');
  await passes(rig, 3_000);
  await has(rig, 'late', 'TimedOut');
  await caughtUp();
  expect(woken).toEqual(['early', 'middle', 'late'].map((key) => `visitor-acme.${key}`));
  const facts = await rig.types('visitor-acme.early');
  expect(facts).toEqual(['VisitorArrived', 'TimedOut']);
  expect(deadlines.pending()).toBe(3); // their cleanups
});

it.each([
  ['before the start', true],
  ['while the service runs', false],
])(
  'a deadline that was armed while the clock was three days ahead has its time, set back %s',
  async (_, restarts) => {
    const rig = await openRig();
    rig.clock.isSet(3 * DAY_MS);
    const { deadlines, caughtUp } = await deadlinesOf(rig);
    if (!restarts) deadlines.start(0);
    await arrive(rig, 'a', 5_000);
    await caughtUp();
    rig.clock.isSet(-3 * DAY_MS);
    if (restarts) deadlines.start(0);
    else deadlines.clockWasSet();
    await passes(rig, 4_999);
    expect(await rig.types('visitor-acme.a')).toEqual(['VisitorArrived']);
    await passes(rig, 1);
    await has(rig, 'a', 'TimedOut');
    await caughtUp();
    await passes(rig, DELAYS.cleanupAfter);
    await has(rig, 'a', 'CleanedUp');
  },
);

it('a fact from the future, of a process with a wrong clock, has its time here', async () => {
  const rig = await openRig();
  const { deadlines, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  const ahead = rig.makeHost({ now: () => rig.now() + 3 * DAY_MS });
  await rig.toVisitor('a', viewPage('home', { ...DELAYS, hardTimeout: 5_000 }), undefined, ahead);
  await caughtUp();
  await passes(rig, 5_000);
  await has(rig, 'a', 'TimedOut');
});

it('a page view after the clock was set back: the visitor times out as usual', async () => {
  const rig = await openRig();
  const { deadlines, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  rig.clock.isSet(3 * DAY_MS);
  await arrive(rig, 'a', 5_000);
  rig.clock.isSet(-3 * DAY_MS);
  await rig.toVisitor('a', viewPage('prices', { ...DELAYS, hardTimeout: 5_000 }));
  await caughtUp();
  expect((await rig.facts('visitor-acme.a')).at(-1)?.metadata.at).toBe(rig.now());
  await passes(rig, 5_000);
  await has(rig, 'a', 'TimedOut');
});

it('after the clock was set forward, deadlines wait for the grace: nobody could show up in between', async () => {
  const rig = await openRig();
  const { deadlines, caughtUp } = await deadlinesOf(rig);
  deadlines.start(30_000);
  await arrive(rig, 'a', 60_000);
  await caughtUp();
  rig.clock.isSet(3 * DAY_MS);
  deadlines.clockWasSet();
  await passes(rig, 29_999);
  expect(await rig.types('visitor-acme.a')).toEqual(['VisitorArrived']);
  await passes(rig, 1);
  await has(rig, 'a', 'TimedOut');
});

it('a deadline that fell due during the downtime waits for the grace; a visitor who shows up stays', async () => {
  const before = await openRig();
  rigs.push(before);
  await arrive(before, 'gone', 5_000);
  await arrive(before, 'alive', 5_000);
  before.clock.passes(3_600_000);
  const rig = await before.restart();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig);
  deadlines.start(30_000);
  await arrive(rig, 'new', 5_000); // armed after the start: the service was up all the time
  await rig.toVisitor('alive', viewPage('next'));
  await caughtUp();
  await passes(rig, 5_000);
  await has(rig, 'new', 'TimedOut');
  await passes(rig, 24_999);
  expect(woken).toEqual(['visitor-acme.new']);
  await passes(rig, 1);
  await has(rig, 'gone', 'TimedOut');
  expect(await rig.types('visitor-acme.alive')).toEqual(['VisitorArrived', 'PageViewed']);
});

it('a timer whose guard says no fires once, not again and again', async () => {
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  await arrive(rig, '1', 5_000);
  await rig.toVisitor('1', startChat());
  await rig.toVisitor('1', receive()); // answered, so the visitor does not time out
  await caughtUp();
  await passes(rig, 6_000); // longer than the timeout, in a chat
  await waitFor(() => woken.length > 0);
  for (let i = 0; i < 20; i++) await passes(rig, 1_000);
  expect(woken).toHaveLength(1);
  await rig.toVisitor('1', sendMessage());
  await caughtUp();
  for (let i = 0; i < 20; i++) await passes(rig, 100);
  expect(woken.length).toBeLessThanOrEqual(3);
  expect(await rig.types('visitor-acme.1')).not.toContain('TimedOut');
});

it('a wake that fails is tried again and holds up no other actor', async () => {
  const rig = await openRig();
  let failures = 3;
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig, async (stream) => {
    if (stream.endsWith('.bad') && failures-- > 0) throw new Error('the store is away');
    return rig.host.wake(stream);
  });
  deadlines.start(0);
  await arrive(rig, 'bad', 1_000);
  await arrive(rig, 'good', 1_000);
  await caughtUp();
  await passes(rig, 1_000);
  await has(rig, 'good', 'TimedOut');
  for (let i = 0; i < 80; i++) await passes(rig, 500); // the waits grow: 5, 10 and 20 s at most
  await has(rig, 'bad', 'TimedOut');
  expect(woken.filter((stream) => stream.endsWith('.bad'))).toHaveLength(4);
});

it('an actor that is unfit is read ever more rarely, until it has a new fact or the service starts again', async () => {
  const before = await openRig();
  const unfit = async () => {
    throw new AppError('unfit', 'PageViewed does not fit the state');
  };
  const { deadlines, woken, caughtUp } = await deadlinesOf(before, unfit);
  deadlines.start(0);
  await arrive(before, 'bad', 1_000);
  await caughtUp();
  for (let hour = 0; hour < 24; hour++) {
    for (let minute = 0; minute < 60; minute++) await passes(before, 60_000);
  }
  // Ten waits up to an hour, and then one each 45 minutes with this jitter. Every 5 s would be 17,280.
  expect(woken.length).toBeGreaterThan(24);
  expect(woken.length).toBeLessThan(45);

  woken.length = 0;
  await before.toVisitor('bad', viewPage('next', { ...DELAYS, hardTimeout: 1_000 }));
  await caughtUp();
  for (let i = 0; i < 10; i++) await passes(before, 2_000);
  expect(woken.length).toBeGreaterThanOrEqual(2);

  await deadlines.stop();
  const rig = await before.restart();
  const anew = await deadlinesOf(rig);
  anew.deadlines.start(0);
  await passes(rig, 1_000);
  await has(rig, 'bad', 'TimedOut');
});

it('while the event store is away a deadline waits a minute at most', async () => {
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig, async () => {
    throw new AppError('unavailable', 'the store is away');
  });
  deadlines.start(0);
  await arrive(rig, '1', 1_000);
  await caughtUp();
  for (let minute = 0; minute < 60; minute++) await passes(rig, 60_000);
  expect(woken.length).toBeGreaterThanOrEqual(60);
});

it('a deadline may be 40 days away, which is longer than a timer of Node can wait', async () => {
  const day = 86_400_000;
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  await arrive(rig, '1', 40 * day);
  await caughtUp();
  await passes(rig, 120_000);
  expect(woken).toEqual([]);
  rig.clock.passes(40 * day); // the machine slept
  await passes(rig, 60_000);
  await has(rig, '1', 'TimedOut');
});

it('many deadlines at once all fire; none fires after the stop', async () => {
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig);
  deadlines.start(0);
  const keys = Array.from({ length: 150 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => arrive(rig, key, 1_000)));
  await arrive(rig, 'later', 5_000);
  await caughtUp();
  await passes(rig, 1_000);
  await waitFor(() => woken.length === 150);
  await deadlines.stop();
  await passes(rig, 10_000);
  expect(woken).toHaveLength(150);
  expect(await rig.types('visitor-acme.k149')).toContain('TimedOut');
});

it('fires only deadlines of its own partitions, and others when it gains them', async () => {
  const mine = partitionOf('acme.mine');
  const ownership = movableOwnership([mine]);
  const rig = await openRig();
  const { deadlines, woken, caughtUp } = await deadlinesOf(rig, rig.host.wake, ownership);
  deadlines.start(0);
  const keys = Array.from({ length: 120 }, (_, n) => `v${n}`);
  await Promise.all(keys.map((key) => arrive(rig, key, 1_000)));
  await arrive(rig, 'mine', 2_000);
  await caughtUp();
  await passes(rig, 2_000);
  await has(rig, 'mine', 'TimedOut');
  const others = keys.filter((key) => partitionOf(`acme.${key}`) !== mine);
  const wokenOf = (key: string) => woken.includes(`visitor-acme.${key}`);
  expect(others.filter(wokenOf)).toEqual([]);
  ownership.gain(...ALL_PARTITIONS.filter((partition) => partition !== mine));
  await passes(rig, 0);
  await waitFor(() => others.every(wokenOf), { what: 'the others' });
  expect(new Set(woken).size).toBe(woken.length);
});
