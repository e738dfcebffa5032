/** Copies what a log retains, with ids, revisions and order. */
import type { EventStore, ExpectedRevision, NewEvent, Position } from '../port.ts';
import { appendInOrder, type CopyStep } from './append-pipeline.ts';
import { placeholdersBefore } from './placeholders.ts';
import { type RetainedEvent, retainedEvents, type StreamStarts } from './retained-events.ts';

export interface CopyOptions {
  /** The target has everything of the source up to here. */
  readonly after?: Position | undefined;
  readonly signal: AbortSignal;
  /** Of the source. */
  readonly starts: StreamStarts;
  /** Called before each page. An error that it throws ends the copy. */
  readonly onPage: () => Promise<void>;
  /** Called after each append with the number of events copied. */
  readonly onProgress: (events: number) => void;
}

export const EVENTS_PER_APPEND = 500;
/** Half of what a store takes, since an adapter may need more for an event than its JSON. */
export const BYTES_PER_APPEND = 512 * 1024;

/**
 * Copies the events that the source retains behind a position. Consecutive events of one stream go into one append.
 * @returns the number of events copied
 * @throws the signal's reason when it is aborted; appends that were sent have ended by then
 */
export async function copyLog(
  source: EventStore,
  target: EventStore,
  options: CopyOptions,
): Promise<number> {
  let copied = 0;
  await appendInOrder(copySteps(source, options), {
    target,
    signal: options.signal,
    onDone(step) {
      copied += step.copied;
      options.onProgress(copied);
    },
  });
  return copied;
}

async function* copySteps(
  source: EventStore,
  { after, signal, starts, onPage }: CopyOptions,
): AsyncGenerator<CopyStep> {
  for await (const page of retainedEvents(source, { after, signal, starts })) {
    await onPage();
    for (const run of runsOf(page)) {
      signal.throwIfAborted();
      yield* stepsOf(run);
    }
  }
}

/** The append of a run. At the beginning of a stream, placeholders for the missing revisions come first. */
function* stepsOf({ first, events, bytes }: Run): Generator<CopyStep> {
  const { stream, revision } = first.event;
  const begins = revision > 0 && revision === first.firstRevision;
  if (begins) yield* placeholderSteps(stream, revision);
  yield {
    stream,
    events,
    bytes,
    expected: revisionBefore(revision),
    copied: events.length,
    ...(begins && { truncateBefore: revision }),
  };
}

/** Consecutive events of one stream that fit into one append. */
interface Run {
  readonly first: RetainedEvent;
  readonly events: NewEvent[];
  bytes: number;
}

function* runsOf(page: readonly RetainedEvent[]): Generator<Run> {
  let run: Run | undefined;
  for (const retained of page) {
    const { position: _, stream, revision: __, ...event } = retained.event;
    const bytes = Buffer.byteLength(JSON.stringify(event));
    const fits =
      run?.first.event.stream === stream &&
      run.events.length < EVENTS_PER_APPEND &&
      run.bytes + bytes <= BYTES_PER_APPEND;
    if (run && !fits) yield run;
    if (!run || !fits) run = { first: retained, events: [], bytes: 0 };
    run.events.push(event);
    run.bytes += bytes;
  }
  if (run) yield run;
}

function* placeholderSteps(stream: string, before: number): Generator<CopyStep> {
  let from = 0;
  for (const events of placeholdersBefore(stream, before)) {
    const bytes = JSON.stringify(events).length;
    yield { stream, events, bytes, expected: revisionBefore(from), copied: 0 };
    from += events.length;
  }
}

const revisionBefore = (revision: number): ExpectedRevision =>
  revision === 0 ? 'no-stream' : revision - 1;
