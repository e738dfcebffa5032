/**
 * Contacts in operators' own rosters that outlive their visitors (docs/adr/0035). A client that renames a contact or puts
 * it into a group stores it in the operator's roster, where it stays when the visitor's account goes. This reads the
 * rosters of a tenant's operators, whether they are online or not, and removes visitors who are gone.
 *
 * The process that owns the tenant's partition does it: some time after a visitor was cleaned up, and with each comparison.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  bareJid,
  operatorJid,
  personOf,
  rosterGroups,
  type TenantId,
  type Username,
  visitorDomain,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { messageOf } from '../../errors.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { createTurns } from '../../kit/turns.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { AccountsLog } from './accounts-log.ts';
import type { DesiredVisitors, Visitor } from './desired.ts';

/**
 * The rosters are read so long after a clean-up or a comparison. The account is gone by then, the logins of a start are
 * over, and the clean-ups of a busy site share the reading.
 */
export const LEFTOVERS_AFTER_MS = 15_000;
/**
 * The part of the time in which ejabberd is asked. A roster with 500 contacts costs it 5 ms (measured), so 100 operators
 * with 1,000 contacts are read within 10 s, and ejabberd serves others in between.
 */
export const LEFTOVERS_SHARE = 1 / 10;
/** A pause after a call at most, however slow ejabberd was. */
const LONGEST_PAUSE_MS = 10_000;
/**
 * Contacts removed from one roster, before the rosters of other tenants have their turn. An operator can add contacts without
 * end, and each removal takes ten times as long as ejabberd needs for it.
 */
export const LEFTOVERS_MOST_AT_ONCE = 500;
/** Contacts that are looked up before the event loop serves others. Each takes some 5 us. */
const LOOKED_UP_AT_ONCE = 1_000;

const nextTurn = createTurns();

export interface Leftovers {
  /** Rosters of this tenant may have leftovers. They are read `afterMs` after the first such call. */
  mark(tenant: TenantId): void;
  /** Begins with a tenant that is due, unless one is being read. To be called regularly. */
  tick(): void;
  /** Resolves when no tenant is being read. */
  idle(): Promise<void>;
  /** Ends the reading. Resolves when ejabberd is not asked any more. */
  stop(): Promise<void>;
}

export interface LeftoversOptions {
  /** Default {@link LEFTOVERS_AFTER_MS}. */
  readonly afterMs?: number;
  readonly admin: Pick<EjabberdAdmin, 'groupMembers' | 'rosterContacts' | 'removeContact'>;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly desired: Pick<DesiredVisitors, 'get'>;
  readonly accountsLog: Pick<AccountsLog, 'isOwn'>;
  readonly tenants: TenantDirectory;
  readonly ownership: Pick<Ownership, 'owns'>;
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  /** Resolves when the table of desired visitors has seen the whole log. */
  readonly caughtUp: () => Promise<void>;
  /** ms, only for intervals */
  readonly now: () => number;
  readonly logger: Logger;
}

/** The reading of one tenant's rosters. */
interface Sweep {
  readonly tenant: Tenant;
  /** True while this process may go on. */
  readonly mayAct: () => boolean;
  /** Calls ejabberd, and pauses afterwards. */
  readonly paced: <T>(call: () => Promise<T>) => Promise<T>;
}

/** @returns the visitor, if the contact is one of this tenant's */
function visitorOf({ tenants }: LeftoversOptions, { id }: Tenant, jid: string) {
  const person = personOf(jid, tenants.ofHost);
  return person?.kind === 'visitor' && person.tenant === id
    ? { tenant: person.tenant, key: person.name }
    : null;
}

/** True if no fact calls for the visitor, and nothing is left to do for them. */
async function isGone({ desired, actors }: LeftoversOptions, visitor: Visitor): Promise<boolean> {
  if (desired.get(visitor)) return false;
  const state = await actors.visitor(visitor.tenant, visitor.key).state();
  return !state || state.presence === 'cleanedUp';
}

