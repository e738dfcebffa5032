/**
 * What ejabberd has beside what the log calls for: at start, whenever mod_lhc started, and every few minutes. Only the
 * differences are mended, and what nothing calls for (orphans) is removed.
 */
import type { Logger } from 'pino';
import {
  operatorJid,
  personOf,
  rosterGroups,
  type TenantId,
  type Username,
  visitorRef,
} from '../actors/ids.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { visitorState } from '../actors/visitor-decisions.ts';
import { messageOf } from '../errors.ts';
import { backoff } from '../runtime/backoff.ts';
import type { ActorHost } from '../runtime/host.ts';
import { type Ownership, partitionOf } from '../runtime/ownership.ts';
import type { EjabberdAdmin } from '../xmpp/port.ts';
import type { VisitorAccounts } from './visitor-accounts.ts';
import type { Visitor, Wanted } from './wanted.ts';

const RETRY = { firstMs: 500, mostMs: 30_000 };

export interface Comparison {
  /** Resolves when everything was compared once; while ejabberd is away it waits, with backoff. */
  run(): Promise<void>;
  stop(): void;
}

export interface ComparisonOptions {
  readonly wanted: Wanted;
  readonly accounts: VisitorAccounts;
  readonly host: ActorHost;
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

export function createComparison(options: ComparisonOptions): Comparison {
  const { wanted, accounts, host, admin, tenants, ownership, operatorsOf, caughtUp } = options;
  const { busy, idOf, mark, random, logger } = options;
  let comparing: Promise<void> | null = null;
  let stopped = false;

  /** A kill of ejabberd forgets what Mnesia took in its last two seconds (measured). */
  async function mendOperators(
    tenant: TenantSettings,
    existing: ReadonlySet<string>,
    members: readonly string[],
  ): Promise<void> {
    const grouped = new Set(members);
    for (const username of operatorsOf(tenant.id)) {
      const jid = operatorJid(tenant, username);
      const local = jid.slice(0, -(tenant.host.length + 1));
      if (!existing.has(local)) {
        logger.error(
          { tenant: tenant.id, username },
          'ejabberd has lost an account: set a password',
        );
      } else if (!grouped.has(jid)) {
        await admin.joinGroup(jid, rosterGroups(tenant).operators);
      }
    }
  }

  async function compareTenant(tenant: TenantSettings): Promise<void> {
    const groups = rosterGroups(tenant);
    await admin.ensureGroups(tenant.host, groups);
    // First ejabberd's side, then the log to its head, then the comparison: in another order a newborn is taken for
    // an orphan (DESIGN.md, Effects).
    const [locals, members, operators] = await Promise.all([
      admin.accounts(tenant.host),
      admin.groupMembers(tenant.host, groups.visitors),
      admin.groupMembers(tenant.host, groups.operators),
    ]);
    await caughtUp();
    await mendOperators(tenant, new Set(locals), operators);
    await compareVisitors(tenant, locals, members);
  }

  async function compareVisitors(
    tenant: TenantSettings,
    locals: readonly string[],
    members: readonly string[],
  ): Promise<void> {
    const visitorOf = (jid: string): Visitor | null => {
      const person = personOf(jid, () => [tenant]);
      return person?.kind === 'visitor' ? { tenant: tenant.id, key: person.name } : null;
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
      if (!busy.has(idOf(visitor))) accounts.seen(jid, { account, grouped });
      const row = wanted.get(visitor);
      if (!row) await removeOrphan(tenant, visitor, jid);
      else if (!row.online && (grouped || row.gone)) mark(visitor);
    }
    for (const jid of accounts.known()) {
      const visitor = found.has(jid) ? null : visitorOf(jid);
      if (visitor && !busy.has(idOf(visitor))) accounts.forget(jid);
    }
    for (const row of wanted.pending(tenant.id)) mark(row);
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
    try {
      const state = await host.load(visitorRef(visitor.tenant, visitor.key));
      if (state && visitorState(state.core).presence !== 'cleanedUp') return;
      logger.info({ tenant: tenant.id, visitor: visitor.key }, 'removing an orphan from ejabberd');
      await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
      await admin.unregister(jid);
      accounts.forget(jid);
    } finally {
      busy.delete(id);
    }
  }

  async function compareAll(): Promise<void> {
    for (let attempt = 1; !stopped; attempt++) {
      try {
        for (const tenant of tenants.all()) {
          if (ownership.owns(partitionOf(tenant.id))) await compareTenant(tenant);
        }
        return;
      } catch (error) {
        const wait = backoff(attempt, RETRY, random);
        logger[attempt === 1 ? 'warn' : 'debug'](
          { reason: messageOf(error) },
          'ejabberd could not be compared with the log; again later',
        );
        await new Promise((resolve) => setTimeout(resolve, wait).unref());
      }
    }
  }

  return {
    run() {
      comparing ??= compareAll().finally(() => {
        comparing = null;
      });
      return comparing;
    },
    stop() {
      stopped = true;
    },
  };
}
