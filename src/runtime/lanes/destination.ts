/** A place outside where facts have effects, as lanes see it. */
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import type { Breakers } from '../../kit/breaker.ts';

/** The outcome of an effect. */
export type Outcome =
  | {
      readonly kind: 'done';
      /** Nothing had to be sent, so this tells nothing about the place. */
      readonly idle?: boolean;
      /** The place would not know a repeat, so the log learns of this effect at once, and not of several together. */
      readonly unknownAgain?: boolean;
    }
  /** The lane tries again, for at most 24 h. */
  | {
      readonly kind: 'retry';
      readonly reason: string;
      /** The place asked to wait so long. */
      readonly afterMs?: number | undefined;
      /** No answer, or one that says so: the place is away for all lanes of the tenant. */
      readonly away?: boolean | undefined;
      /** What is missing is on its way: the log has a warning only if this repeats. */
      readonly expected?: boolean | undefined;
      /** Steps of this effect that are done. The lane remembers them while it lives, and the next try gets them. */
      readonly steps?: number;
    }
  /**
   * The lane waits until it is poked, and looks by itself once a minute, or after `lookMs`.
   * `all`: so do all lanes of the tenant at this destination, and one of them looks. `reason`: what it waits for.
   */
  | {
      readonly kind: 'parked';
      readonly reason: string;
      readonly all?: boolean;
      readonly lookMs?: number;
    }
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
   * @param steps steps of this effect that an earlier try has done
   */
  perform(
    event: RecordedEvent,
    signal: AbortSignal,
    again?: boolean,
    steps?: number,
  ): Promise<Outcome>;
  /** Reports that the effect of this fact was given up. May be called again. */
  reportFailure?(event: RecordedEvent, reason: string): Promise<void>;
  /** Lanes of one tenant that run at the same time. */
  readonly concurrency: number;
  /** Waits between the tries of one effect. */
  readonly retry: RetryPolicy;
  /**
   * One for each tenant's place, by the tenant's id: while the place is away its lanes wait together (docs/adr/0022).
   * Without breakers each lane finds out for itself.
   */
  readonly breakers?: Breakers;
}
