/**
 * The event store as the rest of the service sees it. Every adapter keeps exactly what is promised here and is
 * held to it by one conformance suite (test/eventstore/conformance.ts).
 *
 * Promised by all: an append is atomic within one stream, up to {@link MAX_APPEND_BYTES}, durable before it resolves,
 * and idempotent for the same event ids with the same exact expected revision (or `no-stream`).
 */
import type { JsonObject } from '../kit/json.ts';

declare const positionBrand: unique symbol;

/** A place in the whole log: an opaque string that names its store. Compare with {@link EventStore.compare} only. */
export type Position = string & { readonly [positionBrand]: true };

/** Personal data of a fact, encrypted (AES-256-GCM) with the data key that `key` names. */
export interface Sealed {
  /** Whose key: `{tenant}.{visitor key}` or `{tenant}`; the key itself is in the stream `key-{key}`. */
  readonly key: string;
  /** base64 of nonce (12 bytes), ciphertext and tag (16 bytes). */
  readonly box: string;
}

export interface EventMetadata {
  readonly tenant: string | null;
  /** When it happened, in ms since 1970; never runs backwards within a stream. */
  readonly at: number;
  /** When the actor next has to be woken, in ms since 1970; absent when nothing is due. */
  readonly wakeAt?: number;
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  /** The version of the machine that decided, e.g. `visitor/1`. */
  readonly machine: string;
  /** The webhook event that caused it, so that a repeat is known (docs/contracts.md). */
  readonly hook?: { readonly queueId: string; readonly seq: number };
}

/** The envelope (docs/architecture.md), decided for good. */
export interface NewEvent {
  /** A UUID, time-ordered (version 7) or derived with its command's time prefix. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly personal: Sealed | null;
  readonly metadata: EventMetadata;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  /** 0, 1, 2 … without gaps within the stream. */
  readonly revision: number;
  readonly position: Position;
}

/** `any` is for what needs no order; it is not idempotent on every store after a restart. */
export type ExpectedRevision = 'any' | 'no-stream' | 'exists' | number;

export interface AppendResult {
  /** Of the last event of the append. */
  readonly revision: number;
  readonly position: Position;
}

export interface ReadStreamOptions {
  /** The first revision wanted; default the first (or last, backwards). */
  readonly from?: number;
  readonly direction?: 'forwards' | 'backwards';
  /** At most so many events; default 1,000. */
  readonly limit?: number;
}

export interface ReadAllOptions {
  /** Exclusive: what comes after (or before, backwards) this position. Default: from the end of that side. */
  readonly after?: Position;
  /** Only streams whose name begins with one of these; default all. */
  readonly prefixes?: readonly string[];
  readonly direction?: 'forwards' | 'backwards';
  /** At most so many events; default 1,000. */
  readonly limit?: number;
}

export interface SubscribeOptions {
  /** Exclusive; absent: from the beginning. */
  readonly after?: Position | undefined;
  readonly prefixes?: readonly string[];
  /** Ends the subscription: the iteration is done after it. */
  readonly signal: AbortSignal;
  /** At most so many events in a batch; default 512. */
  readonly batch?: number;
}

/**
 * What a subscription yields: events in order, without gap or repeat. `through` is the position up to which everything
 * that matches was seen (events that do not match move it too), fit to be stored as a checkpoint.
 * `live` is true when the end of the log was reached with this batch. A batch may be empty.
 */
export interface SubscriptionBatch {
  readonly events: readonly RecordedEvent[];
  readonly through: Position;
  readonly live: boolean;
}

/** The largest append, in bytes of its events as JSON: EventStoreDB's limit, kept by every adapter (docs/event-stores.md). */
export const MAX_APPEND_BYTES = 1024 * 1024;

export interface EventStore {
  /** Names this log; part of every position, and different for every log ever made. */
  readonly id: string;

  /**
   * Appends events atomically to one stream; they are on disk when it resolves.
   * @throws {WrongExpectedRevision} when the stream is at another revision (and it is not a repeat of this append)
   * @throws {AppError} `too-large` past {@link MAX_APPEND_BYTES}; `unavailable` when the outcome is unknown: repeat it
   *   with the same ids and the same expected revision
   */
  append(
    stream: string,
    events: readonly NewEvent[],
    expected: ExpectedRevision,
  ): Promise<AppendResult>;

  /** Events of a stream in order; an empty array when it is missing or `from` is past its end. */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>;

  /** A page of the whole log in order of position. */
  readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]>;

  /** Catches up and then goes live, with no gap and no repeat. Reconnects by itself where there is a connection. */
  subscribe(options: SubscribeOptions): AsyncIterable<SubscriptionBatch>;

  /** The position of the last event (on EventStoreDB of any, also its own); null when the log is empty. */
  head(): Promise<Position | null>;

  /**
   * Deletes a stream's events for good (key streams: the personal data they open is gone with them). On EventStoreDB
   * they are hidden from who reads the stream; `$all`, subscriptions and the disk have them until a scavenge.
   */
  deleteStream(stream: string): Promise<void>;

  /**
   * Hides and, in its own time (EventStoreDB: with a scavenge), removes the events before this revision; revisions stay
   * as they are.
   */
  truncateBefore(stream: string, revision: number): Promise<void>;

  /**
   * Orders two positions of this store: negative when a is before b.
   * @throws {AppError} `invalid` for what is not a position of this store
   */
  compare(a: Position, b: Position): number;

  /** @throws {AppError} `invalid` with the reason, for a string that is not a position of this store */
  parsePosition(text: string): Position;

  /** Resolves while the store answers. @throws {AppError} `unavailable` with the reason */
  check(): Promise<void>;

  /** Waits for what was appended, then closes. */
  close(): Promise<void>;
}

/** The stream is not where the writer thought: load it again and decide again. */
export class WrongExpectedRevision extends Error {
  override readonly name = 'WrongExpectedRevision';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  /** null: the stream does not exist. */
  readonly actual: number | null;

  constructor(stream: string, expected: ExpectedRevision, actual: number | null) {
    super(`${stream} is at revision ${actual ?? 'none'}, not ${expected}`);
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}
