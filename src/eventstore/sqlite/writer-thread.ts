import { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../errors.ts';
import { backoff } from '../../kit/backoff.ts';
import { joinPacked, packAppend, unpackAnswers } from './packing.ts';
import type { Answer, FromWriter, Job, ToWriter } from './protocol.ts';

export interface WriterThread {
  /**
   * Sends a job; appends of one turn of the event loop go together, some dozens in a message.
   * @throws {AppError} `unavailable` while the thread is away, or when it went away before it answered (then the
   *   outcome is unknown); `overloaded` when too much is waiting
   */
  send(job: Job, bytes?: number): Promise<Answer>;
  /** Waits for what was sent, then ends the thread. */
  close(): Promise<void>;
}

export interface WriterThreadOptions {
  /** Starts writer.ts as a worker; a parameter for the tests that kill it. */
  readonly spawn: () => Worker;
  /** The thread has opened the log: `head` is its last position. Called again after each restart. */
  readonly onReady: (head: number) => void;
  /** Called in the order of the log, before the sender knows. */
  readonly onAnswer: (job: Job, answer: Answer) => void;
}

interface Pending {
  readonly job: Job;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: AppError) => void;
}

/** More is refused: at 20,000 appends/s this is some 2 s of waiting. */
const MAX_WAITING = 40_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/**
 * Appends of one turn that go before the turn is over, so that the writer works while the rest is encoded: with 256 at
 * once 0.85 of the bare rate instead of 0.6; with 64, 0.78 instead of 0.7; 16 a message were not better.
 */
const MESSAGE = 32;
/** Waits before the thread is started again. */
export const WRITER_RETRY = { firstMs: 50, mostMs: 5_000 };

/** Starts writer.ts on a thread of its own. */
export const spawnWriter = (path: string): Worker =>
  new Worker(new URL('./writer.ts', import.meta.url), { workerData: path, execArgv: [] });

/**
 * The main thread's side of the writer: keeps what is unanswered, and starts the thread again, with backoff, when it
 * dies.
 * @throws {AppError} `unavailable` when the thread cannot open the log the first time
 */
export const startWriterThread = async (options: WriterThreadOptions): Promise<WriterThread> => {
  const { spawn, onReady, onAnswer } = options;
  const pending = new Map<number, Pending>();
  let waitingBytes = 0;
  let sent = 0;
  let outbox: string[] = [];
  let state: 'starting' | 'up' | 'closed' = 'starting';
  let reason = 'it is starting';
  let deaths = 0;
  let restart: NodeJS.Timeout | undefined;
  let worker: Worker | undefined;
  const started = Promise.withResolvers<void>();

  const unavailable = (why: string): AppError =>
    new AppError('unavailable', `the event store's writer is away: ${why}`);

  const post = (message: ToWriter): void => worker?.postMessage(message);

  const flush = (): void => {
    if (outbox.length === 0) return;
    post({ kind: 'appends', first: sent, packed: joinPacked(outbox) });
    sent += outbox.length;
    outbox = [];
  };

  const take = (n: number): Pending | undefined => {
    const found = pending.get(n);
    if (found === undefined) return undefined;
    pending.delete(n);
    waitingBytes -= found.bytes;
    return found;
  };

  const answered = (first: number, answers: readonly Answer[]): void => {
    deaths = 0;
    answers.forEach((answer, i) => {
      const found = take(first + i);
      if (found === undefined) return;
      onAnswer(found.job, answer);
      found.resolve(answer);
    });
  };

  const receive = (message: FromWriter): void => {
    switch (message.kind) {
      case 'answers':
        answered(message.first, unpackAnswers(message.packed));
        break;
      case 'done':
        answered(message.n, [{ kind: 'done' }]);
        break;
      case 'failed': {
        const { first, count, reason: why } = message;
        answered(first, new Array<Answer>(count).fill({ kind: 'failed', reason: why }));
        break;
      }
      case 'ready':
        state = 'up';
        onReady(message.head);
        started.resolve();
    }
  };

  const died = (why: string): void => {
    worker = undefined;
    if (state === 'closed') return;
    state = 'starting';
    reason = why;
    sent += outbox.length;
    outbox = [];
    for (const n of [...pending.keys()]) take(n)?.reject(unavailable(why));
    started.reject(unavailable(why));
    deaths += 1;
    restart = setTimeout(launch, backoff(deaths, WRITER_RETRY, Math.random));
  };

  const launch = (): void => {
    let why = 'its thread ended';
    worker = spawn();
    worker.on('message', receive);
    worker.on('error', (error) => {
      why = messageOf(error);
    });
    // Always comes, and after `error`; the connection of the thread is closed by then.
    worker.on('exit', () => died(why));
  };

  launch();
  try {
    await started.promise;
  } catch (error) {
    clearTimeout(restart);
    throw error;
  }

  return {
    send: (job, bytes = 0) => {
      if (state === 'closed') return Promise.reject(unavailable('it was closed'));
      if (state === 'starting') return Promise.reject(unavailable(reason));
      if (pending.size >= MAX_WAITING || waitingBytes + bytes > MAX_WAITING_BYTES) {
        return Promise.reject(
          new AppError('overloaded', 'too many appends are waiting for the disk: come again'),
        );
      }
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      pending.set(sent + outbox.length, { job, bytes, resolve, reject });
      waitingBytes += bytes;
      if (job.kind === 'append') {
        // The check phase comes after all sockets that are ready were read: their appends go together.
        const waiting = outbox.push(packAppend(job));
        if (waiting === 1) setImmediate(flush);
        if (waiting >= MESSAGE) flush();
      } else {
        flush();
        post({ kind: 'other', n: sent, job });
        sent += 1;
      }
      return promise;
    },
    close: async () => {
      if (state === 'closed') return;
      flush();
      clearTimeout(restart);
      state = 'closed';
      const last = worker;
      if (last === undefined) return;
      const ended = new Promise<void>((resolve) => last.once('exit', () => resolve()));
      post({ kind: 'close' });
      await ended;
      for (const n of [...pending.keys()]) take(n)?.reject(unavailable('it was closed'));
    },
  };
};
