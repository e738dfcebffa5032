/** Queries on the read model of operators. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import { receivingSessions } from '../actors/operator/availability.ts';
import type { Availability, Show } from '../actors/operator/machine.ts';
import {
  addCaseFolding,
  Conditions,
  mentions,
  type Order,
  type Page,
  type PageRequest,
  readPage,
} from './list.ts';

export interface OperatorView {
  readonly username: Username;
  /** null: LHC knows the operator by the username. */
  readonly lhcUserId: number | null;
  readonly name: string | null;
  readonly departments: readonly string[];
  readonly capacity: number;
  /** Operators of tier 1 are asked first. By department in `tiers`. */
  readonly tier: number;
  readonly tiers: Readonly<Record<string, number>>;
  readonly languages: readonly string[];
  /** How many more chats fit the operator's capacity; 0 if the operator has more than that. */
  readonly free: number;
  readonly availability: Availability;
  /** Since when the operator has not been offline, in ms since 1970; null while offline. */
  readonly onlineSince: number | null;
  /** The operator set themselves away (`!away`). */
  readonly away: boolean;
  /** None of the clients that get the operator's messages answers pings. The operator counts as away. */
  readonly unresponsive: boolean;
  readonly sessions: readonly {
    readonly resource: string;
    readonly show: Show;
    readonly status: string | null;
    /** RFC 6121 §4.7.2.3. The sessions with the highest one get the messages; those with a negative one never. */
    readonly priority: number;
    /** True if the session answers pings. */
    readonly responsive: boolean;
  }[];
  readonly chats: readonly {
    readonly chatId: string;
    readonly visitor: VisitorKey;
    /** `reserved` until the visitor's side confirms the assignment. */
    readonly state: 'reserved' | 'open';
    /** ms since 1970 */
    readonly since: number;
  }[];
  /** The revision of the operator's stream. */
  readonly revision: number;
}

export interface OperatorFilter extends PageRequest {
  readonly tenant: string;
  readonly state?: Availability | undefined;
  readonly department?: string | undefined;
  readonly lhcUserId?: number | undefined;
  /** A text in the username or the name. */
  readonly q?: string | undefined;
}

export interface OperatorQueries {
  /**
   * Registered operators by username.
   * @throws {AppError} `invalid` for a cursor of another list
   */
  list(filter: OperatorFilter): Page<OperatorView>;
  /** @returns null if the operator is not registered */
  get(tenant: string, username: string): OperatorView | null;
  /** @returns how many operators are available, and how many more chats fit their capacity together */
  free(tenant: string): { readonly operators: number; readonly places: number };
}

const ORDER: Order = { name: 'username', first: { sql: 'username', type: 'string' } };

const COLUMNS = `username, lhc_user_id AS lhcUserId, name, departments, capacity, tier, tiers,
  languages, availability, online_since AS onlineSince, away, revision`;

export function operatorQueries(db: DatabaseSync): OperatorQueries {
  addCaseFolding(db);
  const one = db.prepare(
    `SELECT ${COLUMNS} FROM operators WHERE tenant = ? AND username = ? AND registered = 1`,
  );
  const sessions = db.prepare(
    `SELECT resource, show, status, priority, responsive FROM operator_sessions
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
  // The columns have the names of the view, the tables are STRICT, and departments, tiers and languages were written as JSON.
  const viewOf = (tenant: string, row: Record<string, SQLOutputValue>): OperatorView => {
    const username = String(row.username);
    const connected = sessions.all(tenant, username).map((session) => ({
      // The columns of that statement. SQLite has numbers for booleans.
      ...(session as unknown as Omit<OperatorView['sessions'][number], 'responsive'>),
      responsive: session.responsive === 1,
    }));
    const receiving = receivingSessions(connected);
    const assigned = chats.all(tenant, username);
    return {
      ...row,
      departments: JSON.parse(String(row.departments)),
      tiers: JSON.parse(String(row.tiers)),
      languages: JSON.parse(String(row.languages)),
      free: Math.max(0, Number(row.capacity) - assigned.length),
      away: row.away === 1,
      unresponsive: receiving.length > 0 && receiving.every(({ responsive }) => !responsive),
      sessions: connected,
      chats: assigned,
    } as unknown as OperatorView; // the columns of the statement, as the view has them
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
    list: ({ tenant, state, department, lhcUserId, q, ...request }) => {
      const range = new Conditions();
      range.add('tenant = ?', tenant);
      range.add('registered = 1');
      if (state) range.add('availability = ?', state);
      if (department) {
        range.add('EXISTS (SELECT 1 FROM json_each(departments) WHERE value = ?)', department);
      }
      if (lhcUserId !== undefined) range.add('lhc_user_id = ?', lhcUserId);
      if (q) range.add(...mentions(['username', 'name'], q));
      return readPage(
        db,
        { columns: COLUMNS, from: 'operators', range, order: ORDER },
        request,
        (row) => viewOf(tenant, row),
        ({ username }) => [username],
      );
    },
  };
}
