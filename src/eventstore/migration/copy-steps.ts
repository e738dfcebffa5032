/**
 * The appends of a copy: consecutive events of one stream go together. A stream whose first events are gone keeps its
 * revisions: placeholders come first, and are cut off again.
 */
import type { ExpectedRevision, NewEvent } from '../port.ts';
import type { CopyStep } from './append-pipeline.ts';
import { placeholdersBefore } from './placeholders.ts';

const EVENTS_PER_APPEND = 500;
/** Half of what a store takes, since an adapter may need more for an event than its JSON. */
const BYTES_PER_APPEND = 512 * 1024;

/** An event for the copy. */
export interface CopiedEvent {
  readonly stream: string;
  readonly revision: number;
  /** The copy of its stream begins with it. */
  readonly begins: boolean;
  readonly event: NewEvent;
}

/** Consecutive events of one stream that fit into one append. */
interface Run {
  readonly first: CopiedEvent;
  readonly events: NewEvent[];
  bytes: number;
}

/** @param copied events in order; those of a stream without gaps */
export async function* copySteps(
  copied: Iterable<CopiedEvent> | AsyncIterable<CopiedEvent>,
): AsyncGenerator<CopyStep> {
  let run: Run | undefined;
  for await (const next of copied) {
    const bytes = Buffer.byteLength(JSON.stringify(next.event));
    const fits =
      run?.first.stream === next.stream &&
      run.events.length < EVENTS_PER_APPEND &&
      run.bytes + bytes <= BYTES_PER_APPEND;
    if (run && !fits) yield* stepsOf(run);
    if (!run || !fits) run = { first: next, events: [], bytes: 0 };
    run.events.push(next.event);
    run.bytes += bytes;
  }
  if (run) yield* stepsOf(run);
}

function* stepsOf({
  first: { stream, revision, begins },
  events,
  bytes,
}: Run): Generator<CopyStep> {
  const isCut = begins && revision > 0;
  if (isCut) yield* placeholderSteps(stream, revision);
  yield {
    stream,
    events,
    bytes,
    expected: revisionBefore(revision),
    copied: events.length,
    ...(isCut && { truncateBefore: revision }),
  };
}

function* placeholderSteps(stream: string, before: number): Generator<CopyStep> {
  let from = 0;
  for (const events of placeholdersBefore(stream, before)) {
    const bytes = Buffer.byteLength(JSON.stringify(events));
    yield { stream, events, bytes, expected: revisionBefore(from), copied: 0 };
    from += events.length;
  }
}

const revisionBefore = (revision: number): ExpectedRevision =>
  revision === 0 ? 'no-stream' : revision - 1;
