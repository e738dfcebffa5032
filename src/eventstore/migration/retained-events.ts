/** The events that a log retains, and where each of its streams begins. */
import { createLimiter } from '../../kit/limiter.ts';
import { Lru } from '../../kit/lru.ts';
import type { EventStore, Position, RecordedEvent } from '../port.ts';
import { firstEvent } from '../reading.ts';
import { isPlaceholder, revisionBehindPlaceholders } from './placeholders.ts';

interface StreamStart {
  /** The revision of the first event that the stream retains; infinite for a stream that retains none. */
  readonly firstRevision: number;
  /** Placeholders still stand before that event: the log is an unfinished copy. */
  readonly hasPlaceholders: boolean;
}

export interface RetainedEvent extends StreamStart {
  readonly event: RecordedEvent;
}

/** Leases say which process owns what. They are no history, and mean nothing in another store. */
const LEASE_STREAMS = 'lease-';
export const PAGE_EVENTS = 512;
/** Each stream needs one look-up. One at a time, EventStoreDB answered 800 of them a second. */
export const CONCURRENT_LOOK_UPS = 64;
/** Some 20 MB. A stream that is forgotten is looked up again. */
export const REMEMBERED_STREAMS = 200_000;
const NOTHING_RETAINED: StreamStart = {
  firstRevision: Number.POSITIVE_INFINITY,
  hasPlaceholders: false,
};

/** Finds where a stream begins. */
export type StreamStarts = (stream: string) => Promise<StreamStart>;

/** Looks each stream up once, for a log that nobody writes to. */
export function createStreamStarts(store: EventStore): StreamStarts {
  const known = new Lru<Promise<StreamStart>>(REMEMBERED_STREAMS);
  const limited = createLimiter(CONCURRENT_LOOK_UPS);
  return (stream) => {
    const start = known.get(stream) ?? limited(() => lookUp(store, stream));
    known.set(stream, start);
    return start;
  };
}

async function lookUp(store: EventStore, stream: string): Promise<StreamStart> {
  const event = await firstEvent(store, stream);
  if (!event) return NOTHING_RETAINED;
  return isPlaceholder(event)
    ? { firstRevision: revisionBehindPlaceholders(event), hasPlaceholders: true }
    : { firstRevision: event.revision, hasPlaceholders: false };
}

export interface RetainedOptions {
  /** Exclusive; default: from the beginning of the log. */
  readonly after?: Position | undefined;
  readonly signal?: AbortSignal;
  readonly starts?: StreamStarts;
}

/**
 * The events that a log retains, in its order, in pages: those that a read of their stream still shows. A read of the
 * whole log may show more. EventStoreDB shows events of deleted and truncated streams until a scavenge, and a copy of
 * them would bring the key of an erased person back. Leases and placeholders are left out.
 * @throws the signal's reason when it is aborted
 */
export async function* retainedEvents(
  store: EventStore,
  { after, signal, starts = createStreamStarts(store) }: RetainedOptions = {},
): AsyncGenerator<readonly RetainedEvent[]> {
  let { retained, last } = await loadPage(store, starts, after);
  while (last !== undefined) {
    signal?.throwIfAborted();
    const next = loadPage(store, starts, last);
    // The next page loads while this one is worked on. Its error is thrown where it is awaited.
    next.catch(() => {});
    if (retained.length > 0) yield retained;
    ({ retained, last } = await next);
  }
}

/** @returns `last`: the position of the page's last event; undefined at the end of the log */
async function loadPage(
  store: EventStore,
  starts: StreamStarts,
  after: Position | undefined,
): Promise<{ retained: RetainedEvent[]; last: Position | undefined }> {
  const page = await store.readAll({ limit: PAGE_EVENTS, ...(after !== undefined && { after }) });
  const candidates = page.filter(
    (event) => !event.stream.startsWith(LEASE_STREAMS) && !isPlaceholder(event),
  );
  const located = await Promise.all(
    candidates.map(async (event) => ({ event, ...(await starts(event.stream)) })),
  );
  return {
    retained: located.filter(({ event, firstRevision }) => event.revision >= firstRevision),
    last: page.at(-1)?.position,
  };
}
