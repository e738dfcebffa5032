/**
 * The adapter of the port for EventStoreDB (docs/event-stores.md, docs/adr/0009). {@link openEsdbEventStore} is the entry
 * point. Only eventstore/open.ts imports this folder, and only if EVENT_STORE names such a server: it loads gRPC.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, hasCode } from '../../errors.ts';
import { createBackoff, type RetryPolicy } from '../../kit/backoff.ts';
import { checkLimit, checkRevision, checkStream } from '../input-checks.ts';
import type { EventStore } from '../port.ts';
import { type AppendTiming, createAppends } from './appends.ts';
import { type Connection, createConnection } from './connection.ts';
import { encodeAppend } from './encode.ts';
import { createJustWritten } from './just-written.ts';
import { logId } from './log-id.ts';
import { readAll, readStream } from './pages.ts';
import { createPositions } from './position.ts';
import { createReads, type ReadOptions } from './reads.ts';
import { createRemoval } from './removal.ts';
import { follow } from './subscription.ts';
import { parseEsdbUrl } from './url.ts';
import { createKnownHead } from './watch.ts';

export interface EsdbEventStoreOptions {
  /** Appends and removals are refused. */
  readonly readOnly?: boolean;
  /** Shorter in tests. */
  readonly timing?: AppendTiming;
  /** How long to wait for the server when opening, in ms; default {@link OPEN_DEADLINE_MS}. */
  readonly openMs?: number;
}

export const APPEND_TIMING: AppendTiming = { tryMs: 5000, totalMs: 15_000 };
/** How long the store waits for the server when it is opened: the service may start first. */
export const OPEN_DEADLINE_MS = 10_000;
export const OPEN_RETRY: RetryPolicy = { firstMs: 100, mostMs: 1_000 };
/** The first read, which {@link OPEN_RETRY} repeats. */
export const OPEN_READ: ReadOptions = { deadlineMs: 3000, tries: 1 };
export const CHECK_READ: ReadOptions = { deadlineMs: 2000, tries: 1 };
/** How long closing waits for appends in progress. */
export const CLOSE_DEADLINE_MS = 15_000;

/**
 * Opens an EventStoreDB (KurrentDB) over gRPC, for any number of processes.
 * @throws {AppError} `invalid` for a wrong url; `unavailable` if the server does not answer in time; `refused` if it
 *   refuses our user
 */
export const openEsdbEventStore = async (
  url: string,
  options: EsdbEventStoreOptions = {},
): Promise<EventStore> => {
  const connection = createConnection(parseEsdbUrl(url));
  try {
    return await connect(connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
};

const connect = async (
  connection: Connection,
  { readOnly = false, timing = APPEND_TIMING, openMs = OPEN_DEADLINE_MS }: EsdbEventStoreOptions,
): Promise<EventStore> => {
  const justWritten = createJustWritten();
  const reads = createReads(connection, timing.totalMs, justWritten);
  const appends = createAppends(connection, reads, timing);
  const removal = createRemoval(connection, reads, appends);
  const head = createKnownHead(reads);

  const id = await patiently(connection.hosts, openMs, () =>
    logId(reads, readOnly ? undefined : appends, OPEN_READ),
  );
  const positions = createPositions(id);
  let closing: Promise<void> | undefined;

  const writable = (): void => {
    if (readOnly) throw new AppError('refused', 'this event store was opened for reading only');
    if (closing) throw new AppError('unavailable', 'the event store was closed');
  };

  return {
    id,
    append: async (stream, events, expected) => {
      const { proposals, bytes } = encodeAppend(stream, events, expected);
      writable();
      const { revision, commit } = await appends.append({ stream, proposals, expected }, bytes);
      head.appended(commit);
      justWritten.add(stream, revision);
      return { revision, position: positions.format(commit) };
    },
    readStream: async (stream, how = {}) => readStream(reads, positions, stream, how),
    readAll: async (how = {}) => readAll(reads, positions, how),
    subscribe: (how) => {
      checkLimit(how.batch);
      return follow(how, { connection, positions, reads, head, justWritten });
    },
    // The store's own events count as well, because `through` of a subscription may stop at one of them.
    head: async () => {
      const last = await reads.head();
      return last === 0n ? null : positions.format(last);
    },
    deleteStream: async (stream, { expected } = {}) => {
      checkStream(stream);
      if (expected !== undefined) checkRevision(expected);
      writable();
      await removal.remove(stream, expected);
      justWritten.remove(stream);
    },
    truncateBefore: async (stream, revision) => {
      checkStream(stream);
      checkRevision(revision);
      writable();
      await removal.truncate(stream, revision);
    },
    compare: (a, b) => {
      const difference = positions.parse(a) - positions.parse(b);
      return difference < 0n ? -1 : Number(difference > 0n);
    },
    parsePosition: (text) => positions.format(positions.parse(text)),
    check: async () => {
      await reads.head(CHECK_READ);
    },
    close: () => {
      closing ??= (async () => {
        await Promise.race([
          appends.settled(),
          delay(CLOSE_DEADLINE_MS, undefined, { ref: false }),
        ]);
        await connection.close();
      })();
      return closing;
    },
  };
};

/** Repeats `work` while the server is away, for `ms`. */
const patiently = async <T>(hosts: string, ms: number, work: () => Promise<T>): Promise<T> => {
  const until = performance.now() + ms;
  const retry = createBackoff(OPEN_RETRY);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, 'unavailable')) throw error;
      if (performance.now() >= until) {
        throw new AppError(
          'unavailable',
          `EVENT_STORE: no EventStoreDB answers at ${hosts}: ${error.message}`,
          { field: 'EVENT_STORE' },
          { cause: error },
        );
      }
    }
    await retry.wait();
  }
};
