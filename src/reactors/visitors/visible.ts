/** Chooses the visitors that a tenant's operators see, if there are more of them than operators' clients can handle. */
import type { TenantId, VisitorKey } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { DesiredVisitors, Visitor } from './desired.ts';

/** The choice for a tenant is made at most once in this time. */
export const CHOICE_INTERVAL_MS = 1_000;
/** A bound of mod_lhc counts for so long. Then it is tried again: an administrator may have raised it. */
export const BOUND_MS = 600_000;

export interface VisibleVisitors {
  /** True if the tenant's operators see this visitor. */
  has(tenant: Tenant, key: VisitorKey): boolean;
  /** A visitor of this tenant came, left or was active, so the choice may change. */
  changed(tenant: TenantId): void;
  /**
   * mod_lhc takes no more than so many contacts of this tenant, the front desk among them. Without this, those who came first
   * would keep the places, and who has a chat would get none.
   */
  bounded(tenant: TenantId, most: number): void;
  /** Makes the choice again for the tenants that have changed, within {@link CHOICE_INTERVAL_MS}. */
  refresh(): void;
}

/** @param onSwitch called with each visitor who becomes visible or invisible */
export function createVisibleVisitors(options: {
  desired: DesiredVisitors;
  tenants: TenantDirectory;
  onSwitch: (visitor: Visitor) => void;
  now: () => number;
}): VisibleVisitors {
  const { desired, tenants, onSwitch, now } = options;
  /** `keys` is null if all visitors are visible. */
  const choices = new Map<TenantId, { keys: ReadonlySet<VisitorKey> | null; at: number }>();
  const changed = new Set<TenantId>();
  const bounds = new Map<TenantId, { readonly most: number; readonly at: number }>();

  function limitOf({ id, transport, maxVisibleVisitors }: Tenant): number {
    const bound = transport === 'component' ? bounds.get(id) : undefined;
    if (!bound || now() - bound.at >= BOUND_MS) return maxVisibleVisitors;
    return Math.min(maxVisibleVisitors, Math.max(1, bound.most - 1));
  }

  function choose(tenant: Tenant): ReadonlySet<VisitorKey> | null {
    const before = choices.get(tenant.id);
    const keys = desired.mostRecent(tenant.id, limitOf(tenant));
    choices.set(tenant.id, { keys, at: now() });
    if (!before || before.keys === keys) return keys;
    const everybody = function* () {
      for (const row of desired.pending(tenant.id)) if (row.online) yield row.key;
    };
    const old = before.keys;
    for (const key of old && keys ? old.symmetricDifference(keys) : everybody()) {
      const isSwitch = (old?.has(key) ?? true) !== (keys?.has(key) ?? true);
      if (isSwitch) onSwitch({ tenant: tenant.id, key });
    }
    return keys;
  }

  return {
    has(tenant, key) {
      const known = choices.get(tenant.id);
      const keys = known && now() - known.at < CHOICE_INTERVAL_MS ? known.keys : choose(tenant);
      return keys?.has(key) ?? true;
    },
    changed: (tenant) => void changed.add(tenant),
    bounded(tenant, most) {
      bounds.set(tenant, { most, at: now() });
      changed.add(tenant);
    },
    refresh() {
      for (const id of changed) {
        if (now() - (choices.get(id)?.at ?? 0) < CHOICE_INTERVAL_MS) continue;
        changed.delete(id);
        const tenant = tenants.get(id);
        if (tenant) choose(tenant);
      }
    },
  };
}
