/** Questions to the read model of operators. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import type { Availability, Show } from '../actors/operator/machine.ts';
import {
  decodeCursor,
  hashRows,
  knowCases,
  mentions,
  type Page,
  type PageRequest,
  pageOf,
} from './table.ts';

export interface OperatorView {
  readonly username: Username;
  readonly lhcUserId: number;
  readonly name: string | null;
  readonly departments: readonly string[];
  readonly capacity: number;
  /** Chats that it may be given now by its capacity: 0 for one that has more than that. */
  readonly free: number;
  readonly availability: Availability;
  /** ms since 1970: since when it is anything but offline; null when it is. */
  readonly onlineSince: number | null;
  /** It said itself that it wants no chats (`!away`). */
  readonly away: boolean;
  /** It is connected, and none of its clients answers pings: it counts as offline. */
  readonly unresponsive: boolean;
  readonly sessions: readonly {
    readonly resource: string;
    readonly show: Show;
    readonly status: string | null;
    /** It answers pings. */
    readonly responsive: boolean;
  }[];
  readonly chats: readonly {
    readonly chatId: string;
    readonly visitor: VisitorKey;
    /** Reserved: not yet confirmed on the visitor's side. */
    readonly state: 'reserved' | 'open';
    /** ms since 1970 */
    readonly since: number;
  }[];
  /** Of the operator's stream. */
  readonly revision: number;
}

export interface OperatorFilter extends PageRequest {
  readonly tenant: string;
  readonly state?: Availability | undefined;
  readonly department?: string | undefined;
  readonly lhcUserId?: number | undefined;
  /** Somewhere in the username or name. */
  readonly q?: string | undefined;
}

export interface OperatorQueries {
  /** Registered operators by username. */
  list(filter: OperatorFilter): Page<OperatorView>;
  /** null when it is not registered. */
  get(tenant: string, username: string): OperatorView | null;
  /** Operators who are available now, and how many chats they could be given together. */
  free(tenant: string): { readonly operators: number; readonly places: number };
  /** Of all rows. */
  hash(): string;
}

const COLUMNS = `username, lhc_user_id AS lhcUserId, name, departments, capacity, availability,
  online_since AS onlineSince, away, revision`;

export function operatorQueries(db: DatabaseSync): OperatorQueries {
  knowCases(db);
  const one = db.prepare(
    `SELECT ${COLUMNS} FROM operators WHERE tenant = ? AND username = ? AND registered = 1`,
  );
  const sessions = db.prepare(
    `SELECT resource, show, status, responsive FROM operator_sessions
     WHERE tenant = ? AND username = ? ORDER BY session`,
  );
  const chats = db.prepare(
    `SELECT chat_id AS chatId, visitor, iif(open = 1, 'open', 'reserved') AS state, at AS since
     FROM operator_chats WHERE tenant = ? AND username = ? ORDER BY at, chat_id`,
  );
  const free = db.prepare(
    `SELECT count(*) AS operators, ifnull(sum(max(0, capacity - (SELECT count(*) FROM operator_chats c
       WHERE c.tenant = o.tenant AND c.username = o.username))), 0) AS places
     FROM operators o WHERE tenant = ? AND registered = 1 AND availability = 'available'`,
  );
  // The columns are the view by name, the tables' types are strict, and departments were written as JSON.
  const viewOf = (tenant: string, row: Record<string, SQLOutputValue>): OperatorView => {
    const username = String(row.username);
    const connected = sessions
      .all(tenant, username)
      .map((session) => ({ ...session, responsive: session.responsive === 1 }));
    const held = chats.all(tenant, username);
    return {
      ...row,
      departments: JSON.parse(String(row.departments)),
      free: Math.max(0, Number(row.capacity) - held.length),
      away: row.away === 1,
      unresponsive: connected.length > 0 && connected.every(({ responsive }) => !responsive),
      sessions: connected,
      chats: held,
    } as unknown as OperatorView;
  };

  return {
    get: (tenant, username) => {
      const row = one.get(tenant, username);
      return row ? viewOf(tenant, row) : null;
    },
    free: (tenant) => {
      const row = free.get(tenant);
      return { operators: Number(row?.operators ?? 0), places: Number(row?.places ?? 0) };
    },
    list: ({ tenant, state, department, lhcUserId, q, cursor, limit }) => {
      const where = ['tenant = ?', 'registered = 1'];
      const values: SQLInputValue[] = [tenant];
      const filter = (condition: string, ...operands: SQLInputValue[]) => {
        where.push(condition);
        values.push(...operands);
      };
      if (state) filter('availability = ?', state);
      if (department) {
        filter('EXISTS (SELECT 1 FROM json_each(departments) WHERE value = ?)', department);
      }
      if (lhcUserId !== undefined) filter('lhc_user_id = ?', lhcUserId);
      if (q) filter(...mentions(['username', 'name'], q));
      if (cursor) filter('username > ?', ...decodeCursor(cursor, ['string']));
      const rows = db
        .prepare(
          `SELECT ${COLUMNS} FROM operators WHERE ${where.join(' AND ')} ORDER BY username LIMIT ?`,
        )
        .all(...values, limit + 1);
      return pageOf(
        rows.map((row) => viewOf(tenant, row)),
        limit,
        ({ username }) => [username],
      );
    },
    hash: () =>
      hashRows(db, [
        { name: 'operators', key: 'tenant, username' },
        { name: 'operator_sessions', key: 'tenant, username, session' },
        { name: 'operator_chats', key: 'tenant, username, chat_id' },
      ]),
  };
}
