import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { EVENT_STORE, type EventStore } from '../../../src/eventstore/port.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { GIVE_UP_AFTER_MS, GIVE_UP_LEAST_MS } from '../../../src/runtime/lanes/lane.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { openRig, type Rig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, failing, lanesOn, lettersOf, place, retry, said, speak, upTo } from './rig.ts';

const rigs: Rig[] = [];
const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  for (const rig of rigs.splice(0)) await rig.close();
});
async function start(rig: Rig, ...places: ReturnType<typeof place>[]) {
  rigs.push(rig);
  const all = await lanesOn(
    rig,
    places.map(({ destination }) => destination),
  );
  stopping.push(all.lanes.stop);
  all.lanes.start();
  return all;
}
const progress = (rig: Rig, key = 'a', name = 'lhc') =>
  rig.facts(`lane-visitor-acme.${key}.${name}`);
const gate = () => Promise.withResolvers<Outcome>();

describe('a lane', () => {
  it('goes on after the event store was away, and leaves the word about that to the store', async () => {
    let isAway = false;
    const disturb = (store: EventStore): EventStore => ({
      ...store,
      readStream: async (...args) => {
        if (isAway) throw new AppError('unavailable', 'away', { part: EVENT_STORE });
        return store.readStream(...args);
      },
    });
    const rig = await openRig({ disturb });
    rigs.push(rig);
    const lines: { level: number; msg: string }[] = [];
    const logger = pino({ level: 'debug' }, { write: (line) => lines.push(JSON.parse(line)) });
    const lhc = place('lhc');
    await speak(rig, 'a', [1]);
    const { lanes } = await lanesOn(rig, [lhc.destination], soleOwner, { logger });
    stopping.push(lanes.stop);
    isAway = true;
    lanes.start();
    await waitFor(() => lines.some(({ msg }) => msg === 'lane failed; trying again'));
    isAway = false;
    await waitFor(() => lhc.made.length === 1);
    const { debug = 0 } = logger.levels.values;
    expect(lines.filter(({ level }) => level > debug)).toEqual([]);
  });

  it('performs all effects in order, those from before the start too', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    await speak(rig, 'a', upTo(50));
    await start(rig, lhc);
    await speak(rig, 'a', upTo(100).slice(50));
    await waitFor(() => lhc.made.length === 100);
    expect(lhc.of('a')).toEqual(upTo(100));
    expect(lhc.attempts).toHaveLength(100);
  });

  it('waits for no other lane; a bounded number run at the same time', async () => {
    const rig = await openRig();
    const lhc = place('lhc', { concurrency: 3 });
    const gates = new Map<string, ReturnType<typeof gate>>();
    lhc.state.answer = ({ key }) => {
      const made = gate();
      gates.set(key, made);
      return made.promise;
    };
    await start(rig, lhc);
    for (const key of ['a', 'b', 'c', 'd']) await speak(rig, key, [1, 2]);
    await waitFor(() => lhc.attempts.length === 3);
    const second = gates.get('b');
    gates.delete('b');
    second?.resolve(done);
    await waitFor(() => gates.has('b')); // b keeps its turn for a page of effects
    expect(lhc.of('b')).toEqual([1]);
    expect(lhc.attempts.filter(({ key }) => key === 'd')).toEqual([]);
    lhc.state.answer = async () => done;
    for (const each of gates.values()) each.resolve(done);
    await waitFor(() => lhc.made.length === 8);
  });

  it('an LHC that hangs holds up no other tenant', async () => {
    const rig = await openRig();
    const lhc = place('lhc', { concurrency: 1 });
    const hanging = gate();
    lhc.state.answer = ({ key }) => (key === 'a' ? hanging.promise : Promise.resolve(done));
    await start(rig, lhc);
    await speak(rig, 'a', [1]);
    await waitFor(() => lhc.attempts.length === 1);
    await rig.store.append('visitor-beta.x', [said(9, rig.now())], 'any');
    await waitFor(() => lhc.made.some(({ n }) => n === 9));
    hanging.resolve(done);
  });

  it('a dead destination does not hold up another destination', async () => {
    const rig = await openRig();
    const [lhc, xmpp] = [place('lhc'), place('xmpp')];
    lhc.state.answer = async () => retry;
    await start(rig, lhc, xmpp);
    await speak(rig, 'a', [1, 2, 3]);
    await waitFor(() => xmpp.made.length === 3);
    expect(lhc.made).toEqual([]);
    lhc.state.answer = async () => done;
    await waitFor(() => lhc.made.length === 3);
    expect(lhc.of('a')).toEqual([1, 2, 3]);
  });
});

