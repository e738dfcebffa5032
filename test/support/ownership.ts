/** Ownership of partitions that a test changes by hand. */
import type { Ownership } from '../../src/runtime/leases/ownership.ts';
import { PARTITIONS } from '../../src/runtime/leases/ownership.ts';

export interface MovableOwnership extends Ownership {
  gain(...partitions: number[]): void;
  /** Loses partitions without notice, as when a lease expires. */
  lose(...partitions: number[]): void;
  /** The log says that another process has them. */
  taken(...partitions: number[]): void;
  /** Loses partitions in order: running work is finished first. */
  handOver(...partitions: number[]): Promise<void>;
}

export const ALL_PARTITIONS = Array.from({ length: PARTITIONS }, (_, n) => n);

export function movableOwnership(owned: readonly number[] = ALL_PARTITIONS): MovableOwnership {
  const partitionsOwned = new Set(owned);
  const listeners: ((partition: number, owned: boolean) => void)[] = [];
  const takenListeners: ((partition: number) => void)[] = [];
  const finishers: ((partitions: ReadonlySet<number>, withinMs: number) => Promise<void>)[] = [];
  const notify = (partition: number, is: boolean): void => {
    for (const listener of listeners) listener(partition, is);
  };
  return {
    owns: (partition) => partitionsOwned.has(partition),
    onChange: (listener) => void listeners.push(listener),
    onTaken: (listener) => void takenListeners.push(listener),
    onHandOver: (finish) => void finishers.push(finish),
    gain(...partitions) {
      for (const partition of partitions) partitionsOwned.add(partition);
      for (const partition of partitions) notify(partition, true);
    },
    lose(...partitions) {
      for (const partition of partitions) partitionsOwned.delete(partition);
      for (const partition of partitions) notify(partition, false);
    },
    taken(...partitions) {
      for (const partition of partitions) {
        for (const listener of takenListeners) listener(partition);
      }
    },
    async handOver(...partitions) {
      for (const partition of partitions) partitionsOwned.delete(partition);
      await Promise.all(finishers.map((finish) => finish(new Set(partitions), 2_000)));
      for (const partition of partitions) notify(partition, false);
    },
  };
}
