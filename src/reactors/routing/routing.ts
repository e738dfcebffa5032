/**
 * Chats to operators. A chat is reserved on the operator's stream, assigned on the visitor's, confirmed on the
 * operator's; tables of both sides, folded from the log, show what is waiting and where the two disagree, so that a
 * crash between two steps is mended by the next sweep and no wake-up is lost (docs/adr/0004, 0016).
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { messageOf } from '../../errors.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, Transfer } from '../../runtime/ports.ts';
import { createPass } from './pass.ts';
import { createRounds } from './rounds.ts';
import { settle } from './settle.ts';
import { openRoutingTables } from './tables.ts';
import { createTransfer } from './transfer.ts';

const SWEEP_EVERY_MS = 3_000;

export interface Routing extends CommitListener {
  readonly transfer: Transfer;
  start(): void;
  stop(): Promise<void>;
  /** Registered operators of a tenant, as the log has them. */
  operators(tenant: TenantId): readonly Username[];
  waiting(): number;
  /** Chats that somebody is asked to answer now. */
  offers(): number;
  /** How long the oldest chat that nobody has waits, in ms; 0 when none does. */
  longestWait(): number;
}

export function createRouting(options: {
  db: DatabaseSync;
  actors: Actors;
  tenants: TenantDirectory;
  ownership: Ownership;
  now: () => number;
  newId: () => string;
  random: () => number;
  logger: Logger;
  /** Between two looks at everything, whatever woke it meanwhile; default 3,000. */
  sweepEveryMs?: number;
  /** Called between reservation and assignment: a failpoint of tests. */
  afterReserve?: (chatId: string) => Promise<void>;
}): Routing {
  const { db, actors, tenants, ownership, now, newId, random, logger } = options;
  const tables = openRoutingTables(db);
  const rounds = createRounds(tables);
  const dirty = new Set<TenantId>();
  const passes = new Map<TenantId, Promise<void>>();
  let sweep: NodeJS.Timeout | undefined;
  let started = false;
  /** Whether this process routes for a tenant now. */
  const isOurs = (tenant: TenantId): boolean => started && ownership.owns(partitionOf(tenant));
  const give = createPass({
    actors,
    tables,
    rounds,
    now,
    newId,
    random,
    isOurs,
    afterReserve: options.afterReserve ?? (async () => {}),
  });

  async function pass(tenant: TenantSettings): Promise<void> {
    const { id } = tenant;
    do {
      dirty.delete(id);
      try {
        await settle(tenant, { actors, tables, now, isOurs, logger });
        await give(tenant);
      } catch (error) {
        const reason = messageOf(error);
        logger.warn({ tenant: id, reason }, 'routing stumbled; the next sweep goes on');
        dirty.delete(id); // at once it would stumble again
        return;
      }
    } while (dirty.has(id) && isOurs(id));
  }

  function wake(id: TenantId): void {
    const tenant = tenants.get(id);
    if (!isOurs(id) || !tenant) return;
    dirty.add(id);
    if (passes.has(id)) return;
    passes.set(
      id,
      pass(tenant).finally(() => {
        passes.delete(id);
        // Woken between the last look and here: nobody else would go on with it before the next sweep.
        if (dirty.has(id)) wake(id);
      }),
    );
  }

  return {
    onCommit(events) {
      const tenants = new Set<TenantId>();
      for (const { stream, type } of events) {
        const actor = WAKES.has(type) ? actorOf(stream) : null;
        if (actor) tenants.add(actor.tenant);
      }
      for (const tenant of tenants) wake(tenant);
    },
    transfer: createTransfer({ actors, tenants, operatorsOf: tables.operators }),
    start() {
      started = true;
      const all = () => {
        for (const tenant of tenants.all()) wake(tenant.id);
      };
      sweep = setInterval(all, options.sweepEveryMs ?? SWEEP_EVERY_MS);
      ownership.onChange((_partition, owned) => {
        rounds.forget();
        if (owned) all();
      });
      ownership.onHandOver(async (partitions) => {
        const handed = [...passes].filter(([tenant]) => partitions.has(partitionOf(tenant)));
        await Promise.all(handed.map(([, pass]) => pass));
      });
      all();
    },
    async stop() {
      started = false;
      clearInterval(sweep);
      await Promise.all(passes.values());
    },
    operators: tables.operators,
    waiting: tables.count,
    offers: tables.offers,
    longestWait: () => {
      const since = tables.oldest();
      return since === null ? 0 : Math.max(0, now() - since);
    },
  };
}

/** Facts after which a chat may find an operator, or the two sides may disagree. */
const WAKES = new Set([
  'ChatStarted',
  'ChatAssigned',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
  'ChatReleased',
  'OperatorRegistered',
  'OperatorRemoved',
  'OperatorLoggedIn',
  'OperatorLoggedOut',
  'PresenceChanged',
  'AvailabilitySet',
  'OperatorResponsive',
  'OperatorUnresponsive',
  'OperatorGone',
]);
