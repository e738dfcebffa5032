/**
 * The read models in a thread of their own: queries and the live stream's changes cost the main thread, with its commands
 * and effects, only a message. {@link startReadThread} is the entry point; worker.ts runs in the thread.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { AppError, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { ChangeFollower } from '../../projections/change-feed.ts';
import type { ReadModels } from '../../projections/read-models.ts';
import { type FromThread, fromSent, type ReadThreadData, type ToThread } from './protocol.ts';
import { remoteReadModels } from './remote.ts';

/** Questions that wait for an answer at most. More are refused. */
export const MAX_QUESTIONS = 2_000;
/** The time limit of an answer. A question may itself wait for rows (`POSITION_WAIT_MS` in src/http/frame). */
export const ANSWER_DEADLINE_MS = 30_000;
/** Waits before the thread is started again. */
export const READ_THREAD_RETRY: RetryPolicy = { firstMs: 50, mostMs: 5_000 };
/** How long a stop waits for the last transaction, before the thread is ended. */
export const READ_THREAD_STOP_MS = 5_000;

export interface ReadThread {
  readonly readModels: ReadModels;
  /** Tells the thread that the log may have grown. */
  grown(): void;
  stop(): Promise<void>;
}

export interface ReadThreadOptions {
  readonly data: ReadThreadData;
  readonly logger: Logger;
  /** Starts worker.ts; a parameter for the tests that kill it. */
  readonly spawn?: (data: ReadThreadData) => Worker;
}

interface Question {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface Thread extends ReadThreadOptions {
  worker: Worker | null;
  isUp: boolean;
  isStopped: boolean;
  /** Why the thread is away. */
  reason: string;
  deaths: number;
  asked: number;
  restart: NodeJS.Timeout | undefined;
  readonly questions: Map<number, Question>;
  readonly followers: Set<ChangeFollower>;
  readonly opened: PromiseWithResolvers<void>;
}

const spawnWorker = (data: ReadThreadData): Worker =>
  new Worker(new URL('./worker.ts', import.meta.url), { workerData: data, execArgv: [] });

/**
 * Starts the thread, and starts it again, with backoff, whenever it dies. Meanwhile questions are answered with
 * {@link AppError} `unavailable`.
 * @throws {AppError} `unavailable` if the thread cannot open the log or the rows the first time
 */
export async function startReadThread(options: ReadThreadOptions): Promise<ReadThread> {
  const thread: Thread = {
    ...options,
    worker: null,
    isUp: false,
    isStopped: false,
    reason: 'it is starting',
    deaths: 0,
    asked: 0,
    restart: undefined,
    questions: new Map(),
    followers: new Set(),
    opened: Promise.withResolvers(),
  };
  launch(thread);
  try {
    await thread.opened.promise;
  } catch (error) {
    await stop(thread);
    throw error;
  }
  return {
    readModels: remoteReadModels(
      (question, args) => ask(thread, question, args),
      (follower) => {
        thread.followers.add(follower);
        return () => thread.followers.delete(follower);
      },
    ),
    grown: () => post(thread, { kind: 'grown' }),
    stop: () => stop(thread),
  };
}

const unavailable = (reason: string): AppError =>
  new AppError('unavailable', `the read models are away: ${reason}`, { part: 'the read models' });

const post = ({ worker, isUp }: Thread, message: ToThread): void => {
  if (isUp) worker?.postMessage(message);
};

function ask(thread: Thread, question: string, args: readonly unknown[]): Promise<unknown> {
  const { questions, isUp, reason } = thread;
  if (!isUp) return Promise.reject(unavailable(reason));
  if (questions.size >= MAX_QUESTIONS) {
    return Promise.reject(new AppError('overloaded', 'too many queries wait for the read models'));
  }
  const n = thread.asked++;
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const timer = setTimeout(() => {
    questions.delete(n);
    reject(unavailable(`no answer within ${ANSWER_DEADLINE_MS} ms`));
  }, ANSWER_DEADLINE_MS);
  questions.set(n, { resolve, reject, timer });
  post(thread, { kind: 'ask', n, question, args });
  return promise;
}

function launch(thread: Thread): void {
  const { spawn = spawnWorker, data } = thread;
  let reason = 'its thread ended';
  const worker = spawn(data);
  thread.worker = worker;
  worker.on('message', (message: FromThread) => receive(thread, message));
  worker.on('error', (error) => {
    reason = messageOf(error);
  });
  // `exit` always comes, and after `error`.
  worker.on('exit', () => onExit(thread, reason));
}

function receive(thread: Thread, message: FromThread): void {
  switch (message.kind) {
    case 'ready':
      thread.isUp = true;
      thread.opened.resolve();
      break;
    case 'answer':
      thread.deaths = 0;
      take(thread, message.n)?.resolve(message.value);
      break;
    case 'error':
      take(thread, message.n)?.reject(fromSent(message.error));
      break;
    case 'changes':
      for (const { onChanges } of thread.followers) onChanges(message.changes);
      break;
    case 'replaced':
      for (const { onReplaced } of thread.followers) onReplaced();
  }
}

function take({ questions }: Thread, n: number): Question | undefined {
  const question = questions.get(n);
  questions.delete(n);
  clearTimeout(question?.timer);
  return question;
}

function onExit(thread: Thread, reason: string): void {
  const { logger, followers, questions } = thread;
  thread.worker = null;
  thread.isUp = false;
  thread.reason = reason;
  for (const n of [...questions.keys()]) take(thread, n)?.reject(unavailable(reason));
  thread.opened.reject(unavailable(reason));
  if (thread.isStopped) return;
  // Nobody reports what changes until the thread is back.
  for (const { onReplaced } of followers) onReplaced();
  thread.deaths += 1;
  const wait = backoff(thread.deaths, READ_THREAD_RETRY, Math.random);
  logger.error({ reason }, 'the thread of the read models ended; starting it again');
  thread.restart = setTimeout(() => launch(thread), wait);
}

async function stop(thread: Thread): Promise<void> {
  thread.isStopped = true;
  clearTimeout(thread.restart);
  const { worker } = thread;
  if (!worker) return;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.postMessage({ kind: 'stop' } satisfies ToThread);
  const late = delay(READ_THREAD_STOP_MS, 'late', { ref: false });
  if ((await Promise.race([exited, late])) === 'late') await worker.terminate();
}
