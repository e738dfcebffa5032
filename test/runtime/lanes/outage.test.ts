/** A place that is away costs only itself: one probe at a time, and no work for the lanes that wait (docs/adr/0022). */
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { type BreakerPolicy, createBreakers } from '../../../src/kit/breaker.ts';
import { createClock, FOLLOW_AFTER_MS } from '../../../src/kit/clock.ts';
import { LINE_RATE } from '../../../src/kit/line-budget.ts';
import { EXPIRY_LANES } from '../../../src/runtime/lanes/away-places.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { SLOW_START_LANES } from '../../../src/runtime/lanes/gate.ts';
import {
  EXPECTED_TRIES,
  GIVE_UP_AFTER_MS,
  GIVE_UP_LEAST_MS,
} from '../../../src/runtime/lanes/lane.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { openRig, type Rig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, lanesOn, lettersOf, place, retry, said, speak, upTo } from './rig.ts';

const PROBE_MS = 200;
const POLICY: BreakerPolicy = {
  failuresInRow: 3,
  callersInRow: 20,
  retry: { firstMs: PROBE_MS, mostMs: PROBE_MS },
};
const away: Outcome = { kind: 'retry', reason: 'no answer', away: true };
const HOUR_MS = 3_600_000;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** An LHC of each tenant with a breaker, as the lane to LHC has it. */
function lhcOn(rig: Rig, policy = POLICY) {
  const { now, monotonic } = rig;
  const breakers = createBreakers(policy, { now, monotonic, random: Math.random });
  return place('lhc', { breakers, concurrency: 64 });
}

async function open(options: Parameters<typeof openRig>[0] = {}): Promise<Rig> {
  const rig = await openRig(options);
  closing.push(() => rig.close());
  return rig;
}

async function start(
  rig: Rig,
  lhc: ReturnType<typeof place>,
  more: Parameters<typeof lanesOn>[3] = { expiryLookMs: 20 },
) {
  const all = await lanesOn(rig, [lhc.destination], soleOwner, more);
  closing.push(() => all.lanes.stop());
  all.lanes.start();
  return all;
}

/** A store that counts reads of visitors' streams. */
function counting() {
  const reads = { visitors: 0 };
  const disturb = (store: EventStore): EventStore => ({
    ...store,
    readStream: async (stream, more) => {
      if (stream.startsWith('visitor-')) reads.visitors++;
      return store.readStream(stream, more);
    },
  });
  return { reads, disturb };
}

const isAway = ({ lanes }: Awaited<ReturnType<typeof start>>, tenant = 'acme') =>
  lanes.failures('lhc').get(tenant)?.away === true;

