import type { EventStore, ExpectedRevision, NewEvent, Position } from '../port.ts';
import { createAppendWindow, type Step } from './append-window.ts';
import { placeholders } from './placeholders.ts';
import { type Retained, retained, type Starts } from './retained.ts';

export interface CopyOptions {
  /** Everything of the source up to here is at the target. */
  readonly after?: Position | undefined;
  readonly signal: AbortSignal;
  /** Of the source. */
  readonly starts: Starts;
  /** Before each page; what it throws ends the copy. */
  readonly onPage: () => Promise<void>;
  /** After each append: events copied, and the position in the source that was reached. */
  readonly onProgress: (events: number, at: Position) => void;
}

/** Of one append; half of what fits, since an adapter may need more for an event than its JSON. */
const MOST_EVENTS = 500;
const MOST_BYTES = 512 * 1024;

/**
 * Copies what the source retains behind a position, in its order, with ids and revisions. Consecutive events of one
 * stream go into one append.
 * @returns events copied
 * @throws the signal's reason when it is aborted; what was sent is there by then
 */
export const copyLog = async (
  source: EventStore,
  target: EventStore,
  { after, signal, starts, onPage, onProgress }: CopyOptions,
): Promise<number> => {
  let copied = 0;
  const window = createAppendWindow({
    target,
    signal,
    onDone: (step) => {
      copied += step.copied;
      onProgress(copied, step.at);
    },
  });
  try {
    for await (const page of retained(source, { after, signal, starts })) {
      await onPage();
      for (const run of runsOf(page)) {
        signal.throwIfAborted();
        for (const step of stepsOf(run)) await window.push(step);
      }
    }
    await window.drain();
    return copied;
  } catch (error) {
    await window.abandon();
    throw error;
  }
};

/** Consecutive events of one stream that fit into one append. */
interface Run {
  readonly items: Retained[];
  bytes: number;
}

function* runsOf(page: readonly Retained[]): Generator<Run> {
  let run: Run = { items: [], bytes: 0 };
  for (const item of page) {
    const bytes = Buffer.byteLength(JSON.stringify(toNew(item)));
    const [begun] = run.items;
    const fits = run.items.length < MOST_EVENTS && run.bytes + bytes <= MOST_BYTES;
    if (begun && (begun.event.stream !== item.event.stream || !fits)) {
      yield run;
      run = { items: [], bytes: 0 };
    }
    run.items.push(item);
    run.bytes += bytes;
  }
  if (run.items.length > 0) yield run;
}

const toNew = ({ event }: Retained): NewEvent => {
  const { id, type, schemaVersion, data, personal, metadata } = event;
  return { id, type, schemaVersion, data, personal, metadata };
};

/** The append of a run, behind placeholders for what was in front of its stream's first event. */
function* stepsOf({ items, bytes }: Run): Generator<Step> {
  const [begin] = items;
  const end = items.at(-1);
  if (!begin || !end) return;
  const { stream, revision } = begin.event;
  const at = end.event.position;
  const fills = revision > 0 && revision === begin.first;
  if (fills) {
    let from = 0;
    for (const events of placeholders(stream, revision)) {
      yield {
        stream,
        events,
        expected: behind(from),
        bytes: JSON.stringify(events).length,
        copied: 0,
        at,
      };
      from += events.length;
    }
  }
  yield {
    stream,
    events: items.map(toNew),
    expected: behind(revision),
    bytes,
    copied: items.length,
    at,
    ...(fills ? { cutBefore: revision } : {}),
  };
}

const behind = (revision: number): ExpectedRevision =>
  revision === 0 ? 'no-stream' : revision - 1;
