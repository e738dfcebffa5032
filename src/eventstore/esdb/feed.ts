import type { AllStreamRecordedEvent } from '@eventstore/db-client';
import type { Session } from './connection.ts';
import { regexOf } from './prefixes.ts';

/** One subscription of the client, until it ends. The client never resumes it. */
export interface Feed {
  /** Takes waiting events, at most `max`. */
  take(max: number): {
    events: AllStreamRecordedEvent[];
    /** Every matching event up to here has been taken; undefined if nothing new is known. */
    through: bigint | undefined;
  };
  /** No event is waiting. */
  readonly empty: boolean;
  /** The server has said that it began: it has found the place to begin at. */
  readonly started: boolean;
  /** The server has said that it reached its end of the log. Earlier events may still be waiting here. */
  caughtUp: boolean;
  /** Why the feed ended. Waiting events can still be taken. */
  readonly ended: { readonly error: unknown } | undefined;
  /** Resolves when something happened, when the subscriber stopped, or after this many ms. */
  changed(ms: number): Promise<void>;
  /** Ends the feed, if it has not ended yet. */
  end(error?: unknown): void;
}

/** Events that may wait here. Past it the server holds events back, and some time later ends the subscription. */
export const FEED_BUFFER_EVENTS = 512;

/** @param stop aborted when the subscriber stops */
export const openFeed = (
  session: Session,
  after: bigint,
  prefixes: readonly string[] | undefined,
  stop: AbortSignal,
): Feed => {
  let bell = Promise.withResolvers<void>();
  let started = false;
  let caughtUp = false;
  let ended: { error: unknown } | undefined;
  /** The server has passed everything up to here. */
  let checkpoint: bigint | undefined;
  const ring = (): void => {
    bell.resolve();
    bell = Promise.withResolvers();
  };
  const subscription = subscribe(session, after, prefixes, (commit) => {
    checkpoint = commit;
    ring();
  });
  const end = (error: unknown = new Error('the subscriber left')): void => {
    if (ended !== undefined) return;
    ended = { error };
    session.gone.removeEventListener('abort', gone);
    stop.removeEventListener('abort', ring);
    // Not awaited: for a call that never began the promise does not settle.
    subscription.unsubscribe().catch(() => undefined);
    ring();
  };
  const gone = (): void => end(new Error('the connection was replaced'));
  session.gone.addEventListener('abort', gone);
  stop.addEventListener('abort', ring);
  subscription.on('error', end); // Never removed: an `error` without a listener ends Node.
  subscription.on('end', () => end(new Error('the server ended the subscription')));
  subscription.on('close', () => end(new Error('the subscription was closed')));
  subscription.on('confirmation', () => {
    started = true;
    ring();
  });
  subscription.on('readable', ring);
  subscription.on('caughtUp', () => {
    caughtUp = true;
    ring();
  });
  // Part of the protocol since 23.10, but not of the client's types.
  (subscription as NodeJS.EventEmitter).on('fellBehind', () => {
    caughtUp = false;
  });
  if (session.gone.aborted) gone();

  return {
    take: (max) => {
      const events = take(subscription, max);
      let through = events.at(-1)?.position.commit;
      // The checkpoint comes after the waiting events, so it counts when all of them are taken.
      if (subscription.readableLength === 0 && checkpoint !== undefined) {
        if (through === undefined || checkpoint > through) through = checkpoint;
        checkpoint = undefined;
      }
      return { events, through };
    },
    get empty() {
      return subscription.readableLength === 0;
    },
    get started() {
      return started;
    },
    get caughtUp() {
      return caughtUp;
    },
    set caughtUp(value) {
      caughtUp = value;
    },
    get ended() {
      return ended;
    },
    changed: async (ms) => {
      if (ended !== undefined || stop.aborted) return;
      const timer = setTimeout(ring, ms);
      await bell.promise;
      clearTimeout(timer);
    },
    end,
  };
};

const subscribe = (
  { client }: Session,
  after: bigint,
  prefixes: readonly string[] | undefined,
  onCheckpoint: (commit: bigint) => void,
) =>
  client.subscribeToAll(
    {
      fromPosition: after === 0n ? 'start' : { commit: after, prepare: after },
      requiresLeader: true,
      filter: {
        filterOn: 'streamName',
        regex: regexOf(prefixes),
        // The smallest interval: one checkpoint for every 32 scanned events, also when none matches.
        checkpointInterval: 1,
        checkpointReached: (_, { commit }) => onCheckpoint(commit),
      },
    },
    { highWaterMark: FEED_BUFFER_EVENTS },
  );

const take = (
  subscription: ReturnType<typeof subscribe>,
  max: number,
): AllStreamRecordedEvent[] => {
  const events: AllStreamRecordedEvent[] = [];
  while (events.length < max) {
    const next = subscription.read();
    if (next === null) break;
    if (next.event !== undefined) events.push(next.event);
  }
  return events;
};
