/** Appends in a pipeline to a store that fails, forgets its answer or mixes up the order. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createAppendWindow, type Step } from '../../../src/eventstore/migration/append-window.ts';
import type { EventStore, NewEvent, Position } from '../../../src/eventstore/port.ts';
import { seeded } from '../../support/killing.ts';
import { event, numbers } from '../events.ts';
import { everything, twoStores } from './stores.ts';

const retry = { times: 5, firstMs: 1, mostMs: 2 };
const signal = new AbortController().signal;

/** Two events a step, over three streams in turn. */
const steps = (count: number): Step[] => {
  const revisions = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const stream = `visitor-${i % 3}`;
    const revision = revisions.get(stream) ?? -1;
    revisions.set(stream, revision + 2);
    return {
      stream,
      events: [event(2 * i), event(2 * i + 1)],
      bytes: 400,
      copied: 2,
      expected: revision < 0 ? 'no-stream' : revision,
      at: String(i) as Position,
    };
  });
};

const pushAll = async (target: EventStore, list: readonly Step[]): Promise<Step[]> => {
  const done: Step[] = [];
  const window = createAppendWindow({ target, signal, retry, onDone: (step) => done.push(step) });
  for (const step of list) await window.push(step);
  await window.drain();
  return done;
};

/** From the first failure on every append of that moment fails, as when a server is killed. */
const dying = (store: EventStore, random: () => number, writes: boolean): EventStore => {
  let dead = false;
  let alive = 0;
  return {
    ...store,
    append: async (...args) => {
      if (!dead && alive++ > 5 && random() < 0.05) {
        dead = true;
        setTimeout(() => {
          dead = false;
          alive = 0;
        }, 3);
        if (writes) await store.append(...args);
        throw new AppError('unavailable', 'killed');
      }
      if (dead) throw new AppError('unavailable', 'killed');
      return store.append(...args);
    },
  };
};

test.each([true, false])(
  'a store that dies again and again (what failed was written: %s)',
  async (writes) => {
    const { target } = await twoStores();
    const list = steps(600);
    const patient = { ...retry, times: 50 };
    const done: Step[] = [];
    const window = createAppendWindow({
      target: dying(target, seeded(7), writes),
      signal,
      retry: patient,
      onDone: (step) => done.push(step),
    });
    for (const step of list) await window.push(step);
    await window.drain();
    expect(done).toEqual(list);
    expect(numbers(await everything(target))).toEqual(Array.from({ length: 1_200 }, (_, i) => i));
  },
);

test('nothing is sent behind a failure, though there is room', async () => {
  const { target } = await twoStores();
  let n = 0;
  const failingOnce: EventStore = {
    ...target,
    append: async (...args) => {
      n += 1;
      if (n === 3) throw new AppError('unavailable', 'the connection was lost');
      return target.append(...args);
    },
  };
  const window = createAppendWindow({ target: failingOnce, signal, retry, onDone: () => {} });
  for (const step of steps(30)) {
    await window.push(step);
    await setImmediate();
  }
  await window.drain();
  expect(numbers(await everything(target))).toEqual(Array.from({ length: 60 }, (_, i) => i));
});

test('one append is lost and those behind it are not: the order is broken, and that is said', async () => {
  const { target } = await twoStores();
  let n = 0;
  const losing: EventStore = {
    ...target,
    append: async (...args) => {
      n += 1;
      if (n === 10) throw new AppError('timeout', 'no answer');
      return target.append(...args);
    },
  };
  await expect(pushAll(losing, steps(30))).rejects.toThrow(/did not keep the order.*empty target/);
});

test('a store that answers in another order is found out', async () => {
  const { target } = await twoStores();
  let held: (() => void) | undefined;
  const mixing: EventStore = {
    ...target,
    append: async (stream, events: readonly NewEvent[], expected) => {
      if (stream === 'visitor-1' && expected === 'no-stream') {
        await new Promise<void>((resolve) => {
          held = resolve;
        });
      } else if (stream === 'visitor-2') setTimeout(() => held?.(), 5);
      return target.append(stream, events, expected);
    },
  };
  await expect(pushAll(mixing, steps(3))).rejects.toThrow(/did not keep the order/);
});

test('what will not pass by waiting ends it at once', async () => {
  const { target } = await twoStores();
  const list = steps(9);
  const [first] = list;
  if (!first) throw new Error('there are nine');
  await target.append(first.stream, [event(99)], 'no-stream');
  await expect(pushAll(target, list)).rejects.toThrow(/something else writes to the target/);
});

test('a store that stays away ends it with the reason', async () => {
  const { target } = await twoStores();
  const away: EventStore = {
    ...target,
    append: async () => {
      throw new AppError('unavailable', 'nobody there');
    },
  };
  await expect(pushAll(away, steps(3))).rejects.toThrow(/does not take visitor-0.*nobody there/);
});

test('only so much is on its way at once', async () => {
  const { target } = await twoStores();
  let flying = 0;
  let most = 0;
  const counting: EventStore = {
    ...target,
    append: async (...args) => {
      flying += 1;
      most = Math.max(most, flying);
      try {
        return await target.append(...args);
      } finally {
        flying -= 1;
      }
    },
  };
  await pushAll(counting, steps(500));
  expect(most).toBe(128);
  most = 0;
  const large = steps(40).map((step) => ({
    ...step,
    stream: `large-${step.stream}`,
    bytes: 1024 * 1024,
  }));
  await pushAll(
    counting,
    large.map((step) => ({
      ...step,
      events: step.events.map(({ data }) => event(Number(data.n))),
    })),
  );
  expect(most).toBe(8);
});
