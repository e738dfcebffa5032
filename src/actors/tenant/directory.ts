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

/** What decides whose a JID is. */
interface Named {
  readonly id: string;
  readonly host: string;
  readonly instance?: string | undefined;
}

/** @returns why these two cannot be together, in words that follow the first one's name; null if they can */
export function clashOf(one: Named, other: Named): string | null {
  if (one.id === other.id) return 'another tenant has this id';
  if (one.host !== other.host) return null;
  if (one.instance === other.instance) return `tenant ${other.id} has the same host and instance`;
  if (one.instance !== undefined && other.instance !== undefined) return null;
  return `${one.host} has either one tenant without an instance, or tenants with instances (see ${other.id})`;
}

/**
 * @throws {AppError} `invalid` if two tenants have the same id, or the same host and instance, or if a host has a tenant
 *   without an instance and another tenant. A JID of that host could belong to either of them
 */
export function createTenantDirectory(tenants: readonly TenantSettings[]): TenantDirectory {
  const byId = new Map<string, TenantSettings>();
  const byHost = new Map<string, TenantSettings[]>();
  for (const tenant of tenants) {
    const others = byHost.get(tenant.host) ?? [];
    const same = byId.get(tenant.id);
    for (const other of same ? [same, ...others] : others) {
      const reason = clashOf(tenant, other);
      if (reason) {
        throw new AppError('invalid', `tenant ${tenant.id}: ${reason}`, { tenant: tenant.id });
      }
    }
    byId.set(tenant.id, tenant);
    byHost.set(tenant.host, [...others, tenant]);
  }
  return {
    get: (id) => byId.get(id),
    ofHost: (host) => byHost.get(host) ?? [],
    all: () => tenants,
  };
}
