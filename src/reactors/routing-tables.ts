/** Both sides of every chat, folded from the log: what visitors' streams say of it, and what operators' streams say. */
import type { DatabaseSync } from 'node:sqlite';
import { operatorFact, visitorFact } from '../actors/facts.ts';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../actors/ids.ts';
import type { OperatorFact } from '../actors/operator.ts';
import type { VisitorFact } from '../actors/visitor-facts.ts';
import type { WorkPart } from '../runtime/work.ts';
import { prepareLazily } from '../sqlite/statements.ts';

export interface Waiting {
  readonly tenant: TenantId;
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly department: string | null;
  readonly invitedBy: string | null;
  /** ms since 1970 */
  readonly since: number;
}

export interface Held {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly operator: Username;
  readonly reservation: string | null;
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
  /** Reserved since before then, and neither assigned with that reservation nor released. */
  reservedBefore(tenant: TenantId, at: number): readonly Held[];
  count(): number;
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
    since INTEGER NOT NULL,
    operator TEXT,
    reservation TEXT,
    PRIMARY KEY (tenant, visitor)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_waiting ON chats_of_visitors (tenant, operator, since);
  CREATE TABLE chats_of_operators (
    tenant TEXT NOT NULL,
    operator TEXT NOT NULL,
    chat TEXT NOT NULL,
    visitor TEXT NOT NULL,
    reservation TEXT,
    open INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, operator, chat)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_by_visitor ON chats_of_operators (tenant, visitor);
  CREATE TABLE operators (
    tenant TEXT NOT NULL,
    username TEXT NOT NULL,
    lhc_user INTEGER NOT NULL,
    PRIMARY KEY (tenant, username)
  ) STRICT, WITHOUT ROWID;
`;

/** A row of the other side that says the same: same chat, visitor, operator, reservation. */
const SAME = `v.tenant = o.tenant AND v.visitor = o.visitor AND v.chat = o.chat
  AND v.operator = o.operator AND v.reservation IS o.reservation`;

const QUERIES = {
  operators: 'SELECT username FROM operators WHERE tenant = ? ORDER BY username',
  lhcUser: 'SELECT username FROM operators WHERE tenant = ? AND lhc_user = ?',
  waiting: `SELECT tenant, visitor, chat, department, invited_by, since FROM chats_of_visitors
    WHERE tenant = ? AND operator IS NULL
    AND (since, visitor) > (?, ?) ORDER BY since, visitor LIMIT ${MOST_IN_A_PASS}`,
  untaken: `SELECT v.visitor, v.chat, v.operator, v.reservation FROM chats_of_visitors v
    JOIN operators r ON r.tenant = v.tenant AND r.username = v.operator
    WHERE v.tenant = ? AND v.operator IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  finished: `SELECT o.visitor, o.chat, o.operator, o.reservation FROM chats_of_operators o
    WHERE o.tenant = ? AND o.open = 1 AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  reserved: `SELECT o.visitor, o.chat, o.operator, o.reservation FROM chats_of_operators o
    WHERE o.tenant = ? AND o.open = 0 AND o.at < ? AND NOT EXISTS
    (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}) LIMIT ${MOST_IN_A_PASS}`,
  count: 'SELECT count(*) AS n FROM chats_of_visitors WHERE operator IS NULL',
} as const;

interface HeldRow {
  visitor: VisitorKey;
  chat: string;
  operator: Username;
  reservation: string | null;
}
interface WaitingRow {
  tenant: TenantId;
  visitor: VisitorKey;
  chat: string;
  department: string | null;
  invited_by: string | null;
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
    (rows as HeldRow[]).map(({ visitor, chat, operator, reservation }) => ({
      visitor,
      chatId: chat,
      operator,
      reservation,
    }));
  const waiting = (rows: unknown): Waiting[] =>
    (rows as WaitingRow[]).map(({ chat, invited_by, ...row }) => ({
      ...row,
      chatId: chat,
      invitedBy: invited_by,
    }));

  const part: WorkPart = {
    name: 'routing',
    version: 1,
    schema: SCHEMA,
    tables: ['chats_of_visitors', 'chats_of_operators', 'operators'],
    apply: (file) => {
      const start = file.prepare(
        'INSERT OR REPLACE INTO chats_of_visitors VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)',
      );
      const assign = file.prepare(
        'UPDATE chats_of_visitors SET operator = ?, reservation = ? WHERE tenant = ? AND visitor = ?',
      );
      const close = file.prepare('DELETE FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
      const hold = file.prepare(
        'INSERT OR REPLACE INTO chats_of_operators VALUES (?, ?, ?, ?, ?, ?, ?)',
      );
      const release = file.prepare(
        'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ? AND chat = ?',
      );
      const register = file.prepare('INSERT OR REPLACE INTO operators VALUES (?, ?, ?)');
      const unregister = file.prepare('DELETE FROM operators WHERE tenant = ? AND username = ?');
      const releaseAll = file.prepare(
        'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ?',
      );
      const ofVisitor = (tenant: TenantId, visitor: string, fact: VisitorFact, at: number) => {
        if (fact.type === 'ChatStarted') {
          const { chatId, department, invitedBy } = fact.data;
          start.run(tenant, visitor, chatId, department, invitedBy, at);
        } else if (fact.type === 'ChatAssigned') {
          assign.run(fact.data.operator, fact.data.reservation, tenant, visitor);
        } else if (fact.type === 'ChatClosed') {
          close.run(tenant, visitor);
        }
      };
      const ofOperator = (tenant: TenantId, username: string, fact: OperatorFact, at: number) => {
        switch (fact.type) {
          case 'ChatReserved':
          case 'ChatTaken': {
            const { chatId, visitor, reservation } = fact.data;
            const open = fact.type === 'ChatTaken' ? 1 : 0;
            hold.run(tenant, username, chatId, visitor, reservation, open, at);
            break;
          }
          case 'ChatReleased':
            release.run(tenant, username, fact.data.chatId);
            break;
          case 'OperatorRegistered':
            register.run(tenant, username, fact.data.lhcUserId);
            break;
          case 'OperatorRemoved':
            unregister.run(tenant, username);
            releaseAll.run(tenant, username);
            break;
        }
      };
      return (event) => {
        const actor = actorOf(event.stream);
        if (!actor || actor.kind === 'tenant') return;
        const visitor = visitorFact(event);
        const operator = operatorFact(event);
        const { at } = event.metadata;
        if (visitor) ofVisitor(actor.tenant, actor.name, visitor, at);
        if (operator) ofOperator(actor.tenant, actor.name, operator, at);
      };
    },
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
    reservedBefore: (tenant, at) => held(query('reserved').all(tenant, at)),
    count: () => Number(query('count').get()?.n ?? 0),
  };
}

/** Facts after which a chat may find an operator, or the two sides may disagree. */
const WAKES = new Set([
  'ChatStarted',
  'ChatAssigned',
  'ChatClosed',
  'ChatReleased',
  'OperatorRegistered',
  'OperatorLoggedIn',
  'PresenceChanged',
  'OperatorResponsive',
]);
