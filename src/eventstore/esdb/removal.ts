import { randomUUID } from 'node:crypto';
import { StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { AppError } from '../../errors.ts';
import { createBackoff, type RetryPolicy } from '../../kit/backoff.ts';
import { within } from '../../kit/deadline.ts';
import { WrongExpectedRevision } from '../port.ts';
import type { AppendRequest } from './append-stream.ts';
import type { Appends } from './appends.ts';
import type { Connection } from './connection.ts';
import { propose } from './encode.ts';
import { finalFailure, NoAnswer, type Operation, unavailable } from './failure.ts';
import { BEGINS_AGAIN_MS, BEGINS_AGAIN_RETRY, type Reads } from './reads.ts';

/**
 * Removes events. They disappear at once for readers of the stream. `$all`, subscriptions and the disk keep them until a
 * scavenge. Erasing personal data for good needs a regular scavenge, for example once a day.
 */
export interface Removal {
  /** @param expected the revision of the last event; default any */
  remove(stream: string, expected?: number): Promise<void>;
  truncate(stream: string, before: number): Promise<void>;
}

export const REMOVAL_DEADLINE_MS = 5000;
export const REMOVAL_TRIES = 3;
/** Tries to change the metadata of a stream while others change it too. */
export const METADATA_TRIES = 10;
export const REMOVAL_RETRY: RetryPolicy = { firstMs: 100, mostMs: 1_000 };

/** @param deadlineMs for the deletion of a stream */
export const createRemoval = (
  connection: Connection,
  reads: Reads,
  appends: Appends,
  deadlineMs = REMOVAL_DEADLINE_MS,
): Removal => ({
  remove: (stream, expected) => remove(connection, reads, { stream, expected, deadlineMs }),
  truncate: async (stream, before) => {
    for (let left = METADATA_TRIES; left > 0; left -= 1) {
      if (await hideBefore(stream, before, reads, appends)) return;
    }
    throw new AppError(
      'unavailable',
      `others keep changing the metadata of ${stream}: truncate it later`,
      { stream },
    );
  },
});

interface Deletion {
  readonly stream: string;
  readonly expected: number | undefined;
  readonly deadlineMs: number;
}

/** A soft delete: the name can be used again, and the revisions continue. Twice has the same effect as once. */
const remove = async (
  connection: Connection,
  reads: Reads,
  { stream, expected, deadlineMs }: Deletion,
): Promise<void> => {
  const operation: Operation = { kind: 'delete', stream, namesAll: connection.namesAll };
  const options = {
    expectedRevision: expected === undefined ? 'any' : BigInt(expected),
    requiresLeader: true,
    deadline: deadlineMs,
  } as const;
  const retry = createBackoff(REMOVAL_RETRY);
  for (let left = REMOVAL_TRIES; ; left -= 1) {
    const session = connection.session();
    try {
      // The client's own deadline covers the call, but not the search for a node before it.
      const deletion = session.client.deleteStream(stream, options);
      await within(deadlineMs, deletion, () => new NoAnswer(deadlineMs));
      return;
    } catch (error) {
      if (error instanceof StreamDeletedError) return;
      if (error instanceof WrongExpectedVersionError) {
        // The stream has no events. With expected revision `any`, nothing else is meant.
        if (expected === undefined) return;
        const last = await patiently(() => reads.newest(stream), connection.closed);
        if (last === undefined) return;
        throw new WrongExpectedRevision(stream, expected, Number(last.revision));
      }
      if (error instanceof NoAnswer) connection.replace(session);
      const final = finalFailure(error, operation);
      if (final !== undefined) throw final;
      if (left <= 1) throw unavailable(error, operation, '; whether it was deleted is unknown');
    }
    await retry.wait(connection.closed);
  }
};

/** Another process may just have begun the stream again: then it looks deleted for some milliseconds. */
const patiently = async <T>(
  look: () => Promise<T | undefined>,
  closed: AbortSignal,
): Promise<T | undefined> => {
  const retry = createBackoff(BEGINS_AGAIN_RETRY);
  for (const until = performance.now() + BEGINS_AGAIN_MS; ; ) {
    const found = await look();
    if (found !== undefined || performance.now() >= until) return found;
    await retry.wait(closed);
  }
};

/** Tries once. @returns false if somebody else changed the metadata meanwhile */
const hideBefore = async (
  stream: string,
  before: number,
  reads: Reads,
  appends: Appends,
): Promise<boolean> => {
  const last = await reads.newest(stream);
  // An empty stream has nothing to hide, and a mark past its end would hide future events.
  if (last === undefined) return true;
  const old = await reads.newest(`$$${stream}`);
  const metadata: Record<string, unknown> = isRecord(old?.data) ? old.data : {};
  const mark = Math.min(before, Number(last.revision) + 1);
  if (typeof metadata.$tb === 'number' && metadata.$tb >= mark) return true;
  const data = Buffer.from(JSON.stringify({ ...metadata, $tb: mark }));
  const request: AppendRequest = {
    stream: `$$${stream}`,
    proposals: [propose(randomUUID(), '$metadata', data, undefined)],
    expected: old === undefined ? 'no-stream' : Number(old.revision),
  };
  try {
    await appends.append(request, data.length);
    return true;
  } catch (error) {
    if (error instanceof WrongExpectedRevision) return false;
    throw error;
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
