/**
 * The writer: the worker thread with the only connection that writes the log. `node:sqlite` is synchronous and a commit
 * waits for the disk. On a thread of its own it blocks nothing else.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import { createLogWriter, type LogWriter } from './log.ts';
import { packAnswers, unpackAppends } from './packing.ts';
import type { AppendJob, FromWriter, Job, RemoveJob, ToWriter } from './protocol.ts';
import { createRemoval, type Removal } from './removal.ts';
import { openLog } from './schema.ts';

/** Appends in one transaction at most. A larger group was not measurably faster. */
const GROUP_APPENDS = 1000;
/** Characters in one transaction at most, so that large appends do not delay the others for long. */
const GROUP_CHARS = 8 * 1024 * 1024;
/** The wait after a reader prevented the truncation of the write-ahead log, or after a removal failed. */
const REMOVAL_RETRY_MS = 500;

interface Numbered {
  readonly n: number;
  readonly job: Job;
}

interface Connection {
  readonly log: LogWriter;
  readonly removal: Removal;
  close(): void;
}

if (parentPort === null) throw new Error('writer.ts runs as a worker thread of the event store');
const port = parentPort;
// The thread is started with the path as its data (writer-thread.ts).
const path = String(workerData);

const waiting: Numbered[] = [];
/** Streams with hidden events. `n` is the job to answer when the events are removed. */
const removing: { readonly stream: string; n: number | null }[] = [];
let connection: Connection | undefined;
let closing = false;
/** The last write failed, so a probe has to write to find out whether the log works again. */
let failing = false;
let truncation: NodeJS.Timeout | undefined;
let retry: NodeJS.Timeout | undefined;

const send = (message: FromWriter): void => port.postMessage(message);

/** Answers a removal or a probe. @param failure null for success */
const answer = (n: number | null, failure: string | null): void => {
  if (n === null) return;
  if (failure === null) send({ kind: 'done', n });
  else send({ kind: 'failed', first: n, count: 1, reason: failure });
};

const connect = (): Connection => {
  if (connection !== undefined) return connection;
  const db = openLog(path, 'writer');
  try {
    const removal = createRemoval(db);
    // Events that a killed writer wrote but did not flush are readable now. A repeated append may be acknowledged because
    // of them, and a reactor may act on them. So flush them first: a checkpoint begins by syncing the write-ahead log.
    removal.truncateLog();
    connection = { log: createLogWriter(db), removal, close: () => db.close() };
    return connection;
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Runs `work`. After a failure the connection is closed, and the next use opens the file again. */
const attempt = <T>(work: (connection: Connection) => T, failed: (reason: string) => T): T => {
  try {
    const result = work(connect());
    failing = false;
    return result;
  } catch (error) {
    failing = true;
    connection?.close();
    connection = undefined;
    return failed(messageOf(error));
  }
};

const takeGroup = (): { first: number; jobs: AppendJob[] } => {
  const first = waiting[0]?.n ?? 0;
  const jobs: AppendJob[] = [];
  let chars = 0;
  for (const { job } of waiting) {
    if (job.kind !== 'append' || jobs.length >= GROUP_APPENDS || chars >= GROUP_CHARS) break;
    jobs.push(job);
    for (const event of job.events) chars += event.body.length;
  }
  waiting.splice(0, jobs.length);
  return { first, jobs };
};

const commitGroup = (): void => {
  const { first, jobs } = takeGroup();
  attempt(
    ({ log }) => send({ kind: 'answers', first, packed: packAnswers(log.commit(jobs)) }),
    (reason) => send({ kind: 'failed', first, count: jobs.length, reason }),
  );
};

const remove = (n: number, { stream, before, expected }: RemoveJob): void => {
  let other: number | null = null;
  const failure = attempt<string | null>(
    ({ log, removal }) => {
      const actual = expected === null ? null : log.last(stream);
      if (actual !== null && actual !== expected) {
        other = actual;
        return null;
      }
      removal.hide(stream, before);
      log.forget(stream);
      return null;
    },
    (reason) => reason,
  );
  if (other !== null) {
    send({ kind: 'conflict', n, actual: other });
    return;
  }
  // A deletion is answered only when the file no longer has any of the events.
  const answerLater = before === null && failure === null;
  if (failure === null) removing.push({ stream, n: answerLater ? n : null });
  if (!answerLater) answer(n, failure);
};

const probe = (n: number): void => {
  const failure = attempt<string | null>(
    ({ removal }) => {
      if (failing) removal.probe();
      return null;
    },
    (reason) => reason,
  );
  answer(n, failure);
};

/** Removes one slice. @returns false if it has to be tried again later */
const removeSlice = (): boolean => {
  const first = removing[0];
  if (first === undefined) return true;
  return attempt(
    ({ log, removal }) => {
      if (!removal.slice(first.stream)) return true;
      removing.shift();
      log.forget(first.stream);
      truncateLog();
      answer(first.n, null);
      return true;
    },
    (reason) => {
      answer(first.n, reason);
      first.n = null;
      return false;
    },
  );
};

const truncateLog = (): void => {
  clearTimeout(truncation);
  const done = attempt(
    ({ removal }) => removal.truncateLog(),
    () => false,
  );
  truncation = done ? undefined : setTimeout(truncateLog, REMOVAL_RETRY_MS);
};

const finish = (): void => {
  clearTimeout(truncation);
  attempt(
    ({ removal }) => removal.truncateLog(),
    () => false,
  );
  connection?.close();
  port.close();
};

const receive = (message: ToWriter): void => {
  switch (message.kind) {
    case 'appends':
      unpackAppends(message.packed).forEach((job, i) => {
        waiting.push({ n: message.first + i, job });
      });
      break;
    case 'other':
      waiting.push(message);
      break;
    case 'close':
      closing = true;
  }
};

/** Does one job, or all waiting appends in one transaction, and then one slice of a removal. */
const turn = (): void => {
  for (;;) {
    const more = receiveMessageOnPort(port);
    if (more === undefined) break;
    receive(more.message);
  }
  const head = waiting[0];
  if (head?.job.kind === 'append') commitGroup();
  else if (head !== undefined) {
    waiting.shift();
    if (head.job.kind === 'remove') remove(head.n, head.job);
    else probe(head.n);
  }
  const removed = removeSlice();

  clearTimeout(retry);
  if (waiting.length > 0 || (removing.length > 0 && removed)) setImmediate(turn);
  else if (closing && !removing.some(({ n }) => n !== null)) finish();
  else if (removing.length > 0) retry = setTimeout(turn, REMOVAL_RETRY_MS);
};

const start = (): void => {
  const { log, removal } = connect();
  for (const stream of removal.unfinished()) removing.push({ stream, n: null });
  port.on('message', (message: ToWriter) => {
    receive(message);
    turn();
  });
  send({ kind: 'ready', head: log.head() });
  turn();
};

start();
