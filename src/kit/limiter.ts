/** Slots that were given are forgotten in such pieces: `shift()` of a long list copies it (a third of the CPU at 100,000). */
const FORGET = 1024;

/** At most so many at the same time; the others wait in order. */
export class Semaphore {
  #free: number;
  #waiting: (() => void)[] = [];
  /** How many of those who waited have gone already. */
  #gone = 0;

  constructor(most: number) {
    this.#free = most;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #next(): void {
    const go = this.#waiting[this.#gone];
    if (!go) {
      this.#free++;
      return;
    }
    this.#gone++;
    if (this.#gone === this.#waiting.length || this.#gone % FORGET === 0) {
      this.#waiting = this.#waiting.slice(this.#gone);
      this.#gone = 0;
    }
    go();
  }
}
