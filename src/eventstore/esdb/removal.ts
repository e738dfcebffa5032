import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { AppError } from '../../errors.ts';
import { createBackoff } from '../../kit/backoff.ts';
import { WrongExpectedRevision } from '../port.ts';
import type { Appends } from './appends.ts';
import type { Connection } from './connection.ts';
import { propose } from './encode.ts';
import { finalFailure, NoAnswer, unavailable } from './failure.ts';
import type { Reads } from './reads.ts';

/**
 * What is removed here is hidden at once from who reads the stream. `$all`, the subscriptions and the disk have it until
 * an operator of the store runs a scavenge: erasing personal data for good needs that (once a day, say).
 */
export interface Removal {
  remove(stream: string): Promise<void>;
  truncate(stream: string, before: number): Promise<void>;
}

const DEADLINE_MS = 5000;
const TRIES = 3;
/** Of others who change the metadata of one stream at the same time. */
const RACES = 10;
export const REMOVAL_RETRY = { firstMs: 100, mostMs: 1_000 };

export const createRemoval = (
  connection: Connection,
  reads: Reads,
  appends: Appends,
  deadlineMs = DEADLINE_MS,
): Removal => {
  const newest = async (stream: string) => {
    const [event] = await reads.raw(stream, { from: 'end', direction: 'backwards', limit: 1 });
    return event;
  };

  /** One try. @returns false when somebody else changed the metadata meanwhile */
  const hideBefore = async (stream: string, before: number): Promise<boolean> => {
    const last = await newest(stream);
    // Nothing is there to be hidden, and a mark ahead of the stream would hide what is to come.
    if (last === undefined) return true;
    const old = await newest(`$$${stream}`);
    const metadata: Record<string, unknown> = isRecord(old?.data) ? old.data : {};
    const wanted = Math.min(before, Number(last.revision) + 1);
    const present = metadata.$tb;
    if (typeof present === 'number' && present >= wanted) return true;
    const data = Buffer.from(JSON.stringify({ ...metadata, $tb: wanted }));
    try {
      await appends.append(
        {
          stream: `$$${stream}`,
          proposals: [propose(randomUUID(), '$metadata', data, undefined)],
          expected: old === undefined ? 'no-stream' : Number(old.revision),
        },
        data.length,
      );
      return true;
    } catch (error) {
      if (error instanceof WrongExpectedRevision) return false;
      throw error;
    }
  };

  return {
    // A soft delete: the name can be used again, its revisions go on. Twice is the same as once.
    remove: async (stream) => {
      const retry = createBackoff(REMOVAL_RETRY);
      for (let left = TRIES; ; left -= 1) {
        const session = connection.session();
        try {
          await within(
            deadlineMs,
            session.client.deleteStream(stream, {
              expectedRevision: 'any',
              requiresLeader: true,
              deadline: deadlineMs,
            }),
          );
          return;
        } catch (error) {
          // There is nothing to delete: with any expected revision, that is what a wrong one means.
          if (error instanceof StreamDeletedError || error instanceof WrongExpectedVersionError)
            return;
          if (error instanceof NoAnswer) connection.replace(session);
          const operation = { kind: 'delete', stream } as const;
          const final = finalFailure(error, operation);
          if (final !== undefined) throw final;
          if (left <= 1) throw unavailable(error, operation, '; whether it was deleted is unknown');
        }
        await retry.wait(connection.closed);
      }
    },
    truncate: async (stream, before) => {
      for (let left = RACES; left > 0; left -= 1) {
        if (await hideBefore(stream, before)) return;
      }
      throw new AppError(
        'unavailable',
        `the metadata of ${stream} is being changed by others all the time: truncate it later`,
        { stream },
      );
    },
  };
};

/** The client's deadline is of the call alone, not of the search for a node to call. */
const within = async (ms: number, work: Promise<unknown>): Promise<void> => {
  const done = new AbortController();
  const late = delay(ms, undefined, done).then(() => {
    throw new NoAnswer(ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    done.abort();
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
