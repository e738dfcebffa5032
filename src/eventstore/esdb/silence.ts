import { isSystem } from './encode.ts';
import type { Feed } from './feed.ts';
import { matcherOf } from './prefixes.ts';
import type { Reads } from './reads.ts';

/** The end of the log as far as this process knows, so that many silent subscriptions cost one small read. */
export interface KnownHead {
  /** Something was appended here by this process. */
  appended(commit: bigint): void;
  /** Of the appends of this process. */
  readonly own: bigint;
  /** Not older than this (ms). */
  get(maxAgeMs: number): Promise<bigint>;
}

export const createKnownHead = (reads: Reads): KnownHead => {
  let own = 0n;
  let asked: { readonly at: number; readonly answer: Promise<bigint> } | undefined;
  return {
    appended: (commit) => {
      if (commit > own) own = commit;
    },
    get own() {
      return own;
    },
    get: async (maxAgeMs) => {
      const now = performance.now();
      if (asked === undefined || now - asked.at > maxAgeMs) {
        asked = { at: now, answer: reads.head() };
      }
      const head = await asked.answer;
      return head > own ? head : own;
    },
  };
};

/** How often a silent subscription looks on: soon after an append of this process, else now and then. */
export const LOOK_MS = { appended: 100, otherwise: 500 };
/** A server before 23.10 never says that the end was reached: after this silence we look ourselves. */
const CATCHING_UP_MS = 1000;
/** An event that is there and does not come for so long: the subscription is dead. */
const OWED_MS = 5000;
/** Events of one read, and reads of one look. Mostly there are fewer than 32, the distance of the checkpoints. */
const PAGE = 64;
const PAGES = 16;

/** Looks beyond the place where a subscription is silent. */
export interface Watch {
  /** To be called whenever nothing has come; looks if it is time to, in the background. */
  look(at: bigint): void;
  /** Up to here nothing matches, as far as was seen. */
  passed(): bigint;
}

/**
 * Where nothing matches, a subscription says where it is only every 32 events, and who waits for the end of the log
 * would wait for ever: so the log is read on from there, over what does not match. What does match is left to the
 * subscription, and if it does not come, that one is ended.
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
  let owed: { commit: bigint; since: number } | undefined;

  const readOn = async (at: bigint): Promise<void> => {
    let known = await head.get(LOOK_MS.appended);
    let through = at;
    for (let i = 0; i < PAGES && through < known; i += 1) {
      const page = await reads.scan({ after: through, direction: 'forwards', limit: PAGE });
      const found = page.find((event) => !isSystem(event) && matches(event.streamId));
      const last = page.findLast(
        ({ position }) => found === undefined || position.commit < found.position.commit,
      );
      through = last?.position.commit ?? through;
      if (found !== undefined) return expect(through, found.position.commit);
      if (page.length < PAGE) known = through;
    }
    owed = undefined;
    if (through > passed) passed = through;
    if (through >= known) feed.caughtUp = true;
  };

  const expect = (through: bigint, commit: bigint): void => {
    if (through > passed) passed = through;
    const now = performance.now();
    if (owed?.commit !== commit) owed = { commit, since: now };
    else if (now - owed.since > OWED_MS) {
      feed.end(new Error('the subscription is silent where there is an event'));
    }
  };

  return {
    look: (at) => {
      const wait = feed.caughtUp
        ? head.own > at
          ? LOOK_MS.appended
          : LOOK_MS.otherwise
        : CATCHING_UP_MS;
      if (looking || performance.now() - lookedAt < wait) return;
      looking = true;
      readOn(at)
        // Reads have been tried again by then: the next subscription starts from what is known.
        .catch(feed.end)
        .finally(() => {
          looking = false;
          lookedAt = performance.now();
        });
    },
    passed: () => passed,
  };
};
