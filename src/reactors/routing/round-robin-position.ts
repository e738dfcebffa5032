/** The position of `round-robin` in each department: the last operator who was picked. */
import type { TenantId, Username } from '../../actors/ids.ts';
import type { RoutingTables } from './table-queries.ts';

/** Picks that are kept in memory. The table has all of them and outlives this process, but it lags behind. */
const RECENT_PICKS_MAX = 1_000;

export interface RoundRobin {
  lastPick(tenant: TenantId, department: string | null): Username | null;
  record(tenant: TenantId, department: string | null, operator: Username): void;
  /** Forgets the picks of this process. From then on another process may pick. */
  forget(): void;
}

export function createRoundRobin(tables: Pick<RoutingTables, 'lastPick'>): RoundRobin {
  const recent = new Map<string, Username>();
  const nameOf = (tenant: TenantId, department: string | null) => `${tenant} ${department ?? ''}`;
  return {
    lastPick: (tenant, department) =>
      recent.get(nameOf(tenant, department)) ?? tables.lastPick(tenant, department),
    record(tenant, department, operator) {
      const name = nameOf(tenant, department);
      recent.delete(name);
      recent.set(name, operator);
      const [oldest] = recent.keys();
      if (recent.size > RECENT_PICKS_MAX && oldest !== undefined) recent.delete(oldest);
    },
    forget: () => recent.clear(),
  };
}
