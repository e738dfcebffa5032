/**
 * A bounded map of what was used lately. It keeps two generations, and drops the older one when the younger is full. A use
 * moves nothing within a generation, so it costs a third of that of an exact order (kit/lru.ts).
 */
export class Recent<V> {
  readonly #most: number;
  #young = new Map<string, V>();
  #old: ReadonlyMap<string, V> = new Map();

  /** @param most entries; the last half of it that was used is certainly there */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#most / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
