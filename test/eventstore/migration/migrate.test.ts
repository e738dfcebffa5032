/** Migration copies all retained events, goes on where it was, and leaves a target with other content as it is. */
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { waitFor } from '../../support/wait.ts';
import { event, events } from '../events.ts';
import { fillRealistic } from './realistic.ts';
import { contents, everything, run, twoStores } from './stores.ts';

/** Waits: a store removes deleted events some time later. */
const settled = async (store: EventStore, count: number): Promise<void> => {
  await waitFor(async () => (await everything(store)).length === count, {
    what: 'removed events to be gone',
  });
};

test('copies all retained events: ids, revisions, content and the order of the log', async () => {
  const { source, target } = await twoStores();
  const { deleted, cut } = await fillRealistic(source, { count: 3_000 });
  expect(deleted.length).toBeGreaterThan(3);
  expect(cut.size).toBeGreaterThan(3);
  const result = await run(source, target);
  expect(result.copied).toBe(result.events);
  await settled(target, result.events);
  const wanted = (await contents(source)).filter(
    (one) => !(one as { stream: string }).stream.startsWith('lease-'),
  );
  expect(await contents(target)).toEqual(wanted);
  for (const stream of deleted) expect(await target.readStream(stream)).toEqual([]);
  for (const [stream, before] of cut) {
    const [first] = await target.readStream(stream, { limit: 1 });
    expect(first?.revision).toBe(before);
  }
  expect(await target.readStream('lease-partitions')).toEqual([]);
  const verified = await run(source, target, { verifyOnly: true });
  expect(verified).toEqual({ ...result, copied: 0 });
  expect(await run(source, target)).toEqual({ ...result, copied: 0 });
});

test('migrates an empty log', async () => {
  const { source, target } = await twoStores();
  expect(await run(source, target)).toEqual({ streams: 0, events: 0, digest: '', copied: 0 });
});

test('refuses to migrate a log to itself', async () => {
  const { source } = await twoStores();
  await expect(run(source, source)).rejects.toThrow(/are the same log/);
});

test('a stream that was deleted and began again keeps its revisions, so writers can go on', async () => {
  const { source, target } = await twoStores();
  await source.append('key-a', events(0, 1_203), 'no-stream');
  await source.append('visitor-a', [event(1)], 'no-stream');
  await source.deleteStream('key-a');
  const { revision } = await source.append('key-a', [event(2)], 'no-stream');
  expect(revision).toBe(1_204);
  await run(source, target);
  const left = await target.readStream('key-a');
  expect(left.map((one) => one.revision)).toEqual([1_204]);
  expect((await target.append('key-a', [event(3)], 1_204)).revision).toBe(1_205);
});

test('a copy of a copy has no placeholders', async () => {
  const { source, target } = await twoStores();
  const third = (await twoStores()).target;
  await source.append('visitor-a', events(0, 9), 'no-stream');
  await source.truncateBefore('visitor-a', 7);
  const { digest } = await run(source, target);
  expect((await run(target, third)).digest).toBe(digest);
  expect((await third.readStream('visitor-a')).map(({ type }) => type)).toEqual(
    Array(3).fill('PageViewed'),
  );
});

describe('with the size limit of an append', () => {
  test('copies events of that size, and many small ones', async () => {
    const { source, target } = await twoStores();
    const large = event(1, { data: { text: 'x'.repeat(1_048_000) } });
    await source.append('visitor-a', [event(0)], 'no-stream');
    await source.append('visitor-a', [large], 0);
    await source.append('visitor-a', [event(2, { data: { text: 'é'.repeat(300_000) } })], 1);
    await source.append('visitor-a', events(3, 2_002), 2);
    expect(await run(source, target)).toMatchObject({ events: 2_003, streams: 1 });
  });
});

describe('a target with content', () => {
  test('is completed if it has the first part of the source, wherever that ends', async () => {
    for (const part of [1, 17, 400]) {
      const { source, target } = await twoStores();
      await fillRealistic(source, { count: 1_000, seed: part });
      const stop = new AbortController();
      const stopped = run(source, target, {
        signal: stop.signal,
        onProgress: (phase, n) => {
          if (phase === 'copying' && n >= part) stop.abort(new AppError('refused', 'interrupted'));
        },
      });
      await expect(stopped).rejects.toThrow('interrupted');
      const { events: all, copied } = await run(source, target);
      expect(copied).toBeLessThanOrEqual(all - part);
    }
  });

  test('loses placeholders that a killed copy left; they never count as content', async () => {
    const { source, target } = await twoStores();
    await source.append('visitor-a', events(0, 9), 'no-stream');
    await source.truncateBefore('visitor-a', 7);
    await source.append('visitor-b', [event(1)], 'no-stream');
    const failing: EventStore = {
      ...target,
      truncateBefore: async () => {
        throw new Error('killed');
      },
    };
    await expect(run(source, failing)).rejects.toThrow('killed');
    expect(await target.readStream('visitor-a')).toHaveLength(10);
    await expect(run(source, target, { verifyOnly: true })).rejects.toThrow(
      /visitor-a revision 0: the target shows placeholders/,
    );
    const third = (await twoStores()).target;
    await run(target, third);
    expect(await third.readStream('visitor-a')).toHaveLength(3);

    expect(await run(source, target)).toMatchObject({ events: 4 });
    expect(await target.readStream('visitor-a')).toHaveLength(3);
  });

  test.each<[string, (target: EventStore) => Promise<unknown>, RegExp]>([
    [
      'something of its own',
      (target) => target.append('visitor-z', [event(9)], 'no-stream'),
      /visitor-a revision 0: the target has visitor-z revision 0 .*in the place of visitor-a/,
    ],
    [
      'more than the source',
      async (target) => target.append('visitor-b', [event(9)], 1),
      /visitor-b revision 2: the target has visitor-b revision 2 .* more/,
    ],
  ])('is refused and left as it is if it has %s', async (what, prepare, message) => {
    const { source, target } = await twoStores();
    await source.append('visitor-a', events(0, 2), 'no-stream');
    await source.append('visitor-b', events(3, 4), 'no-stream');
    if (what.startsWith('more')) await run(source, target);
    await prepare(target);
    const before = await contents(target);
    const refused = run(source, target);
    await expect(refused).rejects.toMatchObject({ code: 'conflict' });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(/was left as it is/);
    expect(await contents(target)).toEqual(before);
  });
});