describe('an effect that fails', () => {
  it('is tried again with the same id, in order', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    let times = 0;
    lhc.state.answer = async () => (times++ < 3 ? retry : done);
    await start(rig, lhc);
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.made.length === 2);
    expect(lhc.attempts.map(({ n }) => n)).toEqual([1, 1, 1, 1, 2]);
    expect(new Set(lhc.attempts.slice(0, 4).map(({ id }) => id)).size).toBe(1);
  });

  it('keeps its backoff, however many facts follow', async () => {
    const rig = await openRig();
    const lhc = place('lhc', { retry: { firstMs: 60_000, mostMs: 60_000 } });
    lhc.state.answer = async ({ key }) => (key === 'a' ? retry : done);
    const { caughtUp } = await start(rig, lhc);
    await speak(rig, 'a', [1]);
    await waitFor(() => lhc.attempts.length === 1);
    await speak(rig, 'other', [1]);
    await waitFor(() => lhc.of('other').length === 1);
    for (const n of upTo(5)) await speak(rig, 'a', [n + 2]);
    await caughtUp();
    await speak(rig, 'other', [2]); // the lane of another stream goes on
    await waitFor(() => lhc.of('other').length === 2);
    expect(lhc.attempts.filter(({ key }) => key === 'a')).toHaveLength(1);
  });

  it('by an exception, or with a time to wait, is tried again too', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    let times = 0;
    lhc.state.answer = async () => {
      times++;
      if (times === 1) throw new Error('oops');
      return times === 2 ? { kind: 'retry', reason: 'later', afterMs: 120 } : done;
    };
    await start(rig, lhc);
    const began = performance.now();
    await speak(rig, 'a', [1]);
    await waitFor(() => lhc.made.length === 1);
    expect(performance.now() - began).toBeGreaterThan(110);
  });

  it('for 24 h becomes a dead letter, which is in the log before the lane goes on', async () => {
    const rig = await openRig();
    const reported: string[] = [];
    const lhc = place('lhc', {
      reportFailure: async (_event, reason) => {
        reported.push(reason);
      },
    });
    const logged: string[][] = [];
    lhc.state.answer = async ({ n }) => {
      if (n === 2) logged.push((await progress(rig)).map(({ data }) => String(data.dead)));
      return n === 1 ? retry : done;
    };
    const { letters, caughtUp } = await start(rig, lhc);
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.attempts.length >= 2);
    rig.clock.passes(86_400_000 - 1);
    await waitFor(() => lhc.attempts.length >= 4);
    expect(reported).toEqual([]);
    rig.clock.passes(2);
    await waitFor(() => lhc.made.length === 1);
    expect(reported).toEqual(['away (tried for 24 h)']);
    expect(logged).toEqual([['away (tried for 24 h)']]);
    await caughtUp();
    expect(await lettersOf(letters)).toMatchObject([
      { tenant: 'acme', kind: 'effect', stream: 'visitor-acme.a', destination: 'lhc' },
    ]);
  });

  it('for good holds up its lane until the log has the dead letter', async () => {
    const { state, options } = failing('lane-');
    const rig = await openRig(options);
    const lhc = place('lhc');
    lhc.state.answer = async ({ n }) => (n === 1 ? { kind: 'dead', reason: 'never' } : done);
    const { letters, caughtUp } = await start(rig, lhc);
    state.fails = true;
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.attempts.length === 1);
    await speak(rig, 'a', [3]);
    await caughtUp();
    expect(lhc.made).toEqual([]);
    state.fails = false;
    await waitFor(() => lhc.made.length === 2);
    await caughtUp();
    expect(await lettersOf(letters)).toMatchObject([{ reason: 'never' }]);
    expect((await progress(rig))[0]?.data).toMatchObject({ revision: 0, dead: 'never' });
  });

  it('is tried again after the log could not be read for a while', async () => {
    let fails = false;
    const disturb = (store: EventStore): EventStore => ({
      ...store,
      readStream: async (stream, more) => {
        if (fails && stream === 'visitor-acme.a') throw new AppError('unavailable', 'locked');
        return store.readStream(stream, more);
      },
    });
    const rig = await openRig({ disturb });
    const lhc = place('lhc');
    const { caughtUp } = await start(rig, lhc);
    fails = true;
    await speak(rig, 'a', [1]);
    await caughtUp();
    fails = false;
    await waitFor(() => lhc.made.length === 1);
  });
});

