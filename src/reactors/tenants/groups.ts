/** The shared roster groups of tenants: made when a tenant is, within the request or later. */
import type { Logger } from 'pino';
import type { TenantId } from '../../actors/ids.ts';
import { groupsOf, type Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { within } from '../../kit/deadline.ts';
import type { GroupsState } from '../../runtime/tenant-ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Waits between the tries to make a tenant's groups. */
export const GROUPS_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };
/** How long a request waits for ejabberd. Then the groups are made later. */
export const GROUPS_DEADLINE_MS = 2_500;

export interface TenantGroups {
  /** Makes the groups within the request, if ejabberd does so in time. Otherwise {@link keep} does. Never throws. */
  make(tenant: Tenant): Promise<GroupsState>;
  /** Asks ejabberd. Never throws. */
  look(tenant: Tenant): Promise<GroupsState>;
  /** Makes the groups of a tenant, and tries until it has worked. */
  keep(id: TenantId): void;
  stop(): void;
}

interface GroupsOptions {
  readonly admin: Pick<EjabberdAdmin, 'ensureGroups' | 'groupsFault' | 'groupMark'>;
  /** undefined if nothing has to be made: the tenant is being removed, or another process looks after it. */
  readonly tenantToKeep: (id: TenantId) => Tenant | undefined;
  /** Called when groups are new: nobody has noted yet to which log they belong. */
  readonly onNew: () => void;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link GROUPS_RETRY}. */
  readonly retry?: RetryPolicy;
}

const late = (): AppError =>
  new AppError('timeout', `ejabberd did not answer within ${GROUPS_DEADLINE_MS} ms`);

export function createTenantGroups(options: GroupsOptions): TenantGroups {
  const { admin, tenantToKeep, onNew, random, logger, retry = GROUPS_RETRY } = options;
  /** Tenants whose groups are being made, or wait for the next try. */
  const timers = new Map<TenantId, NodeJS.Timeout | null>();
  /** Changed again while they were being made. */
  const again = new Set<TenantId>();
  let stopped = false;

  async function attempt(id: TenantId, failures: number): Promise<void> {
    timers.set(id, null);
    const tenant = tenantToKeep(id);
    if (!tenant || stopped) return void timers.delete(id);
    const names = groupsOf(tenant);
    try {
      await admin.ensureGroups(tenant.host, names);
      if ((await admin.groupMark(tenant.host, names.visitors)) === null) onNew();
      timers.delete(id);
      if (again.delete(id)) void attempt(id, 0);
    } catch (error) {
      const waitMs = backoff(failures + 1, retry, random);
      logger[failures === 0 ? 'warn' : 'debug'](
        { tenant: id, reason: messageOf(error) },
        'the shared roster groups of a tenant could not be made; trying again',
      );
      if (stopped) return;
      timers.set(id, setTimeout(() => void attempt(id, failures + 1), waitMs).unref());
    }
  }

  const pending = (error: unknown): GroupsState => ({
    state: 'pending',
    reason: messageOf(error),
  });

  return {
    async make(tenant) {
      const making = admin.ensureGroups(tenant.host, groupsOf(tenant));
      return within(GROUPS_DEADLINE_MS, making, late).then(() => ({ state: 'ready' }), pending);
    },
    async look(tenant) {
      const looking = admin.groupsFault(tenant.host, groupsOf(tenant));
      return within(GROUPS_DEADLINE_MS, looking, late).then(
        (fault) => (fault === null ? { state: 'ready' } : { state: 'pending', reason: fault }),
        pending,
      );
    },
    keep(id) {
      if (stopped) return;
      const timer = timers.get(id);
      if (timer === null) again.add(id);
      else {
        clearTimeout(timer);
        void attempt(id, 0);
      }
    },
    stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer ?? undefined);
    },
  };
}
