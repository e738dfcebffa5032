/** A place outside where facts have effects, as lanes see it. */
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';

/** The outcome of an effect. */
export type Outcome =
  | { readonly kind: 'done' }
  /** The lane tries again, for at most 24 h. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number | undefined }
  /** The lane waits until it is poked, and looks by itself once a minute. */
  | { readonly kind: 'parked' }
  /** It can never work: the fact becomes a dead letter, and the lane goes on. */
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
   * Performs the effect of a fact. May be called again for the same fact; it must use the same ids outside then.
   * @param again a person sends a dead letter again, out of order
   */
  perform(event: RecordedEvent, signal: AbortSignal, again?: boolean): Promise<Outcome>;
  /** Reports that the effect of this fact was given up. May be called again. */
  reportFailure?(event: RecordedEvent, reason: string): Promise<void>;
  /** Lanes of one tenant that run at the same time. */
  readonly concurrency: number;
  /** Waits between the tries of one effect. */
  readonly retry: RetryPolicy;
}
