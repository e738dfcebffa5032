import { StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { AppError } from '../../errors.ts';
import { createBackoff } from '../../kit/backoff.ts';
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

/** All in ms. */
export interface AppendTiming {
  /** Without any answer for so long, the connection is given up and the outcome of what waits is unknown. */
  readonly tryMs: number;
  /** For how long an append is tried again; what is under way then may take `tryMs` more. */
  readonly totalMs: number;
}

export interface Appends {
  /**
   * @param bytes what it takes in memory while it waits
   * @throws {WrongExpectedRevision}
   * @throws {AppError} `unavailable` when the outcome is unknown, `overloaded` when too much is waiting
   */
  append(request: AppendRequest, bytes: number): Promise<Appended>;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

/** More is refused: at 5,000 appends/s this is some 8 s of waiting. */
const MAX_WAITING = 40_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
export const APPEND_RETRY = { firstMs: 50, mostMs: 2_000 };

/**
 * Appends, and tries again what was answered by silence. Repeating is exact only with an exact revision or `no-stream`:
 * the server then knows the ids, also later and after a restart. With `any` 54 of 54 repeated events were there twice.
 */
export const createAppends = (
  connection: Connection,
  reads: Reads,
  { tryMs, totalMs }: AppendTiming,
): Appends => {
  let current: { session: Session; stream: AppendStream } | undefined;
  let waiting = 0;
  let waitingBytes = 0;
  const onSettled: (() => void)[] = [];

  const streamOf = (session: Session): AppendStream => {
    if (current === undefined || current.session !== session || current.stream.ended) {
      const stuck = (): void => connection.replace(session);
      current = { session, stream: createAppendStream(session, tryMs, stuck) };
    }
    return current.stream;
  };

  const attempt = async (request: AppendRequest): Promise<Appended> => {
    const operation: Operation = { kind: 'append to', stream: request.stream };
    const { expected } = request;
    const until = performance.now() + totalMs;
    const retry = createBackoff(APPEND_RETRY);
    for (;;) {
      try {
        return await streamOf(connection.session()).send(request);
      } catch (error) {
        if (error instanceof WrongExpectedVersionError) {
          const earlier = expected === 'no-stream' && (await begunWith(reads, request));
          if (earlier) return earlier;
          throw conflictOf(request, error);
        }
        if (error instanceof StreamDeletedError && expected === 'exists') {
          // Said of a soft delete as well; who then begins the stream is told of a tombstone.
          throw new WrongExpectedRevision(request.stream, expected, null);
        }
        const final = finalFailure(error, operation);
        if (final !== undefined) throw final;
        // Also when it was a node that is not the leader: it may have been, and what it took then be written later.
        if (!isRepeatable(expected) || performance.now() >= until || connection.closed.aborted) {
          throw unavailable(error, operation, outcomeOf(expected));
        }
      }
      await retry.wait(connection.closed);
    }
  };

  return {
    append: async (request, bytes) => {
      if (waiting >= MAX_WAITING || waitingBytes + bytes > MAX_WAITING_BYTES) {
        throw new AppError(
          'overloaded',
          'too many appends are waiting for the event store: come again',
        );
      }
      waiting += 1;
      waitingBytes += bytes;
      try {
        return await attempt(request);
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

/**
 * The earlier append with these ids that a stream began with anew after it was deleted: the server knows a repeated
 * `no-stream` by the ids from revision 0 on, but such a stream begins at a later one (measured on 23.10).
 */
const begunWith = async (
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
