/** Copies a log from one event store to another, whatever they are: everything here goes through the port. */
import { AppError } from '../../errors.ts';
import type { EventStore, Position } from '../port.ts';
import { compareLogs, type Difference } from './compare.ts';
import { copyLog } from './copy.ts';
import { createStarts, type Starts } from './retained.ts';
import { refuseInUse, watchHead } from './standing-still.ts';

/** What is going on: looking at what the target has, copying, verifying. */
export type Phase = 'checking' | 'copying' | 'verifying';

export interface Progress {
  readonly phase: Phase;
  /** Done in this phase. */
  readonly events: number;
  /** Where this phase began and where it is, in the source's log. */
  readonly from: Position | undefined;
  readonly at: Position;
  /** The source's last event. */
  readonly end: Position;
}

export interface MigrateOptions {
  readonly source: EventStore;
  readonly target: EventStore;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Nothing is written. */
  readonly verifyOnly?: boolean;
}

export interface Migrated {
  /** Of both logs. */
  readonly streams: number;
  readonly events: number;
  /** hex SHA-256 over everything that is retained, in order; empty when nothing is. */
  readonly digest: string;
  /** What this run copied; the rest was there. */
  readonly copied: number;
}

/**
 * Makes the target an equal of the source, and verifies that. A target that has a part of it is completed.
 * @throws {AppError} `conflict` when one of them is in use, or when the target holds something else (it is not changed
 *   then), or when the two differ at the end
 * @throws the signal's reason when it is aborted; started again it goes on
 */
export const migrate = async (options: MigrateOptions): Promise<Migrated> => {
  const { source, target, now, signal, verifyOnly = false } = options;
  if (source.id === target.id) {
    throw new AppError('invalid', 'the source and the target are the same log');
  }
  await refuseInUse(source, 'source', now);
  await refuseInUse(target, 'target', now);
  const still = await watchHead(source, now);
  const starts = createStarts(source);
  const reporter = (phase: Phase, from?: Position) => (events: number, at: Position) => {
    if (still.end !== undefined) options.onProgress({ phase, events, from, at, end: still.end });
  };

  let copied = 0;
  if (!verifyOnly) {
    const after = await findResumption(options, starts, reporter('checking'));
    copied = await copyLog(source, target, {
      after,
      signal,
      starts,
      onPage: still.checkNowAndThen,
      onProgress: reporter('copying', after),
    });
  }
  const { source: digest, difference } = await compareLogs(source, target, {
    signal,
    starts,
    onProgress: reporter('verifying'),
  });
  await still.check();
  if (difference) throw differs('the target is not equal to the source', difference);
  return { streams: digest.streams.size, events: digest.events, digest: digest.chain, copied };
};

/**
 * What the target has must be what the source begins with: then its end is where the copy goes on. What a killed copy
 * did not cut off is cut off.
 */
const findResumption = async (
  { source, target, signal }: MigrateOptions,
  starts: Starts,
  onProgress: (events: number, at: Position) => void,
): Promise<Position | undefined> => {
  const { difference, through, uncut } = await compareLogs(source, target, {
    prefix: true,
    signal,
    starts,
    onProgress,
  });
  if (difference) {
    const what =
      'the target holds something else than the beginning of the source, and was left as it is';
    throw differs(`${what}; name an empty one`, difference);
  }
  for (const [stream, revision] of uncut) await target.truncateBefore(stream, revision);
  return through;
};

const differs = (what: string, { stream, revision, reason }: Difference): AppError =>
  new AppError('conflict', `${what}: first at ${stream} revision ${revision}: ${reason}`, {
    stream,
    revision,
  });