describe('while a place is away', () => {
  it('calls and reads are bounded by the probes, however many lanes and new facts there are', async () => {
    const { reads, disturb } = counting();
    const rig = await open({ disturb });
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => away;
    for (const n of upTo(300)) await speak(rig, `k${n}`, [0, 1]);
    const all = await start(rig, lhc);
    await waitFor(() => isAway(all));
    await waitFor(() => lhc.attempts.length > 5, { what: 'a few probes' });
    const before = { attempts: lhc.attempts.length, reads: reads.visitors };
    const began = performance.now();
    for (const n of upTo(300)) await speak(rig, `k${n}`, [2]);
    await all.caughtUp();
    await waitFor(() => lhc.attempts.length >= before.attempts + 5, { what: 'further probes' });
    // The jitter leaves at least half of each wait.
    const probes = (performance.now() - began) / (PROBE_MS / 2) + 1;
    expect(lhc.attempts.length - before.attempts).toBeLessThanOrEqual(probes);
    expect(reads.visitors - before.reads).toBeLessThanOrEqual(probes);
    expect(before.attempts).toBeLessThan(50);
    expect(all.lanes.failures('lhc').get('acme')).toMatchObject({ reason: 'no answer' });
  });

  it('all lanes go on in order when it is back, those with facts of the outage too', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => away;
    for (const n of upTo(50)) await speak(rig, `k${n}`, [0, 1]);
    const all = await start(rig, lhc);
    await waitFor(() => isAway(all));
    for (const n of upTo(70)) await speak(rig, `k${n}`, [2]);
    await all.caughtUp();
    lhc.state.answer = async () => done;
    await waitFor(() => lhc.made.length === 50 * 3 + 20);
    for (const n of upTo(50)) expect(lhc.of(`k${n}`)).toEqual([0, 1, 2]);
    expect(all.lanes.failures('lhc').size).toBe(0);
    await waitFor(() => all.lanes.pending().length === 0);
  });

  it('another tenant does not notice', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async ({ key }) => (key.startsWith('visitor-beta') ? done : away);
    for (const n of upTo(50)) await speak(rig, `k${n}`, [0]);
    const all = await start(rig, lhc);
    await waitFor(() => isAway(all));
    await speak(rig, 'x', [1, 2, 3], 'beta');
    await waitFor(() => lhc.made.length === 3);
    expect(isAway(all, 'beta')).toBe(false);
  });

  it('a place that accepts and never answers holds a few calls, then one', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    const open_: ((outcome: Outcome) => void)[] = [];
    let most = 0;
    lhc.state.answer = () =>
      new Promise((resolve) => {
        open_.push(resolve);
        most = Math.max(most, open_.length);
      });
    for (const n of upTo(100)) await speak(rig, `k${n}`, [0]);
    const all = await start(rig, lhc);
    await waitFor(() => open_.length === SLOW_START_LANES);
    for (const fail of open_.splice(0)) fail(away);
    await waitFor(() => isAway(all) && open_.length > 0, { what: 'a probe' });
    most = 0;
    const attempts = lhc.attempts.length;
    for (let probe = 0; probe < 3; probe++) {
      await waitFor(() => open_.length > 0, { what: 'the next probe' });
      for (const fail of open_.splice(0)) fail(away);
    }
    expect(most).toBeLessThanOrEqual(1);
    expect(lhc.attempts.length - attempts).toBeLessThanOrEqual(4);
    lhc.state.answer = async () => done;
    for (const answer of open_.splice(0)) answer(away);
    await waitFor(() => lhc.made.length === 100);
  });

  it('its Retry-After holds for all its lanes', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    const afterMs = 600;
    lhc.state.answer = async () => ({ ...away, afterMs });
    for (const key of ['a', 'b', 'c']) await speak(rig, key, [0]);
    const all = await start(rig, lhc);
    await waitFor(() => isAway(all));
    const began = performance.now();
    lhc.state.answer = async () => done;
    for (const n of upTo(20)) await speak(rig, `k${n}`, [0]);
    await waitFor(() => lhc.made.length === 23);
    expect(performance.now() - began).toBeGreaterThan(afterMs - PROBE_MS);
    expect(lhc.attempts).toHaveLength(26);
  });
});

/** What the log has, from `info` on. */
function logged() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, logger: pino({ base: null, timestamp: false }, { write }) };
}

it('the log says once that a place is away, and once that it is back and for how long it was away', async () => {
  const rig = await open();
  const lhc = lhcOn(rig);
  lhc.state.answer = async () => away;
  const { lines, logger } = logged();
  await start(rig, lhc, { logger });
  for (const key of upTo(10)) await speak(rig, `v${key}`, [1]);
  await waitFor(() => lhc.attempts.length > POLICY.failuresInRow + 2); // some probes
  lhc.state.answer = async () => done;
  await waitFor(() => lhc.made.length === 10);
  const about = { tenant: 'acme', destination: 'lhc' };
  const ofPlace = lines.filter(({ stream }) => stream === undefined);
  expect(ofPlace).toEqual([
    { level: 40, ...about, reason: 'no answer', msg: 'away; its effects wait' },
    { level: 30, ...about, forSeconds: expect.any(Number), msg: 'its effects go on' },
  ]);
});

it('a failure that is expected is a warning only if it repeats; any other is one at once', async () => {
  const rig = await open();
  const { lines, logger } = logged();
  const xmpp = place('xmpp'); // without a breaker
  let failures = 0;
  let most = EXPECTED_TRIES - 1;
  let expected = true;
  xmpp.state.answer = async () => {
    failures += 1;
    return failures > most ? done : { kind: 'retry', reason: 'no session now', expected };
  };
  await start(rig, xmpp, { logger });
  const performed = async (n: number) => {
    failures = 0;
    await speak(rig, 'a', [n]);
    await waitFor(() => xmpp.made.length === n);
    return lines.splice(0).map(({ level, msg, reason }) => [level, msg, reason]);
  };
  expect(await performed(1)).toEqual([]);
  most = 2 * EXPECTED_TRIES;
  expect(await performed(2)).toEqual([[40, 'effect failed', 'no session now']]);
  expected = false;
  most = 2;
  expect(await performed(3)).toEqual([[40, 'effect failed', 'no session now']]);
});

