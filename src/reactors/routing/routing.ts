/**
 * Routing: gives waiting chats to operators. This is the entry of `routing/`; the composition (src/service) imports it,
 * and the table of pending work from `table-queries.ts`.
 *
 * A chat is reserved on the operator's stream, assigned on the visitor's stream and confirmed on the operator's stream
 * (docs/adr/0004). Tables of both sides, folded from the log, show which chats wait and where the two sides disagree. A
 * pass repairs the differences (`repair.ts`), then picks operators (`pass.ts`, docs/adr/0016). Facts wake a pass, and a
 * sweep runs every few seconds. So the next sweep repairs what a crash between two steps left behind.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, Transfer } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import { createPass } from './pass.ts';
import { isRoutedByLhc, repairChats } from './repair.ts';
import { createRoundRobin } from './round-robin-position.ts';
import { openRoutingTables } from './table-queries.ts';
import { createTransfer } from './transfer.ts';

/** Interval of the sweep, which runs a pass for every tenant whether or not a fact woke it. */
export const ROUTING_SWEEP_MS = 3_000;

/** Facts after which a waiting chat may find an operator, or the two sides of a chat may disagree. */
const WAKES = new Set([
  'ChatStarted',
  'ChatAssigned',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'ChatClosed',
  'ChatReleased',
  'OperatorRegistered',
  'OperatorRemoved',
  'OperatorLoggedIn',
  'OperatorLoggedOut',
  'PresenceChanged',
  'AvailabilitySet',
  'TenantConfigured',
  'OperatorResponsive',
  'OperatorUnresponsive',
  'OperatorGone',
]);

export interface Routing extends CommitListener {
  readonly transfer: Transfer;
  start(): void;
  /** Resolves when no pass is running. */
  stop(): Promise<void>;
  /** Chats without an operator. */
  waiting(): number;
  /** Chats that one operator or several are asked to answer now. */
  offers(): number;
  /** How long the oldest chat without an operator has waited, in ms; 0 if no chat waits. */
  longestWait(): number;
}

interface RoutingOptions {
  readonly db: DatabaseSync;
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link ROUTING_SWEEP_MS}. */
  readonly sweepEveryMs?: number;
  /** A failpoint of tests, between a reservation and its assignment. */
  readonly afterReserve?: (chatId: string) => Promise<void>;
  /** Whether ejabberd has a session of this operator. @throws when it cannot be asked */
  readonly isOnline: (tenant: TenantId, username: Username) => Promise<boolean>;
}

/** Runs passes: one at a time for each tenant, and another one if the tenant was woken meanwhile. */
function createPassRunner(
  tenants: TenantDirectory,
  isOurs: (tenant: TenantId) => boolean,
  pass: (tenant: Tenant) => Promise<void>,
  logger: Logger,
) {
  /** Tenants that were woken since their last pass began. */
  const dirty = new Set<TenantId>();
  const running = new Map<TenantId, Promise<void>>();

  async function run(id: TenantId): Promise<void> {
    do {
      dirty.delete(id);
      const tenant = tenants.get(id); // its settings may have changed
      if (!tenant) return;
      try {
        await pass(tenant);
      } catch (error) {
        const reason = messageOf(error);
        logger.warn({ tenant: id, reason }, 'a routing pass failed; the next sweep tries again');
        dirty.delete(id); // an immediate second pass would fail as well
        return;
      }
    } while (dirty.has(id) && isOurs(id));
  }

  function wake(id: TenantId): void {
    if (!isOurs(id) || !tenants.get(id)) return;
    dirty.add(id);
    if (running.has(id)) return;
    const runs = run(id).finally(() => {
      running.delete(id);
      // The tenant was woken after the last look at `dirty`. Without this its chats would wait for the next sweep.
      if (dirty.has(id)) wake(id);
    });
    running.set(id, runs);
  }

  // Other parts only read it.
  return { running: running as ReadonlyMap<TenantId, Promise<void>>, wake };
}

function tenantsToWake(events: readonly RecordedEvent[]): ReadonlySet<TenantId> {
  const tenants = new Set<TenantId>();
  for (const { stream, type } of events) {
    const actor = WAKES.has(type) ? actorOf(stream) : null;
    if (actor) tenants.add(actor.tenant);
  }
  return tenants;
}

export function createRouting(options: RoutingOptions): Routing {
  const { db, actors, tenants, names, ownership, now, logger } = options;
  const { sweepEveryMs = ROUTING_SWEEP_MS, afterReserve = async () => {} } = options;
  const tables = openRoutingTables(db);
  const roundRobin = createRoundRobin(tables);
  let sweep: NodeJS.Timeout | undefined;
  let started = false;
  const isOurs = (tenant: TenantId): boolean => started && ownership.owns(partitionOf(tenant));
  const giveChats = createPass({ ...options, tables, roundRobin, isOurs, afterReserve });
  const pass = async (tenant: Tenant): Promise<void> => {
    await repairChats(tenant, { actors, tables, now, isOurs, logger });
    if (!tenant.removing && !isRoutedByLhc(tenant)) await giveChats(tenant);
  };
  const { running, wake } = createPassRunner(tenants, isOurs, pass, logger);
  const wakeAll = (): void => {
    for (const { id } of tenants.all()) wake(id);
  };

  return {
    onCommit(events) {
      for (const tenant of tenantsToWake(events)) wake(tenant);
    },
    transfer: createTransfer({ actors, tenants, names, operatorsOf: tables.operators }),
    start() {
      started = true;
      sweep = setInterval(wakeAll, sweepEveryMs);
      ownership.onChange((_partition, owned) => {
        roundRobin.forget();
        if (owned) wakeAll();
      });
      ownership.onHandOver(async (partitions) => {
        const passes = [...running].filter(([tenant]) => partitions.has(partitionOf(tenant)));
        await Promise.all(passes.map(([, pass]) => pass));
      });
      wakeAll();
    },
    async stop() {
      started = false;
      clearInterval(sweep);
      await Promise.all(running.values());
    },
    waiting: tables.waitingCount,
    offers: tables.offerCount,
    longestWait() {
      const since = tables.oldestWaitingSince();
      return since === null ? 0 : Math.max(0, now() - since);
    },
  };
}
