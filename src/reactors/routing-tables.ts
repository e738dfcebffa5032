/** Both sides of every chat, folded from the log: what visitors' streams say of it, and what operators' streams say. */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../actors/ids.ts';
import type { WorkPart } from '../runtime/work.ts';
import { prepareLazily } from '../sqlite/statements.ts';
import { applyToRouting } from './routing-rows.ts';

export interface Waiting {
  readonly tenant: TenantId;
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly department: string | null;
  /** Who may have it whatever his department: handed it on, invited, answered last. */
  readonly persons: readonly string[];
  /** When it was started, ms since 1970. */
  readonly since: number;
}

export interface Held {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly operator: Username;
  readonly reservation: string | null;
  readonly department: string | null;
}

export interface RoutingTables {
  readonly part: WorkPart;
  operators(tenant: TenantId): readonly Username[];
  operatorOfLhcUser(tenant: TenantId, lhcUserId: number): Username | null;
  /** A page of the chats that nobody has, the oldest first, behind this one. */
  waiting(tenant: TenantId, after?: Waiting): readonly Waiting[];
  /** Assigned on the visitor's side, not taken on the operator's. */
  untaken(tenant: TenantId): readonly Held[];
  /** Taken on the operator's side, closed or another's on the visitor's. */
  finished(tenant: TenantId): readonly Held[];
  /** Had by somebody who is gone for longer than he may, or who is no operator any more. */
  forsaken(tenant: TenantId): readonly (Held & { readonly removed: boolean })[];
  /** Assigned, not answered, and who was asked is offline. */
  unanswered(tenant: TenantId): readonly Held[];
  /** Who was picked last in a department, by going round. */
  lastPicked(tenant: TenantId, department: string | null): string | null;
  /** Reserved since before then, and neither assigned with that reservation nor released. */
  reservedBefore(tenant: TenantId, at: number): readonly Held[];
  count(): number;
  /** Since when the oldest of them waits, ms since 1970; null when none does. */
  oldest(): number | null;
}

/** Rows that are read at once; what is mended leaves the table, and the next pass finds the rest. */
const MOST_IN_A_PASS = 500;

const SCHEMA = `
  CREATE TABLE chats_of_visitors (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    chat TEXT NOT NULL,
    department TEXT,
    invited_by TEXT,
    last_operator TEXT,
    transferred_by TEXT,
    since INTEGER NOT NULL,
    operator TEXT,
    reservation TEXT,
    accepted INTEGER NOT NULL,
    PRIMARY KEY (tenant, visitor)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_waiting ON chats_of_visitors (tenant, operator, since);
  CREATE TABLE chats_of_operators (
    tenant TEXT NOT NULL,
    operator TEXT NOT NULL,
    chat TEXT NOT NULL,
    visitor TEXT NOT NULL,
    reservation TEXT,
    department TEXT,
    open INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, operator, chat)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_by_visitor ON chats_of_operators (tenant, visitor);
  CREATE TABLE operators (
    tenant TEXT NOT NULL,
    username TEXT NOT NULL,
    lhc_user INTEGER, -- null: not registered
    offline INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    PRIMARY KEY (tenant, username)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE rounds (
    tenant TEXT NOT NULL,
    department TEXT NOT NULL,
    operator TEXT NOT NULL,
    PRIMARY KEY (tenant, department)
  ) STRICT, WITHOUT ROWID;
`;

/** A row of the other side that says the same: same chat, visitor, operator, reservation. */
const SAME = `v.tenant = o.tenant AND v.visitor = o.visitor AND v.chat = o.chat
  AND v.operator = o.operator AND v.reservation IS o.reservation`;

const HELD = (row: string) =>
  `${row}.visitor, ${row}.chat, ${row}.operator, ${row}.reservation, ${row}.department`;
const OPERATOR_OF_V = 'operators r ON r.tenant = v.tenant AND r.username = v.operator';

