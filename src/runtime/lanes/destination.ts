/** A place outside where facts have effects, as lanes see it. */
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';

/** What came of an effect. */
export type Outcome =
  | { readonly kind: 'done' }
  /** Again later, for at most 24 h. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number | undefined }
  /** Nothing can be done until the lane is poked; a look each minute makes sure. */
  | { readonly kind: 'parked' }
  /** It will never work: it becomes a dead letter, and the lane goes on. */
  | { readonly kind: 'dead'; readonly reason: string };

/** Selects the facts that call for an effect at a destination. */
export interface DestinationFilter {
  /** The name of the destination. */
  readonly name: string;
  /** Decided from the fact alone. */
  concerns(event: RecordedEvent): boolean;
}

export interface Destination extends DestinationFilter {
  /**
   * Does it. May be called again for the same fact, and then with the same outside ids.
   * @param again sent again by hand, out of order, after it had been given up
   */
  perform(event: RecordedEvent, signal: AbortSignal, again?: boolean): Promise<Outcome>;
  /** The effect of this fact was given up: says so where it matters. May be called again. */
  gaveUp?(event: RecordedEvent, reason: string): Promise<void>;
  /** Lanes of one tenant that are served at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
}
