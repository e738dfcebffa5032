/**
 * What follows in ejabberd and in the log when a tenant is made or removed (docs/adr/0036). This is the entry of
 * `tenants/`; the composition (src/service) imports it. `groups.ts` makes the shared roster groups, `removal.ts` removes a
 * tenant.
 *
 * The process that owns the partition of a tenant's id acts for it.
 */

import type { TenantId } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { RemovalState, TenantEffects } from '../../runtime/tenant-ports.ts';
import { createTenantGroups } from './groups.ts';
import { removeTenant, type TenantRemovalOptions } from './removal.ts';

/** Tenants that are removed at the same time. The others wait. A removal mostly waits itself, for LHC and for lanes. */
export const REMOVALS_AT_ONCE = 8;
/** Waits between the tries of one removal, while ejabberd or the event store is away. */
export const REMOVAL_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };

/** The tenants, and which of them are being removed. */
export interface ChangingTenants extends Pick<TenantDirectory, 'get'> {
  removals(): readonly { readonly tenant: TenantId; readonly purge: boolean }[];
  onChange(listener: (tenant: TenantId) => void): void;
}

export interface TenantLifecycle extends Pick<TenantEffects, 'makeGroups' | 'groups' | 'removal'> {
  /** Begins. Removals that were interrupted go on. */
  start(): void;
  /** Ends after the step that is running. A removal goes on after the next start, or in another process. */
  stop(): Promise<void>;
}

interface LifecycleOptions extends TenantRemovalOptions {
  readonly tenants: ChangingTenants;
  /** Compares ejabberd with the log: new groups get the mark of this log. */
  readonly compare: () => void;
  readonly ownership: Ownership;
  readonly random: () => number;
  /** A failpoint of tests, before each step of a removal. */
  readonly onStep?: () => void;
  /** Default {@link REMOVAL_RETRY}. */
  readonly removalRetry?: RetryPolicy;
  /** As in groups.ts. */
  readonly groupsRetry?: RetryPolicy;
}

export function createTenantLifecycle(options: LifecycleOptions): TenantLifecycle {
  const { tenants, ownership, random, logger, compare, removalRetry = REMOVAL_RETRY } = options;
  const limited = createLimiter(REMOVALS_AT_ONCE);
  const states = new Map<TenantId, RemovalState>();
  const running = new Map<TenantId, Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();
  let isStarted = false;
  let stopped = false;
  const owns = (id: TenantId): boolean => isStarted && !stopped && ownership.owns(partitionOf(id));
  const groups = createTenantGroups({
    ...options,
    ...(options.groupsRetry && { retry: options.groupsRetry }),
    tenantToKeep(id) {
      const tenant = tenants.get(id);
      return tenant && !tenant.removing && owns(id) ? tenant : undefined;
    },
    onNew: compare,
  });

  const wanted = (id: TenantId) => tenants.removals().find(({ tenant }) => tenant === id);

  async function attempt(id: TenantId): Promise<boolean> {
    const removal = wanted(id);
    if (!removal) return true;
    const { purge } = removal;
    const failed = states.get(id)?.reason ?? null;
    const isDone = await removeTenant(options, {
      id,
      purge,
      tenant: tenants.get(id),
      // A purge that was asked for meanwhile begins anew.
      mayGoOn: () => owns(id) && wanted(id)?.purge === purge,
      onStep: (step) => {
        states.set(id, { step, reason: failed });
        options.onStep?.();
      },
    });
    if (isDone) logger.info({ tenant: id, purge }, 'a tenant was removed');
    return isDone || !owns(id);
  }

  async function run(id: TenantId): Promise<void> {
    for (let failures = 0; owns(id); ) {
      try {
        if (await limited(() => attempt(id))) break;
      } catch (error) {
        const reason = messageOf(error);
        failures += 1;
        logger[failures === 1 ? 'warn' : 'debug'](
          { tenant: id, step: states.get(id)?.step, reason },
          'the removal of a tenant waits; trying again',
        );
        states.set(id, { step: states.get(id)?.step ?? 'waits', reason });
        await pause(backoff(failures, removalRetry, random));
      }
    }
    states.delete(id);
  }

  function pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      timers.delete(timer);
      wakers.delete(resolve);
      resolve();
    }, ms).unref();
    timers.add(timer);
    wakers.add(resolve);
    return promise;
  }
  const wakers = new Set<() => void>();

  function begin(id: TenantId): void {
    if (running.has(id) || !owns(id)) return;
    states.set(id, { step: 'waits', reason: null });
    const work = run(id).finally(() => {
      running.delete(id);
      if (wanted(id)) begin(id); // it was asked for again meanwhile
    });
    running.set(id, work);
  }

  const beginAll = (): void => {
    for (const { tenant } of tenants.removals()) begin(tenant);
  };

  tenants.onChange((id) => {
    if (!owns(id)) return;
    if (wanted(id)) begin(id);
    else if (tenants.get(id)) groups.keep(id);
  });
  ownership.onChange((_partition, owned) => {
    if (owned) beginAll();
  });

  return {
    start() {
      isStarted = true;
      beginAll();
    },
    async stop() {
      stopped = true;
      groups.stop();
      for (const timer of timers) clearTimeout(timer);
      for (const wake of wakers) wake();
      await Promise.all(running.values());
    },
    makeGroups: groups.make,
    groups: groups.look,
    removal: (id) => states.get(id) ?? null,
  };
}
