/**
 * Ends the time of dead letters after their tenant's `retention`. The setting may change, so the time is decided once and
 * becomes a fact: a table that is built anew has the same letters.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import type { TenantId } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { type Ownership, partitionOf } from '../leases/ownership.ts';
import { createServiceFacts } from '../service-facts.ts';

/** How often the service looks for letters whose time is over. */
export const EXPIRY_EVERY_MS = 3_600_000;
/** `retention` of letters of no tenant, and of tenants that are not configured any more: 180 days. */
export const ORPHAN_RETENTION_MS = 180 * 86_400_000;

interface ExpiryOptions {
  readonly db: DatabaseSync;
  readonly store: EventStore;
  readonly tenants: TenantDirectory;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
}

export interface DeadLetterExpiry {
  /** Looks once, for the tenants that this process acts for. Never throws: the next look tries again. */
  look(): Promise<void>;
}

/** Looks at the table of dead-letters.ts. */
export function createDeadLetterExpiry(options: ExpiryOptions): DeadLetterExpiry {
  const { db, store, tenants, ownership, now, logger } = options;
  const facts = createServiceFacts(options);
  return {
    async look() {
      if (!tenants.isComplete()) return; // a retention is not known yet
      try {
        const oldest = db.prepare('SELECT tenant, min(at) AS at FROM dead_letters GROUP BY tenant');
        for (const { tenant: name, at } of oldest.all()) {
          const id = String(name);
          if (!ownership.owns(partitionOf(id))) continue;
          // Only names that a configured tenant has are found.
          const retention = tenants.get(id as TenantId)?.retention;
          const before = now() - (retention === undefined ? ORPHAN_RETENTION_MS : retention * 1000);
          if (Number(at) >= before) continue;
          const tenant = id === '' ? null : id;
          const fact = { type: 'DeadLettersExpired', data: { before }, tenant };
          const stream = `letter-${tenant ?? '_'}`;
          const earlier = await store.readStream(stream);
          const { revision } = await facts.append(stream, [fact], 'any');
          // While a shorter retention was set, an earlier fact may have ended more than this one.
          if (earlier.some(({ data }) => Number(data.before) > before)) continue;
          await store.truncateBefore(stream, revision);
        }
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, 'dead letters not expired; trying again');
      }
    },
  };
}