it('many lanes that fail at the same time cost the log a few lines', async () => {
  const rig = await open();
  const { lines, logger } = logged();
  const xmpp = place('xmpp'); // without a breaker
  xmpp.state.answer = async () => retry;
  await start(rig, xmpp, { logger });
  const many = 3 * LINE_RATE.burst;
  for (const key of upTo(many)) await speak(rig, `v${key}`, [1]);
  await waitFor(() => new Set(xmpp.attempts.map(({ key }) => key)).size === many);
  expect(lines.filter(({ msg }) => msg === 'effect failed')).toHaveLength(LINE_RATE.burst);
});

describe('a place that answers', () => {
  it('is not shut out because of one callback that it refuses', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async ({ key }) => (key === 'poison' ? retry : done);
    await speak(rig, 'poison', [0]);
    const all = await start(rig, lhc);
    await waitFor(() => lhc.attempts.length > 6, { what: 'tries in a row of one lane' });
    for (const n of upTo(30)) await speak(rig, `k${n}`, [0]);
    await waitFor(() => lhc.made.length === 30);
    expect(all.lanes.failures('lhc').get('acme')).toMatchObject({ away: false });
  });

  it('is away if it refuses what 20 lanes send; the probes take turns, so one callback keeps out no other', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => retry;
    for (const n of upTo(30)) await speak(rig, `k${n}`, [0]);
    const all = await start(rig, lhc);
    await waitFor(() => isAway(all));
    lhc.state.answer = async ({ key }) => (key === 'k0' ? retry : done);
    await waitFor(() => lhc.made.length === 29);
    expect(isAway(all)).toBe(false);
  });

  it('that wants no callbacks is asked by no lane but one', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => ({ kind: 'parked', reason: 'paused', all: true });
    for (const n of upTo(100)) await speak(rig, `k${n}`, [0]);
    const all = await start(rig, lhc);
    await all.caughtUp();
    await waitFor(() => lhc.attempts.length > 0);
    for (const n of upTo(100)) await speak(rig, `k${n}`, [1]);
    await all.caughtUp();
    expect(lhc.attempts.length).toBeLessThanOrEqual(SLOW_START_LANES);
    expect(all.lanes.failures('lhc').size).toBe(0); // it is not away
  });

  it('one tenant with many lanes does not delay the few of another', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    const seen: string[] = [];
    lhc.state.answer = async ({ key }) => {
      seen.push(key);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return done;
    };
    for (const n of upTo(500)) await speak(rig, `k${n}`, [0]);
    for (const n of upTo(5)) await speak(rig, `x${n}`, [0], 'beta');
    await start(rig, lhc);
    await waitFor(() => seen.length === 505);
    const last = seen.findLastIndex((key) => key.startsWith('visitor-beta'));
    expect(last).toBeLessThan(250);
  });
});

