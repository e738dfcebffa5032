/** Sends appends in a pipeline and keeps their order. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, isTransient, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import {
  type EventStore,
  type ExpectedRevision,
  type NewEvent,
  type Position,
  WrongExpectedRevision,
} from '../port.ts';

/** One append of a copy. */
export interface CopyStep {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expected: ExpectedRevision;
  /** Size of the events as JSON. */
  readonly bytes: number;
  /** After the append the stream is truncated before this revision. */
  readonly truncateBefore?: number;
  /** How many events of the source are in it; placeholders do not count. */
  readonly copied: number;
}

export interface PipelineOptions {
  readonly target: EventStore;
  readonly signal: AbortSignal;
  /** Called for each step in order, once it is in the store. */
  readonly onDone: (step: CopyStep) => void;
  /** For each append that failed; default {@link COPY_RETRY}. */
  readonly retry?: RetryPolicy & { readonly times: number };
}

/** One at a time EventStoreDB takes 600 appends a second, with 64 at once 3,700. */
export const CONCURRENT_APPENDS = 128;
export const BYTES_UNDER_WAY = 8 * 1024 * 1024;
/** Some two minutes in all: a server restarts in that time. */
export const COPY_RETRY = { times: 18, firstMs: 100, mostMs: 15_000 };

type Outcome = { readonly position: Position } | { readonly error: unknown };

interface Pipeline {
  /** The oldest first. */
  underWay: { readonly step: CopyStep; readonly outcome: Promise<Outcome> }[];
  bytes: number;
  /** Nothing more is sent until the failed append is in the store. */
  failed: boolean;
  last: Position | undefined;
}

/**
 * Sends appends, many at once. Stores take appends in the order in which they are sent; the positions in their answers
 * prove it. When an append fails, nothing more is sent until all appends under way have ended. Then the failed one and
 * those behind it are sent again one at a time, with the same ids and expected revisions, so nothing is written twice.
 * The store must not repeat appends by itself: its repeats would come in any order.
 * @throws {AppError} `conflict` when the store did not keep the order or somebody else writes to it; otherwise the error
 *   of an append that failed for good. All appends have ended by then.
 */
export async function appendInOrder(
  steps: AsyncIterable<CopyStep> | Iterable<CopyStep>,
  options: PipelineOptions,
): Promise<void> {
  const pipeline: Pipeline = { underWay: [], bytes: 0, failed: false, last: undefined };
  try {
    for await (const step of steps) {
      while (mustWait(pipeline, step)) await settleOldest(pipeline, options);
      send(pipeline, options.target, step);
    }
    while (pipeline.underWay.length > 0) await settleOldest(pipeline, options);
  } finally {
    await Promise.all(pipeline.underWay.map(({ outcome }) => outcome));
  }
}

function mustWait({ underWay, bytes, failed }: Pipeline, step: CopyStep): boolean {
  if (underWay.length === 0) return false;
  return failed || underWay.length >= CONCURRENT_APPENDS || bytes + step.bytes > BYTES_UNDER_WAY;
}

function send(pipeline: Pipeline, target: EventStore, step: CopyStep): void {
  const outcome = append(target, step).then(
    (position) => ({ position }),
    (error: unknown) => {
      pipeline.failed = true;
      return { error };
    },
  );
  pipeline.underWay.push({ step, outcome });
  pipeline.bytes += step.bytes;
}

/** Takes the oldest append out of the pipeline, or all of them when it failed. */
async function settleOldest(pipeline: Pipeline, options: PipelineOptions): Promise<void> {
  const [oldest] = pipeline.underWay;
  if (!oldest) return;
  const outcome = await oldest.outcome;
  if ('position' in outcome) {
    pipeline.underWay.shift();
    pipeline.bytes -= oldest.step.bytes;
    accept(pipeline, options, oldest.step, outcome.position);
    return;
  }
  const all = pipeline.underWay;
  await Promise.all(all.map((each) => each.outcome));
  pipeline.underWay = [];
  pipeline.bytes = 0;
  for (const { step } of all) {
    accept(pipeline, options, step, await appendAgain(options, step, outcome.error));
  }
  pipeline.failed = false;
}

function accept(
  pipeline: Pipeline,
  { target, onDone }: PipelineOptions,
  step: CopyStep,
  position: Position,
): void {
  if (pipeline.last !== undefined && target.compare(pipeline.last, position) >= 0) {
    throw new AppError(
      'conflict',
      `the target did not keep the order of appends at ${step.stream}: begin again with an empty target`,
    );
  }
  pipeline.last = position;
  onDone(step);
}

async function append(target: EventStore, step: CopyStep): Promise<Position> {
  const { stream, events, expected, truncateBefore } = step;
  const { position } = await target.append(stream, events, expected);
  // Not before the append: a stream without any event left would not keep its revision.
  if (truncateBefore !== undefined) await target.truncateBefore(stream, truncateBefore);
  return position;
}

async function appendAgain(
  { target, signal, retry = COPY_RETRY }: PipelineOptions,
  step: CopyStep,
  failure: unknown,
): Promise<Position> {
  let error = failure;
  for (let tries = 1; tries <= retry.times; tries += 1) {
    try {
      return await append(target, step);
    } catch (again) {
      error = again;
      if (!isTransient(again)) break;
    }
    await delay(backoff(tries, retry, Math.random), undefined, { signal });
  }
  throw appendError(step, error);
}

function appendError({ stream, expected }: CopyStep, cause: unknown): AppError {
  if (cause instanceof WrongExpectedRevision) {
    const reason = `${cause.message}: something else writes to the target, or it was not empty`;
    return new AppError('conflict', reason, {}, { cause });
  }
  const code = cause instanceof AppError ? cause.code : 'unavailable';
  const what = `the target does not take ${stream} behind revision ${expected}: ${messageOf(cause)}`;
  return new AppError(code, what, {}, { cause });
}
