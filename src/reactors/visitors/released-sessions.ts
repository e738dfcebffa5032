/** Sessions of visitors whose partition this process has lost. The next owner's logins replace them (docs/adr/0012). */
import { personOf } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { partitionOf } from '../../runtime/leases/ownership.ts';
import type { VisitorTransport } from '../../xmpp/port.ts';
import { idOf } from './schedule.ts';

export interface ReleasedSessions {
  /** True if this is a visitor of one of these partitions. */
  isIn(partitions: ReadonlySet<number>, jid: string): boolean;
  /** Releases the sessions of these partitions. Each ends after this time at the latest. */
  release(partitions: ReadonlySet<number>, withinMs: number): void;
  /** Another process owns the partition now: what was released ends after this time at the latest. */
  taken(partition: number, withinMs: number): void;
  /** This process owns the partition again. */
  cameBack(partition: number): void;
}

export function createReleasedSessions({
  tenants,
  transport,
}: {
  readonly tenants: Pick<TenantDirectory, 'ofHost'>;
  readonly transport: Pick<VisitorTransport, 'sessions' | 'release'>;
}): ReleasedSessions {
  /** By partition, while the next owner is not known. */
  const waiting = new Map<number, string[]>();

  function partitionOfJid(jid: string): number | null {
    const person = personOf(jid, tenants.ofHost);
    if (person?.kind !== 'visitor') return null;
    return partitionOf(idOf({ tenant: person.tenant, key: person.name }));
  }

  return {
    isIn(partitions, jid) {
      const partition = partitionOfJid(jid);
      return partition !== null && partitions.has(partition);
    },
    release(partitions, withinMs) {
      for (const partition of partitions) waiting.set(partition, waiting.get(partition) ?? []);
      for (const jid of transport.sessions()) {
        const partition = partitionOfJid(jid);
        if (partition === null || !partitions.has(partition)) continue;
        transport.release(jid, withinMs);
        waiting.get(partition)?.push(jid);
      }
    },
    taken(partition, withinMs) {
      for (const jid of waiting.get(partition) ?? []) transport.release(jid, withinMs);
      waiting.delete(partition);
    },
    cameBack: (partition) => void waiting.delete(partition),
  };
}
