import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../errors.ts';
import { checkLimit, checkRevision, checkStream } from '../checks.ts';
import { type AppendResult, type EventStore, WrongExpectedRevision } from '../port.ts';
import { encodeAppend } from './encode.ts';
import { lockForWriting } from './lock.ts';
import { createPositions } from './position.ts';
import type { Answer, AppendJob, Job } from './protocol.ts';
import { createReader } from './reader.ts';
import { createRecent } from './recent.ts';
import { lastPosition, logId, openLog } from './schema.ts';
import { createHead, follow } from './subscription.ts';
import { spawnWriter, startWriterThread, type WriterThread } from './writer-thread.ts';

export interface SqliteEventStoreOptions {
  /** For a second process beside the one that writes (the command line): appends are refused. */
  readonly readOnly?: boolean;
  /** With `readOnly`: nobody writes meanwhile, and a file that is missing is not made. */
  readonly alone?: boolean;
  /** Starts the writer's thread; a parameter for the tests that kill it. */
  readonly spawn?: (path: string) => Worker;
}

/** How often a read-only store looks for what another process wrote. */
const POLL_MS = 100;
const CHECK_MS = 2000;

/**
 * The embedded event store: one SQLite file, written by one process (docs/event-stores.md). Makes the file when it is missing.
 * @throws {AppError} `conflict` when another process writes to it; `invalid` when the file is something else;
 *   `not-found`
 */
export const openSqliteEventStore = async (
  path: string,
  { readOnly = false, alone = false, spawn = spawnWriter }: SqliteEventStoreOptions = {},
): Promise<EventStore> => {
  // The lock is a file too: it is not made beside nothing.
  if (readOnly && alone && !existsSync(path)) {
    throw new AppError('not-found', `there is no event store at ${path}`);
  }
  const unlock = readOnly && !alone ? () => {} : lockForWriting(path);
  let db: DatabaseSync | undefined;
  try {
    // Makes the file where it is missing, which the connection for reading cannot.
    if (!readOnly) openLog(path, 'writer').close();
    db = openLog(path, 'reader');
    return await connect(db, unlock, readOnly ? undefined : () => spawn(path));
  } catch (error) {
    db?.close();
    unlock();
    throw error;
  }
};

const connect = async (
  db: DatabaseSync,
  unlock: () => void,
  spawn: (() => Worker) | undefined,
): Promise<EventStore> => {
  const id = logId(db);
  const positions = createPositions(id);
  const reader = createReader(db, positions);
  const recent = createRecent(positions);
  const head = createHead();

  const restart = (position: number): void => {
    recent.reset(position);
    head.set(position);
  };
  restart(lastPosition(db));

  const onAnswer = (job: Job, answer: Answer): void => {
    if (job.kind === 'append' && answer.kind === 'appended') {
      // Kept only when somebody follows: what survives a while is dear to the garbage collector.
      if (head.followers > 0) recent.push(job, answer);
      head.set(answer.position);
    }
    // What was removed is not handed out from memory either.
    if (job.kind === 'remove') recent.reset(head.get());
  };

  const writer: WriterThread | undefined = spawn
    ? await startWriterThread({ spawn, onReady: restart, onAnswer })
    : undefined;
  const poll = (): void => {
    try {
      restart(lastPosition(db));
    } catch {
      // A locked file now: the next poll finds what this one missed, and reads say what is wrong.
    }
  };
  const polling = writer ? undefined : setInterval(poll, POLL_MS);

  const writing = (): WriterThread => {
    if (writer) return writer;
    throw new AppError('refused', 'this event store was opened for reading only');
  };

  const read = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError(
        'unavailable',
        `the event store cannot be read: ${messageOf(error)}`,
        {},
        {
          cause: error,
        },
      );
    }
  };

  const remove = async (stream: string, before: number | null): Promise<void> => {
    checkStream(stream);
    const answer = await writing().send({ kind: 'remove', stream, before });
    if (answer.kind === 'failed') throw new AppError('unavailable', answer.reason);
  };

  return {
    id,
    append: async (stream, events, expected) => {
      const { bytes, ...job } = encodeAppend(stream, events, expected);
      const answer = await writing().send(job, bytes);
      return resultOf(job, answer, positions.format);
    },
    readStream: async (stream, options = {}) => {
      checkStream(stream);
      checkLimit(options.limit);
      return read(() => reader.stream(stream, options));
    },
    readAll: async (options = {}) => {
      checkLimit(options.limit);
      return read(() => reader.all(options, lastPosition(db)));
    },
    subscribe: (options) => {
      checkLimit(options.batch);
      return follow(
        options,
        head,
        positions,
        (page) => recent.page(page) ?? read(() => reader.page(page)),
      );
    },
    head: async () => {
      const last = read(() => lastPosition(db));
      return last === 0 ? null : positions.format(last);
    },
    deleteStream: (stream) => remove(stream, null),
    truncateBefore: async (stream, revision) => {
      checkRevision(revision);
      await remove(stream, revision);
    },
    compare: (a, b) => positions.parse(a) - positions.parse(b),
    parsePosition: (text) => positions.format(positions.parse(text)),
    check: async () => {
      read(() => lastPosition(db));
      if (writer) await answersInTime(writer);
    },
    close: async () => {
      if (head.closed) return;
      head.close();
      clearInterval(polling);
      await writer?.close();
      db.close();
      unlock();
    },
  };
};

const resultOf = (
  job: AppendJob,
  answer: Answer,
  format: (n: number) => AppendResult['position'],
): AppendResult => {
  switch (answer.kind) {
    case 'appended':
    case 'repeated':
      return { revision: answer.revision, position: format(answer.position) };
    case 'conflict':
      throw new WrongExpectedRevision(job.stream, job.expected, answer.actual);
    case 'duplicate':
      throw new AppError('conflict', 'an event with one of these ids is in the log already', {
        stream: job.stream,
      });
    default:
      throw new AppError(
        'unavailable',
        answer.kind === 'failed' ? answer.reason : 'no answer to the append',
      );
  }
};

/** @throws {AppError} `unavailable` when the log cannot be written to, or the writer hangs (on its disk) */
const answersInTime = async (writer: WriterThread): Promise<void> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new AppError('unavailable', `the writer did not answer within ${CHECK_MS} ms`)),
    CHECK_MS,
  );
  try {
    const answer = await Promise.race([writer.send({ kind: 'probe' }), late]);
    if (answer.kind === 'failed') throw new AppError('unavailable', answer.reason);
  } finally {
    clearTimeout(timer);
  }
};
