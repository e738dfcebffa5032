/**
 * Removal of operators' accounts. The lane of the operator's stream removes the account. The request does so itself if
 * the lane is not there in time. A fact says that the account is removed, so that neither of them comes back later and
 * removes the account of the next operator of this name (docs/adr/0013).
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  operatorJid,
  operatorRef,
  rosterGroups,
  streamOf,
  type Username,
} from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { Mailboxes } from '../../runtime/host/mailbox.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Requests and lanes that wait for the same account, at most. */
export const ACCOUNT_QUEUE_MAX = 32;
/** How long a request waits for the lane of another process. */
export const OTHER_LANE_WAIT_MS = 3_000;
/** Interval of looks at a state that something else changes. */
const POLL_MS = 50;
/** A removal is old after this time: its lane gave up after 24 h. The extra hour is for clocks that differ and outages. */
export const RECENT_REMOVAL_MS = 25 * 3_600_000;
/** How long ejabberd has to end the sessions of an account that it removed. */
export const SESSIONS_END_MS = 2_000;

export interface OperatorRemoval {
  /**
   * Runs work of one operator's account sequentially: nothing else in this process touches the account meanwhile.
   * @throws {AppError} `overloaded` if too much work waits
   */
  exclusively<T>(tenant: Tenant, username: Username, work: () => Promise<T>): Promise<T>;
  /**
   * Removes the account of a removed operator. It leaves the account alone if the operator is registered again. Call it
   * only within {@link exclusively}.
   * @throws {AppError} `unavailable` if ejabberd is away
   */
  finish(tenant: Tenant, username: Username): Promise<void>;
  /**
   * The same, before the name is given again. It does not touch the account if the removal is old: its lane has removed
   * the account or given up, so an account of that name may be anybody's.
   */
  finishRecent(tenant: Tenant, username: Username): Promise<void>;
}

interface RemovalOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly ownership: Ownership;
  readonly now: () => number;
}

async function isLeaving(
  { actors }: RemovalOptions,
  tenant: Tenant,
  username: Username,
): Promise<boolean> {
  const state = await actors.operator(tenant.id, username).latest();
  return state?.context.accountRemovalPending ?? false;
}

const report = ({ actors }: RemovalOptions, tenant: Tenant, username: Username) =>
  actors.operator(tenant.id, username).send({ type: 'ReportAccountRemoved' });

/** Polls until a condition holds. @param withinMs it resolves after this time in any case */
async function until(condition: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition()) && performance.now() < deadline) await delay(POLL_MS);
}

/**
 * Unregisters the account first, so that nobody logs in again, and so that its contacts see its sessions end. Then it
 * takes the account out of the roster group.
 */
async function removeAccount(
  admin: EjabberdAdmin,
  tenant: Tenant,
  username: Username,
): Promise<void> {
  const jid = operatorJid(tenant, username);
  await admin.unregister(jid);
  // ejabberd ends the sessions of a removed account a moment later. A session that stays is ended here.
  let sessions: Awaited<ReturnType<EjabberdAdmin['sessions']>> = [];
  await until(async () => {
    sessions = await admin.sessions(jid);
    return sessions.length === 0;
  }, SESSIONS_END_MS);
  for (const { resource } of sessions) await admin.kick(jid, resource, 'This account was removed');
  await admin.leaveGroup(jid, rosterGroups(tenant).operators);
}

async function finish(options: RemovalOptions, tenant: Tenant, username: Username): Promise<void> {
  const { admin, ownership } = options;
  const stream = streamOf(operatorRef(tenant.id, username));
  // The owner of the partition goes first. Two removals at once could overlap with a new registration of the name.
  await until(
    async () => ownsStream(ownership, stream) || !(await isLeaving(options, tenant, username)),
    OTHER_LANE_WAIT_MS,
  );
  if (!(await isLeaving(options, tenant, username))) return;
  await removeAccount(admin, tenant, username);
  await report(options, tenant, username);
}

async function finishRecent(
  options: RemovalOptions,
  tenant: Tenant,
  username: Username,
): Promise<void> {
  const state = await options.actors.operator(tenant.id, username).latest();
  if (!state?.context.accountRemovalPending) return;
  // Facts after the removal only make it look younger.
  const isOld = options.now() - state.at > RECENT_REMOVAL_MS;
  if (isOld) await report(options, tenant, username);
  else await finish(options, tenant, username);
}

export function createOperatorRemoval(options: RemovalOptions): OperatorRemoval {
  const turns = new Mailboxes(ACCOUNT_QUEUE_MAX);
  return {
    exclusively: (tenant, username, work) => turns.run(`${tenant.id}.${username}`, work),
    finish: (tenant, username) => finish(options, tenant, username),
    finishRecent: (tenant, username) => finishRecent(options, tenant, username),
  };
}
