/** Ownership that a test moves by hand. */
import type { Ownership } from '../../src/runtime/leases/ownership.ts';
import { PARTITIONS } from '../../src/runtime/leases/ownership.ts';

export interface MovableOwnership extends Ownership {
  gain(...partitions: number[]): void;
  /** Without a word before, as when a lease ends by the clock. */
  lose(...partitions: number[]): void;
  /** In order: what is under way is finished first. */
  handOver(...partitions: number[]): Promise<void>;
}

export const ALL_PARTITIONS = Array.from({ length: PARTITIONS }, (_, n) => n);

export function movableOwnership(owned: readonly number[] = ALL_PARTITIONS): MovableOwnership {
  const held = new Set(owned);
  const listeners: ((partition: number, owned: boolean) => void)[] = [];
  const finishers: ((partitions: ReadonlySet<number>, withinMs: number) => Promise<void>)[] = [];
  const tell = (partition: number, is: boolean): void => {
    for (const listener of listeners) listener(partition, is);
  };
  return {
    owns: (partition) => held.has(partition),
    onChange: (listener) => void listeners.push(listener),
    onHandOver: (finish) => void finishers.push(finish),
    gain(...partitions) {
      for (const partition of partitions) held.add(partition);
      for (const partition of partitions) tell(partition, true);
    },
    lose(...partitions) {
      for (const partition of partitions) held.delete(partition);
      for (const partition of partitions) tell(partition, false);
    },
    async handOver(...partitions) {
      for (const partition of partitions) held.delete(partition);
      await Promise.all(finishers.map((finish) => finish(new Set(partitions), 2_000)));
      for (const partition of partitions) tell(partition, false);
    },
  };
}