describe('verification finds', () => {
  const log = async (
    target: EventStore,
    a: readonly ReturnType<typeof event>[],
    b: readonly ReturnType<typeof event>[],
    order: readonly ('a' | 'b')[],
  ): Promise<void> => {
    for (const which of order) {
      await target.append(`visitor-${which}`, which === 'a' ? a : b, 'no-stream');
    }
  };
  const a = events(0, 2);
  const b = events(3, 4);
  const changed = (list: readonly ReturnType<typeof event>[], n: number, data: object) =>
    list.map((one, i) => (i === n ? { ...one, data: { ...one.data, ...data } } : one));

  test.each<[string, (target: EventStore) => Promise<void>, RegExp]>([
    [
      'another order, although each stream is equal',
      (target) => log(target, a, b, ['b', 'a']),
      /visitor-a revision 0: .*each stream is equal, their order is not/,
    ],
    [
      'changed content',
      (target) => log(target, a, changed(b, 1, { n: 'x' }), ['a', 'b']),
      /visitor-b revision 1: the content of .* differs; 1 of 2 streams differ/,
    ],
    [
      'a missing end',
      (target) => log(target, a, b.slice(0, 1), ['a', 'b']),
      /visitor-b revision 1: the target lacks .*the source has 5 events in 2 streams, the target 4 events in 2/,
    ],
    [
      'a stream truncated at another revision',
      async (target) => {
        await log(target, a, b, ['a', 'b']);
        await target.truncateBefore('visitor-a', 1);
      },
      /visitor-a revision 0: the target has visitor-a revision 1/,
    ],
  ])('%s', async (_what, prepare, message) => {
    const { source, target } = await twoStores();
    await log(source, a, b, ['a', 'b']);
    await prepare(target);
    await expect(run(source, target, { verifyOnly: true })).rejects.toThrow(message);
  });

  test('no difference in another order of keys', async () => {
    const { source, target } = await twoStores();
    const turned = a.map((one) => ({
      ...one,
      metadata: Object.fromEntries(Object.entries(one.metadata).reverse()) as typeof one.metadata,
    }));
    await log(source, a, b, ['a', 'b']);
    await log(target, turned, b, ['a', 'b']);
    expect(await run(source, target, { verifyOnly: true })).toMatchObject({ events: 5 });
  });
});

describe('a log in use', () => {
  const lease = (owner: string, type: string, at: number) =>
    event(0, { type, data: { owner }, metadata: { ...event(0).metadata, at } });

  test.each(['source', 'target'] as const)('is refused as the %s', async (which) => {
    const stores = await twoStores();
    const at = Date.now() - 9_000;
    await stores[which].append('lease-partitions', [lease('a', 'LeaseRenewed', at)], 'no-stream');
    await expect(run(stores.source, stores.target)).rejects.toThrow(
      new RegExp(`the ${which} is in use: .*was alive 9 s ago. Stop every process`),
    );
    const later = () => at + 15_000;
    await run(stores.source, stores.target, { now: later });
  });

  test('a process that has ended does not count, but another one does', async () => {
    const { source, target } = await twoStores();
    const at = Date.now();
    const facts = [lease('a', 'LeaseRenewed', at), lease('a', 'LeaseEnded', at)];
    await source.append('lease-partitions', facts, 'no-stream');
    await run(source, target);
    await source.append('lease-partitions', [lease('b', 'LeaseTaken', at)], 1);
    await source.append('lease-partitions', [lease('a', 'LeaseEnded', at)], 2);
    await expect(run(source, target)).rejects.toThrow(/in use/);
  });

  test('the copy stops when the source grows, and a later run goes on', async () => {
    const { source, target } = await twoStores();
    await fillRealistic(source, { count: 2_000 });
    let time = Date.now();
    let written: Promise<unknown> | undefined;
    const growing = run(source, target, {
      now: () => time,
      onProgress: (phase) => {
        if (phase !== 'copying') return;
        time += 6_000;
        written ??= source.append('visitor-new', [event(1)], 'no-stream');
      },
    });
    await expect(growing).rejects.toThrow(/the source is in use: something was written/);
    await written;
    expect((await everything(target)).length).toBeLessThan(1_900);
    await run(source, target);
  });
});
