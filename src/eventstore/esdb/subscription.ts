import type { AllStreamRecordedEvent } from '@eventstore/db-client';
import { AppError, hasCode } from '../../errors.ts';
import { createBackoff, type RetryPolicy } from '../../kit/backoff.ts';
import {
  type RecordedEvent,
  SUBSCRIPTION_BATCH,
  type SubscribeOptions,
  type SubscriptionBatch,
} from '../port.ts';
import type { Connection } from './connection.ts';
import { decodeEvent, isSystem } from './encode.ts';
import { finalFailure, type Operation } from './failure.ts';
import { type Feed, openFeed } from './feed.ts';
import type { JustWritten } from './just-written.ts';
import type { Positions } from './position.ts';
import { matcherOf } from './prefixes.ts';
import type { Reads } from './reads.ts';
import { createWatch, type KnownHead, LOOK_AFTER_APPEND_MS } from './watch.ts';

export interface SubscriptionParts {
  readonly connection: Connection;
  readonly positions: Positions;
  readonly reads: Reads;
  readonly head: KnownHead;
  readonly justWritten: JustWritten;
}

export const SUBSCRIPTION_RETRY: RetryPolicy = { firstMs: 50, mostMs: 5_000 };
const OPERATION: Operation = { kind: 'subscribe to', stream: '$all' };

/**
 * Follows the log with one subscription of the client after the other. Each resumes where the last one ended. Positions
 * decide what is yielded, so an event that the server repeats is not yielded twice.
 */
export async function* follow(
  options: SubscribeOptions,
  parts: SubscriptionParts,
): AsyncGenerator<SubscriptionBatch> {
  const { connection, positions } = parts;
  let at = options.after === undefined ? 0n : positions.parse(options.after);
  const stop = AbortSignal.any([options.signal, connection.closed]);
  const retry = createBackoff(SUBSCRIPTION_RETRY);
  let checked = at === 0n;
  let live = false;
  while (!stop.aborted) {
    let feed: Feed | undefined;
    try {
      if (!checked) await checkAgainstEnd(at, parts);
      checked = true;
      feed = openFeed(connection.session(), at, options.prefixes, stop);
      for await (const batch of batches(feed, at, options, parts, stop)) {
        at = batch.at;
        live = batch.live;
        retry.reset();
        yield { events: batch.events, through: positions.format(at), live };
      }
      if (stop.aborted) return;
      const final = finalFailure(feed.ended?.error, OPERATION);
      if (final !== undefined) throw final;
    } catch (error) {
      if (stop.aborted) return;
      if (!hasCode(error, 'unavailable')) throw error;
    } finally {
      feed?.end();
    }
    // Not live until the next subscription has caught up.
    if (live) yield { events: [], through: positions.format(at), live: false };
    live = false;
    await retry.wait(stop);
  }
}

/** A position past the end belongs to a longer log: this log is an older copy. */
const checkAgainstEnd = async (at: bigint, { reads, positions }: SubscriptionParts) => {
  if (at <= (await reads.head())) return;
  throw new AppError(
    'invalid',
    `${positions.format(at)} is past the end of the log: is the log an older copy?`,
    { field: 'position' },
  );
};

interface Batch {
  readonly events: readonly RecordedEvent[];
  readonly at: bigint;
  readonly live: boolean;
}

/**
 * A subscription of 23.10 leaves out the first event that it finds at its place or behind it. If a scavenge has removed the
 * event of that place, it is one that nobody has seen. So it is read by itself, when the server has begun: no scavenge can
 * come between.
 */
const firstAfter = (place: bigint, reads: Reads): Promise<readonly AllStreamRecordedEvent[]> =>
  reads.scan({ after: place, direction: 'forwards', limit: 1 });

const NOTHING = { events: [], through: undefined } as const;

/** The batches of one feed, and empty ones when only its place moves. Ends with the feed. */
async function* batches(
  feed: Feed,
  from: bigint,
  { prefixes, batch: max = SUBSCRIPTION_BATCH }: SubscribeOptions,
  { positions, reads, head, justWritten }: SubscriptionParts,
  stop: AbortSignal,
): AsyncGenerator<Batch> {
  const matches = matcherOf(prefixes);
  const watch = createWatch(feed, prefixes, reads, head);
  let at = from;
  let live = false;
  /** Undefined until the feed has begun. */
  let first: readonly AllStreamRecordedEvent[] | undefined = from === 0n ? [] : undefined;
  while (!stop.aborted) {
    if (first === undefined && feed.started) first = await firstAfter(from, reads);
    const early = first ?? [];
    const taken = first === undefined ? NOTHING : feed.take(max - early.length);
    if (first !== undefined) first = [];
    const events: RecordedEvent[] = [];
    let seen = at;
    for (const event of [...early, ...taken.events]) {
      if (event.position.commit <= seen) continue;
      seen = event.position.commit;
      if (isSystem(event) || !matches(event.streamId)) continue;
      const decoded = decodeEvent(event, positions);
      if (decoded === undefined) continue;
      events.push(decoded);
      if (live) justWritten.add(decoded.stream, decoded.revision);
    }
    // It never moves back: the next subscription begins there.
    let through = at;
    for (const known of [watch.passed(), taken.through, seen]) {
      if (known !== undefined && known > through) through = known;
    }
    const nowLive = first !== undefined && feed.empty && feed.caughtUp && feed.ended === undefined;
    if (through > at || nowLive !== live) {
      at = through;
      live = nowLive;
      yield { events, at, live };
      // Other work gets its turn, and more events arrive, so that batches are not tiny while catching up.
      if (!live) await new Promise(setImmediate);
      continue;
    }
    if (feed.ended !== undefined && feed.empty) return;
    await feed.changed(LOOK_AFTER_APPEND_MS);
    if (feed.empty) watch.look(at);
  }
}
