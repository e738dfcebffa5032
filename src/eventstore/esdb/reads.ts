import {
  type AllStreamRecordedEvent,
  type EventStoreDBClient,
  UnknownError,
} from '@eventstore/db-client';
import { AppError } from '../../errors.ts';
import { createBackoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { Connection, Session } from './connection.ts';
import { finalFailure, isMissing, NoAnswer, type Operation, unavailable } from './failure.ts';
import { searchAll } from './internals.ts';
import type { JustWritten } from './just-written.ts';
import { regexOf } from './prefixes.ts';

export interface ReadOptions {
  /** Silence for this long is a failure, in ms. */
  readonly deadlineMs?: number;
  /** Silence does not mean that the connection is dead: the server may be searching for rare events. */
  readonly mayBeSilent?: boolean;
  /** At least so many, and more within the time that appends have too. 1: only one. Default {@link READ_TRIES}. */
  readonly tries?: number;
}

/** Starts one read over the client. */
type Open = (client: EventStoreDBClient) => ReturnType<EventStoreDBClient['readAll']>;

export interface Reads {
  /** @returns the stored events of any stream, also of the store's own; none if it is missing */
  raw(stream: string, options: RawOptions, how?: ReadOptions): Promise<AllStreamRecordedEvent[]>;
  /** @returns the last stored event of any stream, also of the store's own; undefined if it is missing */
  newest(stream: string, how?: ReadOptions): Promise<AllStreamRecordedEvent | undefined>;
  /** @returns a part of the whole log, with the store's own events unless prefixes are set */
  scan(options: ScanOptions, how?: ReadOptions): Promise<AllStreamRecordedEvent[]>;
  /** @returns where the log ends; 0 for an empty log */
  head(how?: ReadOptions): Promise<bigint>;
}

export interface RawOptions {
  readonly from: bigint | 'start' | 'end';
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
}

export interface ScanOptions {
  /** Exclusive; undefined for the beginning, or the end when reading backwards. */
  readonly after: bigint | undefined;
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
  /** Only streams whose name begins with one of these. The server does the search. */
  readonly prefixes?: readonly string[] | undefined;
}

export const READ_DEADLINE_MS = 10_000;
export const READ_TRIES = 3;
export const READ_RETRY: RetryPolicy = { firstMs: 100, mostMs: 1_000 };
/** A read that finds no stream, although one was just written, is repeated for this long. */
export const BEGINS_AGAIN_MS = 200;
export const BEGINS_AGAIN_RETRY: RetryPolicy = { firstMs: 5, mostMs: 50 };
/** For a read with prefixes. The server scans some 500,000 events a second. */
export const SEARCH: ReadOptions = { deadlineMs: 60_000, tries: 2, mayBeSilent: true };
/** Looks for silence within one deadline. */
const LOOKS = 4;

/**
 * Reads that end. Each has a deadline, because the client sets none, and is repeated after a failure, because reading
 * changes nothing. All reads go to the leader, as appends do, so they see what was just written. They wait as long as
 * appends do: while the nodes of a cluster elect a leader, both fail.
 * @param totalMs how long a read is repeated
 * @param justWritten streams that a read has to find
 */
export const createReads = (
  connection: Connection,
  totalMs: number,
  justWritten: Pick<JustWritten, 'has'>,
): Reads => {
  const raw: Reads['raw'] = async (stream, { from, direction, limit }, how) => {
    const options = { direction, fromRevision: from, maxCount: limit, requiresLeader: true };
    const retry = createBackoff(BEGINS_AGAIN_RETRY);
    for (const until = performance.now() + BEGINS_AGAIN_MS; ; ) {
      const found = await read(
        { connection, totalMs },
        { kind: 'read', stream, namesAll: connection.namesAll },
        // Events of a stream have a position as well when they come from the server; the client's type omits it.
        (client) => client.readStream(stream, options) as unknown as ReturnType<Open>,
        how,
      );
      if (found !== null) return found;
      if (!justWritten.has(stream) || performance.now() >= until) return [];
      await retry.wait(connection.closed);
    }
  };
  const scan: Reads['scan'] = (options, how) => scanLog({ connection, totalMs }, options, how);
  return {
    raw,
    newest: async (stream, how) => {
      const [event] = await raw(stream, { from: 'end', direction: 'backwards', limit: 1 }, how);
      return event;
    },
    scan,
    head: async (how) => {
      const [last] = await scan({ after: undefined, direction: 'backwards', limit: 1 }, how);
      return last?.position.commit ?? 0n;
    },
  };
};

interface Source {
  readonly connection: Connection;
  readonly totalMs: number;
}

/** @returns null for a stream that is missing */
const read = async (
  { connection, totalMs }: Source,
  operation: Operation,
  open: Open,
  { deadlineMs = READ_DEADLINE_MS, mayBeSilent = false, tries = READ_TRIES }: ReadOptions = {},
): Promise<AllStreamRecordedEvent[] | null> => {
  const retry = createBackoff(READ_RETRY);
  const until = performance.now() + (tries > 1 ? totalMs : 0);
  for (let left = tries; ; left -= 1) {
    const session = connection.session();
    try {
      return await collect(session, open, deadlineMs);
    } catch (error) {
      if (isMissing(error)) return null;
      const final = finalFailure(error, operation);
      if (final !== undefined) throw final;
      if (error instanceof NoAnswer && !mayBeSilent) connection.replace(session);
      const isLast = left <= 1 && performance.now() >= until;
      if (isLast || connection.closed.aborted) throw unavailable(error, operation);
    }
    await retry.wait(connection.closed);
  }
};

const scanLog = async (
  source: Source,
  { after, direction, limit, prefixes }: ScanOptions,
  how: ReadOptions | undefined,
): Promise<AllStreamRecordedEvent[]> => {
  const forwards = direction === 'forwards';
  const from = after ?? (forwards ? 'start' : 'end');
  // Forwards, the server begins with the event at the position itself.
  const maxCount = forwards && after !== undefined ? limit + 1 : limit;
  const open: Open = (client) =>
    prefixes === undefined
      ? client.readAll({
          direction,
          maxCount,
          requiresLeader: true,
          fromPosition: typeof from === 'bigint' ? { commit: from, prepare: from } : from,
        })
      : searchAll(client, { direction, from, limit: maxCount, regex: regexOf(prefixes) });
  try {
    const { namesAll } = source.connection;
    const operation: Operation = { kind: 'read', stream: '$all', namesAll };
    const events = (await read(source, operation, open, how ?? (prefixes && SEARCH))) ?? [];
    if (after === undefined || !forwards) return events;
    return events.filter((event) => event.position.commit > after).slice(0, limit);
  } catch (error) {
    if (error instanceof AppError && isBadPosition(error.cause)) {
      throw new AppError('invalid', 'the log has no event at this position', { field: 'position' });
    }
    throw error;
  }
};

/** The error of the server for a position between two records. */
const isBadPosition = (error: unknown): boolean =>
  error instanceof UnknownError && error.message.includes('ReadAllResult');

const collect = (
  session: Session,
  open: Open,
  deadlineMs: number,
): Promise<AllStreamRecordedEvent[]> =>
  new Promise((resolve, reject) => {
    const events: AllStreamRecordedEvent[] = [];
    const reading = open(session.client);
    const end = (settle: () => void): void => {
      clearInterval(timer);
      session.gone.removeEventListener('abort', gone);
      settle();
    };
    const fail = (error: unknown): void => {
      end(() => reject(error));
      // A call that never began cannot be cancelled either.
      reading.cancel().catch(() => undefined);
    };
    const gone = (): void => fail(new Error('the connection was replaced'));
    // Looks a few times within the deadline. A new timer for each event would be expensive, and if this process was
    // stopped, events may wait in the socket.
    let silentLooks = 0;
    const look = (): void => {
      silentLooks += 1;
      if (silentLooks >= LOOKS) fail(new NoAnswer(deadlineMs));
    };
    const timer = setInterval(look, deadlineMs / LOOKS);
    session.gone.addEventListener('abort', gone);
    // Never removed: an `error` without a listener ends Node.
    reading.on('error', fail);
    reading.on('end', () => end(() => resolve(events)));
    reading.on('data', ({ event }) => {
      silentLooks = 0;
      // Only a link to a missing event has none, and links are not resolved.
      if (event !== undefined) events.push(event);
    });
  });
