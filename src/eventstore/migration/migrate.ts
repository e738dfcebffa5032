/**
 * Migration: copies a log from one event store to another and proves that both are equal. Everything goes through the
 * port, so it works between any two adapters. Why it is done this way: docs/adr/0011-migration.md.
 *
 * Entry point: {@link migrate}, for `xmpp-chat migrate` (src/cli/migrate.ts) alone.
 */
import { AppError } from '../../errors.ts';
import type { EventStore, Position } from '../port.ts';
import { compareLogs, type Difference } from './compare.ts';
import { copyLog } from './copy.ts';
import { refuseLogInUse, watchEnd } from './in-use.ts';
import { createStreamStarts, type StreamStarts } from './retained-events.ts';

/** `checking`: comparing what the target already has with the source. */
export type Phase = 'checking' | 'copying' | 'verifying';

export interface MigrateOptions {
  readonly source: EventStore;
  readonly target: EventStore;
  /** ms since 1970 */
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Called often, with the events done in this phase. */
  readonly onProgress: (phase: Phase, events: number) => void;
  /** Compare, and write nothing. */
  readonly verifyOnly?: boolean;
}

/** What both logs are at the end. */
export interface Migrated {
  readonly streams: number;
  readonly events: number;
  /** Hex SHA-256 over all retained events in their order; empty when there is none. */
  readonly digest: string;
  /** Events that this run copied. The target already had the others. */
  readonly copied: number;
}

/**
 * Makes the target equal to the source and verifies that. A target that has the first part of the source is completed.
 * @throws {AppError} `conflict` when one of them is in use, when they differ at the end, or when the target holds
 *   something else (then it is left as it is)
 * @throws the signal's reason when it is aborted; the next run goes on from there
 */
export async function migrate(options: MigrateOptions): Promise<Migrated> {
  const { source, target, now, signal, onProgress, verifyOnly = false } = options;
  if (source.id === target.id) {
    throw new AppError('invalid', 'the source and the target are the same log');
  }
  await refuseLogInUse(source, 'source', now);
  await refuseLogInUse(target, 'target', now);
  const requireUnchanged = await watchEnd(source);
  const starts = createStreamStarts(source);
  let copied = 0;
  if (!verifyOnly) {
    copied = await copyLog(source, target, {
      after: await findResumption(options, starts),
      signal,
      starts,
      onPage: requireUnchanged,
      onProgress: (events) => onProgress('copying', events),
    });
  }
  const { source: digest, difference } = await compareLogs(source, target, {
    signal,
    starts,
    onProgress: (events) => onProgress('verifying', events),
  });
  await requireUnchanged();
  if (difference) throw differenceError('the target is not equal to the source', difference);
  const { events, digest: whole } = digest.log;
  return { streams: digest.streams.size, events, digest: whole, copied };
}

/**
 * Where the copy goes on: the end of the target, which has to be what the source begins with. Placeholders that a
 * killed copy left are truncated.
 */
async function findResumption(
  { source, target, signal, onProgress }: MigrateOptions,
  starts: StreamStarts,
): Promise<Position | undefined> {
  const { difference, equalUpTo, untruncated } = await compareLogs(source, target, {
    prefix: true,
    signal,
    starts,
    onProgress: (events) => onProgress('checking', events),
  });
  if (difference) {
    throw differenceError(
      'the target holds something else than the beginning of the source, and was left as it is; name an empty one',
      difference,
    );
  }
  for (const [stream, revision] of untruncated) await target.truncateBefore(stream, revision);
  return equalUpTo;
}

const differenceError = (what: string, { stream, revision, reason }: Difference): AppError =>
  new AppError('conflict', `${what}: first at ${stream} revision ${revision}: ${reason}`, {
    stream,
    revision,
  });
