import type { EventStore, Position, RecordedEvent } from '../port.ts';
import { firstEvent } from '../reading.ts';
import { firstBehind, isPlaceholder } from './placeholders.ts';

/** An event that its stream still shows. */
export interface Retained {
  readonly event: RecordedEvent;
  /** The revision of the first event that its stream shows. */
  readonly first: number;
  /** Placeholders in front of it were not cut off: the log is a copy that was not finished. */
  readonly uncut: boolean;
}

interface Start {
  readonly first: number;
  readonly uncut: boolean;
}

/** Who owns what among processes: no history, and worth nothing elsewhere. */
const LEASES = 'lease-';
const PAGE = 512;
/** Look-ups on their way at once: one at a time gave 800/s on EventStoreDB, which is a stream each. */
const LOOK_UPS = 64;
/** Streams remembered, some 20 MB; one that is forgotten is looked up again. */
const REMEMBERED = 200_000;
const GONE: Start = { first: Number.POSITIVE_INFINITY, uncut: false };

/** Where streams begin, looked up once for each. May be shared by readings of a log that stands still. */
export type Starts = (streams: ReadonlySet<string>) => Promise<ReadonlyMap<string, Start>>;

export const createStarts = (store: EventStore): Starts => {
  const known = new Map<string, Start>();

  const lookUp = async (stream: string): Promise<readonly [string, Start]> => {
    const event = await firstEvent(store, stream);
    return [stream, event ? startAt(event) : GONE];
  };

  return async (streams) => {
    const found = new Map<string, Start>();
    const unknown: string[] = [];
    for (const stream of streams) {
      const start = known.get(stream);
      if (start) found.set(stream, start);
      else unknown.push(stream);
    }
    if (known.size > REMEMBERED) known.clear();
    for (let i = 0; i < unknown.length; i += LOOK_UPS) {
      for (const [stream, start] of await Promise.all(unknown.slice(i, i + LOOK_UPS).map(lookUp))) {
        known.set(stream, start);
        found.set(stream, start);
      }
    }
    return found;
  };
};

export interface RetainedOptions {
  readonly after?: Position | undefined;
  readonly signal?: AbortSignal;
  readonly starts?: Starts;
}

/**
 * What is retained of a log, in its order, by pages: what a read of each stream still shows. The whole log may show
 * more, on EventStoreDB until a scavenge: an erased person's key must not come to life again. Leases and placeholders
 * are left out.
 */
export async function* retained(
  store: EventStore,
  { after, signal, starts = createStarts(store) }: RetainedOptions = {},
): AsyncGenerator<readonly Retained[]> {
  const load = async (from: Position | undefined): Promise<readonly Retained[] | null> => {
    signal?.throwIfAborted();
    const page = await store.readAll({
      limit: PAGE,
      ...(from === undefined ? {} : { after: from }),
    });
    end = page.at(-1)?.position;
    const events = page.filter(({ stream }) => !stream.startsWith(LEASES));
    const found = await starts(new Set(events.map(({ stream }) => stream)));
    if (page.length === 0) return null;
    return events.flatMap((event) => select(event, found.get(event.stream) ?? GONE));
  };

  let end: Position | undefined;
  let page = await load(after);
  while (page) {
    // The next page is on its way while this one is worked on; what it throws is thrown when it is wanted.
    const next = load(end);
    next.catch(() => {});
    if (page.length > 0) yield page;
    page = await next;
  }
}

const select = (event: RecordedEvent, start: Start): Retained[] =>
  event.revision >= start.first && !isPlaceholder(event) ? [{ event, ...start }] : [];

const startAt = (event: RecordedEvent): Start =>
  isPlaceholder(event)
    ? { first: firstBehind(event), uncut: true }
    : { first: event.revision, uncut: false };
