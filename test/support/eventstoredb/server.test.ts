/**
 * The double behaves like the real server: the bare client runs against the double and, if EVENTSTOREDB_URL names a server
 * that nobody else uses, against EventStoreDB 23.10. Where they differ, the server is right.
 */
import {
  type AppendExpectedRevision,
  type AppendResult,
  EventStoreDBClient,
  type JSONEventData,
  type JSONEventType,
  jsonEvent,
  type Position,
  type ResolvedEvent,
  streamNameFilter,
} from '@eventstore/db-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '../wait.ts';
import { scavengeServer } from './scavenge.ts';
import { startEventStoreDouble } from './server.ts';

type Event = JSONEventData<JSONEventType>;

const events = (count: number): Event[] =>
  Array.from({ length: count }, (_, n) => jsonEvent({ type: 'counted', data: { n } }));
const event = (): Event => jsonEvent({ type: 'counted', data: {} });

/** With credentials the client makes one call for each append. An insecure server ignores the credentials. */
const paths = [
  ['batch', {}],
  ['call', { credentials: { username: 'a', password: 'b' } }],
] as const;

/** A revision; or the error with the current revision. */
const outcomeOf = (append: Promise<AppendResult>): Promise<string> =>
  append.then(
    ({ nextExpectedRevision }) => String(nextExpectedRevision),
    (error: { type?: string; actualVersion?: bigint | string }) =>
      [error.type, error.actualVersion].filter((part) => part !== undefined).join(' '),
  );

const collected = async (stream: AsyncIterable<ResolvedEvent>): Promise<string[]> => {
  const found: string[] = [];
  for await (const { event } of stream) {
    if (event) found.push(`${event.streamId}@${event.revision}`);
  }
  return found;
};

const errorOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => 'none',
    (error: { type?: string }) => error.type,
  );

interface Server {
  readonly url: string;
  scavenge(): void | Promise<void>;
  close(): Promise<void>;
}