/** Those of these contacts whose visitors are gone: the first {@link LEFTOVERS_MOST_AT_ONCE}. */
async function goneAmong(
  options: LeftoversOptions,
  tenant: Tenant,
  contacts: readonly string[],
): Promise<string[]> {
  const gone: string[] = [];
  for (const [index, jid] of contacts.entries()) {
    if (index % LOOKED_UP_AT_ONCE === LOOKED_UP_AT_ONCE - 1) await nextTurn(tenant.id);
    const visitor = visitorOf(options, tenant, jid);
    // After a change of the transport nobody is at the former address.
    const isFormer = bareJid(jid)?.host !== visitorDomain(tenant);
    if (visitor && (isFormer || (await isGone(options, visitor)))) gone.push(jid);
    if (gone.length === LEFTOVERS_MOST_AT_ONCE) break;
  }
  return gone;
}

/** @returns how many contacts were removed, and whether a roster may have more of them */
async function sweepTenant(
  options: LeftoversOptions,
  { tenant, mayAct, paced }: Sweep,
): Promise<{ removed: number; mayHaveMore: boolean }> {
  const { admin, accountsLog, operatorsOf, caughtUp } = options;
  let removed = 0;
  let mayHaveMore = false;
  // A log that does not know what the accounts are for removes nothing (docs/adr/0028).
  if (!mayAct() || !(await accountsLog.isOwn(tenant))) return { removed, mayHaveMore };
  const group = rosterGroups(tenant).visitors;
  const members = new Set(await paced(() => admin.groupMembers(tenant.host, group)));
  for (const username of operatorsOf(tenant.id)) {
    if (!mayAct()) break;
    const operator = operatorJid(tenant, username);
    const contacts = await paced(() => admin.rosterContacts(operator));
    // The rest is on the roster because of the group, and ejabberd would store a member instead of removing it.
    const own = contacts.filter((jid) => !members.has(jid) && visitorOf(options, tenant, jid));
    if (own.length === 0) continue;
    await caughtUp(); // as in a comparison: list ejabberd, then read the log to its head, then judge
    const gone = await goneAmong(options, tenant, own);
    mayHaveMore ||= gone.length === LEFTOVERS_MOST_AT_ONCE;
    for (const contact of gone) {
      if (!mayAct()) break;
      await paced(() => admin.removeContact(operator, contact));
      removed += 1;
    }
  }
  return { removed, mayHaveMore };
}

export function createLeftovers(options: LeftoversOptions): Leftovers {
  const { tenants, ownership, now, logger, afterMs = LEFTOVERS_AFTER_MS } = options;
  /** When each tenant's rosters are read, ms of `now`. */
  const due = new Map<TenantId, number>();
  const stopping = new AbortController();
  const lines = createLineBudget();
  let running: Promise<void> | null = null;

  const owns = (tenant: TenantId): boolean => ownership.owns(partitionOf(tenant));
  const mayAct = (tenant: TenantId): boolean => !stopping.signal.aborted && owns(tenant);

  async function paced<T>(call: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await call();
    const pauseMs = (performance.now() - began) * (1 / LEFTOVERS_SHARE - 1);
    const { signal } = stopping;
    await delay(Math.min(pauseMs, LONGEST_PAUSE_MS), undefined, { ref: false, signal }).catch(
      () => undefined, // stopped: the caller looks before the next call
    );
    return result;
  }

  function mark(tenant: TenantId): void {
    if (!due.has(tenant)) due.set(tenant, now() + afterMs);
  }

  async function run(tenant: Tenant): Promise<void> {
    const { id } = tenant;
    try {
      const sweep = { tenant, mayAct: () => mayAct(id), paced };
      const { removed, mayHaveMore } = await sweepTenant(options, sweep);
      if (mayHaveMore) mark(id); // behind the tenants that are due
      if (removed > 0) {
        logger.info({ tenant: id, removed }, 'visitors who are gone were removed from rosters');
      }
    } catch (error) {
      const line = lines(id);
      logger[line ? 'warn' : 'debug'](
        { tenant: id, reason: messageOf(error), ...line },
        "operators' rosters could not be cleaned; the next comparison tries again",
      );
    }
  }

  return {
    mark,
    tick() {
      if (running || stopping.signal.aborted) return;
      for (const [id, at] of due) {
        if (at > now()) continue;
        due.delete(id);
        const tenant = tenants.get(id);
        if (!tenant || !owns(id)) continue; // the owner has marked it too
        running = run(tenant).finally(() => {
          running = null;
        });
        return;
      }
    },
    async idle() {
      await running;
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
