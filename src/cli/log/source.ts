/**
 * The log as the commands of engineers read it: from the running service over HTTP (service-source.ts), or from an event
 * store directly (store-source.ts). One test suite runs on both. Nothing here can write.
 */
import type { JsonObject } from '../../kit/json.ts';
import type { EventView } from '../../replay/event-view.ts';
import type { ActorAt, Difference } from '../../replay/points.ts';
import type { Trace } from '../../replay/trace.ts';
import type { Report } from '../../replay/whole-log.ts';

/** An event, its personal data opened. */
export interface LogEvent extends EventView {
  /** It has personal data, and the secret that opens it is not known here. */
  readonly sealed?: true;
}

export type Direction = 'forwards' | 'backwards';

export interface StreamQuery {
  /** The revision to begin with, inclusive. */
  readonly from?: number | undefined;
  readonly direction?: Direction | undefined;
  /** At most {@link PAGE_EVENTS}, which is the default. */
  readonly limit?: number | undefined;
}

export interface LogQuery {
  /** A position, exclusive. */
  readonly after?: string | undefined;
  readonly direction?: Direction | undefined;
  readonly limit?: number | undefined;
  readonly tenant?: string | undefined;
  readonly types?: readonly string[] | undefined;
}

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Where the next page begins; null at the end. A page may be short before the end. */
  readonly next: string | null;
  /** The last event that was looked at; null if there was none. */
  readonly through: { readonly position: string; readonly at: number } | null;
}

/** A point in the history of a stream: a revision, or a time in ms since 1970; the end if neither is given. */
export interface Point {
  readonly revision?: number | undefined;
  readonly at?: number | undefined;
}

/** A stream as lists show it. */
export interface StreamRow {
  readonly stream: string;
  readonly category: string;
  /** null for the service itself. */
  readonly tenant: string | null;
  readonly name: string;
  /** Of a visitor or an operator; null where it is not known. */
  readonly jid: string | null;
  /** ms since 1970 */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly lastRevision: number;
  readonly lastType: string;
  readonly erased: boolean;
}

export interface StreamFilter {
  readonly category?: string | undefined;
  readonly tenant?: string | undefined;
  readonly jid?: string | undefined;
  readonly chat?: string | undefined;
  /** A part of the stream's name. */
  readonly text?: string | undefined;
}

export interface ReplayOptions {
  readonly tenant?: string | undefined;
  /** A position: only facts behind it. */
  readonly from?: string | undefined;
}

/** How far a long read is: events so far. */
export type OnProgress = (events: number) => void;

export interface LogSource {
  /** For messages: `the service at http://…`, `sqlite:…`. */
  readonly name: string;
  /** @returns events in order; none if the stream is missing or `from` is past its end */
  readStream(stream: string, query?: StreamQuery): Promise<readonly LogEvent[]>;
  /**
   * The streams that match, the one with the newest fact first. A store is scanned for them from its beginning.
   * @param signal ends a scan
   */
  streams(
    filter: StreamFilter,
    onProgress?: OnProgress,
    signal?: AbortSignal,
  ): AsyncIterable<StreamRow>;
  /** @returns a page of the whole log */
  readLog(query?: LogQuery): Promise<LogPage>;
  /** @returns null if the stream has no facts up to there, or belongs to no actor */
  state(stream: string, point: Point): Promise<ActorAt | null>;
  /** @returns null if there is no such stream, or it belongs to no actor */
  diff(stream: string, a: number, b: number): Promise<Difference | null>;
  /** @returns null if nothing has this id. A store is scanned for it, and has no requests, attempts and callbacks */
  trace(id: string, onProgress?: OnProgress, signal?: AbortSignal): Promise<Trace | null>;
  /** Folds all streams with the machines of this version: on the service its own version, on a store that of the command. */
  replay(options: ReplayOptions, signal: AbortSignal): AsyncIterable<Report>;
  /** Whether requests, attempts and snapshots are known: they are not in the log. */
  readonly hasJournal: boolean;
  close(): Promise<void>;
}

/** Events in one read. */
export const PAGE_EVENTS = 500;

/** The events of a stream, page by page, in order from a revision on. */
export async function* streamEvents(
  source: Pick<LogSource, 'readStream'>,
  stream: string,
  from = 0,
): AsyncGenerator<LogEvent> {
  for (let next = from; ; ) {
    const page = await source.readStream(stream, { from: next, limit: PAGE_EVENTS });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_EVENTS) return;
    next = last.revision + 1;
  }
}

/** Called with every page of a long read: where it is. */
export type OnPage = (through: { readonly position: string; readonly at: number }) => void;

/** The events of the log, page by page. */
export async function* logEvents(
  source: Pick<LogSource, 'readLog'>,
  query: LogQuery = {},
  onPage: OnPage = () => {},
): AsyncGenerator<LogEvent> {
  for (let after = query.after; ; ) {
    const { events, next, through } = await source.readLog({ limit: PAGE_EVENTS, ...query, after });
    yield* events;
    if (through) onPage(through);
    if (next === null) return;
    after = next;
  }
}

/**
 * @returns the first revision of a stream whose time is at or after `at`; the one behind its end if there is none. The time
 *   of facts never decreases within a stream
 */
export async function revisionSince(
  source: Pick<LogSource, 'readStream'>,
  stream: string,
  at: number,
): Promise<number> {
  const [first] = await source.readStream(stream, { limit: 1 });
  const [last] = await source.readStream(stream, { limit: 1, direction: 'backwards' });
  if (!first || !last) return 0;
  let low = first.revision;
  let high = last.revision + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [event] = await source.readStream(stream, { from: middle, limit: 1 });
    if (!event || event.metadata.at >= at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Clocks of processes differ a little: so far the order of the log and of its times may differ. */
export const CLOCKS_DIFFER_MS = 60_000;

/** No type is called so: nothing matches, and a page is as long as it may be. */
const NO_TYPE = ['-'];

/** @returns a position before every event since `at`; undefined for the beginning of the log */
export async function positionBefore(
  source: Pick<LogSource, 'readLog'>,
  at: number,
): Promise<string | undefined> {
  for (let after: string | undefined; ; ) {
    const { next, through } = await source.readLog({
      after,
      direction: 'backwards',
      types: NO_TYPE,
    });
    if (through && through.at < at - CLOCKS_DIFFER_MS) return through.position;
    if (next === null) return undefined;
    after = next;
  }
}

/** The personal part as it is shown where there is none to show. */
export const withoutPersonal = ({
  erased,
  sealed,
}: Pick<LogEvent, 'erased' | 'sealed'>): string | null =>
  sealed ? '(sealed)' : erased ? '(erased)' : null;

const numberOf = (position: string): bigint =>
  BigInt(position.slice(position.lastIndexOf(':') + 1));

/** Both positions are of one log: they end with a number that grows. @returns negative if a is before b */
export function compareInLog(a: { readonly position: string }, b: { readonly position: string }) {
  const [one, other] = [numberOf(a.position), numberOf(b.position)];
  return one < other ? -1 : Number(one > other);
}

/** How much of the log is behind a reader, from 0 to 1. @param from where it began; undefined: at the beginning */
export function shareOf(position: string, from: string | undefined, end: string): number {
  const begin = from === undefined ? 0n : numberOf(from);
  const whole = numberOf(end) - begin;
  return whole > 0n ? Number(numberOf(position) - begin) / Number(whole) : 1;
}

/** True for the part that nobody sees, such as the secrets of a tenant. */
export const isHidden = (value: JsonObject | null): boolean => value?.hidden === true;
