/** Processes on one log, each with its own leases. A process hangs when its store does not answer. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { createLeases, type Leases } from '../../../src/runtime/leases/leases.ts';
import { LEASES } from '../../../src/runtime/leases/log.ts';
import { PARTITIONS } from '../../../src/runtime/leases/ownership.ts';
import { newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const DURATION_MS = 1_600;
const ALL = Array.from({ length: PARTITIONS }, (_, n) => n);

interface Process {
  readonly leases: Leases;
  /** Changes that were announced, in order. */
  readonly changes: { partition: number; owned: boolean }[];
  /** Partitions that others have, as it was told. */
  readonly taken: number[];
  /** From now on its store answers nothing, until `goOn`. */
  hang(): void;
  goOn(): void;
}

let rig: Rig;
let processes: Process[] = [];
/** Partitions that two processes acted for at one moment. */
let shared: string[] = [];

beforeEach(async () => {
  rig = await openRig();
  processes = [];
  shared = [];
});
afterEach(async () => {
  for (const { goOn } of processes) goOn();
  for (const { leases } of processes) await leases.stop(0);
  await rig.close();
  expect(shared).toEqual([]);
});

function makeProcess(owner: string, more: Partial<Parameters<typeof createLeases>[0]> = {}) {
  let gate = Promise.resolve();
  let open = () => {};
  const store: EventStore = {
    ...rig.store,
    append: async (...args) => {
      await gate;
      return rig.store.append(...args);
    },
    readStream: async (...args) => {
      await gate;
      return rig.store.readStream(...args);
    },
  };
  const leases = createLeases({
    store,
    owner,
    name: owner,
    newId,
    logger: silent,
    durationMs: DURATION_MS,
    waitFor: async () => {},
    follows: () => true,
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    ...more,
  });
  const changes: Process['changes'] = [];
  const taken: number[] = [];
  leases.onTaken((partition) => taken.push(partition));
  leases.onChange((partition, owned) => {
    changes.push({ partition, owned });
    const others = processes.filter((each) => each.leases !== leases);
    if (owned && others.some((each) => each.leases.owns(partition))) {
      shared.push(`${partition}: ${owner}`);
    }
  });
  const process: Process = {
    leases,
    changes,
    taken,
    hang() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    goOn: () => open(),
  };
  processes.push(process);
  return process;
}

const counts = () => processes.map(({ leases }) => leases.owned().length);
const until = (wanted: readonly number[], deadlineMs = 10_000) =>
  waitFor(() => counts().join() === wanted.join(), {
    deadlineMs,
    what: () => `${wanted} partitions; it is ${counts()}`,
  });
const types = () => rig.types(LEASES);

test('one process owns everything, a second gets half, a third gets its share', async () => {
  const a = makeProcess('a');
  await a.leases.start();
  await until([16]);
  const b = makeProcess('b');
  await b.leases.start();
  await until([8, 8]);
  const c = makeProcess('c');
  await c.leases.start();
  await waitFor(() => counts().toSorted().join() === '5,5,6', { what: () => `${counts()}` });
  const all = processes.flatMap(({ leases }) => [...leases.owned()]);
  expect(all.toSorted((x, y) => x - y)).toEqual(ALL);
});

test('a process that stops finishes its running effects, and the others take over at once', async () => {
  const a = makeProcess('a');
  const b = makeProcess('b');
  await a.leases.start();
  await b.leases.start();
  await until([8, 8]);
  const finishing = Promise.withResolvers<void>();
  const handedOver: number[] = [];
  a.leases.onHandOver(async (partitions) => {
    handedOver.push(...partitions);
    await finishing.promise;
  });
  const mine = a.leases.owned();
  const stopped = a.leases.stop(5_000);
  await waitFor(() => handedOver.length === 8, { what: 'the hand-over to begin' });
  expect(mine.some((partition) => a.leases.owns(partition))).toBe(false);
  expect(b.leases.owned()).toHaveLength(8);
  finishing.resolve();
  expect(await stopped).toEqual({ others: 1 });
  await until([0, 16], DURATION_MS);
  expect(await types()).toContain('LeaseEnded');
});

test('a process that lost its partitions by the clock is told who has them, or gets them back', async () => {
  const a = makeProcess('a');
  await a.leases.start();
  await until([16]);
  a.hang();
  await until([0]);
  expect(a.taken).toEqual([]);
  a.goOn();
  await until([16]); // nobody else was there
  expect(a.taken).toEqual([]);

  const b = makeProcess('b');
  await b.leases.start();
  await until([8, 8]);
  a.taken.length = 0;
  const mine = a.leases.owned();
  a.hang();
  await until([0, 16]);
  a.goOn();
  await waitFor(() => mine.every((each) => a.taken.includes(each)), { what: 'a to be told' });
});

