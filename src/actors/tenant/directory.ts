/** The configured tenants, by id and by host. */
import { AppError } from '../../errors.ts';
import type { TenantId } from '../ids.ts';
import type { TenantSettings } from './settings.ts';

export interface TenantDirectory {
  get(id: TenantId): TenantSettings | undefined;
  /** The tenants of a host: one tenant without an instance, or any number of tenants with instances. */
  ofHost(host: string): readonly TenantSettings[];
  all(): readonly TenantSettings[];
}

/**
 * @throws {AppError} `invalid` if two tenants have the same id, or the same host and instance, or if a host has a tenant
 *   without an instance and another tenant. A JID of that host could belong to either of them
 */
export function createTenantDirectory(tenants: readonly TenantSettings[]): TenantDirectory {
  const byId = new Map<string, TenantSettings>();
  const byHost = new Map<string, TenantSettings[]>();
  for (const tenant of tenants) {
    const fault = (reason: string) =>
      new AppError('invalid', `tenant ${tenant.id}: ${reason}`, { tenant: tenant.id });
    if (byId.has(tenant.id)) throw fault('another tenant has this id');
    byId.set(tenant.id, tenant);
    const others = byHost.get(tenant.host) ?? [];
    for (const other of others) {
      if (other.instance === tenant.instance) {
        throw fault(`tenant ${other.id} has the same host and instance`);
      }
      if (other.instance === undefined || tenant.instance === undefined) {
        throw fault(
          `${tenant.host} has either one tenant without an instance, or tenants with instances (see ${other.id})`,
        );
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
