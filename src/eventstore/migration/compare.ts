/** Compares two logs event by event: content, revisions and order. */
import type { EventStore, Position } from '../port.ts';
import { addToDigest, emptyDigest, hashOfEvent, type LogDigest } from './digest.ts';
import { type RetainedEvent, retainedEvents, type StreamStarts } from './retained-events.ts';

/** Where two logs part. */
export interface Difference {
  readonly stream: string;
  readonly revision: number;
  /** For a person. */
  readonly reason: string;
}

export interface Comparison {
  readonly source: LogDigest;
  /** The first difference; null when the logs are equal, or with `prefix` when the target is what the source begins with. */
  readonly difference: Difference | null;
  /** The source's last event before the first difference or the end of the target; undefined without one. */
  readonly equalUpTo: Position | undefined;
  /** Streams whose placeholders the target still shows, and the revision behind them. */
  readonly untruncated: ReadonlyMap<string, number>;
}

export interface CompareOptions {
  /** Stops at the first difference or the end of the target: the source may have more events. */
  readonly prefix?: boolean;
  readonly signal: AbortSignal;
  /** Of the source. */
  readonly starts: StreamStarts;
  /** Called now and then with the number of events compared. */
  readonly onProgress: (events: number) => void;
}

export const EVENTS_BETWEEN_PROGRESS = 512;

/**
 * Reads two logs side by side. Without `prefix` both are read to their end, because only then it is known whether
 * streams differ or just their order.
 */
export async function compareLogs(
  source: EventStore,
  target: EventStore,
  { prefix = false, signal, starts, onProgress }: CompareOptions,
): Promise<Comparison> {
  const sourceDigest = emptyDigest();
  const targetDigest = emptyDigest();
  await using sourceEvents = hashedEvents(retainedEvents(source, { signal, starts }), sourceDigest);
  await using targetEvents = hashedEvents(retainedEvents(target, { signal }), targetDigest);
  const untruncated = new Map<string, number>();
  let equalUpTo: Position | undefined;
  let difference: Difference | null = null;
  for (;;) {
    const { value: expected } = await sourceEvents.next();
    const { value: actual } = await targetEvents.next();
    if (actual?.hasPlaceholders) untruncated.set(actual.event.stream, actual.firstRevision);
    if (!actual && (prefix || !expected)) break;
    difference ??= differenceBetween(expected, actual, prefix);
    if (!difference) equalUpTo = expected?.event.position;
    else if (prefix) break;
    if (sourceDigest.log.events % EVENTS_BETWEEN_PROGRESS === 0)
      onProgress(sourceDigest.log.events);
  }
  if (difference && !prefix) difference = withExtent(difference, sourceDigest, targetDigest);
  return { source: sourceDigest, difference, equalUpTo, untruncated };
}

interface HashedEvent extends RetainedEvent {
  readonly hash: string;
}

/** The events one by one, each added to the digest before it is handed out. */
async function* hashedEvents(
  pages: AsyncGenerator<readonly RetainedEvent[]>,
  digest: LogDigest,
): AsyncGenerator<HashedEvent, undefined> {
  for await (const page of pages) {
    for (const retained of page) {
      const hash = hashOfEvent(retained.event);
      addToDigest(digest, retained.event.stream, hash);
      yield { ...retained, hash };
    }
  }
}

function differenceBetween(
  expected: HashedEvent | undefined,
  actual: HashedEvent | undefined,
  prefix: boolean,
): Difference | null {
  const { event } = expected ?? actual ?? {};
  if (!event) return null;
  const { stream, revision } = event;
  if (!actual) return { stream, revision, reason: `the target lacks ${nameOf(event)}` };
  if (!expected) return { stream, revision, reason: `the target has ${nameOf(event)} more` };
  if (expected.hash !== actual.hash) {
    const same = event.id === actual.event.id && stream === actual.event.stream;
    const reason = same
      ? `the content of ${nameOf(event)} differs`
      : `the target has ${nameOf(actual.event)} in the place of ${nameOf(event)}`;
    return { stream, revision, reason };
  }
  if (actual.hasPlaceholders && !expected.hasPlaceholders && !prefix) {
    return { stream, revision: 0, reason: `the target shows placeholders of ${stream}` };
  }
  return null;
}

const nameOf = ({ stream, revision, type, id }: RetainedEvent['event']): string =>
  `${stream} revision ${revision} (${type}, ${id})`;

/** Adds whether streams differ or only their order. */
function withExtent(difference: Difference, source: LogDigest, target: LogDigest): Difference {
  const names = new Set([...source.streams.keys(), ...target.streams.keys()]);
  const differing = [...names].filter(
    (name) => source.streams.get(name)?.digest !== target.streams.get(name)?.digest,
  ).length;
  const extent =
    differing === 0
      ? 'each stream is equal, their order is not'
      : `${differing} of ${names.size} streams differ`;
  const counts = `the source has ${countsOf(source)}, the target ${countsOf(target)}`;
  return { ...difference, reason: `${difference.reason}; ${extent}; ${counts}` };
}

const countsOf = ({ log, streams }: LogDigest): string =>
  `${log.events} events in ${streams.size} streams`;
