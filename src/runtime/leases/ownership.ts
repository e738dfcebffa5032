/**
 * Who does the work outside: it is cut into partitions by the hash of a stream's key, and sessions, timers and lanes of
 * a partition run in the process that owns it (docs/architecture.md, Leases). On SQLite that is the one process there is.
 */

export const PARTITIONS = 16;

/** FNV-1a: stable over processes and releases, which is all that a partition needs. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

/** @param key `{tenant}.{name}` of an actor, or `{tenant}` for routing and sweeps */
export const partitionOf = (key: string): number => hash(key) % PARTITIONS;

/** The part of a stream's name behind its category. */
export const keyOfStream = (stream: string): string => stream.slice(stream.indexOf('-') + 1);

export interface Ownership {
  /** Whether this process may act for the partition now. Asked before each deed: a lease ends by the clock. */
  owns(partition: number): boolean;
  /** Called with a partition that was gained (this process has seen the log up to there) or lost. */
  onChange(listener: (partition: number, owned: boolean) => void): void;
  /**
   * What is under way for these partitions has to be finished and written down before another process gets them.
   * `owns` is false for them already. Who takes longer than `withinMs` is not waited for.
   */
  onHandOver(finish: (partitions: ReadonlySet<number>, withinMs: number) => Promise<void>): void;
}

/** One process on one store: it owns everything, always. */
export const soleOwner: Ownership = { owns: () => true, onChange: () => {}, onHandOver: () => {} };

/** Whether this process may act for an actor's stream now. */
export const ownsStream = (ownership: Ownership, stream: string): boolean =>
  ownership.owns(partitionOf(keyOfStream(stream)));
