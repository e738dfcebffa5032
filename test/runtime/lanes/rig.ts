/** Lanes on a real store, with destinations that answer as the test says. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AppError } from '../../../src/errors.ts';
import type { EventStore, NewEvent, RecordedEvent } from '../../../src/eventstore/port.ts';
import { DEAD_LETTERS_TABLE } from '../../../src/runtime/lanes/dead-letter-table.ts';
import { createDeadLetters } from '../../../src/runtime/lanes/dead-letters.ts';
import type { Destination, Outcome } from '../../../src/runtime/lanes/destination.ts';
import { createLanes } from '../../../src/runtime/lanes/lanes.ts';
import { laneTable } from '../../../src/runtime/lanes/pending-effects.ts';
import { type Ownership, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../../../src/runtime/pending-work.ts';
import type { DeadLetters } from '../../../src/runtime/ports.ts';
import { newId, type openRig, type Rig, silent } from '../../support/rig.ts';

export const said = (n: number, at: number, type = 'Said'): NewEvent => {
  const id = newId();
  const causes = { commandId: id, correlationId: id, causationId: id };
  return {
    id,
    type,
    schemaVersion: 1,
    data: { n },
    personal: null,
    metadata: { tenant: 'acme', at, ...causes, machine: 'test/1' },
  };
};
export const speak = async (
  rig: Rig,
  key: string,
  numbers: readonly number[],
  tenant = 'acme',
): Promise<void> => {
  const events = numbers.map((n) => said(n, rig.now()));
  await rig.store.append(`visitor-${tenant}.${key}`, events, 'any');
};
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export const done: Outcome = { kind: 'done' };
export const retry: Outcome = { kind: 'retry', reason: 'away' };

export interface Attempt {
  readonly key: string;
  readonly n: number;
  readonly id: string;
  readonly again: boolean;
  readonly steps: number;
}

export function place(name: string, more: Partial<Destination> = {}) {
  const attempts: Attempt[] = [];
  const made: Attempt[] = [];
  const state = { answer: async (_attempt: Attempt): Promise<Outcome> => done };
  const destination: Destination = {
    name,
    concurrency: 8,
    retry: { firstMs: 20, mostMs: 40 },
    concerns: ({ type }) => type === 'Said',
    perform: async ({ stream, data, id }: RecordedEvent, _signal, again = false, steps = 0) => {
      const key = stream.replace('visitor-acme.', '');
      const attempt = { key, n: Number(data.n), id, again, steps };
      attempts.push(attempt);
      const outcome = await state.answer(attempt);
      if (outcome.kind === 'done') made.push(attempt);
      return outcome;
    },
    ...more,
  };
  /** Effects of one stream, in order. */
  const of = (key: string): number[] => made.flatMap((each) => (each.key === key ? each.n : []));
  return { destination, attempts, made, state, of };
}

export async function lanesOn(
  rig: Rig,
  destinations: readonly Destination[],
  ownership: Ownership = soleOwner,
  more: { expiryLookMs?: number; age?: (at: number) => number; logger?: Logger } = {},
) {
  const { store, workFile: db, now, monotonic } = rig;
  const lanes = createLanes({
    db,
    store,
    destinations,
    ownership,
    now,
    monotonic,
    age: rig.clock.age,
    newId,
    logger: silent,
    random: Math.random,
    ...more,
  });
  const letters = createDeadLetters({
    db,
    store,
    destinations,
    now,
    newId,
    vault: rig.vault,
    logger: silent,
    again: async () => {},
  });
  const caughtUp = await rig.follow(
    [laneTable(destinations), DEAD_LETTERS_TABLE],
    [lanes, letters],
  );
  return { lanes, letters, caughtUp };
}

/** All dead letters, or those of one tenant. */
export const lettersOf = async (letters: DeadLetters, tenant?: string) =>
  (await letters.list({ tenant, limit: 10_000 })).items;

/** The lanes of another process on the same log, with their own table. */
export async function lanesBeside(
  rig: Rig,
  destinations: readonly Destination[],
  ownership: Ownership,
) {
  const { store, now, monotonic } = rig;
  const db = openWorkFile(join(rig.folder, `work-${newId()}.db`));
  const lanes = createLanes({
    db,
    store,
    destinations,
    ownership,
    now,
    monotonic,
    age: rig.clock.age,
    newId,
    logger: silent,
    random: Math.random,
  });
  const tables = [laneTable(destinations)];
  const work = createPendingWork({ db, store, tables, logger: silent });
  work.subscribe(lanes);
  const ending = new AbortController();
  const following = work.run(ending.signal);
  const caughtUp = async (): Promise<void> => {
    const head = await store.head();
    if (head) await work.waitFor(head, 10_000);
  };
  await caughtUp();
  return {
    lanes,
    caughtUp,
    async close() {
      await lanes.stop();
      ending.abort();
      await following;
      db.close();
    },
  };
}

/** A store whose appends to streams with this prefix fail while `fails` is set. */
export function failing(prefix: string) {
  const state = { fails: false };
  const disturb = (store: EventStore): EventStore => ({
    ...store,
    append: async (...args) => {
      if (state.fails && args[0].startsWith(prefix)) throw new AppError('unavailable', 'no disk');
      return store.append(...args);
    },
  });
  const options: Parameters<typeof openRig>[0] = { disturb };
  return { state, options };
}