const QUERIES = {
  operators: `SELECT username FROM operators WHERE tenant = ? AND lhc_user IS NOT NULL
    ORDER BY username`,
  lhcUser: 'SELECT username FROM operators WHERE tenant = ? AND lhc_user = ?',
  waiting: `SELECT tenant, visitor, chat, department, invited_by, last_operator, transferred_by, since
    FROM chats_of_visitors WHERE tenant = ? AND operator IS NULL
    AND (since, visitor) > (?, ?) ORDER BY since, visitor LIMIT ${MOST_IN_A_PASS}`,
  untaken: `SELECT ${HELD('v')} FROM chats_of_visitors v JOIN ${OPERATOR_OF_V}
    WHERE v.tenant = ? AND v.operator IS NOT NULL AND r.lhc_user IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  finished: `SELECT ${HELD('o')} FROM chats_of_operators o
    WHERE o.tenant = ? AND o.open = 1 AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  reserved: `SELECT ${HELD('o')} FROM chats_of_operators o
    WHERE o.tenant = ? AND o.open = 0 AND o.at < ? AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  forsaken: `SELECT ${HELD('v')}, r.lhc_user IS NULL AS removed
    FROM chats_of_visitors v LEFT JOIN ${OPERATOR_OF_V}
    WHERE v.tenant = ? AND v.operator IS NOT NULL AND (r.lhc_user IS NULL OR r.gone = 1)
    LIMIT ${MOST_IN_A_PASS}`,
  unanswered: `SELECT ${HELD('v')} FROM chats_of_visitors v JOIN ${OPERATOR_OF_V}
    WHERE v.tenant = ? AND v.operator IS NOT NULL AND v.accepted = 0 AND r.offline = 1
    LIMIT ${MOST_IN_A_PASS}`,
  lastPicked: 'SELECT operator FROM rounds WHERE tenant = ? AND department = ?',
  count: 'SELECT count(*) AS n FROM chats_of_visitors WHERE operator IS NULL',
  oldest: 'SELECT min(since) AS since FROM chats_of_visitors WHERE operator IS NULL',
} as const;

interface HeldRow {
  visitor: VisitorKey;
  chat: string;
  operator: Username;
  reservation: string | null;
  department: string | null;
}
interface WaitingRow {
  tenant: TenantId;
  visitor: VisitorKey;
  chat: string;
  department: string | null;
  invited_by: string | null;
  last_operator: string | null;
  transferred_by: string | null;
  since: number;
}

/** @param changed told, after a commit, of each tenant whose chats or operators changed */
export function createRoutingTables(
  db: DatabaseSync,
  changed: (tenant: TenantId) => void,
): RoutingTables {
  const query = prepareLazily(db, QUERIES);
  // The columns are those of the statements above.
  const held = (rows: unknown): Held[] =>
    (rows as HeldRow[]).map(({ chat, ...row }) => ({ ...row, chatId: chat }));
  const waiting = (rows: unknown): Waiting[] =>
    (rows as WaitingRow[]).map((row) => ({
      tenant: row.tenant,
      visitor: row.visitor,
      chatId: row.chat,
      department: row.department,
      persons: [row.transferred_by, row.invited_by, row.last_operator].filter(
        (person) => person !== null,
      ),
      since: row.since,
    }));

  const part: WorkPart = {
    name: 'routing',
    version: 2,
    schema: SCHEMA,
    tables: ['chats_of_visitors', 'chats_of_operators', 'operators', 'rounds'],
    apply: applyToRouting,
    applied: ({ events }) => {
      const tenants = new Set<TenantId>();
      for (const { stream, type } of events) {
        const actor = WAKES.has(type) ? actorOf(stream) : null;
        if (actor) tenants.add(actor.tenant);
      }
      for (const tenant of tenants) changed(tenant);
    },
  };

  return {
    part,
    operators: (tenant) =>
      query('operators')
        .all(tenant)
        .map((row) => String(row.username) as Username), // as registered
    operatorOfLhcUser: (tenant, lhcUserId) => {
      const row = query('lhcUser').get(tenant, lhcUserId);
      return row ? (String(row.username) as Username) : null; // as registered
    },
    waiting: (tenant, after) =>
      waiting(query('waiting').all(tenant, after?.since ?? -1, after?.visitor ?? '')),
    untaken: (tenant) => held(query('untaken').all(tenant)),
    finished: (tenant) => held(query('finished').all(tenant)),
    forsaken: (tenant) =>
      // The columns of the statement above.
      (query('forsaken').all(tenant) as unknown as (HeldRow & { removed: number })[]).map(
        ({ chat, removed, ...row }) => ({ ...row, chatId: chat, removed: removed === 1 }),
      ),
    unanswered: (tenant) => held(query('unanswered').all(tenant)),
    lastPicked: (tenant, department) => {
      const row = query('lastPicked').get(tenant, department ?? '');
      return row ? String(row.operator) : null;
    },
    reservedBefore: (tenant, at) => held(query('reserved').all(tenant, at)),
    count: () => Number(query('count').get()?.n ?? 0),
    oldest: () => {
      const since = query('oldest').get()?.since;
      return typeof since === 'number' ? since : null;
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
