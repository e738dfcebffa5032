/**
 * The promises of the port as tests, which run unchanged on every adapter. The tests of a run share a log, which may have
 * other events, so each test uses its own streams.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { EventStore } from '../../src/eventstore/port.ts';
import { appends } from './conformance/appends.ts';
import { idempotence } from './conformance/idempotence.ts';
import { limits } from './conformance/limits.ts';
import { positions } from './conformance/positions.ts';
import { reads } from './conformance/reads.ts';
import { removal } from './conformance/removal.ts';
import { scavenging } from './conformance/scavenging.ts';
import { subscriptions } from './conformance/subscriptions.ts';

export interface Subject {
  readonly store: EventStore;
  /** Closes the store and opens the same log again. */
  reopen(): Promise<EventStore>;
  /** Opens another log. The test closes it. */
  other(): Promise<EventStore>;
  /** Removes for good what was deleted and cut off. Undefined: the store does that by itself. */
  scavenge?(): Promise<void>;
  close(): Promise<void>;
}

/** The groups of tests get this: the store as it is now. */
export interface Context {
  readonly store: EventStore;
  reopen(): Promise<EventStore>;
  other(): Promise<EventStore>;
  scavenge(): Promise<void>;
}

/** Declares the tests that check an adapter against the promises of the port. */
export const conformance = (name: string, open: () => Promise<Subject>): void => {
  describe(`${name} keeps the promises of the port`, () => {
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
      scavenge: async () => subject.scavenge?.(),
    };
    const groups = [appends, idempotence, limits, reads, subscriptions, removal, positions];
    for (const group of [...groups, scavenging]) group(context);
  });
};