describe('a parked lane', () => {
  it('goes on, in order, when a new fact comes', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    let open = false;
    lhc.state.answer = async () => (open ? done : { kind: 'parked', reason: 'nobody is there' });
    await start(rig, lhc);
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.attempts.length >= 1);
    open = true;
    await speak(rig, 'a', [3]);
    await waitFor(() => lhc.made.length === 3);
    expect(lhc.of('a')).toEqual([1, 2, 3]);
  });

  it('that says when to look again holds no place meanwhile, and goes on by itself', async () => {
    const rig = await openRig();
    const lhc = place('lhc', { concurrency: 1 });
    let open = false;
    lhc.state.answer = async ({ key }) =>
      key === 'a' && !open ? { kind: 'parked', reason: 'nobody is there', lookMs: 5 } : done;
    await start(rig, lhc);
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.attempts.length >= 3);
    await speak(rig, 'b', [1]);
    await waitFor(() => lhc.of('b').length === 1);
    expect(lhc.of('a')).toEqual([]);
    open = true;
    await waitFor(() => lhc.of('a').length === 2);
    expect(lhc.of('a')).toEqual([1, 2]);
  });

  it.each([0, 2])(
    'goes on when it is poked while its effect runs, after %i failures',
    async (n) => {
      const rig = await openRig();
      const lhc = place('lhc');
      const looking = gate();
      let times = 0;
      lhc.state.answer = async () => {
        times++;
        if (times <= n) return retry;
        return times === n + 1 ? looking.promise : done;
      };
      const { lanes } = await start(rig, lhc);
      await speak(rig, 'a', [1]);
      await waitFor(() => times === n + 1);
      lanes.poke('visitor-acme.a', 'lhc');
      looking.resolve({ kind: 'parked', reason: 'nobody is there' });
      await waitFor(() => lhc.made.length === 1);
    },
  );

  it('does not fail: the 24 h begin when it goes on', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    let answer = retry;
    let isParked = false;
    lhc.state.answer = async () => {
      isParked = answer.kind === 'parked';
      return answer;
    };
    const { lanes, letters } = await start(rig, lhc);
    const moreTries = async () => {
      const tries = lhc.attempts.length + 2;
      await waitFor(() => lhc.attempts.length >= tries);
    };
    await speak(rig, 'a', [1]);
    await moreTries();
    answer = { kind: 'parked', reason: 'nobody is there' };
    await waitFor(() => isParked);
    rig.clock.passes(2 * GIVE_UP_AFTER_MS); // nobody took the chat for two days
    answer = retry;
    lanes.poke('visitor-acme.a', 'lhc');
    await moreTries();
    rig.clock.passes(GIVE_UP_LEAST_MS + 1);
    await moreTries();
    expect(await lettersOf(letters)).toEqual([]);
    rig.clock.passes(GIVE_UP_AFTER_MS);
    await waitFor(async () => (await lettersOf(letters)).length === 1);
  });
});

