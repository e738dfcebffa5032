/**
 * Partitions of the work outside, by the hash of a stream's key. Sessions, timers and lanes of a partition run in the
 * process that owns it (docs/architecture.md, Leases). On SQLite that is the only process.
 */
import { fnv1a } from '../../kit/hash.ts';

export const PARTITIONS = 16;

/** @param key `{tenant}.{name}` of an actor, or `{tenant}` for routing and sweeps */
export const partitionOf = (key: string): number => fnv1a(key) % PARTITIONS;

/** The part of a stream's name after its category. */
export const keyOfStream = (stream: string): string => stream.slice(stream.indexOf('-') + 1);

export interface Ownership {
  /** True if this process may act for the partition now. Ask before each effect: a lease ends by the clock. */
  owns(partition: number): boolean;
  /** The listener is called with a partition that was gained (this process has seen the log up to there) or lost. */
  onChange(listener: (partition: number, owned: boolean) => void): void;
  /**
   * The listener is called when the log says that another process has a partition that this one lost. While the event store
   * is away nobody can tell, and a partition that was lost by the clock may come back.
   */
  onTaken(listener: (partition: number) => void): void;
  /**
   * The listener finishes what is running for these partitions and appends its outcome, before another process gets them.
   * `owns` is false for them already. After `withinMs` nobody waits for the listener any more.
   */
  onHandOver(finish: (partitions: ReadonlySet<number>, withinMs: number) => Promise<void>): void;
}

/** The ownership of a single process: it owns everything, always. */
export const soleOwner: Ownership = {
  owns: () => true,
  onChange: () => {},
  onTaken: () => {},
  onHandOver: () => {},
};

/** True if this process may act for an actor's stream now. */
export const ownsStream = (ownership: Ownership, stream: string): boolean =>
  ownership.owns(partitionOf(keyOfStream(stream)));
