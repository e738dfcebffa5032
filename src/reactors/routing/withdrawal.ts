/** Offers of operators who went offline: whether somebody else is asked instead. */
import { setTimeout as delay } from 'node:timers/promises';
import type { TenantId, Username } from '../../actors/ids.ts';
import { AHEAD_MOST_MS } from '../../actors/machine/timers.ts';
import { prospectOf, selectOperators } from '../../actors/operator-selection.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Departments } from './departments.ts';
import { tryCommand } from './repair.ts';
import type { RoutingTables, UnansweredChat } from './table-queries.ts';

/**
 * An offer is withdrawn from an operator who has been offline for so long. When ejabberd stops, its sessions end one after
 * the other, and nobody may get the chats of those who went first.
 */
export const WITHDRAW_AFTER_MS = 5_000;
/** Operators whose sessions ended within this time of each other vanished together: the connection failed, not one of them. */
export const TOGETHER_MS = 30_000;
/** How long a pass waits for ejabberd's word about one operator. */
export const ONLINE_DEADLINE_MS = 2_000;

export interface Withdrawal {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenant: Tenant;
  readonly tables: Pick<RoutingTables, 'lostBetween' | 'cameAfter'>;
  readonly departments: Pick<Departments, 'termsOf' | 'ruleOf' | 'candidates'>;
  readonly now: () => number;
  /** Whether ejabberd has a session of this operator that would get a message. @throws when it cannot be asked */
  readonly isOnline: (tenant: TenantId, username: Username) => Promise<boolean>;
}

/** While ejabberd is away, or was until now, the streams still have sessions that it does not have. */
async function isOnline(
  { tenant, isOnline: asks }: Withdrawal,
  operator: Username,
): Promise<boolean> {
  const late = delay(ONLINE_DEADLINE_MS, false, { ref: false });
  return Promise.race([asks(tenant.id, operator).catch(() => false), late]);
}

/**
 * Withdraws an offer from an operator who went offline, if somebody else can be asked. If others vanished together with
 * them, that is somebody who stayed. When ejabberd restarts, all vanish, and whoever is back first does not get the chats of the others.
 */
export async function withdraw(
  pass: Withdrawal,
  { operator, lost, ...chat }: UnansweredChat,
): Promise<void> {
  const { actors, tenant, tables, departments, now } = pass;
  const { chatId, visitor, department } = chat;
  const offline = now() - lost;
  if (offline > -AHEAD_MOST_MS && offline < WITHDRAW_AFTER_MS) return; // a sweep comes back to it
  const vanished = tables.lostBetween(tenant.id, lost - TOGETHER_MS, lost + TOGETHER_MS);
  // Who came only then cannot tell whether the connection failed.
  const late = vanished.length > 1 ? tables.cameAfter(tenant.id, lost) : [];
  const passedBy = [...chat.passedBy, operator, ...vanished, ...late];
  const candidates = departments.candidates(chat);
  const others = { ...chat, passedBy };
  if (prospectOf(candidates, others, departments.termsOf(department)) !== 'fresh') return;
  const pick = selectOperators(candidates, others, departments.ruleOf(department));
  if (!pick || pick.again || !(await isOnline(pass, pick.operators[0]))) return;
  // The table lags behind the stream. A chat that the operator answered by now stays with the operator.
  const current = (await actors.visitor(tenant.id, visitor).state())?.context.chat;
  if (current?.id !== chatId || current.operator !== operator || current.accepted) return;
  const unassign = { type: 'UnassignChat', chatId, operator, reason: 'offline' } as const;
  await tryCommand(actors.visitor(tenant.id, visitor).send(unassign));
}