const sameAnswers = (open: () => Promise<Server>): void => {
  let server: Awaited<ReturnType<typeof open>>;
  let client: EventStoreDBClient;
  let stream: string;
  beforeAll(async () => {
    server = await open();
    client = EventStoreDBClient.connectionString(server.url);
  });
  afterAll(async () => {
    await client.dispose();
    await server.close();
  });
  beforeEach(() => {
    stream = `test-${crypto.randomUUID()}`;
  });
  const append = (list: Event[], expectedRevision: AppendExpectedRevision, name = stream) =>
    client.appendToStream(name, list, { expectedRevision });
  const revisions = async (read: AsyncIterable<ResolvedEvent>): Promise<number[]> =>
    (await collected(read)).map((text) => Number(text.split('@')[1]));

  describe.each(paths)('expected revisions, by %s', (_, options) => {
    const wrong = 'wrong-expected-version';
    const prepare: Record<string, () => Promise<unknown>> = {
      missing: async () => {},
      'of three': () => append(events(3), 'no_stream'),
      deleted: async () => {
        await append(events(3), 'no_stream');
        await client.deleteStream(stream);
      },
      'all truncated': async () => {
        await append(events(3), 'no_stream');
        await client.setStreamMetadata(stream, { truncateBefore: 3 });
      },
      'with metadata only': () => client.setStreamMetadata(stream, { maxCount: 5 }),
      tombstoned: async () => {
        await append(events(3), 'no_stream');
        await client.tombstoneStream(stream);
      },
    };
    const none = `${wrong} no_stream`;
    const gone = 'stream-deleted';
    test.each([
      ['missing', ['0', '0', none, none, none]],
      ['of three', ['3', `${wrong} 2`, '3', `${wrong} 2`, '3', `${wrong} 2`]],
      ['deleted', ['3', '3', gone, `${wrong} 2`, '3', `${wrong} 2`]],
      ['all truncated', ['3', `${wrong} 2`, '3', `${wrong} 2`, '3', `${wrong} 2`]],
      ['with metadata only', ['0', '0', '0', none, none, none]],
      ['tombstoned', [gone, gone, gone, gone, gone, gone]],
    ])('a stream that is %s', async (state, outcomes) => {
      const revisions = ['any', 'no_stream', 'stream_exists', 0n, 2n, 5n] as const;
      for (const [i, outcome] of outcomes.entries()) {
        stream = `${stream}.`;
        await prepare[state]?.();
        const expectedRevision = revisions[i] ?? 'any';
        const appended = client.appendToStream(stream, event(), { expectedRevision, ...options });
        expect(`${expectedRevision}: ${await outcomeOf(appended)}`).toBe(
          `${expectedRevision}: ${outcome}`,
        );
      }
    });

    test('a repeated append has the outcome of the first one, or is refused', async () => {
      const wrong3 = `${wrong} 3`;
      const list = Object.fromEntries(['a', 'b', 'c', 'd', 'x'].map((name) => [name, event()]));
      const named = (names: string) => [...names].map((name) => list[name] ?? event());
      const first = await append(named('abc'), 'no_stream');
      await append(named('d'), 2n);
      for (const [names, expectedRevision, outcome] of [
        ['abc', 'no_stream', '2'],
        ['ab', 'no_stream', '1'],
        ['abcd', 'no_stream', '3'],
        ['abcx', 'no_stream', wrong3],
        ['bac', 'no_stream', wrong3],
        ['bc', 'no_stream', wrong3],
        ['bc', 0n, '2'],
        ['cd', 1n, '3'],
        ['cx', 1n, wrong3],
        ['abc', 0n, wrong3],
        ['abc', 7n, wrong3],
        ['ab', 'any', '1'],
        ['ba', 'any', '0'],
        ['ax', 'any', wrong3],
        ['ab', 'stream_exists', '1'],
      ] as const) {
        const again = client.appendToStream(stream, named(names), { expectedRevision, ...options });
        expect(`${names} ${expectedRevision}: ${await outcomeOf(again)}`).toBe(
          `${names} ${expectedRevision}: ${outcome}`,
        );
      }
      expect(
        await client.appendToStream(stream, named('abc'), {
          expectedRevision: 'no_stream',
          ...options,
        }),
      ).toEqual(first);
      // At the current revision this is a new append.
      expect(await outcomeOf(append(named('ab'), 3n))).toBe('5');
      expect(await outcomeOf(append(named('xa'), 'any'))).toBe('7');
      expect(await outcomeOf(append(named('ab'), 'any', `${stream}.other`))).toBe('1');
    });

    test('the largest append has 1 MiB of data, without metadata', async () => {
      const sized = (bytes: number): Event =>
        jsonEvent({ type: 'sized', data: 'x'.repeat(bytes - 2), metadata: { a: 'b' } });
      const send = (...list: Event[]) =>
        outcomeOf(client.appendToStream(stream, list, { ...options }));
      expect(await send(sized(2 ** 20))).toBe('0');
      expect(await send(sized(2 ** 20 + 1))).toBe('maximum-append-size-exceeded');
      expect(await send(sized(2 ** 19), sized(2 ** 19 + 1))).toBe('maximum-append-size-exceeded');
      expect(await send(...events(5000))).toBe('5000');
    });
  });

  test('a too large append in small messages is refused once', async () => {
    const sized = (): Event => jsonEvent({ type: 'sized', data: 'x'.repeat(2 ** 20) });
    const large = client.appendToStream(stream, [sized(), sized(), sized()], {
      batchAppendSize: 2 ** 20,
    });
    expect(await outcomeOf(large)).toBe('maximum-append-size-exceeded');
    expect(await outcomeOf(append([event()], 'no_stream'))).toBe('0');
  });

  test('an append that arrives after its deadline is not written', async () => {
    const late = client.appendToStream(stream, event(), { deadline: -5_000 });
    expect(await outcomeOf(late)).toBe('deadline-exceeded');
    expect(await errorOf(collected(client.readStream(stream)))).toBe('stream-not-found');
  });

  test('a deleted stream begins again behind its old events', async () => {
    const list = events(5);
    const first = list.slice(0, 3);
    await append(first, 'no_stream');
    const { position } = await append([event()], 'no_stream', `${stream}.before`);
    await client.deleteStream(stream);
    await client.deleteStream(stream);
    expect(await errorOf(collected(client.readStream(stream)))).toBe('stream-not-found');
    // Hidden events have no position.
    expect(await append(first, 'no_stream')).toEqual({ success: true, nextExpectedRevision: 2n });
    expect(await outcomeOf(append(list.slice(3), 'no_stream'))).toBe('4');
    expect(await outcomeOf(append(list.slice(3), 'no_stream'))).toBe('wrong-expected-version 4');
    expect(await outcomeOf(append(list.slice(3), 2n))).toBe('4');
    // Some milliseconds after the answer.
    const again = async () => (await errorOf(collected(client.readStream(stream)))) === 'none';
    await waitFor(again, { what: 'the stream that began again' });
    expect(await revisions(client.readStream(stream))).toEqual([3, 4]);
    expect((await client.getStreamMetadata(stream)).metadata).toEqual({ truncateBefore: 3 });
    expect(
      await collected(client.readAll({ fromPosition: position ?? 'start', maxCount: 20 })),
    ).toEqual([
      `${stream}.before@0`,
      `$$${stream}@0`,
      `$$${stream}@1`,
      `${stream}@3`,
      `${stream}@4`,
      `$$${stream}@2`,
    ]);
  });

  test('setting metadata of a deleted stream restores the stream without events', async () => {
    await append(events(3), 'no_stream');
    await client.deleteStream(stream);
    await client.setStreamMetadata(stream, { maxCount: 7 });
    expect(await revisions(client.readStream(stream))).toEqual([]);
    const { metadata } = await client.getStreamMetadata(stream);
    expect(metadata).toEqual({ maxCount: 7, truncateBefore: 3 });
  });

  test('a stream that is missing, at another revision or behind a tombstone cannot be deleted', async () => {
    const wrong = 'wrong-expected-version';
    expect(await errorOf(client.deleteStream(stream))).toBe(wrong);
    await append(events(2), 'no_stream');
    expect(await errorOf(client.deleteStream(stream, { expectedRevision: 0n }))).toBe(wrong);
    expect(await errorOf(client.tombstoneStream(stream, { expectedRevision: 0n }))).toBe(wrong);
    expect((await client.tombstoneStream(stream)).position).toBeDefined();
    expect(await errorOf(client.tombstoneStream(stream))).toBe('stream-deleted');
    expect(await errorOf(client.deleteStream(stream))).toBe('stream-deleted');
    expect(await errorOf(client.setStreamMetadata(stream, {}))).toBe('stream-deleted');
    expect(await errorOf(collected(client.readStream(stream)))).toBe('stream-deleted');
    expect(await errorOf(client.tombstoneStream(`${stream}.missing`))).toBe('none');
  });

  test('an error that contains a stream name outside ASCII is unreadable, as on the server', async () => {
    await client.tombstoneStream(`${stream}ü`);
    expect(await errorOf(collected(client.readStream(`${stream}ü`)))).toBe('unknown');
    expect(await errorOf(client.deleteStream(`${stream}é`))).toBe('unknown');
  });

  test('truncation hides events from reads of the stream, not from $all', async () => {
    const { position } = await append([event()], 'no_stream', `${stream}.before`);
    await append(events(6), 'no_stream');
    const read = (from: bigint | 'start', maxCount = 10) =>
      revisions(client.readStream(stream, { fromRevision: from, maxCount }));
    const back = (from: bigint | 'end') =>
      revisions(client.readStream(stream, { fromRevision: from, direction: 'backwards' }));
    await client.setStreamMetadata(stream, { truncateBefore: 2 });
    expect([await read('start'), await read(1n, 2), await read(9n)]).toEqual([
      [2, 3, 4, 5],
      [2, 3],
      [],
    ]);
    expect([await back('end'), await back(3n), await back(1n), await back(99n)]).toEqual([
      [5, 4, 3, 2],
      [3, 2],
      [],
      [5, 4, 3, 2],
    ]);
    await client.setStreamMetadata(stream, { maxCount: 2 });
    expect(await read('start', 1)).toEqual([4]);
    await client.setStreamMetadata(stream, { maxAge: 1 });
    await waitFor(async () => (await read('start')).length === 0, { what: 'the events to age' });
    expect(await revisions(client.readStream(`$$${stream}`))).toEqual([2]);
    const all = await collected(client.readAll({ fromPosition: position ?? 'start' }));
    expect(all.filter((text) => text.startsWith(`${stream}@`))).toHaveLength(6);
  });

  test('a read of $all from a position includes it forwards and excludes it backwards', async () => {
    const positions: Position[] = [];
    for (const one of events(4)) {
      const { position } = await append([one], 'any');
      if (position) positions.push(position);
    }
    const at = positions[1] ?? 'start';
    const forwards = client.readAll({ fromPosition: at, maxCount: 2 });
    expect(await revisions(forwards)).toEqual([1, 2]);
    const backwards = client.readAll({ fromPosition: at, direction: 'backwards', maxCount: 1 });
    expect(await revisions(backwards)).toEqual([0]);
    const last = client.readAll({ fromPosition: 'end', direction: 'backwards', maxCount: 2 });
    expect(await revisions(last)).toEqual([3, 2]);
    expect(await collected(client.readAll({ fromPosition: 'end' }))).toEqual([]);
    expect(positions.every(({ commit, prepare }) => commit === prepare)).toBe(true);
    const unprepared = { commit: positions[1]?.commit ?? 0n, prepare: 0n };
    const again = client.readAll({ fromPosition: unprepared, maxCount: 2 });
    expect(await revisions(again)).toEqual([1, 2]);
    const between = { commit: (positions[1]?.commit ?? 0n) + 1n, prepare: 1n };
    expect(await errorOf(collected(client.readAll({ fromPosition: between })))).toBe('unknown');
    expect(await errorOf(collected(client.subscribeToAll({ fromPosition: between })))).toBe(
      'unknown',
    );
  });

  describe('a scavenge', () => {
    /** What `$all` has of this test, from the event before it on. */
    const written = async (base: Position | undefined): Promise<string[]> => {
      const all = await collected(client.readAll({ fromPosition: base ?? 'start' }));
      return all.flatMap((each) => (each.includes(stream) ? [each.replace(stream, 's')] : []));
    };
    const baseline = async () => (await append([event()], 'any', `${stream}.before`)).position;

    test('leaves the last event and the newest metadata of each stream', async () => {
      const base = await baseline();
      for (const name of ['cut', 'all', 'gone', 'stone']) {
        await append(events(3), 'no_stream', `${stream}.${name}`);
      }
      await client.setStreamMetadata(`${stream}.cut`, { truncateBefore: 1 });
      await client.setStreamMetadata(`${stream}.cut`, { truncateBefore: 2 });
      await client.setStreamMetadata(`${stream}.all`, { truncateBefore: 3 });
      await client.setStreamMetadata(`${stream}.aged`, { maxAge: 1 });
      await append(events(3), 'no_stream', `${stream}.aged`);
      await client.deleteStream(`${stream}.gone`);
      await client.tombstoneStream(`${stream}.stone`);
      const aged = () => revisions(client.readStream(`${stream}.aged`));
      await waitFor(async () => (await aged()).length === 0, { what: 'the events to age' });
      await server.scavenge();
      expect(await written(base)).toEqual([
        's.before@0',
        's.cut@2',
        's.all@2',
        's.gone@2',
        '$$s.cut@1',
        '$$s.all@0',
        '$$s.aged@0',
        's.aged@2',
        '$$s.gone@0',
        's.stone@9223372036854775807',
      ]);
      expect(await outcomeOf(append([event()], 2n, `${stream}.gone`))).toBe('3');
      expect(await outcomeOf(append([event()], 'no_stream', `${stream}.all`))).toBe(
        'wrong-expected-version 2',
      );
    });

    test('any position before it is a place to read from, and a subscription leaves out an event', async () => {
      const base = await baseline();
      const { position } = await append(events(1), 'no_stream', `${stream}.gone`);
      await append(events(3), 'no_stream');
      await client.deleteStream(`${stream}.gone`);
      await append(events(1), 'no_stream', `${stream}.gone`);
      await server.scavenge();
      const at = position ?? 'start';
      expect(await written(position)).toEqual([...['s@0', 's@1', 's@2', 's.gone@1', '$$s.gone@1']]);
      const between = { commit: (position?.commit ?? 0n) + 1n, prepare: 1n };
      expect(await written(between)).toEqual(await written(position));
      const back = client.readAll({ fromPosition: at, direction: 'backwards', maxCount: 1 });
      expect(await collected(back)).toEqual([`${stream}.before@0`]);
      const seen: string[] = [];
      const filter = streamNameFilter({ prefixes: [stream] });
      const subscription = client.subscribeToAll({ fromPosition: at, filter });
      subscription.on('data', ({ event: found }) => {
        seen.push(`${found?.streamId.replace(stream, 's')}@${found?.revision}`);
      });
      await waitFor(() => seen.includes('s.gone@1'), { what: 'the last event' });
      await subscription.unsubscribe();
      expect(seen).toEqual(['s@1', 's@2', 's.gone@1']);
      expect(await written(base)).toHaveLength(6);
    });

    test('a repeated append is still recognised', async () => {
      const list = events(4);
      await append(list.slice(0, 2), 'no_stream');
      await append(list.slice(2), 1n);
      await client.setStreamMetadata(stream, { truncateBefore: 4 });
      await server.scavenge();
      expect(await outcomeOf(append(list.slice(0, 2), 'no_stream'))).toBe('1');
      expect(await outcomeOf(append(list.slice(2), 1n))).toBe('3');
      expect(await outcomeOf(append(list.slice(2), 'no_stream'))).toBe('wrong-expected-version 3');
    });
  });

  describe('a subscription to $all', () => {
    let base: Position;
    /** The positions of the events after the base, by number. */
    const numbers = new Map<bigint, number>();
    const subscriptions: { unsubscribe(): Promise<void> }[] = [];
    const write = async (name: string, count: number): Promise<void> => {
      await append(events(count), 'any', `${stream}.${name}`);
      let n = 0;
      for await (const { event } of client.readAll({ fromPosition: base })) {
        if (event?.position) numbers.set(event.position.commit, n);
        n += 1;
      }
    };
    const subscribe = (name: string, maxSearchWindow?: number, checkpointInterval = 1) => {
      const seen: number[] = [];
      const checkpoints: [commit: bigint, isLast: boolean][] = [];
      const state = { caughtUpAfter: Number.NaN };
      const filter = streamNameFilter({
        prefixes: [`${stream}.${name}`],
        checkpointInterval,
        checkpointReached: async (_: unknown, { commit, prepare }: Position) => {
          checkpoints.push([commit, prepare === commit]);
        },
        ...(maxSearchWindow === undefined ? {} : { maxSearchWindow }),
      });
      const subscription = client.subscribeToAll({ fromPosition: base, filter });
      subscriptions.push(subscription);
      subscription.on('data', ({ event }) => {
        seen.push(numbers.get(event?.position?.commit ?? 0n) ?? Number.NaN);
      });
      subscription.on('caughtUp', () => {
        state.caughtUpAfter = seen.length;
      });
      return {
        seen,
        state,
        /** `12`: up to the event with that number; `<12`: up to before it. */
        checkpoints: () =>
          checkpoints.map(([commit, isLast]) => `${isLast ? '' : '<'}${numbers.get(commit)}`),
        caughtUp: () =>
          waitFor(() => !Number.isNaN(state.caughtUpAfter), { what: 'the end of history' }),
      };
    };
    beforeEach(async () => {
      numbers.clear();
      base = (await append([event()], 'any', `${stream}.base`)).position ?? base;
      await write('b', 45);
      await write('a', 2);
      await write('b', 25);
    });
    afterEach(async () => {
      for (const subscription of subscriptions.splice(0)) await subscription.unsubscribe();
    });

    test.each([
      ['a', undefined, 1, ['<1', '47']],
      ['none', undefined, 1, ['<1', '<33']],
      ['none', undefined, 2, ['<33']],
      ['a', 10, 3, ['<21', '<51']],
      ['b', 64, 1, ['66']],
      ['a', 64, 1, ['47']],
      ['b', 100, 1, []],
    ])('catches up: %s, window %s × %s', async (name, window, interval, expected) => {
      const subscriber = subscribe(name, window, interval);
      await subscriber.caughtUp();
      expect(subscriber.checkpoints()).toEqual(expected);
      const count = { a: 2, b: 70, none: 0 }[name];
      expect([subscriber.seen.length, subscriber.state.caughtUpAfter]).toEqual([count, count]);
      expect(subscriber.seen).toEqual([...subscriber.seen].sort((x, y) => x - y));
    });

    test('goes live and continues the count of events for its checkpoints', async () => {
      const a = subscribe('a');
      const every = subscribe('none', undefined, 2);
      const b = subscribe('b', 5, 3);
      for (const { caughtUp } of [a, every, b]) await caughtUp();
      await write('b', 60);
      await write('a', 1);
      await waitFor(() => a.seen.length === 3, { what: 'the live event' });
      expect(a.checkpoints()).toEqual(['<1', '47', '96', '128']);
      expect(every.checkpoints()).toEqual(['<33', '128']);
      await waitFor(() => b.seen.length === 130, { what: 'the other live events' });
      await waitFor(() => b.checkpoints().at(-1) === '120', { what: 'the last checkpoint' });
      expect(b.checkpoints().slice(-3)).toEqual(['90', '105', '120']);
    });

    test.each([0n, undefined])(
      'resumes behind a position, also with prepare position %s',
      async (prepare) => {
        const [commit = 0n] = [...numbers].find(([, n]) => n === 46) ?? [];
        base = { commit, prepare: prepare ?? commit };
        const next = subscribe('a');
        await next.caughtUp();
        expect(next.seen).toEqual([47]);
      },
    );
  });
};

describe('the double of EventStoreDB', () => {
  sameAnswers(() => startEventStoreDouble());
});

const real = process.env.EVENTSTOREDB_URL;
if (real) {
  describe('EventStoreDB itself', () => {
    sameAnswers(async () => ({
      url: real,
      scavenge: () => scavengeServer(real),
      close: async () => {},
    }));
  });
}
