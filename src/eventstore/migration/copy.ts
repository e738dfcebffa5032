/** Copies what a log retains, with ids, revisions and order. */
import type { EventStore, Position } from '../port.ts';
import { appendInOrder, type CopyStep } from './append-pipeline.ts';
import { type CopiedEvent, copySteps } from './copy-steps.ts';
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
  await appendInOrder(stepsFrom(source, options), {
    target,
    signal: options.signal,
    onDone(step) {
      copied += step.copied;
      options.onProgress(copied);
    },
  });
  return copied;
}

async function* stepsFrom(
  source: EventStore,
  { after, signal, starts, onPage }: CopyOptions,
): AsyncGenerator<CopyStep> {
  for await (const page of retainedEvents(source, { after, signal, starts })) {
    await onPage();
    for await (const step of copySteps(page.map(toCopy))) {
      signal.throwIfAborted();
      yield step;
    }
  }
}

const toCopy = ({ event, firstRevision }: RetainedEvent): CopiedEvent => {
  const { position: _, stream, revision, ...rest } = event;
  return { stream, revision, begins: revision === firstRevision, event: rest };
};
