/** Both sides of every chat, folded from the log: what visitors' streams say of it, and what operators' streams say. */
import type { DatabaseSync } from 'node:sqlite';
import type { TenantId, Username, VisitorKey } from '../../actors/ids.ts';
import { claimsOf, type Sought } from '../../actors/selection.ts';
import type { WorkTable } from '../../runtime/pending-work.ts';
import { prepareLazily } from '../../sqlite/statements.ts';
import { applyToRouting } from './rows.ts';
import { SAME, SCHEMA, TABLES } from './schema.ts';

/** A chat with all that a choice needs, so that no visitor is loaded for whom nobody is there. */
export interface Placed extends Sought {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  /** Offers in a row that nobody answered, and when the last one ended (ms since 1970). */
  readonly misses: number;
  readonly freeSince: number;
  /** When it was started, ms since 1970. */
  readonly since: number;
}

/** One that nobody has. */
export type Waiting = Placed;

/** Assigned, and not answered. */
export interface Unanswered extends Placed {
  readonly operator: Username;
}

/** Who has a free place: chats that nobody of them may have are not read. */
export interface FreePlaces {
  /** Somebody serves all departments. */
  readonly all: boolean;
  readonly departments: readonly string[];
  /** They may have chats that belong with them, whatever the department. */
  readonly operators: readonly Username[];
}

export interface Held {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly operator: Username;
  readonly reservation: string | null;
  readonly department: string | null;
}

/** `removed`: he is no operator any more, or never was. */
export type Forsaken = Held & { readonly removed: boolean };

export interface RoutingTables {
  operators(tenant: TenantId): readonly Username[];
  /** Whether nobody has one of the tenant's chats. */
  anyWaiting(tenant: TenantId): boolean;
  /** A page of the chats that nobody has and one of these may have, the oldest first, behind this one. */
  waiting(tenant: TenantId, free: FreePlaces, after?: Waiting): readonly Waiting[];
  /** Assigned on the visitor's side, not taken on the operator's. */
  untaken(tenant: TenantId): readonly Held[];
  /** Taken on the operator's side, closed or another's on the visitor's. */
  finished(tenant: TenantId): readonly Held[];
  /** Had by somebody who is gone for longer than he may, or who is no operator any more. */
  forsaken(tenant: TenantId): readonly Forsaken[];
  /** Assigned, not answered, and who was asked is offline. */
  unanswered(tenant: TenantId): readonly Unanswered[];
  /** By operator, of how many chats of broadcasts they are asked now. */
  asked(tenant: TenantId): ReadonlyMap<Username, number>;
  /** Who was picked last in a department, by going round. */
  lastPicked(tenant: TenantId, department: string | null): Username | null;
  /** Reserved since before then, and neither assigned with that reservation nor released. */
  reservedBefore(tenant: TenantId, at: number): readonly Held[];
  count(): number;
  /** Chats that somebody, or several, are asked to answer now. */
  offers(): number;
  /** Since when the oldest of them waits, ms since 1970; null when none does. */
  oldest(): number | null;
}

/** Rows that are read at once; what is mended leaves the table, and the next pass finds the rest. */
const MOST_IN_A_PASS = 500;

const HELD = (row: string) =>
  `${row}.visitor, ${row}.chat, ${row}.operator, ${row}.reservation, ${row}.department`;
const PLACED = `v.visitor, v.chat, v.department, v.invited_by, v.last_operator, v.transferred_by, v.handed,
  v.offered, v.passed, v.misses, v.free_since, v.since`;
/** By way of the few chats about which the two sides do not say the same. CROSS JOIN keeps SQLite to this order. */
const UNSETTLED = (row: 'v' | 'o') =>
  `unsettled u CROSS JOIN ${
    row === 'v' ? 'chats_of_visitors v' : 'chats_of_operators o INDEXED BY chats_by_visitor'
  } ON ${row}.tenant = u.tenant AND ${row}.visitor = u.visitor`;
/** By way of the operators, who are fewer than the chats. (SQLite cannot know that: it is told the index.) */
const OF_OPERATORS = `operators r CROSS JOIN chats_of_visitors v INDEXED BY chats_waiting
  ON v.tenant = r.tenant AND v.operator = r.username`;
const ONE_OF = (json: string) => `IN (SELECT value FROM json_each(${json}))`;

