/**
 * A circuit breaker: what everybody who calls one place knows of its failures. While it is open nobody calls the place but
 * one probe at a time, after waits that grow. The first success closes it.
 */
import { backoff, type RetryPolicy } from './backoff.ts';

export interface BreakerPolicy {
  /** It opens after so many failures in a row that say that the place is away (no answer, 503). */
  readonly failuresInRow: number;
  /** It opens when so many callers have failed in a row, for whatever reason: the answers of one caller may be its own fault. */
  readonly callersInRow: number;
  /** Waits between the probes. */
  readonly retry: RetryPolicy;
}

export interface PlaceFailure {
  readonly reason: string;
  /** The place itself is away. */
  readonly away?: boolean | undefined;
  /** The place asked everybody to wait so long, in ms. */
  readonly afterMs?: number | undefined;
}

export interface Outage {
  readonly reason: string;
  /** When the place failed first, ms since 1970. */
  readonly since: number;
  /** For how long it has failed, in ms of the monotonic clock. */
  readonly forMs: number;
}

export interface BreakerClocks {
  /** ms since 1970; for people only. */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly random: () => number;
}

export class Breaker {
  readonly #policy: BreakerPolicy;
  readonly #clocks: BreakerClocks;
  #state: 'closed' | 'open' | 'probing' = 'closed';
  /** Failures in a row that say that the place is away. */
  #failures = 0;
  /** Callers that have failed since the last success; at most `callersInRow`. */
  readonly #callers = new Set<string>();
  /** Times in a row that it was opened. */
  #opened = 0;
  #first: { since: number; monotonic: number } | null = null;
  #reason = '';
  /** Nobody calls the place, but it has not failed: it asked not to be called. */
  #isHeld = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Called when it opens, and when it closes. */
  onChange: () => void = () => undefined;
  /** Called when the place may be tried again: take a probe, or {@link rest}. */
  onDue: () => void = () => this.rest();

  constructor(policy: BreakerPolicy, clocks: BreakerClocks) {
    this.#policy = policy;
    this.#clocks = clocks;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The failure of the place; null while it is closed, or open because the place asked not to be called. */
  get outage(): Outage | null {
    if (this.isClosed || this.#isHeld || !this.#first) return null;
    const { since, monotonic } = this.#first;
    return { reason: this.#reason, since, forMs: this.#clocks.monotonic() - monotonic };
  }

  /** The place has answered as it should. */
  succeeded(): void {
    this.#failures = 0;
    this.#callers.clear();
    this.#opened = 0;
    this.#first = null;
    this.#close();
  }

  /** @param caller who failed; a repeat of the same caller counts once for `callersInRow` */
  failed(caller: string, { reason, away = false, afterMs = 0 }: PlaceFailure): void {
    if (this.#state === 'open') return; // a call that had begun before
    const { now, monotonic } = this.#clocks;
    const { failuresInRow, callersInRow } = this.#policy;
    this.#first ??= { since: now(), monotonic: monotonic() };
    this.#reason = reason;
    if (away) this.#failures++;
    if (this.#callers.size < callersInRow) this.#callers.add(caller);
    const opens =
      this.#state === 'probing' ||
      this.#failures >= failuresInRow ||
      this.#callers.size >= callersInRow;
    if (opens) this.#open(afterMs);
  }

  /** Nobody calls the place for so long, though it has not failed. @param ms before the next probe */
  hold(ms: number): void {
    this.#isHeld = true;
    this.#first = null;
    this.#opened = 0;
    this.#openFor(ms);
  }

  /** Takes the one probe. @returns false if it is not open, or somebody has the probe */
  probe(): boolean {
    if (this.#state !== 'open') return false;
    this.#state = 'probing';
    return true;
  }

  /** The probe told nothing. The next one is due soon. */
  probeAgain(): void {
    if (this.#state === 'probing') this.#openFor(this.#policy.retry.firstMs);
  }

  /** Nobody wants anything of the place, so nobody probes: the next call may try, and its failure opens it again. */
  rest(): void {
    this.#failures = this.#policy.failuresInRow - 1;
    this.#callers.clear();
    this.#close();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #open(afterMs: number): void {
    this.#isHeld = false;
    this.#opened++;
    const wait = backoff(this.#opened, this.#policy.retry, this.#clocks.random);
    this.#openFor(Math.max(wait, afterMs));
  }

  #openFor(ms: number): void {
    const wasClosed = this.isClosed;
    this.#state = 'open';
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.onDue(), ms).unref();
    if (wasClosed) this.onChange();
  }

  #close(): void {
    if (this.isClosed) return;
    clearTimeout(this.#timer);
    this.#state = 'closed';
    this.#isHeld = false;
    this.onChange();
  }
}

export interface Breakers {
  /** The breaker of a place, made at the first call. */
  of(place: string): Breaker;
  /** Nobody will call the place again. If somebody does, its breaker is a new one. */
  forget(place: string): void;
}

export function createBreakers(policy: BreakerPolicy, clocks: BreakerClocks): Breakers {
  const breakers = new Map<string, Breaker>();
  return {
    of(place) {
      const known = breakers.get(place);
      if (known) return known;
      const breaker = new Breaker(policy, clocks);
      breakers.set(place, breaker);
      return breaker;
    },
    forget(place) {
      breakers.get(place)?.stop();
      breakers.delete(place);
    },
  };
}
