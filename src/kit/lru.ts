/** A bounded map. When it is full, the least recently used entry goes. */
export class Lru<V> {
  readonly #entries = new Map<string, V>();
  /**
   * Stands before the oldest entry. A fresh iterator would first pass the places of deleted entries: that took 10 µs an
   * entry with 20,000 of them.
   */
  #oldest = this.#entries.entries();
  readonly #most: number;
  readonly #onEvict: ((key: string, value: V) => void) | undefined;

  /** @param most entries */
  constructor(most: number, onEvict?: (key: string, value: V) => void) {
    this.#most = most;
    this.#onEvict = onEvict;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Does not count as a use. */
  peek(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    const [evictedKey, evicted] = this.#nextOldest();
    this.#entries.delete(evictedKey);
    this.#onEvict?.(evictedKey, evicted);
  }

  #nextOldest(): [string, V] {
    for (;;) {
      const { value, done } = this.#oldest.next();
      if (!done) return value;
      this.#oldest = this.#entries.entries(); // an iterator that has ended sees no later entries
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  entries(): IterableIterator<[string, V]> {
    return this.#entries.entries();
  }
}
