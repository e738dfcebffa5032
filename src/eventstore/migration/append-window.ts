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
export interface Step {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expected: ExpectedRevision;
  /** As JSON. */
  readonly bytes: number;
  /** What is in front of this revision is cut off afterwards. */
  readonly cutBefore?: number;
  /** Events of the source in it, and where it leads to there. */
  readonly copied: number;
  readonly at: Position;
}

export interface AppendWindow {
  /** Sends an append; waits while the window is full. */
  push(step: Step): Promise<void>;
  /** Waits until everything that was sent is there. */
  drain(): Promise<void>;
  /** Waits for what is on its way, however it ends. */
  abandon(): Promise<void>;
}

export interface AppendWindowOptions {
  readonly target: EventStore;
  readonly signal: AbortSignal;
  /** Called in order. */
  readonly onDone: (step: Step) => void;
  /** Tries of an append that failed, and the waits between them. Default {@link COPY_RETRY}. */
  readonly retry?: RetryPolicy & { readonly times: number };
}

/** Appends on their way at once: one at a time EventStoreDB takes 600/s, with 64 at once 3,700/s. */
const MOST = 128;
const MOST_BYTES = 8 * 1024 * 1024;
/** Some two minutes in all: a server restarts in that time. */
export const COPY_RETRY = { times: 18, firstMs: 100, mostMs: 15_000 };

type Outcome = { readonly position: Position } | { readonly error: unknown };

/**
 * Appends in a pipeline: stores take appends in the order in which they were sent. That is verified by the positions
 * that they answer with. When an append fails, nothing more is sent, all that were sent are waited for, and from the
 * failed one on each is sent again, one after the other, with the same ids and expected revision: what was written in
 * spite of the failure is not written twice. The store must not try again by itself: that would be in any order.
 */
export const createAppendWindow = (options: AppendWindowOptions): AppendWindow => {
  const { target, signal, onDone, retry = COPY_RETRY } = options;
  const sent: { readonly step: Step; readonly outcome: Promise<Outcome> }[] = [];
  let bytes = 0;
  /** Nothing more is sent before what failed is there. */
  let failed = false;
  let last: Position | undefined;

  const append = async ({ stream, events, expected, cutBefore }: Step): Promise<Position> => {
    const { position } = await target.append(stream, events, expected);
    // Behind the append: a stream without any event left would not tell where it stands.
    if (cutBefore !== undefined) await target.truncateBefore(stream, cutBefore);
    return position;
  };

  const send = (step: Step): void => {
    const outcome = append(step).then(
      (position) => ({ position }),
      (error: unknown) => {
        failed = true;
        return { error };
      },
    );
    sent.push({ step, outcome });
    bytes += step.bytes;
  };

  const accept = (step: Step, position: Position): void => {
    if (last !== undefined && target.compare(last, position) >= 0) {
      throw new AppError(
        'conflict',
        `the target did not keep the order of appends at ${step.stream}: begin again with an empty target`,
      );
    }
    last = position;
    onDone(step);
  };

  const insist = async (step: Step, failure: unknown): Promise<Position> => {
    let error = failure;
    for (let n = 1; n <= retry.times; n += 1) {
      try {
        return await append(step);
      } catch (again) {
        error = again;
        if (!isTransient(again)) break;
      }
      await delay(backoff(n, retry, Math.random), undefined, { signal });
    }
    throw given(step, error);
  };

  /** Takes the oldest off the window, or all of it when that failed. */
  const settle = async (): Promise<void> => {
    const oldest = sent[0];
    if (!oldest) return;
    const outcome = await oldest.outcome;
    if ('position' in outcome) {
      sent.shift();
      bytes -= oldest.step.bytes;
      accept(oldest.step, outcome.position);
      return;
    }
    const again = sent.splice(0);
    bytes = 0;
    await Promise.all(again.map((each) => each.outcome));
    for (const { step } of again) accept(step, await insist(step, outcome.error));
    failed = false;
  };

  return {
    push: async (step) => {
      const full = (): boolean => sent.length >= MOST || bytes + step.bytes > MOST_BYTES;
      while (sent.length > 0 && (failed || full())) await settle();
      send(step);
    },
    drain: async () => {
      while (sent.length > 0) await settle();
    },
    abandon: async () => {
      await Promise.all(sent.splice(0).map(({ outcome }) => outcome));
    },
  };
};

const given = ({ stream, expected }: Step, error: unknown): AppError => {
  const cause = { cause: error };
  if (error instanceof WrongExpectedRevision) {
    const reason = `${error.message}: something else writes to the target, or it was not empty`;
    return new AppError('conflict', reason, {}, cause);
  }
  const code = error instanceof AppError ? error.code : 'unavailable';
  const what = `the target does not take ${stream} behind revision ${expected}: ${messageOf(error)}`;
  return new AppError(code, what, {}, cause);
};
