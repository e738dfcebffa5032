/**
 * The desks of tenants in XMPP: the account, its place in the roster group, its card and its session, where visitors have
 * accounts; a contact, where they are there by the component. This is the entry of `desk/`; the composition (src/service) imports it. `status.ts` has the status text,
 * `canned-texts.ts` the team's canned texts.
 *
 * The process that owns the partition of a tenant's id acts for its desk. As with visitors, what should be is compared with
 * what is; nothing about a desk is a fact, because everything follows from the tenant.
 */
import type { Logger } from 'pino';
import {
  actorOf,
  deskJid,
  otherTransport,
  rosterGroups,
  type TenantId,
  type Transport,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isExpected, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import { DESK_NAME } from '../texts/presence-text.ts';
import { changesStatus, type DeskCounts, deskStatus } from './status.ts';

/** A status is worked out at most this often: a busy site would move it all the time, and all operators get it. */
export const DESK_STATUS_EVERY_MS = 3_000;
/** How often desks that are due are looked for. */
const TICK_MS = 200;
/** Desks that are made or changed at the same time. */
export const DESKS_AT_ONCE = 4;
/** Waits between the tries for one desk, while ejabberd is away or does not serve the host. */
export const DESK_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };
/** A session that another process is to take over ends after this time. */
export const DESK_RELEASE_MS = 30_000;
/** The same while nobody can tell whether there is a next owner, because the event store is away. */
export const DESK_KEPT_MS = 3_600_000;
/** After so long without another login in its place, a session was a success. */
const STABLE_MS = 60_000;

export interface Desks extends CommitListener {
  /** Begins: all desks of this process are made. */
  start(): void;
  /** Looks at all desks again: when mod_lhc started, and every few minutes. */
  compare(): void;
  /** The session of this tenant's desk ended, and the transport does not bring it back. */
  sessionLost(tenant: TenantId): void;
  /** How many desks of this process are not shown as they should be. A newer status text is not counted. */
  pending(): number;
  /** Removes the desk of a tenant that is being removed, for good. @throws {AppError} `unavailable` */
  remove(tenant: Tenant): Promise<void>;
  /** Resolves when nothing is at work any more. The transport closes the sessions. */
  stop(): Promise<void>;
}

export interface DesksOptions {
  readonly admin: Pick<
    EjabberdAdmin,
    'register' | 'unregister' | 'accountExists' | 'setVisitorCard' | 'joinGroup' | 'leaveGroup'
  >;
  readonly transport: Pick<VisitorTransport, 'online' | 'offline' | 'release' | 'isOnline'>;
  readonly tenants: Pick<TenantDirectory, 'get' | 'all'> & {
    onChange(listener: (tenant: TenantId) => void): void;
  };
  readonly ownership: Ownership;
  readonly passwordOf: (jid: string) => string;
  /** What the queue of a tenant looks like now. */
  readonly countsOf: (tenant: TenantId) => DeskCounts;
  /** ms, only for intervals */
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
}

/** One desk of this process. */
interface Entry {
  /** When it has to be looked at; Infinity: nothing has to be done. */
  due: number;
  /** The account, the card and the group are as they should be, as far as this process knows. */
  made: boolean;
  /** The transport whose other place the desk has left; null: this process does not know. */
  leftBy: Transport | null;
  tries: number;
  /** When it was looked at last. */
  lookedAt: number;
  /** Sessions in a row that other logins have replaced, and when the last one was. */
  replaced: number;
  lostAt: number;
  /** null: nobody works on it. */
  work: Promise<void> | null;
}

