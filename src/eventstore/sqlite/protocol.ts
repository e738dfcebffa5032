import type { ExpectedRevision } from '../port.ts';

/** An event as it is stored: `body` is the JSON of the fields that have no column. */
export interface EncodedEvent {
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

export interface AppendJob {
  readonly kind: 'append';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly EncodedEvent[];
}

/** `before: null` deletes the stream, if its last event has the expected revision. `expected: null` stands for any. */
export interface RemoveJob {
  readonly kind: 'remove';
  readonly stream: string;
  readonly before: number | null;
  readonly expected: number | null;
}

/** Asks whether the log can be written to. The answer comes after those of all earlier jobs. */
interface ProbeJob {
  readonly kind: 'probe';
}

export type Job = AppendJob | RemoveJob | ProbeJob;

export type Answer =
  | { readonly kind: 'appended'; readonly revision: number; readonly position: number }
  /** An earlier append had the same ids and the same expected revision. */
  | { readonly kind: 'repeated'; readonly revision: number; readonly position: number }
  | { readonly kind: 'conflict'; readonly actual: number | null }
  /** The log has an id of the append already, in another place. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'done' }
  /** The outcome is unknown. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Jobs are numbered from 0 in the order of sending. `first` is the number of the first job in the message. */
export type ToWriter =
  | { readonly kind: 'appends'; readonly first: number; readonly packed: string }
  | { readonly kind: 'other'; readonly n: number; readonly job: RemoveJob | ProbeJob }
  | { readonly kind: 'close' };

export type FromWriter =
  | { readonly kind: 'ready'; readonly head: number }
  /** Answers to consecutive appends, from number `first`. */
  | { readonly kind: 'answers'; readonly first: number; readonly packed: Float64Array }
  | {
      readonly kind: 'failed';
      readonly first: number;
      readonly count: number;
      readonly reason: string;
    }
  | { readonly kind: 'done'; readonly n: number }
  /** A removal expected another revision. */
  | { readonly kind: 'conflict'; readonly n: number; readonly actual: number };
