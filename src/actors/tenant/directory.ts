/** Which tenants there are, by id and by host. */
import { AppError } from '../../errors.ts';
import type { TenantId } from '../ids.ts';
import type { TenantSettings } from './settings.ts';

export interface TenantDirectory {
  get(id: TenantId): TenantSettings | undefined;
  /** Tenants of a host: one without an instance, or any number with. */
  ofHost(host: string): readonly TenantSettings[];
  all(): readonly TenantSettings[];
}

/**
 * @throws {AppError} `invalid`, when an id or a (host, instance) stands twice, or a host is standalone and hosting:
 *   a JID would have two readings
 */
export function createTenantDirectory(tenants: readonly TenantSettings[]): TenantDirectory {
  const byId = new Map<string, TenantSettings>();
  const byHost = new Map<string, TenantSettings[]>();
  for (const tenant of tenants) {
    const fault = (reason: string) =>
      new AppError('invalid', `tenant ${tenant.id}: ${reason}`, { tenant: tenant.id });
    if (byId.has(tenant.id)) throw fault('this id stands twice');
    byId.set(tenant.id, tenant);
    const others = byHost.get(tenant.host) ?? [];
    for (const other of others) {
      if (other.instance === tenant.instance) {
        throw fault(`host and instance are those of tenant ${other.id}`);
      }
      if (other.instance === undefined || tenant.instance === undefined) {
        throw fault(`${tenant.host} is either standalone or has instances (see ${other.id})`);
      }
    }
    byHost.set(tenant.host, [...others, tenant]);
  }
  return {
    get: (id) => byId.get(id),
    ofHost: (host) => byHost.get(host) ?? [],
    all: () => tenants,
  };
}