export function createDesks(options: DesksOptions): Desks {
  const { admin, transport, tenants, ownership, passwordOf, now, random, logger } = options;
  const entries = new Map<TenantId, Entry>();
  const limited = createLimiter(DESKS_AT_ONCE);
  const lines = createLineBudget();
  let ticker: NodeJS.Timeout | undefined;
  let started = false;
  let stopped = false;

  const owns = (id: TenantId): boolean => ownership.owns(partitionOf(id));

  function entryOf(id: TenantId): Entry {
    let entry = entries.get(id);
    if (!entry) {
      const nothing = { made: false, leftBy: null, tries: 0, replaced: 0, work: null };
      const never = { lookedAt: Number.NEGATIVE_INFINITY, lostAt: Number.NEGATIVE_INFINITY };
      entry = { due: Number.POSITIVE_INFINITY, ...never, ...nothing };
      entries.set(id, entry);
    }
    return entry;
  }

  const isDueBy = (entry: Entry, at: number): void => {
    entry.due = Math.min(entry.due, at);
  };

  /** It has to be made, or looked at again. */
  function anew(id: TenantId): void {
    const entry = entryOf(id);
    entry.made = false;
    isDueBy(entry, now());
  }

  function isShown(tenant: Tenant): boolean {
    const entry = entries.get(tenant.id);
    const isInPlace = entry?.made && entry.leftBy === tenant.transport;
    return isInPlace === true && transport.isOnline(deskJid(tenant));
  }

  async function make(tenant: Tenant, jid: string, entry: Entry): Promise<void> {
    if (entry.made) return;
    if (tenant.transport === 'accounts') {
      await admin.register(jid, passwordOf(jid));
      // The name comes before the group: joining it copies the name into rosters (docs/ejabberd.md).
      await admin.setVisitorCard(jid, DESK_NAME);
      await admin.joinGroup(jid, rosterGroups(tenant).visitors);
    }
    entry.made = true;
  }

  /** Removes the desk from the place where a tenant's transport does not have it. Idempotent, and once for each comparison. */
  async function leaveFormer(tenant: Tenant, entry: Entry): Promise<void> {
    if (entry.leftBy === tenant.transport) return;
    await removeFormer(tenant);
    entry.leftBy = tenant.transport;
  }

  async function removeFormer(tenant: Tenant): Promise<void> {
    const former = { ...tenant, transport: otherTransport(tenant) };
    const isContact = former.transport === 'component';
    // ejabberd tells all operators of a member that goes, also if there was none.
    if (isContact || (await admin.accountExists(deskJid(former)))) await removeAt(former);
  }

  async function removeAt(tenant: Tenant): Promise<void> {
    const jid = deskJid(tenant);
    await transport.offline(jid);
    if (tenant.transport === 'component') return;
    await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
    await admin.unregister(jid);
  }

  async function attend(id: TenantId, entry: Entry): Promise<void> {
    const tenant = tenants.get(id);
    // A desk stays to the end of a removal, so that operators get their last answers; `remove` ends it.
    if (!tenant || tenant.removing || stopped || !owns(id)) return;
    const jid = deskJid(tenant);
    try {
      await make(tenant, jid, entry);
      if (stopped || !owns(id)) return;
      entry.lookedAt = now();
      const status = deskStatus(options.countsOf(id));
      await transport.online(jid, { status, nick: DESK_NAME });
      await leaveFormer(tenant, entry);
      entry.tries = 0;
    } catch (error) {
      if (stopped || !owns(id)) return;
      entry.tries += 1;
      entry.made = false;
      isDueBy(entry, now() + backoff(entry.tries, DESK_RETRY, random));
      const line = entry.tries === 1 && !isExpected(error) ? lines(id) : null;
      logger[line ? 'warn' : 'debug'](
        { tenant: id, reason: messageOf(error), ...line },
        "a tenant's front desk could not be shown in XMPP; the next try follows",
      );
    }
  }

  function tick(): void {
    for (const [id, entry] of entries) {
      if (entry.due > now() || entry.work) continue;
      entry.due = Number.POSITIVE_INFINITY;
      if (!tenants.get(id)) {
        entries.delete(id);
        continue;
      }
      entry.work = limited(() => attend(id, entry), id).finally(() => {
        entry.work = null;
      });
    }
  }

  const compare = (): void => {
    if (!started) return;
    for (const { id } of tenants.all()) {
      if (!owns(id)) continue;
      // A kill of ejabberd undoes its last two seconds: what was removed may be there again.
      entryOf(id).leftBy = null;
      anew(id);
    }
  };

  /** Another process may act for these desks now. */
  function release(isOf: (id: TenantId) => boolean, withinMs: number): void {
    for (const id of entries.keys()) {
      const tenant = isOf(id) ? tenants.get(id) : undefined;
      if (tenant) transport.release(deskJid(tenant), withinMs);
    }
  }
  const isIn = (partitions: ReadonlySet<number>) => (id: TenantId) =>
    partitions.has(partitionOf(id));

  tenants.onChange((id) => {
    if (started && owns(id)) anew(id);
  });
  ownership.onChange((partition, owned) => {
    if (owned) compare();
    else release(isIn(new Set([partition])), DESK_KEPT_MS);
  });
  ownership.onTaken((partition) => release(isIn(new Set([partition])), DESK_RELEASE_MS));
  ownership.onHandOver(async (partitions) => release(isIn(partitions), DESK_RELEASE_MS));

  return {
    onCommit(events) {
      if (!started) return;
      for (const { stream, type } of events) {
        if (!changesStatus(type)) continue;
        const actor = actorOf(stream);
        if (!actor || !owns(actor.tenant)) continue;
        const entry = entryOf(actor.tenant);
        isDueBy(entry, Math.max(now(), entry.lookedAt + DESK_STATUS_EVERY_MS));
      }
    },
    start() {
      started = true;
      ticker = setInterval(tick, TICK_MS);
      compare();
    },
    compare,
    sessionLost(id) {
      const entry = entryOf(id);
      // Two services that fight for one account get it less and less often.
      entry.replaced = now() - entry.lostAt > STABLE_MS ? 1 : entry.replaced + 1;
      entry.lostAt = now();
      entry.due = now() + backoff(entry.replaced, DESK_RETRY, random);
    },
    pending: () =>
      tenants.all().filter((tenant) => !tenant.removing && owns(tenant.id) && !isShown(tenant))
        .length,
    async remove(tenant) {
      await entries.get(tenant.id)?.work;
      entries.delete(tenant.id);
      await removeAt(tenant);
      await removeFormer(tenant);
    },
    async stop() {
      stopped = true;
      clearInterval(ticker);
      await Promise.all([...entries.values()].map(({ work }) => work));
    },
  };
}
