/**
 * The event store as the rest of the service sees it. Every adapter keeps these promises, and one conformance suite
 * (test/eventstore/conformance.ts) tests them all.
 *
 * This folder has the port, its two adapters (sqlite/ and esdb/), the copy between stores (migration/), and a cache of
 * folded states (snapshots.ts). open.ts opens the store that the configuration names; only the composition root calls it.
 * Everybody else may import this file and reading.ts. The folder builds on src/sqlite.
 *
 * Every adapter promises: an append is atomic within one stream, up to {@link MAX_APPEND_BYTES}; it is durable before it
 * resolves; and it is idempotent for the same event ids with the same exact expected revision (or `no-stream`).
 */
import { type AppError, isTransient } from '../errors.ts';
import type { JsonObject } from '../kit/json.ts';

declare const positionBrand: unique symbol;

/** A place in the whole log: an opaque string that names its store. Compare two with {@link EventStore.compare} only. */
export type Position = string & { readonly [positionBrand]: true };

/** The personal data of a fact, encrypted with AES-256-GCM. */
export interface Sealed {
  /** Names the data key: `{tenant}.{visitor key}` or `{tenant}`. The key itself is in the stream `key-{key}`. */
  readonly key: string;
  /** Base64 of nonce (12 bytes), ciphertext and tag (16 bytes). */
  readonly box: string;
  /** What the box is bound to. 2: its key, stream, type and event id. Absent, as up to 0.1.0: its key alone. */
  readonly v?: 2;
}

export interface EventMetadata {
  readonly tenant: string | null;
  /** When the event happened, in ms since 1970. Never decreases within a stream. */
  readonly at: number;
  /** When the actor's next timer is due, in ms since 1970; absent when it has none. */
  readonly wakeAt?: number;
  readonly commandId: string;
  /** Of the request or the command that all of this began with. */
  readonly correlationId: string;
  /** The id of the event that caused it; without one, that of the command. */
  readonly causationId: string;
  /** The caller's trace (W3C Trace Context), if the caller named one. `traceIdOf` (src/kit/trace-context.ts) has one for every fact. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** The machine that decided, with its version, such as `visitor/1`. */
  readonly machine: string;
  /** The webhook event that caused it (docs/contracts.md). A repeat of that event is recognised by this. */
  readonly hook?: { readonly queueId: string; readonly seq: number };
  /**
   * What an operator said, by a keyed fingerprint, and in which session of their client. A client that sends it again is
   * recognised by this (src/actors/machine/idempotency.ts).
   */
  readonly said?: {
    readonly key: string;
    readonly at: number;
    readonly session?: string;
    readonly resumptions?: number;
    readonly unique?: boolean;
  };
  /** A keyed fingerprint of the request, if the caller chose the command's id. */
  readonly request?: string;
}

/** A fact in its envelope (docs/architecture.md). Once appended, it never changes. */
export interface NewEvent {
  /** A UUID: version 7, or derived from the command's id with the same time prefix. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly personal: Sealed | null;
  readonly metadata: EventMetadata;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  /** 0, 1, 2 … without gaps within the stream. A stream that begins again goes on behind its last one. */
  readonly revision: number;
  readonly position: Position;
}

/** `any` is for events that need no order. After a restart of the store, a repeated append with `any` may be stored twice. */
export type ExpectedRevision = 'any' | 'no-stream' | 'exists' | number;

export interface AppendResult {
  /** The revision of the last event of the append. */
  readonly revision: number;
  readonly position: Position;
}

export interface ReadStreamOptions {
  /** The revision to begin with, inclusive; default the first one, or the last one when reading backwards. */
  readonly from?: number;
  readonly direction?: 'forwards' | 'backwards';
  /** The number of events at most; default {@link READ_LIMIT}. */
  readonly limit?: number;
}

export interface ReadAllOptions {
  /** Exclusive: events after this position, or before it when reading backwards. Default: from the beginning, or the end. */
  readonly after?: Position;
  /** Only streams whose name begins with one of these; default all. */
  readonly prefixes?: readonly string[];
  readonly direction?: 'forwards' | 'backwards';
  /** The number of events at most; default {@link READ_LIMIT}. */
  readonly limit?: number;
}

export interface SubscribeOptions {
  /** Exclusive; default from the beginning. */
  readonly after?: Position | undefined;
  readonly prefixes?: readonly string[];
  /** Ends the subscription, and with it the iteration. */
  readonly signal: AbortSignal;
  /** Events in a batch at most; default {@link SUBSCRIPTION_BATCH}. */
  readonly batch?: number;
}

