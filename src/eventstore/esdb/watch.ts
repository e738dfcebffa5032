import { isSystem } from './encode.ts';
import type { Feed } from './feed.ts';
import { matcherOf } from './prefixes.ts';
import type { Reads } from './reads.ts';

/** The end of the log, as far as this process knows. Many silent subscriptions share one small read of it. */
export interface KnownHead {
  /** To be called after an append of this process. */
  appended(commit: bigint): void;
  /** Where the last append of this process is. */
  readonly own: bigint;
  /** @param maxAgeMs how old the answer may be */
  get(maxAgeMs: number): Promise<bigint>;
}

export const createKnownHead = (reads: Reads): KnownHead => {
  let own = 0n;
  let read: { readonly at: number; readonly head: Promise<bigint> } | undefined;
  return {
    appended: (commit) => {
      if (commit > own) own = commit;
    },
    get own() {
      return own;
    },
    get: async (maxAgeMs) => {
      const now = performance.now();
      if (read === undefined || now - read.at > maxAgeMs) {
        read = { at: now, head: reads.head() };
      }
      const head = await read.head;
      return head > own ? head : own;
    },
  };
};

/** The wait before the watch looks past a silent subscription: short after an append of this process. */
export const LOOK_AFTER_APPEND_MS = 100;
export const LOOK_MS = 500;
/** The same wait while catching up. A server before 23.10 never says that it reached the end. */
export const LOOK_CATCHING_UP_MS = 1000;
/** The log has a matching event that the subscription has not yielded for this long: the subscription is dead. */
export const OVERDUE_MS = 5000;
/** Events in one read. Mostly there are fewer than 32, the distance of two checkpoints. */
const READ_EVENTS = 64;
/** Reads in one look. */
const READS = 16;

/** Looks at the log past the place where a subscription is silent. */
export interface Watch {
  /** To be called whenever no event has come. Looks in the background, when the wait is over. */
  look(at: bigint): void;
  /** @returns the place up to which the watch has seen no matching event */
  passed(): bigint;
}

/**
 * While no event matches, a subscription reports its place only every 32 events, and a caller that waits for the end of
 * the log would wait forever. So the watch reads on past events that do not match. Matching events are left to the
 * subscription. If such an event stays overdue, the watch ends the subscription.
 */
export const createWatch = (
  feed: Feed,
  prefixes: readonly string[] | undefined,
  reads: Reads,
  head: KnownHead,
): Watch => {
  const matches = matcherOf(prefixes);
  let passed = 0n;
  let looking = false;
  let lookedAt = performance.now();
  let overdue: { commit: bigint; since: number } | undefined;

  const readOn = async (at: bigint): Promise<void> => {
    let known = await head.get(LOOK_AFTER_APPEND_MS);
    let through = at;
    for (let i = 0; i < READS && through < known; i += 1) {
      const page = await reads.scan({ after: through, direction: 'forwards', limit: READ_EVENTS });
      const match = page.find((event) => !isSystem(event) && matches(event.streamId));
      const last = page.findLast(
        ({ position }) => match === undefined || position.commit < match.position.commit,
      );
      through = last?.position.commit ?? through;
      if (match !== undefined) return expect(through, match.position.commit);
      if (page.length < READ_EVENTS) known = through;
    }
    overdue = undefined;
    if (through > passed) passed = through;
    if (through >= known) feed.caughtUp = true;
  };

  const expect = (through: bigint, commit: bigint): void => {
    if (through > passed) passed = through;
    const now = performance.now();
    if (overdue?.commit !== commit) overdue = { commit, since: now };
    else if (now - overdue.since > OVERDUE_MS) {
      feed.end(new Error('the subscription does not yield an event that the log has'));
    }
  };

  return {
    look: (at) => {
      const live = head.own > at ? LOOK_AFTER_APPEND_MS : LOOK_MS;
      const wait = feed.caughtUp ? live : LOOK_CATCHING_UP_MS;
      if (looking || performance.now() - lookedAt < wait) return;
      looking = true;
      readOn(at)
        // The reads were repeated already. The next subscription resumes from the known place.
        .catch(feed.end)
        .finally(() => {
          looking = false;
          lookedAt = performance.now();
        });
    },
    passed: () => passed,
  };
};
