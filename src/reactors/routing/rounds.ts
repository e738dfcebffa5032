/** Where each round of `round-robin` goes on: behind who was picked last in the department. */
import type { TenantId, Username } from '../../actors/ids.ts';
import type { RoutingTables } from './tables.ts';

export interface Rounds {
  last(tenant: TenantId, department: string | null): Username | null;
  picked(tenant: TenantId, department: string | null, operator: Username): void;
  /** Another process may go on with them. */
  forget(): void;
}

/** The table, which outlives this process, has them all; here are those that it may not know yet. */
const MOST = 1_000;

export function createRounds(tables: Pick<RoutingTables, 'lastPicked'>): Rounds {
  const newer = new Map<string, Username>();
  const nameOf = (tenant: TenantId, department: string | null) => `${tenant} ${department ?? ''}`;
  return {
    last: (tenant, department) =>
      newer.get(nameOf(tenant, department)) ?? tables.lastPicked(tenant, department),
    picked(tenant, department, operator) {
      const name = nameOf(tenant, department);
      newer.delete(name);
      newer.set(name, operator);
      const [oldest] = newer.keys();
      if (newer.size > MOST && oldest !== undefined) newer.delete(oldest);
    },
    forget: () => newer.clear(),
  };
}