test('a process that is stopped while it starts holds nothing afterwards', async () => {
  const gate = Promise.withResolvers<void>();
  let appends = 0;
  const store: EventStore = {
    ...rig.store,
    append: async (...args) => {
      if (++appends === 1) await gate.promise;
      return rig.store.append(...args);
    },
  };
  const a = makeProcess('a', { store });
  const starting = a.leases.start();
  await waitFor(() => appends === 1, { what: 'its first append' });
  const stopping = a.leases.stop(5_000);
  gate.resolve();
  await Promise.all([starting, stopping]);
  expect((await types()).at(-1)).toBe('LeaseEnded');
  expect(a.leases.owned()).toEqual([]);
});

test('partitions of a process that hangs go to others after its lease; it stops before that', async () => {
  const a = makeProcess('a');
  const b = makeProcess('b');
  await a.leases.start();
  await b.leases.start();
  await until([8, 8]);
  a.hang();
  await waitFor(() => a.leases.owned().length === 0, { what: 'the lease to end by the clock' });
  expect(b.leases.owned()).toHaveLength(8);
  await until([0, 16]);
  expect(await types()).toContain('LeaseExpired');

  a.goOn();
  await until([8, 8]);
  expect(a.changes.filter(({ owned }) => !owned)).toHaveLength(16); // eight given to b at first, eight lost by the clock
});

test('when the store is away for longer than a lease, all stop and no process is declared gone', async () => {
  const a = makeProcess('a');
  const b = makeProcess('b');
  await a.leases.start();
  await b.leases.start();
  await until([8, 8]);
  const before = processes.map(({ leases }) => leases.owned());
  for (const each of processes) each.hang();
  await until([0, 0]);
  await new Promise((resolve) => setTimeout(resolve, DURATION_MS)); // there is no condition to wait for: the store is away
  for (const each of processes) each.goOn();
  await until([8, 8]);
  expect(processes.map(({ leases }) => leases.owned().toSorted())).toEqual(
    before.map((owned) => owned.toSorted()),
  );
  expect(await types()).not.toContain('LeaseExpired');
});

test('a process that is killed and started again on the same data goes on at once', async () => {
  const a = makeProcess('a');
  await a.leases.start();
  await until([16]);
  a.hang(); // as after a kill: nothing reaches the store any more
  const again = makeProcess('a');
  processes.shift();
  await again.leases.start();
  await until([16], DURATION_MS / 2);
  expect(await types()).not.toContain('LeaseExpired');
});

test('a process that cannot follow the log leaves its work to others until it can', async () => {
  const a = makeProcess('a');
  const state = { follows: true };
  const b = makeProcess('b', { follows: () => state.follows });
  await a.leases.start();
  await b.leases.start();
  await until([8, 8]);
  state.follows = false;
  await until([16, 0]);
  expect(await types()).not.toContain('LeaseExpired');
  state.follows = true;
  await until([8, 8]);
});

test('a process acts for its partitions only when it has seen what earlier owners did', async () => {
  const seen = Promise.withResolvers<void>();
  const a = makeProcess('a', { waitFor: () => seen.promise });
  await a.leases.start();
  expect(await types()).toEqual(['LeaseTaken']);
  expect(a.leases.owned()).toEqual([]);
  seen.resolve();
  await until([16]);
});

test('a machine that slept does not trust its lease, though its monotonic clock stood still', async () => {
  const offset = { ms: 0 };
  const a = makeProcess('a', { now: () => Date.now() + offset.ms });
  await a.leases.start();
  await until([16]);
  offset.ms = DURATION_MS;
  expect(a.leases.owns(0)).toBe(false);
  await until([16]); // renewed
});

test('the stream is cut now and then and still says everything', async () => {
  const a = makeProcess('a');
  const expired = Array.from({ length: 999 }, (_, n) => ({
    id: newId(),
    type: 'LeaseExpired',
    schemaVersion: 1,
    personal: null,
    data: { owner: `old${n}`, by: 'a' },
    metadata: {
      tenant: null,
      at: rig.now(),
      machine: 'lease/1',
      commandId: 'x',
      correlationId: 'x',
      causationId: 'x',
    },
  }));
  await rig.store.append(LEASES, expired, 'no-stream');
  await a.leases.start();
  await until([16]);
  await waitFor(async () => (await rig.store.readStream(LEASES))[0]?.revision !== 0, {
    what: 'the first events to be cut',
  });
  const b = makeProcess('b');
  await b.leases.start();
  await until([8, 8]);
});