describe('progress', () => {
  it('is one fact for 32 effects, or for the effects of 250 ms', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    await speak(rig, 'a', upTo(70));
    const { lanes, caughtUp } = await start(rig, lhc);
    await waitFor(async () => (await progress(rig)).at(-1)?.data.revision === 69);
    expect((await progress(rig)).map(({ data }) => data.revision)).toEqual([31, 63, 69]);
    await caughtUp();
    expect(lanes.pending()).toEqual([]);
  });

  it('is a fact of its own before the next effect where nobody would know a repeat', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    const known: number[] = [];
    lhc.destination.perform = async () => {
      known.push((await progress(rig)).length);
      return { kind: 'done', unknownAgain: true };
    };
    await speak(rig, 'a', upTo(4));
    await start(rig, lhc);
    await waitFor(async () => (await progress(rig)).length === 4);
    expect(known).toEqual([0, 1, 2, 3]);
  });

  it('is appended by stop(), so that the next start repeats nothing', async () => {
    let rig = await openRig();
    const lhc = place('lhc');
    const { lanes } = await start(rig, lhc);
    await speak(rig, 'a', upTo(5));
    await waitFor(() => lhc.made.length === 5);
    await lanes.stop();
    expect((await progress(rig)).at(-1)?.data.revision).toBe(4);
    rig = await rig.restart();
    const again = await start(rig, lhc);
    await speak(rig, 'a', [5]);
    await waitFor(() => lhc.made.length === 6);
    expect(lhc.of('a')).toEqual(upTo(6));
    await again.lanes.stop();
  });

  it('is appended by stop() without waiting for an effect that hangs', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    lhc.state.answer = ({ key }) => (key === 'b' ? new Promise(() => {}) : Promise.resolve(done));
    const { lanes } = await start(rig, lhc);
    await speak(rig, 'a', upTo(5));
    await speak(rig, 'b', [1]);
    await waitFor(() => lhc.attempts.length === 6);
    await lanes.stop(50);
    expect((await progress(rig)).at(-1)?.data.revision).toBe(4);
    stopping.length = 0;
  });

  it.each([false, true])(
    'bounds what a crash repeats, with the same ids (work.db deleted: %s)',
    async (withoutWork) => {
      const { state, options } = failing('lane-');
      let rig = await openRig(options);
      const lhc = place('lhc');
      await speak(rig, 'a', upTo(40));
      const { lanes } = await start(rig, lhc);
      await waitFor(async () => (await progress(rig)).length === 2);
      state.fails = true; // from here on no progress is appended, as after a kill
      await speak(rig, 'a', upTo(50).slice(40));
      await waitFor(() => lhc.made.length === 50);
      await lanes.stop();
      state.fails = false;
      rig = await rig.restart({ withoutWork });
      await start(rig, lhc);
      await speak(rig, 'a', [50]);
      await waitFor(() => lhc.of('a').includes(50));
      const repeated = lhc.of('a').slice(50);
      expect(repeated).toEqual(upTo(51).slice(40));
      const ids = lhc.made.map(({ id }) => id);
      expect(new Set(ids).size).toBe(51);
    },
  );

  it('of a deleted stream: nothing is left to do', async () => {
    const rig = await openRig();
    const lhc = place('lhc');
    let open = false;
    lhc.state.answer = async () => (open ? done : { kind: 'parked', reason: 'nobody is there' });
    const { lanes } = await start(rig, lhc);
    await speak(rig, 'a', [1, 2]);
    await waitFor(() => lhc.attempts.length >= 1);
    await rig.store.deleteStream('visitor-acme.a');
    open = true;
    lanes.poke('visitor-acme.a', 'lhc');
    await waitFor(() => lanes.pending().length === 0);
    expect(lhc.made).toEqual([]);
  });

  it('is not lost when a lane wakes while the append runs', async () => {
    let hold: Promise<unknown> | null = null;
    const disturb = (store: EventStore): EventStore => ({
      ...store,
      append: async (...args) => {
        if (args[0].startsWith('lane-')) await hold;
        return store.append(...args);
      },
    });
    const rig = await openRig({ disturb });
    const lhc = place('lhc');
    const writing = gate();
    hold = writing.promise;
    const { lanes } = await start(rig, lhc);
    await speak(rig, 'a', [1]);
    await waitFor(() => lhc.made.length === 1);
    // After 250 ms the append runs. A wake with nothing to do must not forget the progress.
    const until = performance.now() + 350;
    await waitFor(() => performance.now() > until);
    lanes.poke('visitor-acme.a', 'lhc');
    await speak(rig, 'a', [2]);
    await waitFor(() => lhc.of('a').includes(2));
    writing.resolve(done);
    expect(lhc.of('a')).toEqual([1, 2]);
  });
});
