/** What is in no fact, and helps to understand what happened. */
import type { FactPlace } from '../cause.ts';

/** Entries of one answer. */
export const MAX_ENTRIES_READ = 5_000;

/** What every entry has. No text of a message, no secret; names of streams are the only names. */
interface Common extends FactPlace {
  /** When it began, ms since 1970. */
  readonly at: number;
  /** How long it took. */
  readonly ms: number;
  /** Why it failed, as the log of the process has it; null if it did not. */
  readonly reason: string | null;
}

/** A request that has caused facts. Its place is that of the first one. */
export interface RequestEntry extends Common {
  readonly kind: 'request';
  /** The correlation id of the request. */
  readonly id: string;
  /** `POST /v1/{tenant}/…`, or `webhook` and the type of the event. */
  readonly name: string;
  /** The HTTP status; null for a webhook event. */
  readonly status: number | null;
}

/** One try of the effect of a fact. */
export interface AttemptEntry extends Common {
  readonly kind: 'attempt';
  readonly destination: string;
  readonly outcome: 'done' | 'retry' | 'parked' | 'dead';
  /** What was done, in words of the service: its steps with their durations. */
  readonly detail?: string | null;
}

/** One HTTP request to LHC within an attempt. */
export interface CallbackEntry extends Common {
  readonly kind: 'callback';
  /** The parent id in its `traceparent`. */
  readonly id: string;
  /** The type of the callback, such as `message.delivered`. */
  readonly name: string;
  /** The HTTP status; null without an answer. */
  readonly status: number | null;
}

export type JournalEntry = RequestEntry | AttemptEntry | CallbackEntry;

/** Where those who know write. Never throws, never waits. */
export interface JournalWriter {
  record(entry: JournalEntry): void;
}

export interface JournalReader {
  /** The entries about these facts, the oldest first, {@link MAX_ENTRIES_READ} at most. */
  of(facts: readonly FactPlace[]): readonly JournalEntry[];
  /** The requests with this correlation id, the oldest first. */
  requests(id: string): readonly RequestEntry[];
}
