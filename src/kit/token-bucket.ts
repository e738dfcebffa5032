/** How much may happen, and how fast it may happen again. */
export interface Rate {
  /** So much may happen at once. */
  readonly burst: number;
  /** So much comes back in each second. */
  readonly perSecond: number;
}

/** A budget that fills up with time (a token bucket). It needs no timer: the caller says what time it is. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /**
   * Takes one token.
   * @param at ms. Nothing comes back at a time before that of the last call
   * @param kept tokens that are for others
   * @returns false if there is none
   */
  take(at: number, kept = 0): boolean {
    this.#fill(at);
    if (this.#tokens < kept + 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes a token for something that has happened already. With none left it stays at none. */
  spend(at: number): void {
    this.#fill(at);
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  /** Milliseconds until {@link take} succeeds if nobody else takes a token; 0 if it does now. */
  waitMs(at: number, kept = 0): number {
    this.#fill(at);
    return Math.max(0, ((kept + 1 - this.#tokens) / this.#rate.perSecond) * 1000);
  }

  /** True if at least half of the burst is there again. */
  hasRecovered(at: number): boolean {
    this.#fill(at);
    return this.#tokens >= this.#rate.burst / 2;
  }

  #fill(at: number): void {
    if (Number.isNaN(at)) return;
    const { burst, perSecond } = this.#rate;
    const passed = Math.max(0, at - this.#at);
    this.#tokens = Math.min(burst, this.#tokens + (passed / 1000) * perSecond);
    this.#at = at; // also when the clock was set back: otherwise nothing would come back for that long
  }
}
