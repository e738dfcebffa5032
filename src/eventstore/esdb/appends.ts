import { StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { createBackoff, type RetryPolicy } from '../../kit/backoff.ts';
import { refusalOfWaiting } from '../input-checks.ts';
import { type ExpectedRevision, WrongExpectedRevision } from '../port.ts';
import {
  type Appended,
  type AppendRequest,
  type AppendStream,
  createAppendStream,
} from './append-stream.ts';
import type { Connection, Session } from './connection.ts';
import { finalFailure, type Operation, unavailable } from './failure.ts';
import type { Reads } from './reads.ts';

export interface AppendTiming {
  /**
   * In ms. Without any answer for this long, the connection is replaced, and the outcome of the appends in progress is
   * unknown.
   */
  readonly tryMs: number;
  /** In ms: how long a failed append is repeated. The last repeat may take `tryMs` more. */
  readonly totalMs: number;
}

export interface Appends {
  /**
   * @param bytes that the request takes in memory while it waits
   * @throws {WrongExpectedRevision}
   * @throws {AppError} `unavailable` if the outcome is unknown; `overloaded` if too many appends are waiting
   */
  append(request: AppendRequest, bytes: number): Promise<Appended>;
  /** Resolves when no append is in progress. */
  settled(): Promise<void>;
}

export const APPEND_RETRY: RetryPolicy = { firstMs: 50, mostMs: 2_000 };

/**
 * Appends, and repeats appends whose outcome is unknown. A repeat is safe only with an exact revision or `no-stream`: the
 * server then recognises the event ids, also later and after a restart. With `any`, 54 of 54 repeated events were stored
 * twice.
 */
export const createAppends = (
  connection: Connection,
  reads: Reads,
  timing: AppendTiming,
): Appends => {
  const sender = createSender(connection, timing);
  let waiting = 0;
  let waitingBytes = 0;
  const onSettled: (() => void)[] = [];
  return {
    append: async (request, bytes) => {
      const refusal = refusalOfWaiting(waiting, waitingBytes + bytes);
      if (refusal) throw refusal;
      waiting += 1;
      waitingBytes += bytes;
      try {
        return await append(request, sender, reads);
      } finally {
        waiting -= 1;
        waitingBytes -= bytes;
        if (waiting === 0) for (const resolve of onSettled.splice(0)) resolve();
      }
    },
    settled: () =>
      waiting === 0 ? Promise.resolve() : new Promise((resolve) => onSettled.push(resolve)),
  };
};

interface Sender {
  readonly totalMs: number;
  /** As {@link Operation} has it. */
  readonly namesAll: boolean;
  readonly closed: AbortSignal;
  /** Sends an append once, over the stream of the current session. */
  send(request: AppendRequest): Promise<Appended>;
}

const createSender = (connection: Connection, { tryMs, totalMs }: AppendTiming): Sender => {
  let current: { session: Session; stream: AppendStream } | undefined;
  return {
    totalMs,
    namesAll: connection.namesAll,
    closed: connection.closed,
    send: async (request) => {
      const session = connection.session();
      if (current === undefined || current.session !== session || current.stream.ended) {
        const onStuck = (): void => connection.replace(session);
        current = { session, stream: createAppendStream(session, tryMs, onStuck) };
      }
      return current.stream.send(request);
    },
  };
};

const append = async (
  request: AppendRequest,
  { send, totalMs, namesAll, closed }: Sender,
  reads: Reads,
): Promise<Appended> => {
  const { stream, expected } = request;
  const until = performance.now() + totalMs;
  const retry = createBackoff(APPEND_RETRY);
  for (;;) {
    try {
      return await send(request);
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) {
        const earlier = expected === 'no-stream' && (await earlierAppend(reads, request));
        if (earlier) return earlier;
        throw conflictOf(request, error);
      }
      if (error instanceof StreamDeletedError && expected === 'exists') {
        // The server says this of a soft delete as well. Whoever begins the stream again learns of a tombstone then.
        throw new WrongExpectedRevision(stream, expected, null);
      }
      const operation: Operation = { kind: 'append to', stream, namesAll };
      const final = finalFailure(error, operation);
      if (final !== undefined) throw final;
      // No exception for a node that is not the leader: it may have been the leader, and its write may survive.
      if (!isRepeatable(expected) || performance.now() >= until || closed.aborted) {
        throw unavailable(error, operation, outcomeOf(expected));
      }
    }
    await retry.wait(closed);
  }
};

/**
 * Finds the earlier append with these ids, if the stream begins with it. The server recognises a repeated `no-stream`
 * by the ids from revision 0 on; a stream that began again after a deletion has a later first revision (measured on
 * 23.10).
 */
const earlierAppend = async (
  reads: Reads,
  { stream, proposals }: AppendRequest,
): Promise<Appended | undefined> => {
  const limit = proposals.length;
  const first = await reads.raw(stream, { from: 'start', direction: 'forwards', limit });
  const same = proposals.every((proposal, i) => first[i]?.id === proposal.getId()?.getString());
  const last = same ? first.at(-1) : undefined;
  return last && { revision: Number(last.revision), commit: last.position.commit };
};

const conflictOf = (
  { stream, expected }: AppendRequest,
  { actualVersion }: WrongExpectedVersionError,
): WrongExpectedRevision =>
  new WrongExpectedRevision(
    stream,
    expected,
    typeof actualVersion === 'bigint' ? Number(actualVersion) : null,
  );

const isRepeatable = (expected: ExpectedRevision): boolean =>
  expected !== 'any' && expected !== 'exists';

const outcomeOf = (expected: ExpectedRevision): string =>
  isRepeatable(expected)
    ? '; whether it was written is unknown: repeat it with the same ids and the same expected revision'
    : '; whether it was written is unknown, and with no exact revision it cannot be repeated safely: read the stream first';
