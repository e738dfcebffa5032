import type { EventStore, Position } from '../port.ts';
import { createLogDigest, hashOf, type LogDigest } from './digest.ts';
import { type Retained, retained, type Starts } from './retained.ts';

/** Where two logs part. */
export interface Difference {
  readonly stream: string;
  readonly revision: number;
  /** For a person. */
  readonly reason: string;
}

export interface Comparison {
  readonly source: LogDigest;
  /** The first one; null when the logs are equal (or the target is a prefix, when that was asked for). */
  readonly difference: Difference | null;
  /** Of the last event of the source that the target has too; undefined when there is none. */
  readonly through: Position | undefined;
  /** Streams whose placeholders the target still shows, and where they are to be cut. */
  readonly uncut: ReadonlyMap<string, number>;
}

export interface CompareOptions {
  /** Ends well with the target: what the source has more is no difference. */
  readonly prefix?: boolean;
  readonly signal: AbortSignal;
  /** Of the source. */
  readonly starts: Starts;
  /** After each page: events compared, and the position in the source. */
  readonly onProgress?: (events: number, at: Position) => void;
}

/**
 * Reads two logs side by side and compares what they retain, event by event: content, revisions and order. A difference
 * does not end it unless `prefix`: only at the end it is known whether streams differ, or their order alone.
 */
export const compareLogs = async (
  source: EventStore,
  target: EventStore,
  { prefix = false, signal, starts, onProgress }: CompareOptions,
): Promise<Comparison> => {
  const left = createCursor(retained(source, { signal, starts }));
  const right = createCursor(retained(target, { signal }));
  const uncut = new Map<string, number>();
  let through: Position | undefined;
  let parted: Difference | null = null;
  let compared = 0;
  try {
    for (;;) {
      const wanted = await left.next();
      const found = await right.next();
      if (found?.uncut) uncut.set(found.event.stream, found.first);
      if (!wanted && !found) break;
      if (!parted) {
        if (prefix && !found) break;
        parted = differenceOf(wanted, left.hash, found, right.hash, prefix);
        if (parted && prefix) break;
        if (!parted) through = wanted?.event.position;
      }
      compared += 1;
      if (wanted && compared % 512 === 0) onProgress?.(compared, wanted.event.position);
    }
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
  const difference = parted && !prefix ? refine(parted, left.digest, right.digest) : parted;
  return { source: left.digest, difference, through, uncut };
};

interface Cursor {
  next(): Promise<Retained | null>;
  /** Of the event that `next` gave. */
  readonly hash: string;
  readonly digest: LogDigest;
  close(): Promise<unknown>;
}

const createCursor = (pages: ReturnType<typeof retained>): Cursor => {
  const digest = createLogDigest();
  let page: readonly Retained[] = [];
  let at = 0;
  let hash = '';
  return {
    next: async () => {
      if (at === page.length) {
        page = (await pages.next()).value ?? [];
        at = 0;
      }
      const item = page[at];
      if (!item) return null;
      at += 1;
      hash = hashOf(item.event);
      digest.add(item.event.stream, hash);
      return item;
    },
    get hash() {
      return hash;
    },
    digest,
    close: () => pages.return(undefined),
  };
};

const named = ({ event }: Retained): string =>
  `${event.stream} revision ${event.revision} (${event.type}, ${event.id})`;

const differenceOf = (
  wanted: Retained | null,
  wantedHash: string,
  found: Retained | null,
  foundHash: string,
  prefix: boolean,
): Difference | null => {
  const at = wanted ?? found;
  if (!at) return null;
  const { stream, revision } = at.event;
  if (!wanted) return { stream, revision, reason: `the target has ${named(at)} more` };
  if (!found) return { stream, revision, reason: `the target lacks ${named(wanted)}` };
  const same = wanted.event.id === found.event.id && wanted.event.stream === found.event.stream;
  if (wantedHash !== foundHash) {
    const reason = same
      ? `the content of ${named(wanted)} differs`
      : `the target has ${named(found)} in the place of ${named(wanted)}`;
    return { stream, revision, reason };
  }
  if (found.uncut && !wanted.uncut && !prefix) {
    return { stream, revision: 0, reason: `the target shows placeholders of ${stream}` };
  }
  return null;
};

/** Says whether streams differ, or only the order among them. */
const refine = (difference: Difference, source: LogDigest, target: LogDigest): Difference => {
  const names = new Set([...source.streams.keys(), ...target.streams.keys()]);
  const differing = [...names].filter(
    (name) => source.streams.get(name)?.chain !== target.streams.get(name)?.chain,
  );
  const counts = `${source.events} events in ${source.streams.size} streams at the source, ${target.events} in ${target.streams.size} at the target`;
  const extent =
    differing.length === 0
      ? 'each stream for itself is equal, their order is not'
      : `${differing.length} of ${names.size} streams differ`;
  return { ...difference, reason: `${difference.reason}; ${extent} (${counts})` };
};
