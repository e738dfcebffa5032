/**
 * What every event store has to keep, run unchanged on each adapter. The log is shared by the tests of a run and may
 * hold other events: each test has streams of its own.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { EventStore } from '../../src/eventstore/port.ts';
import { appends } from './conformance/appends.ts';
import { idempotence } from './conformance/idempotence.ts';
import { limits } from './conformance/limits.ts';
import { positions } from './conformance/positions.ts';
import { reads } from './conformance/reads.ts';
import { removal } from './conformance/removal.ts';
import { subscriptions } from './conformance/subscriptions.ts';

export interface Subject {
  readonly store: EventStore;
  /** Closes the store and opens the same log again. */
  reopen(): Promise<EventStore>;
  /** Opens another log, to be closed by the test. */
  other(): Promise<EventStore>;
  close(): Promise<void>;
}

/** What the groups of tests are given: the store as it is now. */
export interface Context {
  readonly store: EventStore;
  reopen(): Promise<EventStore>;
  other(): Promise<EventStore>;
}

/** Declares the tests that hold an adapter to the port's promises. */
export const conformance = (name: string, open: () => Promise<Subject>): void => {
  describe(`${name} keeps what the port promises`, () => {
    let subject: Subject;
    let current: EventStore;
    beforeAll(async () => {
      subject = await open();
      current = subject.store;
    });
    afterAll(async () => {
      await current.close();
      await subject.close();
    });
    const context: Context = {
      get store() {
        return current;
      },
      reopen: async () => {
        current = await subject.reopen();
        return current;
      },
      other: () => subject.other(),
    };
    for (const group of [appends, idempotence, limits, reads, subscriptions, removal, positions]) {
      group(context);
    }
  });
};