describe('the 24 h', () => {
  it('count from the fact, also over a restart and without a try of each lane', async () => {
    let rig = await open();
    let lhc = lhcOn(rig);
    lhc.state.answer = async () => away;
    for (const n of upTo(60)) await speak(rig, `k${n}`, [0, 1]);
    const first = await start(rig, lhc);
    await waitFor(() => isAway(first));
    rig.clock.passes(GIVE_UP_AFTER_MS - GIVE_UP_LEAST_MS / 2);
    await first.lanes.stop();
    rig = await rig.restart();
    lhc = lhcOn(rig, { ...POLICY, retry: { firstMs: 60_000, mostMs: 60_000 } });
    lhc.state.answer = async () => away;
    const { lanes, letters, caughtUp } = await start(rig, lhc);
    closing.push(() => rig.close());
    await waitFor(() => lanes.failures('lhc').get('acme')?.away === true);
    await speak(rig, 'k0', [2]); // is not old
    expect(await lettersOf(letters)).toEqual([]);
    rig.clock.passes(GIVE_UP_LEAST_MS + 1);
    await waitFor(async () => (await lettersOf(letters)).length === 120, {
      what: 'the dead letters',
    });
    await caughtUp();
    expect(lanes.pending()).toEqual([{ destination: 'lhc', effects: 1 }]);
    expect((await lettersOf(letters))[0]?.reason).toBe('no answer (tried for 24 h)');
    expect(lhc.attempts.length).toBeLessThan(10);
  });

  it('do not contain what the clock was set forward', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => away;
    await speak(rig, 'a', [0, 1]);
    const clock = createClock(rig.now, rig.monotonic);
    const all = await start(rig, lhc, { expiryLookMs: 20, age: clock.age });
    await waitFor(() => isAway(all));
    rig.clock.passes(GIVE_UP_LEAST_MS);
    clock.now();
    rig.clock.isSet(3 * 24 * HOUR_MS);
    clock.now();
    rig.clock.passes(FOLLOW_AFTER_MS);
    expect(clock.now()).toBe(rig.now()); // the jump was followed
    const tries = lhc.attempts.length;
    await waitFor(() => lhc.attempts.length > tries + 3);
    expect(await lettersOf(all.letters)).toEqual([]);
    lhc.state.answer = async () => done;
    await waitFor(() => lhc.of('a').length === 2);
  });

  it('are over for a lane behind many that only look too old, because the clock was set', async () => {
    const rig = await open();
    // No probe comes in between.
    const lhc = lhcOn(rig, { ...POLICY, retry: { firstMs: 60_000, mostMs: 60_000 } });
    lhc.state.answer = async () => away;
    const clock = createClock(rig.now, rig.monotonic);
    await speak(rig, 'x', [0], 'beta');
    rig.clock.passes(GIVE_UP_AFTER_MS);
    for (const n of upTo(EXPIRY_LANES + 8)) await speak(rig, `k${n}`, [0]);
    const all = await start(rig, lhc, { expiryLookMs: 20, age: clock.age });
    await waitFor(() => isAway(all));
    for (const n of upTo(3)) await speak(rig, `y${n}`, [0], 'beta'); // so that its place is away, too
    await waitFor(() => isAway(all, 'beta'));
    clock.now();
    rig.clock.isSet(3 * 24 * HOUR_MS);
    clock.now();
    rig.clock.passes(GIVE_UP_LEAST_MS + FOLLOW_AFTER_MS);
    await waitFor(async () => (await lettersOf(all.letters, 'beta')).length === 1);
    expect(await lettersOf(all.letters, 'acme')).toEqual([]);
  });

  it('give up nothing because the service was down for two days', async () => {
    const rig = await open();
    const lhc = lhcOn(rig);
    lhc.state.answer = async () => away;
    await speak(rig, 'a', [0, 1]);
    rig.clock.passes(48 * HOUR_MS);
    const all = await start(rig, lhc);
    await waitFor(() => lhc.attempts.length > 4);
    expect(await lettersOf(all.letters)).toEqual([]);
    lhc.state.answer = async () => done;
    await waitFor(() => lhc.of('a').length === 2);
  });
});

it.each([
  ['the lane retries', { ...retry, steps: 7 }, 1],
  ['the place is away', { ...away, steps: 7 }, 8],
] as const)(
  'steps of an effect that are done are not done again, when %s',
  async (_, failure, n) => {
    const rig = await open();
    const lhc = lhcOn(rig);
    let fails = true;
    lhc.state.answer = async ({ key, steps }) => {
      if (fails) return key === 'a' && steps === 0 ? failure : away;
      return done;
    };
    for (const k of upTo(n - 1)) await speak(rig, `k${k}`, [0]);
    await speak(rig, 'a', [0, 1]);
    const all = await start(rig, lhc);
    await waitFor(() => lhc.attempts.some(({ key }) => key === 'a'));
    await waitFor(() => n === 1 || isAway(all));
    fails = false;
    await waitFor(() => lhc.of('a').length === 2);
    const tries = lhc.attempts.filter(({ key }) => key === 'a');
    expect(tries.filter(({ n: fact, steps }) => fact === 0 && steps === 0)).toHaveLength(1);
    expect(tries.at(-2)).toMatchObject({ n: 0, steps: 7 });
    expect(tries.at(-1)).toMatchObject({ n: 1, steps: 0 });
  },
);

it('of a tenant that was removed is forgotten, and a new tenant of that name begins anew', async () => {
  const rig = await open();
  const lhc = lhcOn(rig);
  lhc.state.answer = async () => away;
  const { lanes } = await start(rig, lhc);
  for (const key of ['1', '2', '3', '4']) await speak(rig, key, [0]);
  await waitFor(() => lanes.failures('lhc').get('acme')?.away === true);
  await rig.store.append('tenant-acme', [said(0, rig.now(), 'TenantRemoved')], 'any');
  await waitFor(() => lanes.failures('lhc').size === 0 && lanes.pending().length === 0);
  lhc.state.answer = async () => done;
  await speak(rig, '1', [1]);
  await waitFor(() => lhc.of('1').length > 0);
  expect(lhc.of('1')).toEqual([1]);
});
