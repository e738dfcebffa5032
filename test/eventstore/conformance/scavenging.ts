import { expect, test } from 'vitest';
import type { EventStore, Position } from '../../../src/eventstore/port.ts';
import type { Context } from '../conformance.ts';
import { event, events, numbers, uniquePrefix } from '../events.ts';

/** The events of these streams that the whole log has, as `name@revision`. */
const inLog = async (store: EventStore, prefix: string, after?: Position): Promise<string[]> => {
  const found = await store.readAll({ prefixes: [prefix], ...(after && { after }) });
  return found.map(({ stream, revision }) => `${stream.slice(prefix.length)}@${revision}`);
};

const WRONG = { name: 'WrongExpectedRevision' };

/** What stays the same when deleted and truncated events are removed for good. */
export const scavenging = (context: Context): void => {
  test('a scavenge removes what was deleted and cut off, and nothing else', async () => {
    const { store } = context;
    const prefix = uniquePrefix();
    const names = ['kept', 'cut', 'all', 'gone', 'again'].map((name) => `${prefix}${name}`);
    const [, cut = '', all = '', gone = '', again = ''] = names;
    for (const name of names) await store.append(name, events(0, 3), 'no-stream');
    await store.truncateBefore(cut, 2);
    await store.truncateBefore(all, 4);
    await store.deleteStream(gone);
    await store.deleteStream(again);
    await store.append(again, [event(4)], 'no-stream');
    await context.scavenge();

    const left = (await inLog(store, prefix)).sort();
    // EventStoreDB keeps the last event of a stream.
    const lastOnes = ['all@3', 'gone@3'];
    expect(left.filter((each) => !lastOnes.includes(each))).toEqual([
      ...['again@4', 'cut@2', 'cut@3'],
      ...['kept@0', 'kept@1', 'kept@2', 'kept@3'],
    ]);

    for (const reopens of [false, true]) {
      const current = reopens ? await context.reopen() : store;
      const found = await Promise.all(names.map((name) => current.readStream(name)));
      expect(found.map((list) => list.map(({ revision }) => revision))).toEqual([
        [0, 1, 2, 3],
        [2, 3],
        [],
        [],
        [4],
      ]);
      expect(numbers(await current.readStream(cut, { direction: 'backwards', from: 2 }))).toEqual([
        2,
      ]);
    }

    const { store: reopened } = context;
    await expect(reopened.append(cut, [event(4)], 'no-stream')).rejects.toMatchObject(WRONG);
    await expect(reopened.append(cut, [event(4)], 1)).rejects.toMatchObject({
      ...WRONG,
      actual: 3,
    });
    expect((await reopened.append(cut, [event(4)], 3)).revision).toBe(4);
    await expect(reopened.append(all, [event(4)], 'no-stream')).rejects.toMatchObject(WRONG);
    expect((await reopened.append(all, [event(4)], 3)).revision).toBe(4);
    await expect(reopened.append(gone, [event(4)], 'exists')).rejects.toMatchObject(WRONG);
    await expect(reopened.append(gone, [event(4)], 1)).rejects.toMatchObject(WRONG);
    expect((await reopened.append(gone, [event(4)], 'no-stream')).revision).toBe(4);
    expect(numbers(await reopened.readStream(gone))).toEqual([4]);
    await expect(reopened.deleteStream(again, { expected: 3 })).rejects.toMatchObject({
      ...WRONG,
      actual: 4,
    });
    await reopened.deleteStream(again, { expected: 4 });
    await context.scavenge();
    for (const stream of [cut, all, gone]) {
      expect(numbers(await reopened.readStream(stream)).at(-1)).toBe(4);
    }
    expect(await reopened.readStream(again)).toEqual([]);
  });

  test('an append that is repeated behind a scavenge is not stored twice', async () => {
    const { store } = context;
    const prefix = uniquePrefix();
    const [whole, part] = [`${prefix}whole`, `${prefix}part`];
    const sent = [whole, part].map((stream) => ({
      stream,
      first: events(0, 2),
      later: events(3, 4),
    }));
    for (const { stream, first, later } of sent) {
      await store.append(stream, first, 'no-stream');
      await store.append(stream, later, 2);
    }
    await store.truncateBefore(whole, 5);
    await store.truncateBefore(part, 4);
    await context.scavenge();
    const outcome = (appended: Promise<{ revision: number }>) =>
      appended.then(
        ({ revision }) => revision,
        (error: Error & { code?: string }) => error.code ?? error.name,
      );
    for (const { stream, first, later } of sent) {
      const refused = ['conflict', 'WrongExpectedRevision'];
      expect([2, ...refused]).toContain(await outcome(store.append(stream, first, 'no-stream')));
      expect([4, ...refused]).toContain(await outcome(store.append(stream, later, 2)));
    }
    expect((await store.append(whole, [event(5)], 4)).revision).toBe(5);
    expect(numbers(await store.readStream(whole))).toEqual([5]);
    expect(numbers(await store.readStream(part))).toEqual([4]);
    const left = await inLog(store, prefix);
    expect(left).toEqual([...new Set(left)]);
  });

  test('a reader goes on from the position of an event that a scavenge removed', async () => {
    const { store } = context;
    const prefix = uniquePrefix();
    const [gone, kept] = [`${prefix}gone`, `${prefix}kept`];
    const positions: Position[] = [];
    for (let i = 0; i < 3; i += 1) {
      for (const stream of [gone, kept]) {
        positions.push((await store.append(stream, [event(i)], 'any')).position);
      }
    }
    await store.deleteStream(gone);
    await context.scavenge();
    const { position: last } = await store.append(kept, [event(3)], 2);

    const isOurs = (name: string): boolean => name.startsWith('kept');
    for (const [i, after] of positions.entries()) {
      const from = Math.floor((i + 1) / 2);
      const expected = ['kept@0', 'kept@1', 'kept@2', 'kept@3'].slice(from);
      expect((await inLog(store, prefix, after)).filter(isOurs)).toEqual(expected);
      const back = await store.readAll({
        ...{ after, prefixes: [prefix], direction: 'backwards', limit: 10 },
      });
      expect(numbers(back.filter(({ stream }) => stream === kept))).toEqual(
        [0, 1, 2].slice(0, Math.floor(i / 2)).reverse(),
      );
      const stop = new AbortController();
      const seen: string[] = [];
      const { signal } = stop;
      for await (const batch of store.subscribe({ after, prefixes: [kept], signal })) {
        seen.push(...batch.events.map(({ revision }) => `kept@${revision}`));
        if (store.compare(batch.through, last) >= 0) break;
      }
      stop.abort();
      expect(seen).toEqual(expected);
    }
    const head = await store.head();
    expect(head && store.compare(head, last)).toBeGreaterThanOrEqual(0);
  });

  test('a subscriber sees each event once while it is scavenged', async () => {
    const { store } = context;
    const prefix = uniquePrefix();
    const [gone, kept] = [`${prefix}gone`, `${prefix}kept`];
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      const head = await store.head();
      const options = { prefixes: [kept], signal: stop.signal, ...(head && { after: head }) };
      for await (const batch of store.subscribe(options)) {
        seen.push(...numbers(batch.events));
        if (seen.at(-1) === 59) return;
      }
    })();
    for (let i = 0; i < 60; i += 1) {
      await store.append(gone, [event(i)], 'any');
      await store.append(kept, [event(i)], 'any');
      if (i % 20 === 10) {
        await store.deleteStream(gone);
        await context.scavenge();
      }
    }
    await following;
    stop.abort();
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i));
  });
};
