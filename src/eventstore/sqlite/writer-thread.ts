import { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { refusalOfWaiting } from '../input-checks.ts';
import { joinPacked, packAppend, unpackAnswers } from './packing.ts';
import type { Answer, FromWriter, Job, ToWriter } from './protocol.ts';

export interface WriterThread {
  /**
   * Sends a job. The appends of one turn of the event loop travel together, some dozens in a message.
   * @param patient the append waits up to {@link PATIENT_APPEND_MS} for others to travel with
   * @throws {AppError} `unavailable` while the thread is away, or if it died before it answered (then the outcome is
   *   unknown); `overloaded` if too many appends are waiting
   */
  send(job: Job, bytes?: number, patient?: boolean): Promise<Answer>;
  /** Waits for the answers to what was sent, then ends the thread. */
  close(): Promise<void>;
}

export interface WriterThreadOptions {
  /** Starts writer.ts as a worker; a parameter for the tests that kill it. */
  readonly spawn: () => Worker;
  /** Called when the thread has opened the log, also after each restart. `head` is the last position of the log. */
  readonly onReady: (head: number) => void;
  /** Called in the order of the log, before the promise of the sender resolves. */
  readonly onAnswer: (job: Job, answer: Answer) => void;
}

interface Unanswered {
  readonly job: Job;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Appends in one message. A message is sent as soon as it is full, so that the writer works while the rest of the turn is
 * encoded. With 256 appends at once that gave 0.85 of the bare rate instead of 0.6; with 64, 0.78 instead of 0.7.
 * Messages of 16 were not faster.
 */
export const APPENDS_PER_MESSAGE = 32;
/**
 * How long a patient append waits for others. Without that a message found the disk busy with page views most of the time, and
 * waited for their flush too.
 */
export const PATIENT_APPEND_MS = 5;
/** Waits before the thread is started again. */
export const WRITER_RETRY: RetryPolicy = { firstMs: 50, mostMs: 5_000 };

/** Starts writer.ts on a thread of its own. */
export const spawnWriter = (path: string): Worker =>
  new Worker(new URL('./writer.ts', import.meta.url), { workerData: path, execArgv: [] });

/**
 * Starts the writer's thread, and starts it again, with backoff, whenever it dies.
 * @throws {AppError} `unavailable` if the thread cannot open the log the first time
 */
export const startWriterThread = async (options: WriterThreadOptions): Promise<WriterThread> => {
  const thread = new Thread(options);
  await thread.start();
  return thread;
};

const unavailable = (reason: string): AppError =>
  new AppError('unavailable', `the event store's writer is away: ${reason}`);

/** The main thread's side of the writer: it owns the worker and the jobs that have no answer yet. */
class Thread implements WriterThread {
  readonly #options: WriterThreadOptions;
  /** By number, in the order of sending. */
  readonly #unanswered = new Map<number, Unanswered>();
  #waitingBytes = 0;
  /** The number of the next job to be sent. */
  #sent = 0;
  /** Packed appends that are not sent yet. */
  #outbox: string[] = [];
  #state: 'starting' | 'up' | 'closed' = 'starting';
  /** Why the thread is away. */
  #reason = 'it is starting';
  #deaths = 0;
  /** The next message goes when the sockets are read … */
  #soon: NodeJS.Immediate | undefined;
  /** … or when its patient appends have waited long enough. */
  #later: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  readonly #opened = Promise.withResolvers<void>();

  constructor(options: WriterThreadOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#launch();
    try {
      await this.#opened.promise;
    } catch (error) {
      clearTimeout(this.#restart);
      throw error;
    }
  }

  send(job: Job, bytes = 0, patient = false): Promise<Answer> {
    const refusal = this.#refusal(bytes);
    if (refusal) return Promise.reject(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#unanswered.set(this.#sent + this.#outbox.length, { job, bytes, resolve, reject });
    this.#waitingBytes += bytes;
    if (job.kind === 'append') {
      const waiting = this.#outbox.push(packAppend(job));
      if (waiting >= APPENDS_PER_MESSAGE) this.#flush();
      else if (patient) this.#later ??= setTimeout(() => this.#flush(), PATIENT_APPEND_MS);
      // The check phase comes after all ready sockets were read: their appends travel together.
      else this.#soon ??= setImmediate(() => this.#flush());
    } else {
      this.#flush();
      this.#post({ kind: 'other', n: this.#sent, job });
      this.#sent += 1;
    }
    return promise;
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#flush();
    clearTimeout(this.#restart);
    this.#state = 'closed';
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#post({ kind: 'close' });
    await exited;
    this.#rejectAll('it was closed');
  }

  #refusal(bytes: number): AppError | null {
    if (this.#state === 'closed') return unavailable('it was closed');
    if (this.#state === 'starting') return unavailable(this.#reason);
    return refusalOfWaiting(this.#unanswered.size, this.#waitingBytes + bytes);
  }

  #launch(): void {
    let reason = 'its thread ended';
    const worker = this.#options.spawn();
    this.#worker = worker;
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.on('error', (error) => {
      reason = messageOf(error);
    });
    // `exit` always comes, and after `error`. By then the thread's connection is closed.
    worker.on('exit', () => this.#onExit(reason));
  }

  #onExit(reason: string): void {
    this.#worker = undefined;
    if (this.#state === 'closed') return;
    this.#state = 'starting';
    this.#reason = reason;
    this.#sent += this.#outbox.length;
    this.#outbox = [];
    this.#rejectAll(reason);
    this.#opened.reject(unavailable(reason));
    this.#deaths += 1;
    const wait = backoff(this.#deaths, WRITER_RETRY, Math.random);
    this.#restart = setTimeout(() => this.#launch(), wait);
  }

  #receive(message: FromWriter): void {
    switch (message.kind) {
      case 'answers':
        this.#settle(message.first, unpackAnswers(message.packed));
        break;
      case 'done':
        this.#settle(message.n, [{ kind: 'done' }]);
        break;
      case 'conflict':
        this.#settle(message.n, [{ kind: 'conflict', actual: message.actual }]);
        break;
      case 'failed': {
        const { first, count, reason } = message;
        this.#settle(first, new Array<Answer>(count).fill({ kind: 'failed', reason }));
        break;
      }
      case 'ready':
        this.#state = 'up';
        this.#options.onReady(message.head);
        this.#opened.resolve();
    }
  }

  /** Resolves the jobs from this number on. */
  #settle(first: number, answers: readonly Answer[]): void {
    this.#deaths = 0;
    answers.forEach((answer, i) => {
      const sender = this.#take(first + i);
      if (sender === undefined) return;
      this.#options.onAnswer(sender.job, answer);
      sender.resolve(answer);
    });
  }

  #rejectAll(reason: string): void {
    for (const n of [...this.#unanswered.keys()]) this.#take(n)?.reject(unavailable(reason));
  }

  #take(n: number): Unanswered | undefined {
    const sender = this.#unanswered.get(n);
    if (sender === undefined) return undefined;
    this.#unanswered.delete(n);
    this.#waitingBytes -= sender.bytes;
    return sender;
  }

  #flush(): void {
    clearTimeout(this.#later);
    clearImmediate(this.#soon);
    this.#later = undefined;
    this.#soon = undefined;
    if (this.#outbox.length === 0) return;
    this.#post({ kind: 'appends', first: this.#sent, packed: joinPacked(this.#outbox) });
    this.#sent += this.#outbox.length;
    this.#outbox = [];
  }

  #post(message: ToWriter): void {
    this.#worker?.postMessage(message);
  }
}
