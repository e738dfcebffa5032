/**
 * The reads that most callers need, on top of the two reads of the port: one event, or events from the newest on until
 * the caller has seen enough.
 */
import type { EventStore, Position, RecordedEvent } from './port.ts';

type StreamReader = Pick<EventStore, 'readStream'>;
type LogReader = Pick<EventStore, 'readAll'>;

/** Events read in one go by {@link backwards} and {@link logBackwards}. */
export const READ_PAGE_EVENTS = 250;
/**
 * Events read to find the last one of the log. On EventStoreDB the end of the log may hold many events of the store
 * itself; one at a time would pass them slowly.
 */
export const LOG_END_EVENTS = 64;

/** @returns the last event of a stream; null if the stream is missing or empty */
export async function lastEvent(
  store: StreamReader,
  stream: string,
): Promise<RecordedEvent | null> {
  const [event] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  return event ?? null;
}

/** @returns the first event that a stream still has; null if the stream is missing or empty */
export async function firstEvent(
  store: StreamReader,
  stream: string,
): Promise<RecordedEvent | null> {
  const [event] = await store.readStream(stream, { limit: 1 });
  return event ?? null;
}

/**
 * @param revision -1 stands for no event
 * @returns the event at exactly this revision; null if it was never written, was deleted or was cut off
 */
export async function eventAt(
  store: StreamReader,
  stream: string,
  revision: number,
): Promise<RecordedEvent | null> {
  if (revision < 0) return null;
  const [event] = await store.readStream(stream, { from: revision, limit: 1 });
  return event?.revision === revision ? event : null;
}

/**
 * Yields the events of a stream, the newest first, and reads on page by page while the caller iterates.
 * @param options.from the revision to begin with; default the last one
 * @param options.most the number of events to yield at most; default all
 */
export async function* backwards(
  store: StreamReader,
  stream: string,
  {
    from,
    most = Number.POSITIVE_INFINITY,
  }: { readonly from?: number; readonly most?: number } = {},
): AsyncGenerator<RecordedEvent> {
  let next = from;
  for (let left = most; left > 0; ) {
    if (next !== undefined && next < 0) return;
    const limit = Math.min(READ_PAGE_EVENTS, left);
    const page = await store.readStream(stream, {
      direction: 'backwards',
      limit,
      ...(next !== undefined && { from: next }),
    });
    yield* page;
    const oldest = page.at(-1);
    if (!oldest || page.length < limit) return;
    next = oldest.revision - 1;
    left -= page.length;
  }
}

/** @returns the last event of the whole log; null if the log has none */
export async function lastInLog(store: LogReader): Promise<RecordedEvent | null> {
  const [event] = await store.readAll({ direction: 'backwards', limit: LOG_END_EVENTS });
  return event ?? null;
}

/**
 * @param after exclusive; null stands for the beginning of the log
 * @returns the next event of the whole log; null at its end
 */
export async function nextInLog(
  store: LogReader,
  after: Position | null,
): Promise<RecordedEvent | null> {
  const [event] = await store.readAll({ limit: 1, ...(after !== null && { after }) });
  return event ?? null;
}

/**
 * Yields the events of the whole log, the newest first, and reads on page by page while the caller iterates.
 * @param most the number of events to yield at most
 */
export async function* logBackwards(store: LogReader, most: number): AsyncGenerator<RecordedEvent> {
  let after: Position | undefined;
  for (let left = most; left > 0; ) {
    const limit = Math.min(READ_PAGE_EVENTS, left);
    const page = await store.readAll({
      direction: 'backwards',
      limit,
      ...(after !== undefined && { after }),
    });
    yield* page;
    if (page.length < limit) return;
    after = page.at(-1)?.position;
    left -= page.length;
  }
}

export interface ScanOptions {
  /** Exclusive; as in the port. */
  readonly after?: Position;
  readonly prefixes?: readonly string[];
  readonly direction?: 'forwards' | 'backwards';
  /** Events to return at most. */
  readonly limit: number;
  readonly matches: (event: RecordedEvent) => boolean;
}

export interface Scanned {
  readonly events: readonly RecordedEvent[];
  /** The last event that was looked at; null if there was none. */
  readonly through: RecordedEvent | null;
  /** True if there was nothing behind it. */
  readonly isAtEnd: boolean;
}

/** Events that {@link scanLog} looks at in one call, some 30 ms on SQLite. */
export const SCAN_EVENTS = 5_000;
/** And at once, so that others have their turn in between. */
export const SCAN_PAGE_EVENTS = 500;

/** @returns the next events that match, but it looks at {@link SCAN_EVENTS} only: a filter that matches little has to ask again */
export async function scanLog(
  store: LogReader,
  { after, limit, matches, ...options }: ScanOptions,
): Promise<Scanned> {
  const events: RecordedEvent[] = [];
  let through: RecordedEvent | null = null;
  for (let looked = 0; looked < SCAN_EVENTS; ) {
    const from = through?.position ?? after;
    const page = await store.readAll({
      ...options,
      ...(from !== undefined && { after: from }),
      limit: SCAN_PAGE_EVENTS,
    });
    for (const event of page) {
      through = event;
      if (matches(event)) events.push(event);
      if (events.length === limit) return { events, through, isAtEnd: false };
    }
    if (page.length < SCAN_PAGE_EVENTS) return { events, through, isAtEnd: true };
    looked += page.length;
  }
  return { events, through, isAtEnd: false };
}