const QUERIES = {
  operators: `SELECT username FROM operators WHERE tenant = ? AND lhc_user IS NOT NULL
    ORDER BY username`,
  waiting: `SELECT ${PLACED} FROM chats_of_visitors v INDEXED BY chats_waiting
    WHERE v.tenant = ?1 AND v.operator IS NULL AND (v.since, v.visitor) > (?2, ?3)
    AND (?4 OR v.department IS NULL OR v.department ${ONE_OF('?5')}
      OR v.transferred_by ${ONE_OF('?6')} OR v.invited_by ${ONE_OF('?6')}
      OR v.last_operator ${ONE_OF('?6')})
    ORDER BY v.since, v.visitor LIMIT ${MOST_IN_A_PASS}`,
  anyWaiting: `SELECT 1 FROM chats_of_visitors INDEXED BY chats_waiting
    WHERE tenant = ? AND operator IS NULL LIMIT 1`,
  untaken: `SELECT ${HELD('v')} FROM ${UNSETTLED('v')}
    CROSS JOIN operators r ON r.tenant = v.tenant AND r.username = v.operator
    WHERE u.tenant = ? AND r.lhc_user IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  finished: `SELECT ${HELD('o')} FROM ${UNSETTLED('o')}
    WHERE u.tenant = ? AND o.open = 1 AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  reserved: `SELECT ${HELD('o')} FROM ${UNSETTLED('o')}
    WHERE u.tenant = ? AND o.open = 0 AND o.at < ? AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  forsaken: `SELECT ${HELD('v')}, r.lhc_user IS NULL AS removed FROM ${OF_OPERATORS}
    WHERE r.tenant = ? AND (r.lhc_user IS NULL OR r.gone = 1) LIMIT ${MOST_IN_A_PASS}`,
  unanswered: `SELECT ${PLACED}, v.operator FROM ${OF_OPERATORS}
    WHERE r.tenant = ? AND r.offline = 1 AND r.lhc_user IS NOT NULL AND v.accepted = 0
    ORDER BY v.since, v.visitor LIMIT ${MOST_IN_A_PASS}`,
  asked: `SELECT asked.value AS operator, count(*) AS n
    FROM chats_of_visitors v INDEXED BY chats_waiting, json_each(v.offered) asked
    WHERE v.tenant = ? AND v.operator IS NULL AND v.offered <> '[]' GROUP BY 1`,
  lastPicked: 'SELECT operator FROM rounds WHERE tenant = ? AND department = ?',
  count: 'SELECT count(*) AS n FROM chats_of_visitors WHERE operator IS NULL',
  offers: `SELECT count(*) AS n FROM chats_of_visitors
    WHERE accepted = 0 AND (operator IS NOT NULL OR offered <> '[]')`,
  oldest: 'SELECT min(since) AS since FROM chats_of_visitors WHERE operator IS NULL',
} as const;

interface HeldRow {
  visitor: VisitorKey;
  chat: string;
  operator: Username;
  reservation: string | null;
  department: string | null;
}
interface PlacedRow {
  visitor: VisitorKey;
  chat: string;
  department: string | null;
  invited_by: Username | null;
  last_operator: Username | null;
  transferred_by: Username | null;
  handed: number;
  offered: string;
  passed: string;
  misses: number;
  free_since: number;
  since: number;
}

const placed = (row: PlacedRow): Placed => ({
  visitor: row.visitor,
  chatId: row.chat,
  department: row.department,
  ...claimsOf(row.handed === 1, { invitedBy: row.invited_by, lastOperator: row.last_operator }),
  transferredBy: row.transferred_by,
  // Written as JSON by rows.ts.
  offered: JSON.parse(row.offered) as Username[],
  passed: JSON.parse(row.passed) as Username[],
  misses: row.misses,
  freeSince: row.free_since,
  since: row.since,
});

export const ROUTING_TABLE: WorkTable = {
  name: 'routing',
  version: 4,
  schema: SCHEMA,
  tables: TABLES,
  apply: applyToRouting,
};

export function openRoutingTables(db: DatabaseSync): RoutingTables {
  const query = prepareLazily(db, QUERIES);
  // The columns are those of the statements above.
  const held = (rows: unknown): Held[] =>
    (rows as HeldRow[]).map(({ chat, ...row }) => ({ ...row, chatId: chat }));
  return {
    operators: (tenant) =>
      // The column of the statement above.
      (query('operators').all(tenant) as unknown as { username: Username }[]).map(
        ({ username }) => username,
      ),
    anyWaiting: (tenant) => query('anyWaiting').get(tenant) !== undefined,
    waiting: (tenant, { all, departments, operators }, after) => {
      const [of, persons] = [JSON.stringify(departments), JSON.stringify(operators)];
      const { since = -1, visitor = '' } = after ?? {};
      const rows = query('waiting').all(tenant, since, visitor, all ? 1 : 0, of, persons);
      return (rows as unknown as PlacedRow[]).map(placed); // the columns of that statement
    },
    untaken: (tenant) => held(query('untaken').all(tenant)),
    finished: (tenant) => held(query('finished').all(tenant)),
    forsaken: (tenant) =>
      // The columns of the statement above.
      (query('forsaken').all(tenant) as unknown as (HeldRow & { removed: number })[]).map(
        ({ chat, removed, ...row }) => ({ ...row, chatId: chat, removed: removed === 1 }),
      ),
    unanswered: (tenant) =>
      // The columns of the statement above.
      (query('unanswered').all(tenant) as unknown as (PlacedRow & { operator: Username })[]).map(
        (row) => ({ ...placed(row), operator: row.operator }),
      ),
    asked: (tenant) =>
      // The columns of the statement above.
      new Map(
        (query('asked').all(tenant) as unknown as { operator: Username; n: number }[]).map(
          ({ operator, n }) => [operator, n],
        ),
      ),
    lastPicked: (tenant, department) => {
      // The column of the statement above.
      const row = query('lastPicked').get(tenant, department ?? '') as
        | { operator: Username }
        | undefined;
      return row?.operator ?? null;
    },
    reservedBefore: (tenant, at) => held(query('reserved').all(tenant, at)),
    count: () => Number(query('count').get()?.n ?? 0),
    offers: () => Number(query('offers').get()?.n ?? 0),
    oldest: () => {
      const since = query('oldest').get()?.since;
      return typeof since === 'number' ? since : null;
    },
  };
}
