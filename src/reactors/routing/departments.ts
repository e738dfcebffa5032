/** The departments of a tenant as one pass sees them: their rules at its time, whether they are open, what they have. */

import type { Candidates, Rule, Terms } from '../../actors/operator-selection.ts';
import {
  type Closed,
  closedOf,
  maxChatsOf,
  openingOf,
  overflowsOf,
  termsOf,
  waitingLimits,
} from '../../actors/tenant/department-settings.ts';
import type { Opening } from '../../actors/tenant/opening-hours.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Pool } from './pool.ts';
import type { RoundRobin } from './round-robin-position.ts';
import type { RoutableChat, RoutingTables } from './table-queries.ts';

export interface Departments {
  readonly closed: Closed;
  /** Chats behind these wait beyond the limit of their department. */
  readonly lastWithinLimit: ReadonlyMap<string, QueuePlace>;
  opening(department: string | null): Opening;
  termsOf(department: string | null): Terms;
  /** The rule of the next pick for a chat of this department. */
  ruleOf(department: string | null): Rule;
  /** Who may have the chat. While its department is closed, only who knows the visitor from this chat. */
  candidates(chat: RoutableChat): Candidates;
  /** True if the department has as many chats as it may. */
  isCrowded(chat: Pick<RoutableChat, 'department' | 'offeredTo'>): boolean;
  /** Counts a chat that is offered in a broadcast. */
  addBroadcast(department: string | null): void;
  isBeyondLimit(chat: RoutableChat): boolean;
  /** The departments that the chat may go to now. */
  overflows(chat: RoutableChat): readonly string[];
}

/** A place in the queue, which is ordered by the time of the start. */
export type QueuePlace = Pick<RoutableChat, 'since' | 'visitor'>;

interface DepartmentsOptions {
  readonly tenant: Tenant;
  readonly tables: Pick<RoutingTables, 'openBroadcasts' | 'lastWithinLimits'>;
  readonly pool: Pool;
  readonly roundRobin: Pick<RoundRobin, 'lastPick'>;
  readonly random: () => number;
  /** ms since 1970 */
  readonly now: number;
}

/** The value of a key, worked out once. */
function memo<Value>(work: (department: string | null) => Value) {
  const known = new Map<string | null, Value>();
  return (department: string | null): Value => {
    const before = known.get(department);
    if (before !== undefined) return before;
    const value = work(department);
    known.set(department, value);
    return value;
  };
}

/** Whoever is in a chat keeps their claim while its department is closed; who answered an earlier one does not. */
const ofThisChat = (chat: RoutableChat): RoutableChat =>
  chat.answered ? chat : { ...chat, lastOperator: null };

export function createDepartments(options: DepartmentsOptions): Departments {
  const { tenant, tables, pool, roundRobin, random, now } = options;
  const { routing } = tenant;
  const opening = memo((department) => openingOf(routing, department, now));
  const terms = memo((department) => termsOf(routing, department, now));
  const limits = waitingLimits(routing);
  const lastWithinLimit = limits.size > 0 ? tables.lastWithinLimits(tenant.id, limits) : new Map();
  let broadcasts: Map<string | null, number> | null = null;
  const broadcastsOf = (department: string | null): number => {
    broadcasts ??= new Map(tables.openBroadcasts(tenant.id));
    return broadcasts.get(department) ?? 0;
  };
  const isBeyondLimit = ({ department, since, visitor }: RoutableChat): boolean => {
    const last = department === null ? undefined : lastWithinLimit.get(department);
    if (last === undefined) return false;
    return since === last.since ? visitor > last.visitor : since > last.since;
  };
  return {
    closed: closedOf(routing, now),
    lastWithinLimit,
    opening,
    termsOf: terms,
    ruleOf(department) {
      const { policy } = terms(department);
      return {
        ...terms(department),
        lastPicked: policy === 'round-robin' ? roundRobin.lastPick(tenant.id, department) : null,
        random: random(),
      };
    },
    candidates: (chat) =>
      opening(chat.department).open
        ? pool.candidates(chat)
        : { serving: [], claimants: pool.candidates(ofThisChat(chat)).claimants },
    isCrowded({ department, offeredTo }) {
      const most = maxChatsOf(routing, department);
      if (most === null || offeredTo.length > 0) return false;
      return pool.chatsOf(department) + broadcastsOf(department) >= most;
    },
    addBroadcast(department) {
      if (maxChatsOf(routing, department) === null) return;
      const before = broadcastsOf(department);
      broadcasts?.set(department, before + 1);
    },
    isBeyondLimit,
    overflows: (chat) => overflowsOf(routing, chat, now, isBeyondLimit(chat)),
  };
}
