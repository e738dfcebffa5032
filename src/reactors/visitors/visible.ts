/** Which visitors a tenant's operators see, when there are more than their clients can bear. */
import type { TenantId, VisitorKey } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import type { Visitor, Wanted } from './desired.ts';

const CHOSEN_EVERY_MS = 1_000;

export interface Shown {
  /** Whether this visitor is among those that a tenant's operators see. */
  has(tenant: TenantSettings, key: VisitorKey): boolean;
  /** Somebody came, left or was seen: others may have to be shown. */
  moved(tenant: TenantId): void;
  /** Chooses anew where somebody moved, at most once a second. */
  refresh(): void;
}

/** @param changed told of each visitor who fell out or came back */
export function createShown(options: {
  wanted: Wanted;
  tenants: TenantDirectory;
  changed: (visitor: Visitor) => void;
  now: () => number;
}): Shown {
  const { wanted, tenants, changed, now } = options;
  /** null: everybody. */
  const chosen = new Map<TenantId, { set: ReadonlySet<VisitorKey> | null; at: number }>();
  const moved = new Set<TenantId>();

  function choose(tenant: TenantSettings): ReadonlySet<VisitorKey> | null {
    const before = chosen.get(tenant.id);
    const set = wanted.mostRecent(tenant.id, tenant.maxVisibleVisitors);
    chosen.set(tenant.id, { set, at: now() });
    if (!before || before.set === set) return set;
    // Where one of the two is everybody, everybody is asked for.
    const everybody = function* () {
      for (const row of wanted.pending(tenant.id)) if (row.online) yield row.key;
    };
    const was = before.set;
    for (const key of was && set ? was.symmetricDifference(set) : everybody()) {
      const visitor = { tenant: tenant.id, key };
      if ((was?.has(key) ?? true) !== (set?.has(key) ?? true)) changed(visitor);
    }
    return set;
  }

  return {
    has(tenant, key) {
      const known = chosen.get(tenant.id);
      const set = known && now() - known.at < CHOSEN_EVERY_MS ? known.set : choose(tenant);
      return set?.has(key) ?? true;
    },
    moved: (tenant) => void moved.add(tenant),
    refresh() {
      for (const id of moved) {
        if (now() - (chosen.get(id)?.at ?? 0) < CHOSEN_EVERY_MS) continue;
        moved.delete(id);
        const tenant = tenants.get(id);
        if (tenant) choose(tenant);
      }
    },
  };
}
