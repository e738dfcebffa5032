import {
  type AllStreamRecordedEvent,
  type EventStoreDBClient,
  UnknownError,
} from '@eventstore/db-client';
import { AppError } from '../../errors.ts';
import { createBackoff } from '../../kit/backoff.ts';
import type { Connection, Session } from './connection.ts';
import { finalFailure, isMissing, NoAnswer, type Operation, unavailable } from './failure.ts';
import { searchAll } from './internals.ts';
import { regexOf } from './prefixes.ts';

export interface ReadOptions {
  /** Silence for so long (ms) is a failure. */
  readonly deadlineMs?: number;
  /** Silence is no sign that the connection is dead: the server may be looking for something that is rare. */
  readonly mayBeSilent?: boolean;
  readonly tries?: number;
}

/** The events of one read, through the client; `from` and so on are the caller's. */
type Open = (client: EventStoreDBClient) => ReturnType<EventStoreDBClient['readAll']>;

export interface Reads {
  /** Any stream, also the store's own: what is there, as it is stored. Missing: empty. */
  raw(stream: string, options: RawOptions, how?: ReadOptions): Promise<AllStreamRecordedEvent[]>;
  /** Part of the whole log; `after` is exclusive. With what is the store's own, unless prefixes are given. */
  scan(options: ScanOptions, how?: ReadOptions): Promise<AllStreamRecordedEvent[]>;
  /** Where the log ends; 0 when there is nothing. */
  head(how?: ReadOptions): Promise<bigint>;
}

export interface RawOptions {
  readonly from: bigint | 'start' | 'end';
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
}

export interface ScanOptions {
  /** undefined: from the end of that side. */
  readonly after: bigint | undefined;
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
  /** Only streams whose name begins with one of these; the server looks for them. */
  readonly prefixes?: readonly string[] | undefined;
}

const DEADLINE_MS = 10_000;
const TRIES = 3;
/** The server looks at some 500,000 events a second. */
const SEARCH: ReadOptions = { deadlineMs: 60_000, tries: 2, mayBeSilent: true };
/** In the time of a deadline. */
const LOOKS = 4;
export const READ_RETRY = { firstMs: 100, mostMs: 1_000 };

/**
 * Reads that end: each has a deadline of its own (the client sets none) and is tried again, since nothing happens by
 * reading. They ask the leader, as appends do: what was just written is there.
 */
export const createReads = (connection: Connection): Reads => {
  const run = async (
    operation: Operation,
    open: Open,
    { deadlineMs = DEADLINE_MS, mayBeSilent = false, tries = TRIES }: ReadOptions = {},
  ): Promise<AllStreamRecordedEvent[]> => {
    const retry = createBackoff(READ_RETRY);
    for (let left = tries; ; left -= 1) {
      const session = connection.session();
      try {
        return await collect(session, open, deadlineMs);
      } catch (error) {
        if (isMissing(error)) return [];
        const final = finalFailure(error, operation);
        if (final !== undefined) throw final;
        if (error instanceof NoAnswer && !mayBeSilent) connection.replace(session);
        if (left <= 1) throw unavailable(error, operation);
      }
      await retry.wait(connection.closed);
    }
  };

  const scan: Reads['scan'] = async ({ after, direction, limit, prefixes }, how) => {
    const forwards = direction === 'forwards';
    const from = after ?? (forwards ? 'start' : 'end');
    // Forwards the server begins with the event at the position itself.
    const maxCount = forwards && after !== undefined ? limit + 1 : limit;
    const open: Open = (client) =>
      prefixes === undefined
        ? client.readAll({
            direction,
            maxCount,
            requiresLeader: true,
            fromPosition: typeof from === 'bigint' ? { commit: from, prepare: from } : from,
          })
        : searchAll(client, {
            direction,
            from,
            limit: maxCount,
            regex: regexOf(prefixes),
          });
    try {
      const events = await run({ kind: 'read', stream: '$all' }, open, how ?? (prefixes && SEARCH));
      if (after === undefined || !forwards) return events;
      return events.filter((event) => event.position.commit > after).slice(0, limit);
    } catch (error) {
      if (error instanceof AppError && isBadPosition(error.cause)) {
        throw new AppError('invalid', 'no event has ever been at this position', {
          field: 'position',
        });
      }
      throw error;
    }
  };

  return {
    raw: (stream, { from, direction, limit }, how) =>
      run(
        { kind: 'read', stream },
        // Read from the server, both kinds of events have a position.
        (client) =>
          client.readStream(stream, {
            direction,
            fromRevision: from,
            maxCount: limit,
            requiresLeader: true,
          }) as unknown as ReturnType<Open>,
        how,
      ),
    scan,
    head: async (how) => {
      const [last] = await scan({ after: undefined, direction: 'backwards', limit: 1 }, how);
      return last?.position.commit ?? 0n;
    },
  };
};

/** What the server says to a position between two records. */
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
      // It may never have begun, and then cannot be cancelled either.
      reading.cancel().catch(() => undefined);
    };
    const gone = (): void => fail(new Error('the connection was given up'));
    // Looked at now and then: to set a timer anew for each event is dear, and when this process stood still itself, events
    // may wait in the socket.
    let silentLooks = 0;
    const look = (): void => {
      silentLooks += 1;
      if (silentLooks >= LOOKS) fail(new NoAnswer(deadlineMs));
    };
    const timer = setInterval(look, deadlineMs / LOOKS);
    session.gone.addEventListener('abort', gone);
    // Stays: an `error` that nobody listens to ends Node.
    reading.on('error', fail);
    reading.on('end', () => end(() => resolve(events)));
    reading.on('data', ({ event }) => {
      silentLooks = 0;
      // Missing only where a link leads nowhere, and links are not followed.
      if (event !== undefined) events.push(event);
    });
  });
