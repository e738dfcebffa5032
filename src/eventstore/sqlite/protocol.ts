import type { ExpectedRevision } from '../port.ts';

/** An event as it is stored: `body` is the JSON of what is not a column. */
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

/** `before: null` deletes the stream. */
export interface RemoveJob {
  readonly kind: 'remove';
  readonly stream: string;
  readonly before: number | null;
}

/** Answered when everything before it is written; says whether the log can be written to. */
interface ProbeJob {
  readonly kind: 'probe';
}

export type Job = AppendJob | RemoveJob | ProbeJob;

export type Answer =
  | { readonly kind: 'appended'; readonly revision: number; readonly position: number }
  /** The same ids with the same expected revision were there already. */
  | { readonly kind: 'repeated'; readonly revision: number; readonly position: number }
  | { readonly kind: 'conflict'; readonly actual: number | null }
  /** An id of the append is in the log already, in another place. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'done' }
  /** The outcome is unknown. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Jobs are numbered from 0 in the order they are sent; `first` is the number of the first one here. */
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
  | { readonly kind: 'done'; readonly n: number };
