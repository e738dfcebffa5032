/** The pipeline of appends with a store that fails, loses its answers or changes the order. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { appendInOrder, type CopyStep } from '../../../src/eventstore/migration/append-pipeline.ts';
import type { EventStore, NewEvent } from '../../../src/eventstore/port.ts';
import { seeded } from '../../support/seeded.ts';
import { event, numbers } from '../events.ts';
import { everything, twoStores } from './stores.ts';

const retry = { times: 5, firstMs: 1, mostMs: 2 };
const signal = new AbortController().signal;

/** Steps of two events, for three streams in turn. */
const steps = (count: number): CopyStep[] => {
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
    };
  });
};

const pushAll = async (target: EventStore, list: readonly CopyStep[]): Promise<CopyStep[]> => {
  const done: CopyStep[] = [];
  await appendInOrder(list, { target, signal, retry, onDone: (step) => done.push(step) });
  return done;
};

/** Like a killed server: after the first failure, all appends fail for a moment. */
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
  'keeps everything in order with a store that dies again and again (failed appends were written: %s)',
  async (writes) => {
    const { target } = await twoStores();
    const list = steps(600);
    const patient = { ...retry, times: 50 };
    const done: CopyStep[] = [];
    await appendInOrder(list, {
      target: dying(target, seeded(7), writes),
      signal,
      retry: patient,
      onDone: (step) => done.push(step),
    });
    expect(done).toEqual(list);
    expect(numbers(await everything(target))).toEqual(Array.from({ length: 1_200 }, (_, i) => i));
  },
);

test('sends nothing after a failure, even with room for more', async () => {
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
  async function* slowly() {
    for (const step of steps(30)) {
      yield step;
      await setImmediate();
    }
  }
  await appendInOrder(slowly(), { target: failingOnce, signal, retry, onDone: () => {} });
  expect(numbers(await everything(target))).toEqual(Array.from({ length: 60 }, (_, i) => i));
});

test('says that the order is broken when one append is lost and later ones are not', async () => {
  const { target } = await twoStores();
  let n = 0;
  const losing: EventStore = {
    ...target,
    append: async (...args) => {
      n += 1;
      if (n === 10) {
        await setImmediate(); // the others are sent meanwhile
        throw new AppError('timeout', 'no answer');
      }
      return target.append(...args);
    },
  };
  await expect(pushAll(losing, steps(30))).rejects.toThrow(/did not keep the order.*empty target/);
});

test('detects a store that changes the order', async () => {
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

test('ends at once on an error that waiting does not cure', async () => {
  const { target } = await twoStores();
  const list = steps(9);
  const [first] = list;
  if (!first) throw new Error('there are nine');
  await target.append(first.stream, [event(99)], 'no-stream');
  await expect(pushAll(target, list)).rejects.toThrow(/something else writes to the target/);
});

test('ends with the reason when the store stays away', async () => {
  const { target } = await twoStores();
  const away: EventStore = {
    ...target,
    append: async () => {
      throw new AppError('unavailable', 'nobody there');
    },
  };
  await expect(pushAll(away, steps(3))).rejects.toThrow(/does not take visitor-0.*nobody there/);
});

test('limits appends and bytes under way', async () => {
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
