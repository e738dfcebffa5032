/**
 * What ejabberd has beside what the log calls for: at start, whenever mod_lhc started, for partitions that were gained,
 * and every few minutes. Only the differences are mended, and what nothing calls for (orphans) is removed.
 */
import type { Logger } from 'pino';
import {
  operatorJid,
  personOf,
  rosterGroups,
  type TenantId,
  type Username,
  visitorJid,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { messageOf } from '../../errors.ts';
import { backoff } from '../../kit/backoff.ts';
import { type Ownership, PARTITIONS, partitionOf } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { VisitorAccounts } from './accounts.ts';
import type { Visitor, Wanted } from './desired.ts';

export const COMPARISON_RETRY = { firstMs: 500, mostMs: 30_000 };
const ALL: readonly number[] = Array.from({ length: PARTITIONS }, (_, partition) => partition);

export interface Comparison {
  /**
   * Compares what this process owns of these partitions (default: of all). Resolves when it was compared once; while
   * ejabberd is away it waits, with backoff, and a host that fails holds up no other. One comparison runs at a time;
   * what is asked for meanwhile is one more.
   */
  run(partitions?: Iterable<number>): Promise<void>;
  stop(): void;
}

export interface ComparisonOptions {
  readonly wanted: Wanted;
  readonly accounts: VisitorAccounts;
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly tenants: TenantDirectory;
  readonly ownership: Ownership;
  /** Registered operators, as the log has them. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  /** Resolves when the table of what is wanted has seen the whole log. */
  readonly caughtUp: () => Promise<void>;
  /** Visitors that are being looked at right now are left alone; who is in it is left alone by others. */
  readonly busy: Set<string>;
  readonly idOf: (visitor: Visitor) => string;
  /** This visitor has to be looked at. */
  readonly mark: (visitor: Visitor) => void;
  readonly random: () => number;
  readonly logger: Logger;
}

interface Turn {
  readonly partitions: Set<number>;
  readonly waiting: (() => void)[];
}

/** What ejabberd has of a tenant, and what of it is compared. */
interface Side {
  readonly tenant: TenantSettings;
  /** Local parts of all accounts of its host. */
  readonly locals: readonly string[];
  readonly members: readonly string[];
  /** null: another process mends this tenant's operators. */
  readonly operators: readonly string[] | null;
}

export function createComparison(options: ComparisonOptions): Comparison {
  const { wanted, accounts, actors, admin, tenants, ownership, operatorsOf, caughtUp } = options;
  const { busy, idOf, mark, random, logger } = options;
  /** What the next comparison has to cover, and who waits for it. */
  let next: Turn | null = null;
  /** Ends the wait of one that failed. */
  let hurry = (): void => {};
  let running: Promise<void> = Promise.resolve();
  let stopped = false;

  /** A kill of ejabberd forgets what Mnesia took in its last two seconds (measured). */
  async function mendOperators({ tenant, locals, operators }: Side): Promise<void> {
    const existing = new Set(locals);
    const grouped = new Set(operators);
    for (const username of operatorsOf(tenant.id)) {
      const jid = operatorJid(tenant, username);
      const local = jid.slice(0, -(tenant.host.length + 1));
      if (!existing.has(local)) {
        logger.error(
          { tenant: tenant.id, username },
          'ejabberd has lost an account: set a password',
        );
      } else if (!grouped.has(jid)) {
        if (!ownership.owns(partitionOf(tenant.id))) return;
        await admin.joinGroup(jid, rosterGroups(tenant).operators);
      }
    }
  }

  async function listTenant(
    tenant: TenantSettings,
    locals: readonly string[],
    scope: ReadonlySet<number>,
  ): Promise<Side> {
    const groups = rosterGroups(tenant);
    const partition = partitionOf(tenant.id);
    const mends = scope.has(partition) && ownership.owns(partition);
    if (mends) await admin.ensureGroups(tenant.host, groups);
    const [members, operators] = await Promise.all([
      admin.groupMembers(tenant.host, groups.visitors),
      mends ? admin.groupMembers(tenant.host, groups.operators) : null,
    ]);
    return { tenant, locals, members, operators };
  }

  async function compareHost(name: string, scope: ReadonlySet<number>): Promise<void> {
    // First ejabberd's side, then the log to its head, then the comparison: in another order a newborn is taken for
    // an orphan (docs/ejabberd.md).
    const locals = await admin.accounts(name);
    const sides: Side[] = [];
    for (const tenant of tenants.ofHost(name)) sides.push(await listTenant(tenant, locals, scope));
    await caughtUp();
    for (const side of sides) {
      if (side.operators) await mendOperators(side);
      await compareVisitors(side, scope);
    }
  }

  async function compareVisitors(
    { tenant, locals, members }: Side,
    scope: ReadonlySet<number>,
  ): Promise<void> {
    const visitorOf = (jid: string): Visitor | null => {
      const person = personOf(jid, () => [tenant]);
      return person?.kind === 'visitor' ? { tenant: tenant.id, key: person.name } : null;
    };
    const isMine = (visitor: Visitor): boolean => {
      const partition = partitionOf(idOf(visitor));
      return scope.has(partition) && ownership.owns(partition);
    };
    const found = new Map<string, { visitor: Visitor; account: boolean; grouped: boolean }>();
    const note = (jid: string, what: 'account' | 'grouped'): void => {
      const visitor = visitorOf(jid);
      if (!visitor) return;
      const known = found.get(jid) ?? { visitor, account: false, grouped: false };
      known[what] = true;
      found.set(jid, known);
    };
    for (const local of locals) note(`${local}@${tenant.host}`, 'account');
    for (const member of members) note(member, 'grouped');
    for (const [jid, { visitor, account, grouped }] of found) {
      if (!isMine(visitor)) continue;
      if (!busy.has(idOf(visitor))) accounts.seen(jid, { account, grouped });
      const row = wanted.get(visitor);
      if (!row) await removeOrphan(tenant, visitor, jid);
      else if (!row.online && (grouped || row.gone)) mark(visitor);
    }
    const known = new Set(accounts.known());
    for (const jid of known) {
      const visitor = found.has(jid) ? null : visitorOf(jid);
      if (visitor && !busy.has(idOf(visitor))) accounts.forget(jid);
    }
    for (const row of wanted.pending(tenant.id)) {
      const jid = visitorJid(tenant, row.key);
      // Removed by another process, or before this table was built anew: no fact says so, and it would fill up.
      if (row.gone && !found.has(jid) && !known.has(jid)) wanted.removed(row);
      else if (isMine(row)) mark(row);
    }
  }

  /** An account or a member that no fact of ours calls for, also one that ejabberd forgot to have removed. */
  async function removeOrphan(
    tenant: TenantSettings,
    visitor: Visitor,
    jid: string,
  ): Promise<void> {
    const id = idOf(visitor);
    if (busy.has(id)) return;
    busy.add(id); // who comes meanwhile is shown afterwards
    const mine = () => ownership.owns(partitionOf(id));
    try {
      const state = await actors.visitor(visitor.tenant, visitor.key).state();
      if (state && state.presence !== 'cleanedUp') return;
      if (!mine()) return;
      logger.info({ tenant: tenant.id, visitor: visitor.key }, 'removing an orphan from ejabberd');
      await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      if (!mine()) return;
      await admin.unregister(jid);
      accounts.forget(jid);
    } finally {
      busy.delete(id);
    }
  }

  /** @returns the hosts that could not be compared, of which one that ejabberd does not serve never can be */
  async function compareHosts(
    names: Iterable<string>,
    scope: ReadonlySet<number>,
    isFirst: boolean,
  ): Promise<string[]> {
    const failed: string[] = [];
    for (const name of names) {
      try {
        await compareHost(name, scope);
      } catch (error) {
        failed.push(name);
        logger[isFirst ? 'warn' : 'debug'](
          { host: name, reason: messageOf(error) },
          'ejabberd could not be compared with the log; again later',
        );
      }
    }
    return failed;
  }

  /** @returns whether it was done; false when another comparison was asked for, which has to cover this one too */
  async function compareAll(scope: ReadonlySet<number>): Promise<boolean> {
    let left: Iterable<string> = new Set(tenants.all().map(({ host: name }) => name));
    for (let attempt = 1; !stopped; attempt++) {
      // Nothing of these partitions is this process's any more: who gained them compares.
      if (![...scope].some((partition) => ownership.owns(partition))) return true;
      const failed = await compareHosts(left, scope, attempt === 1);
      if (failed.length === 0) return true;
      left = failed;
      if (!next) await sleep(backoff(attempt, COMPARISON_RETRY, random));
      if (next) return false; // it must not wait for a host that fails
    }
    return true;
  }

  /** Until the time is over, or a comparison is asked for. */
  async function sleep(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    hurry = over.resolve;
    const timer = setTimeout(over.resolve, ms).unref();
    await over.promise;
    clearTimeout(timer);
  }

  async function takeTurn(): Promise<void> {
    const turn = next;
    next = null;
    if (!turn) return;
    if ((await compareAll(turn.partitions)) || !next) {
      for (const resolve of turn.waiting) resolve();
      return;
    }
    const following: Turn = next;
    for (const partition of turn.partitions) following.partitions.add(partition);
    following.waiting.push(...turn.waiting);
  }

  return {
    run(partitions = ALL) {
      if (!next) {
        next = { partitions: new Set(), waiting: [] };
        running = running.then(takeTurn);
        hurry();
      }
      for (const partition of partitions) next.partitions.add(partition);
      const { promise, resolve } = Promise.withResolvers<void>();
      next.waiting.push(resolve);
      return promise;
    },
    stop() {
      stopped = true;
      hurry();
    },
  };
}
