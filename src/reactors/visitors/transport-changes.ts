/** Notices that a tenant has another transport than before. */
import type { TenantId } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';

export interface TransportChanges {
  /** What tenants have now is no change. */
  begin(): void;
  /** The tenant, if its transport has changed since the last call; null if not, or if the tenant is new. */
  changed(id: TenantId): Tenant | null;
}

export function createTransportChanges(
  tenants: Pick<TenantDirectory, 'all' | 'get'>,
): TransportChanges {
  /** Of each tenant, as this process has seen it last. */
  const transports = new Map<TenantId, Tenant['transport']>();

  return {
    begin() {
      for (const { id, transport } of tenants.all()) transports.set(id, transport);
    },
    changed(id) {
      const tenant = tenants.get(id);
      if (!tenant) return null;
      const before = transports.get(id);
      transports.set(id, tenant.transport);
      return before === undefined || before === tenant.transport ? null : tenant;
    },
  };
}