/** Events of a subscription, in order, without gap or repeat. A batch may be empty. */
export interface SubscriptionBatch {
  readonly events: readonly RecordedEvent[];
  /**
   * The subscription has yielded every matching event up to this position. Events that do not match move it too. It can
   * be stored as a checkpoint.
   */
  readonly through: Position;
  /** True when this batch reached the end of the log. */
  readonly live: boolean;
}

/** Events of one read, where the caller sets no limit. */
export const READ_LIMIT = 1000;
/** Events of one batch of a subscription, where the caller sets no limit. */
export const SUBSCRIPTION_BATCH = 512;
/** The largest append, in bytes of its events as JSON. It is the limit of EventStoreDB, and every adapter keeps it. */
export const MAX_APPEND_BYTES = 1024 * 1024;

export interface AppendOptions {
  /**
   * Nobody waits for these events: the append may wait a few milliseconds, to share a flush to the disk with later ones.
   * So it does not keep back an append that somebody waits for.
   */
  readonly patient?: boolean;
}

export interface DeleteOptions {
  readonly expected?: number;
}

export interface EventStore {
  /** Names this log. It is part of every position, and no two logs have the same. */
  readonly id: string;

  /**
   * Appends events atomically to one stream. They are on disk when the promise resolves.
   * @throws {WrongExpectedRevision} if the stream is at another revision and this append is not a repeat
   * @throws {AppError} `too-large` past {@link MAX_APPEND_BYTES}; `unavailable` if the outcome is unknown: then repeat the
   *   append with the same ids and the same expected revision
   */
  append(
    stream: string,
    events: readonly NewEvent[],
    expected: ExpectedRevision,
    options?: AppendOptions,
  ): Promise<AppendResult>;

  /** @returns events of a stream in order; none if the stream is missing or `from` is past its end */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>;

  /** @returns a page of the whole log in order of position */
  readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]>;

  /** Catches up and then goes live, with no gap and no repeat. After a lost connection it resumes by itself. */
  subscribe(options: SubscribeOptions): AsyncIterable<SubscriptionBatch>;

  /** @returns the position of the last event; null when the log is empty. On EventStoreDB its own events count too. */
  head(): Promise<Position | null>;

  /**
   * Deletes the events of a stream for good. Deleting a key stream makes the personal data under that key unreadable. On
   * EventStoreDB, readers of the stream no longer see the events, but `$all`, subscriptions and the disk keep them until
   * a scavenge. A missing stream is left alone.
   * @param options.expected the revision of its last event; default any. An append that comes first is not lost
   * @throws {WrongExpectedRevision} if the stream is at another revision
   */
  deleteStream(stream: string, options?: DeleteOptions): Promise<void>;

  /**
   * Hides the events before this revision at once, and removes them later (EventStoreDB: with a scavenge). The other
   * events keep their revisions.
   */
  truncateBefore(stream: string, revision: number): Promise<void>;

  /**
   * @returns a negative number if a is before b, 0 if they are equal, a positive number if a is after b
   * @throws {AppError} `invalid` for a position of another store
   */
  compare(a: Position, b: Position): number;

  /** @throws {AppError} `invalid` for a string that is not a position of this store */
  parsePosition(text: string): Position;

  /** Resolves if the store answers. @throws {AppError} `unavailable` with the reason */
  check(): Promise<void>;

  /** Waits for the appends in progress, then closes. */
  close(): Promise<void>;
}

/** The stream is not at the revision that the writer expected. Load it again and decide again. */
export class WrongExpectedRevision extends Error {
  override readonly name = 'WrongExpectedRevision';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  /** null if the stream does not exist. */
  readonly actual: number | null;

  constructor(stream: string, expected: ExpectedRevision, actual: number | null) {
    super(`${stream} is at revision ${actual ?? 'none'}, not ${expected}`);
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

/** The name of the event store in `details.part` of its errors. */
export const EVENT_STORE = 'the event store';

/**
 * True if the event store itself is away, too slow or too busy. False for the same codes from any other part: an actor
 * whose mailbox is full, ejabberd. An opened store marks its errors so (open.ts).
 */
export const isStoreAway = (error: unknown): error is AppError =>
  isTransient(error) && error.details.part === EVENT_STORE;
