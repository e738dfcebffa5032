/**
 * The adapter of the port for SQLite (docs/event-stores.md). {@link openSqliteEventStore} is the entry point, for
 * eventstore/open.ts and the doctor. src/backup uses copy.ts and lock.ts to copy and restore the file. The folder builds on
 * src/sqlite.
 */
import { existsSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import { SQLITE, sqliteCode } from '../../sqlite/open.ts';
import { checkLimit, checkRevision, checkStream } from '../input-checks.ts';
import { type AppendResult, type EventStore, WrongExpectedRevision } from '../port.ts';
import { encodeAppend } from './encode.ts';
import { lockForWriting } from './lock.ts';
import { createPositions, type Positions } from './position.ts';
import type { Answer, AppendJob, Job } from './protocol.ts';
import { createReader, type PageOptions, type Reader } from './reader.ts';
import { createRecent, type Recent } from './recent.ts';
import { lastPosition, logId, openLog } from './schema.ts';
import { createHead, follow, type Head } from './subscription.ts';
import { spawnWriter, startWriterThread, type WriterThread } from './writer-thread.ts';

export interface SqliteEventStoreOptions {
  /** Refuses appends. For a process beside the one that writes, such as the command line. */
  readonly readOnly?: boolean;
  /** With `readOnly`: refuses the file while another process writes to it, and does not create a missing file. */
  readonly alone?: boolean;
  /** With `readOnly`: gets a function that looks for new events now, and not only every {@link READ_ONLY_POLL_MS}. */
  readonly onOpen?: (look: () => void) => void;
  /** Starts the thread of the writer; a parameter for the tests that kill it. */
  readonly spawn?: (path: string) => Worker;
}

/** How often a read-only store looks for events of another process. */
export const READ_ONLY_POLL_MS = 100;
/** How long a check waits for the writer. */
export const CHECK_DEADLINE_MS = 2000;

/**
 * Opens the embedded event store: one SQLite file that one process writes to. A missing file is created.
 * @throws {AppError} `conflict` if another process writes to the file; `invalid` if the file is something else;
 *   `not-found` if it is missing and may not be created
 */
export const openSqliteEventStore = async (
  path: string,
  { readOnly = false, alone = false, onOpen, spawn = spawnWriter }: SqliteEventStoreOptions = {},
): Promise<EventStore> => {
  // Without this the lock would be created beside a store that does not exist.
  if (readOnly && alone && !existsSync(path)) {
    throw new AppError('not-found', `there is no event store at ${path}`);
  }
  const unlock = readOnly && !alone ? () => {} : lockForWriting(path);
  let db: DatabaseSync | undefined;
  try {
    // A read-only connection cannot create the file.
    if (!readOnly) openLog(path, 'writer').close();
    db = readOnly && !alone ? openToRead(path) : openLog(path, 'reader');
    return await connect(db, unlock, readOnly ? undefined : () => spawn(path), onOpen);
  } catch (error) {
    db?.close();
    unlock();
    throw error;
  }
};

/**
 * A reader of a file beside which SQLite makes the files that readers share with a writer. Where it cannot, as on a
 * read-only medium, a log whose writer has ended in order is read without them.
 */
function openToRead(path: string): DatabaseSync {
  try {
    return openLog(path, 'reader');
  } catch (error) {
    const code = error instanceof Error ? sqliteCode(error.cause) : null;
    if (code !== SQLITE.readOnly && code !== SQLITE.cannotOpen) throw error;
    if (!statSync(`${path}-wal`, { throwIfNoEntry: false })?.size) return openLog(path, 'copy');
    throw new AppError(
      'unavailable',
      `${path} has a write-ahead log, and this user cannot write beside it: copy both files to a folder of your own`,
    );
  }
}

/** The main thread's side of the log. */
interface Log {
  readonly db: DatabaseSync;
  readonly positions: Positions;
  readonly reader: Reader;
  readonly recent: Recent;
  readonly head: Head;
}

const connect = async (
  db: DatabaseSync,
  unlock: () => void,
  spawn: (() => Worker) | undefined,
  onOpen?: (look: () => void) => void,
): Promise<EventStore> => {
  const id = logId(db);
  const positions = createPositions(id);
  const reader = createReader(db, positions);
  const log: Log = { db, positions, reader, recent: createRecent(positions), head: createHead() };
  resumeAt(log, lastPosition(db));

  const writer: WriterThread | undefined = spawn
    ? await startWriterThread({
        spawn,
        onReady: (position) => resumeAt(log, position),
        onAnswer: (job, answer) => applyAnswer(log, job, answer),
      })
    : undefined;
  const polling = writer ? undefined : setInterval(() => pollHead(log), READ_ONLY_POLL_MS);
  onOpen?.(() => pollHead(log));

  const writing = (): WriterThread => {
    if (writer) return writer;
    throw new AppError('refused', 'this event store was opened for reading only');
  };

  const remove = async (
    stream: string,
    before: number | null,
    expected: number | null = null,
  ): Promise<void> => {
    checkStream(stream);
    const answer = await writing().send({ kind: 'remove', stream, before, expected });
    if (answer.kind === 'conflict') {
      throw new WrongExpectedRevision(stream, expected ?? 'any', answer.actual);
    }
    if (answer.kind === 'failed') throw new AppError('unavailable', answer.reason);
  };

  return {
    id,
    append: async (stream, events, expected, { patient = false } = {}) => {
      const { bytes, ...job } = encodeAppend(stream, events, expected);
      const answer = await writing().send(job, bytes, patient);
      return resultOf(job, answer, positions.format);
    },
    readStream: async (stream, options = {}) => {
      checkStream(stream);
      checkLimit(options.limit);
      return read(() => reader.stream(stream, options));
    },
    readAll: async (options = {}) => {
      checkLimit(options.limit);
      const end = read(() => lastPosition(db));
      return reader.all(options, end).catch((error) => Promise.reject(unreadable(error)));
    },
    subscribe: (options) => {
      checkLimit(options.batch);
      const page = (range: PageOptions) => log.recent.page(range) ?? read(() => reader.page(range));
      return follow(options, log.head, positions, page);
    },
    head: async () => {
      const last = read(() => lastPosition(db));
      return last === 0 ? null : positions.format(last);
    },
    deleteStream: async (stream, { expected } = {}) => {
      if (expected !== undefined) checkRevision(expected);
      await remove(stream, null, expected);
    },
    truncateBefore: async (stream, revision) => {
      checkRevision(revision);
      await remove(stream, revision);
    },
    compare: (a, b) => positions.parse(a) - positions.parse(b),
    parsePosition: (text) => positions.format(positions.parse(text)),
    check: async () => {
      read(() => lastPosition(db));
      if (writer) await probe(writer);
    },
    close: async () => {
      if (log.head.closed) return;
      log.head.close();
      clearInterval(polling);
      await writer?.close();
      db.close();
      unlock();
    },
  };
};

/** The log may have grown in a way that this thread did not see. */
const resumeAt = ({ recent, head }: Log, position: number): void => {
  recent.reset(position);
  head.set(position);
};

/** Moves the end of the log by what the writer did. */
const applyAnswer = ({ recent, head }: Log, job: Job, answer: Answer): void => {
  if (job.kind === 'append' && answer.kind === 'appended') {
    // Without a subscription nobody reads them, and objects that live for a while are expensive for the garbage collector.
    if (head.followers > 0) recent.push(job, answer);
    head.set(answer.position);
  }
  // Removed events must not be served from memory.
  if (job.kind === 'remove') recent.reset(head.get());
};

const pollHead = (log: Log): void => {
  try {
    resumeAt(log, lastPosition(log.db));
  } catch {
    // The file may be locked at this moment. The next poll catches up, and reads report what is wrong.
  }
};

const unreadable = (error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError(
        'unavailable',
        `the event store cannot be read: ${messageOf(error)}`,
        {},
        { cause: error },
      );

const read = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw unreadable(error);
  }
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
      throw new AppError('conflict', 'the log already has an event with one of these ids', {
        stream: job.stream,
      });
    default:
      throw new AppError(
        'unavailable',
        answer.kind === 'failed' ? answer.reason : 'no answer to the append',
      );
  }
};

/** @throws {AppError} `unavailable` if the log cannot be written to, or the writer hangs, for example on its disk */
const probe = async (writer: WriterThread): Promise<void> => {
  const late = () =>
    new AppError('unavailable', `the writer did not answer within ${CHECK_DEADLINE_MS} ms`);
  const answer = await within(CHECK_DEADLINE_MS, writer.send({ kind: 'probe' }), late);
  if (answer.kind === 'failed') throw new AppError('unavailable', answer.reason);
};
