/** The queries of routing: both sides of every open chat, folded from visitors' and operators' streams. */
import type { DatabaseSync } from 'node:sqlite';
import {
  operatorRef,
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../../actors/ids.ts';
import type { ChatCriteria } from '../../actors/operator-selection.ts';
import type { Closed } from '../../actors/tenant/department-settings.ts';
import { criteriaOf, VISITOR_FOLD } from '../../actors/visitor/chat.ts';
import type { Chat } from '../../actors/visitor/state.ts';
import type { FactPlace } from '../../runtime/cause.ts';
import type { WorkTable } from '../../runtime/pending-work.ts';
import { forgetsByTenant } from '../../runtime/removed-tenant.ts';
import { prepareLazily } from '../../sqlite/statements.ts';
import { applyToRouting } from './table-fold.ts';
import { SAME, SCHEMA, TABLES } from './table-schema.ts';

/** An open chat with everything that a pick needs, so that a pass loads no visitor whose chat nobody can answer. */
export interface RoutableChat extends ChatCriteria {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  /** Offers in a row that nobody answered. */
  readonly misses: number;
  /** The visitor has left: nobody who passed the chat is asked again. */
  readonly left: boolean;
  /** Since when nobody is asked, ms since 1970. */
  readonly freeSince: number;
  /** When the chat was started, ms since 1970. */
  readonly since: number;
  /** The search for an operator that a pick is for, by its first revision. */
  readonly search: number;
  /** Departments in which it waited too long. */
  readonly overflowed: readonly string[];
  /** What the visitor was told while nobody answered. */
  readonly notified: Chat['notified'];
}

/** A place in the queue. */
type Place = Pick<RoutableChat, 'since' | 'visitor'>;

/** A chat without an operator. */
export type WaitingChat = RoutableChat;

/** A chat whose operator has not answered it yet. */
export interface UnansweredChat extends RoutableChat {
  readonly operator: Username;
  /** When the last session of this operator ended, ms since 1970. */
  readonly lost: number;
}

/** The operators who have a free place. Chats that none of them may serve are not read. */
export interface FreePlaces {
  /** True if one of them serves every department. */
  readonly all: boolean;
  readonly departments: readonly string[];
  /** They may get a chat that they have a claim to, whatever its department is. */
  readonly operators: readonly Username[];
}

/** A chat and its operator, as one of the two sides has it. */
export interface Assignment {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly operator: Username;
  readonly reservation: string | null;
  readonly department: string | null;
  /** The fact by which the two sides differ, or by which the operator is gone; null if no table knows it. */
  readonly cause: FactPlace | null;
}

/** @property removed true if the operator is not registered; false if they stay away longer than the owner's grace */
export type OrphanedChat = Assignment & { readonly removed: boolean };

export interface RoutingTables {
  /** Registered operators. */
  operators(tenant: TenantId): readonly Username[];
  isAnyWaiting(tenant: TenantId): boolean;
  /**
   * A page of the waiting chats that routing gives out and that these operators may serve, the oldest chat first, behind
   * `after`. Of closed departments only those that one of them has a claim to.
   */
  waiting(
    tenant: TenantId,
    free: FreePlaces,
    closed: Closed,
    after?: WaitingChat,
  ): readonly WaitingChat[];
  /** Waiting chats of closed departments whose visitors have not been told, the oldest first. */
  closedAndUntold(tenant: TenantId, closed: Closed): readonly RoutableChat[];
  /** By department, the last of the chats that may wait there, where more do. @param limits by department */
  lastWithinLimits(
    tenant: TenantId,
    limits: ReadonlyMap<string, number>,
  ): ReadonlyMap<string, Place>;
  /** Chats that wait behind that one, and whose visitors have not been told, the oldest first. */
  beyondLimitAndUntold(tenant: TenantId, department: string, last: Place): readonly RoutableChat[];
  /** How many chats of each department are offered in a broadcast now. */
  openBroadcasts(tenant: TenantId): ReadonlyMap<string | null, number>;
  /** Chats that are assigned on the visitor's side and not confirmed on the operator's side. */
  unconfirmed(tenant: TenantId): readonly Assignment[];
  /** Chats that an operator's side still has, and that are closed or have another operator on the visitor's side. */
  obsolete(tenant: TenantId): readonly Assignment[];
  /** Chats whose operator stays away or is not registered, unless LHC picks their operators. */
  orphans(tenant: TenantId): readonly OrphanedChat[];
  /** Chats that are not answered and whose operator is offline. */
  unanswered(tenant: TenantId): readonly UnansweredChat[];
  /** Operators of whom a session ended between these times, ms since 1970; those who are back, too. */
  lostBetween(tenant: TenantId, from: number, to: number): readonly Username[];
  /** Operators who came online after that, ms since 1970. */
  cameAfter(tenant: TenantId, at: number): readonly Username[];
  /** How many chats each operator is asked about in broadcasts now. */
  offersByOperator(tenant: TenantId): ReadonlyMap<Username, number>;
  /** The last operator whom `round-robin` picked in a department. */
  lastPick(tenant: TenantId, department: string | null): Username | null;
  /**
   * Reservations that are neither assigned nor released, from before `at` (ms since 1970). Those from after `ahead` were
   * made while a clock was wrong, and count too.
   */
  reservedBefore(tenant: TenantId, at: number, ahead: number): readonly Assignment[];
  /** The visitor of an open chat; null if there is none, or not one alone. */
  visitorOf(tenant: TenantId, chatId: string): VisitorKey | null;
  /**
   * Waiting chats of all tenants, without those whose operators LHC picks or that somebody in LHC has, and those that
   * somebody has passed and whose visitors have left.
   */
  waitingCount(): number;
  /** Chats of all tenants that one operator or several are asked to answer now. */
  offerCount(): number;
  /** A tenant's open chats: those that nobody has accepted, but for those whose visitors have left, and the others. */
  counts(tenant: TenantId): { readonly waiting: number; readonly chatting: number };
  /** When the oldest of these chats was started, ms since 1970; null if no chat waits. */
  oldestWaitingSince(): number | null;
}

/** Rows that one query reads. The caller handles them, and the next query reads the rest. */
export const ROUTING_ROWS_MAX = 500;

const ASSIGNMENT = (row: string) =>
  `${row}.visitor, ${row}.chat, ${row}.operator, ${row}.reservation, ${row}.department`;
/** With {@link DISPUTED}. */
const CAUSE = 'u.stream, u.revision';
/** Starts with the few chats about which the two sides disagree. CROSS JOIN keeps SQLite to this order. */
const DISPUTED = (row: 'v' | 'o') =>
  `unsettled u CROSS JOIN ${
    row === 'v' ? 'chats_of_visitors v' : 'chats_of_operators o INDEXED BY chats_by_visitor'
  } ON ${row}.tenant = u.tenant AND ${row}.visitor = u.visitor`;
/** Starts with the operators, who are fewer than the chats. SQLite cannot know that, so the index is named. */
const OF_OPERATORS = `operators r CROSS JOIN chats_of_visitors v INDEXED BY chats_waiting
  ON v.tenant = r.tenant AND v.operator = r.username`;
const ONE_OF = (json: string) => `IN (SELECT value FROM json_each(${json}))`;

/** Chats of closed departments. @param names @param others @param named parameters with the parts of {@link Closed} */
const OF_CLOSED = (names: string, others: string, named: string) =>
  `(ifnull(v.department ${ONE_OF(names)}, 0) OR
    (${others} AND (v.department IS NULL OR v.department NOT ${ONE_OF(named)})))`;

const QUERIES = {
  operators: `SELECT username FROM operators WHERE tenant = ? AND registered = 1
    ORDER BY username`,
  waiting: `SELECT v.visitor, v.life FROM chats_of_visitors v INDEXED BY chats_waiting
    WHERE v.tenant = ?1 AND v.operator IS NULL AND v.left_alone = 0
    AND (v.since, v.visitor) > (?2, ?3)
    AND ((?4 OR v.department IS NULL OR v.department ${ONE_OF('?5')}) AND NOT ${OF_CLOSED('?7', '?8', '?9')}
      OR v.transferred_by ${ONE_OF('?6')} OR v.invited_by ${ONE_OF('?6')}
      OR v.last_operator ${ONE_OF('?6')})
    ORDER BY v.since, v.visitor LIMIT ${ROUTING_ROWS_MAX}`,
  closedAndUntold: `SELECT v.visitor, v.life FROM chats_of_visitors v INDEXED BY chats_waiting
    WHERE v.tenant = ?1 AND v.operator IS NULL AND v.left_alone = 0 AND v.told = 0
    AND v.offered = '[]' AND ${OF_CLOSED('?2', '?3', '?4')}
    ORDER BY v.since, v.visitor LIMIT ${ROUTING_ROWS_MAX}`,
  // ?2: an object with the limits by department.
  lastWithinLimits: `SELECT department, since, visitor FROM
    (SELECT v.department, v.since, v.visitor, l.value AS most,
       row_number() OVER (PARTITION BY v.department ORDER BY v.since, v.visitor) AS place
     FROM json_each(?2) l JOIN chats_of_visitors v INDEXED BY chats_waiting ON v.department = l.key
     WHERE v.tenant = ?1 AND v.operator IS NULL AND v.left_alone = 0 AND v.rests = 0)
    WHERE place = most`,
  beyondLimitAndUntold: `SELECT v.visitor, v.life FROM chats_of_visitors v INDEXED BY chats_waiting
    WHERE v.tenant = ? AND v.operator IS NULL AND v.left_alone = 0 AND v.told = 0
    AND v.offered = '[]' AND (v.since, v.visitor) > (?, ?) AND v.department = ?
    ORDER BY v.since, v.visitor LIMIT ${ROUTING_ROWS_MAX}`,
  openBroadcasts: `SELECT department, count(*) AS n FROM chats_of_visitors v INDEXED BY chats_waiting
    WHERE v.tenant = ? AND v.operator IS NULL AND v.offered <> '[]' GROUP BY department`,
  isAnyWaiting: `SELECT 1 FROM chats_of_visitors INDEXED BY chats_waiting
    WHERE tenant = ? AND operator IS NULL AND left_alone = 0 LIMIT 1`,
  unconfirmed: `SELECT ${ASSIGNMENT('v')}, ${CAUSE} FROM ${DISPUTED('v')}
    CROSS JOIN operators r ON r.tenant = v.tenant AND r.username = v.operator
    WHERE u.tenant = ? AND r.registered = 1 AND NOT EXISTS
    (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}) LIMIT ${ROUTING_ROWS_MAX}`,
  obsolete: `SELECT ${ASSIGNMENT('o')}, ${CAUSE} FROM ${DISPUTED('o')}
    WHERE u.tenant = ? AND o.open = 1 AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${ROUTING_ROWS_MAX}`,
  reservedBefore: `SELECT ${ASSIGNMENT('o')}, ${CAUSE} FROM ${DISPUTED('o')}
    WHERE u.tenant = ?1 AND o.open = 0 AND (o.at < ?2 OR o.at > ?3) AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${ROUTING_ROWS_MAX}`,
  orphans: `SELECT ${ASSIGNMENT('v')}, r.registered = 0 AS removed, r.gone_by AS revision FROM ${OF_OPERATORS}
    WHERE r.tenant = ? AND (r.registered = 0 OR r.gone = 1) AND v.left_alone = 0 LIMIT ${ROUTING_ROWS_MAX}`,
  unanswered: `SELECT v.visitor, v.life, v.operator, r.lost FROM ${OF_OPERATORS}
    WHERE r.tenant = ? AND r.offline = 1 AND r.registered = 1 AND v.accepted = 0
    ORDER BY v.since, v.visitor LIMIT ${ROUTING_ROWS_MAX}`,
  lostBetween: 'SELECT username FROM operators WHERE tenant = ? AND lost BETWEEN ? AND ?',
  cameAfter: 'SELECT username FROM operators WHERE tenant = ? AND came > ?',
  offersByOperator: `SELECT asked.value AS operator, count(*) AS n
    FROM chats_of_visitors v INDEXED BY chats_waiting, json_each(v.offered) asked
    WHERE v.tenant = ? AND v.operator IS NULL AND v.offered <> '[]' GROUP BY 1`,
  lastPick: 'SELECT operator FROM rounds WHERE tenant = ? AND department = ?',
  // Several visitors may have chats of one id (docs/left-to-do.md): then nobody can be meant.
  visitorsOf: `SELECT visitor FROM chats_of_visitors INDEXED BY chats_by_id
    WHERE tenant = ? AND chat = ? LIMIT 2`,
  waitingCount: `SELECT count(*) AS n FROM chats_of_visitors
    WHERE operator IS NULL AND rests = 0 AND left_alone = 0`,
  offerCount: `SELECT count(*) AS n FROM chats_of_visitors
    WHERE accepted = 0 AND (operator IS NOT NULL OR offered <> '[]')`,
  counts: `SELECT ifnull(sum(accepted = 0 AND rests = 0), 0) AS waiting,
    ifnull(sum(accepted), 0) AS chatting FROM chats_of_visitors WHERE tenant = ?`,
  oldestWaitingSince: `SELECT min(since) AS since FROM chats_of_visitors
    WHERE operator IS NULL AND rests = 0 AND left_alone = 0`,
} as const;

interface AssignmentRow {
  visitor: VisitorKey;
  chat: string;
  operator: Username;
  reservation: string | null;
  department: string | null;
  revision: number | null;
}
interface RoutableRow {
  visitor: VisitorKey;
  life: string;
}

/** A visitor's open chat as routing sees it. */
export const routableChat = (visitor: VisitorKey, chat: Chat): RoutableChat => ({
  ...criteriaOf(chat),
  visitor,
  chatId: chat.id,
  misses: chat.misses,
  left: chat.left,
  freeSince: chat.freeSince,
  since: chat.startedAt,
  search: chat.searchRevision,
  overflowed: chat.overflowed,
  notified: chat.notified,
});

// Written as JSON by table-fold.ts.
const routableIn = ({ visitor, life }: RoutableRow): RoutableChat =>
  routableChat(visitor, JSON.parse(life) as Chat);

export const ROUTING_TABLE: WorkTable = {
  name: `routing of visitor/${VISITOR_FOLD}`,
  version: 11,
  schema: SCHEMA,
  tables: TABLES,
  apply: applyToRouting,
  forget: (file) => forgetsByTenant(file, TABLES),
};

/** The parameters of {@link OF_CLOSED}. */
const closedParameters = ({ names, others, named }: Closed) => [
  JSON.stringify(names),
  others ? 1 : 0,
  JSON.stringify(named),
];

export function openRoutingTables(db: DatabaseSync): RoutingTables {
  const query = prepareLazily(db, QUERIES);
  // The columns are those of the statements above.
  const assignments = (rows: unknown): Assignment[] =>
    (rows as (AssignmentRow & FactPlace)[]).map(({ chat, stream, revision, ...row }) => ({
      ...row,
      chatId: chat,
      cause: { stream, revision },
    }));
  // The columns of the statements that select `visitor` and `life`.
  const routables = (rows: unknown): RoutableChat[] => (rows as RoutableRow[]).map(routableIn);
  const names = (rows: unknown): Username[] =>
    (rows as { username: Username }[]).map(({ username }) => username);
  return {
    operators: (tenant) => names(query('operators').all(tenant)),
    isAnyWaiting: (tenant) => query('isAnyWaiting').get(tenant) !== undefined,
    waiting: (tenant, { all, departments, operators }, closed, after) => {
      const [of, persons] = [JSON.stringify(departments), JSON.stringify(operators)];
      const { since = -1, visitor = '' } = after ?? {};
      const free = [all ? 1 : 0, of, persons];
      return routables(
        query('waiting').all(tenant, since, visitor, ...free, ...closedParameters(closed)),
      );
    },
    closedAndUntold: (tenant, closed) =>
      routables(query('closedAndUntold').all(tenant, ...closedParameters(closed))),
    lastWithinLimits: (tenant, limits) => {
      const json = JSON.stringify(Object.fromEntries(limits));
      // The columns of the statement above.
      const rows = query('lastWithinLimits').all(tenant, json) as unknown as ({
        department: string;
      } & Place)[];
      return new Map(rows.map(({ department, ...place }) => [department, place]));
    },
    beyondLimitAndUntold: (tenant, department, { since, visitor }) =>
      routables(query('beyondLimitAndUntold').all(tenant, since, visitor, department)),
    openBroadcasts: (tenant) =>
      // The columns of the statement above.
      new Map(
        (
          query('openBroadcasts').all(tenant) as unknown as {
            department: string | null;
            n: number;
          }[]
        ).map(({ department, n }) => [department, n]),
      ),
    visitorOf(tenant, chatId) {
      const rows = query('visitorsOf').all(tenant, chatId);
      return rows.length === 1 ? (rows[0]?.visitor as VisitorKey) : null; // the column of that statement
    },
    unconfirmed: (tenant) => assignments(query('unconfirmed').all(tenant)),
    obsolete: (tenant) => assignments(query('obsolete').all(tenant)),
    orphans: (tenant) =>
      // The columns of the statement above.
      (query('orphans').all(tenant) as unknown as (AssignmentRow & { removed: number })[]).map(
        ({ chat, removed, revision, ...row }) => ({
          ...row,
          chatId: chat,
          removed: removed === 1,
          cause:
            revision === null
              ? null
              : { stream: streamOf(operatorRef(tenant, row.operator)), revision },
        }),
      ),
    unanswered: (tenant) =>
      // The columns of the statement above.
      (
        query('unanswered').all(tenant) as unknown as (RoutableRow & {
          operator: Username;
          lost: number;
        })[]
      ).map((row) => ({ ...routableIn(row), operator: row.operator, lost: row.lost })),
    lostBetween: (tenant, from, to) => names(query('lostBetween').all(tenant, from, to)),
    cameAfter: (tenant, at) => names(query('cameAfter').all(tenant, at)),
    offersByOperator: (tenant) =>
      // The columns of the statement above.
      new Map(
        (
          query('offersByOperator').all(tenant) as unknown as { operator: Username; n: number }[]
        ).map(({ operator, n }) => [operator, n]),
      ),
    lastPick: (tenant, department) => {
      // The column of the statement above.
      const row = query('lastPick').get(tenant, department ?? '') as
        | { operator: Username }
        | undefined;
      return row?.operator ?? null;
    },
    reservedBefore: (tenant, at, ahead) =>
      assignments(query('reservedBefore').all(tenant, at, ahead)),
    waitingCount: () => Number(query('waitingCount').get()?.n ?? 0),
    offerCount: () => Number(query('offerCount').get()?.n ?? 0),
    counts(tenant) {
      const row = query('counts').get(tenant);
      return { waiting: Number(row?.waiting ?? 0), chatting: Number(row?.chatting ?? 0) };
    },
    oldestWaitingSince: () => {
      const since = query('oldestWaitingSince').get()?.since;
      return typeof since === 'number' ? since : null;
    },
  };
}
