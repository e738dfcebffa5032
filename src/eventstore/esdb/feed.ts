import type { AllStreamRecordedEvent } from '@eventstore/db-client';
import type { Session } from './connection.ts';
import { regexOf } from './prefixes.ts';

/** One subscription of the client, until it ends. It never goes on by itself after that (docs/event-stores.md). */
export interface Feed {
  /**
   * What has come, at most so many events. `through`: up to here everything that matches was handed out;
   * undefined when nothing new is known.
   */
  take(max: number): { events: AllStreamRecordedEvent[]; through: bigint | undefined };
  /** Nothing that has come is left to be taken. */
  readonly empty: boolean;
  /** The server has said that its end of the log was reached; what came until then may still wait here. */
  caughtUp: boolean;
  /** Why it ended; what had come before can still be taken. */
  readonly ended: { readonly error: unknown } | undefined;
  /** Resolves when something happened, the subscriber stopped, or after so many ms. */
  changed(ms: number): Promise<void>;
  /** Ends it, if it has not yet. */
  end(error?: unknown): void;
}

/** Events that may wait here; then the server has to hold them back, and after some more it ends the subscription. */
const BUFFER = 512;

export const openFeed = (
  session: Session,
  after: bigint,
  prefixes: readonly string[] | undefined,
  stop: AbortSignal,
): Feed => {
  let bell = Promise.withResolvers<void>();
  const ring = (): void => {
    bell.resolve();
    bell = Promise.withResolvers();
  };
  let ended: { error: unknown } | undefined;
  let caughtUp = false;
  let checkpoint: bigint | undefined;

  const subscription = session.client.subscribeToAll(
    {
      fromPosition: after === 0n ? 'start' : { commit: after, prepare: after },
      requiresLeader: true,
      filter: {
        filterOn: 'streamName',
        regex: regexOf(prefixes),
        // The most often there is: after every 32 events that were looked at, also when none matches.
        checkpointInterval: 1,
        checkpointReached: (_, { commit }) => {
          checkpoint = commit;
          ring();
        },
      },
    },
    { highWaterMark: BUFFER },
  );
  const end = (error: unknown = new Error('the subscription was left')): void => {
    if (ended !== undefined) return;
    ended = { error };
    session.gone.removeEventListener('abort', gone);
    stop.removeEventListener('abort', ring);
    // Not awaited: of a call that never began it would not come back.
    subscription.unsubscribe().catch(() => undefined);
    ring();
  };
  const gone = (): void => end(new Error('the connection was given up'));
  session.gone.addEventListener('abort', gone);
  stop.addEventListener('abort', ring);
  subscription.on('error', end); // stays: an `error` that nobody listens to ends Node
  subscription.on('end', () => end(new Error('the server ended the subscription')));
  subscription.on('close', () => end(new Error('the subscription was closed')));
  subscription.on('readable', ring);
  subscription.on('caughtUp', () => {
    caughtUp = true;
    ring();
  });
  // By now part of the protocol (23.10), but not of the client's types.
  (subscription as NodeJS.EventEmitter).on('fellBehind', () => {
    caughtUp = false;
  });
  if (session.gone.aborted) gone();

  return {
    take: (max) => {
      const events: AllStreamRecordedEvent[] = [];
      while (events.length < max) {
        const next = subscription.read();
        if (next === null) break;
        if (next.event !== undefined) events.push(next.event);
      }
      let through = events.at(-1)?.position.commit;
      // A checkpoint is of what came before it, and that is now taken.
      if (subscription.readableLength === 0 && checkpoint !== undefined) {
        if (through === undefined || checkpoint > through) through = checkpoint;
        checkpoint = undefined;
      }
      return { events, through };
    },
    get empty() {
      return subscription.readableLength === 0;
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
