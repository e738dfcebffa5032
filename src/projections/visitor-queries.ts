/** Questions to the read model of visitors. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import {
  containing,
  decodeCursor,
  hashRows,
  type Page,
  type PageRequest,
  pageOf,
} from './table.ts';

export const VISITOR_STATES = [
  'online',
  'timedOut',
  'cleanedUp',
  'invited',
  'waiting',
  'chatting',
] as const;
export type VisitorState = (typeof VISITOR_STATES)[number];

export interface VisitorView {
  readonly key: string;
  readonly presence: 'online' | 'timedOut' | 'cleanedUp';
  readonly conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  readonly chatId: string | null;
  /** Who invited, was assigned or chats. */
  readonly operator: string | null;
  /** Of the chat, or else of the last page view that named one. */
  readonly department: string | null;
  readonly nick: string | null;
  readonly page: string | null;
  readonly title: string | null;
  readonly referrer: string | null;
  readonly country: string | null;
  readonly city: string | null;
  readonly timezone: string | null;
  readonly visits: number | null;
  /** Whether the visitor has a session in XMPP. */
  readonly loggedIn: boolean;
  /** ms since 1970: when it last came from away; of one that was cleaned up, when it was last seen. */
  readonly arrivedAt: number;
  /** ms since 1970 */
  readonly lastSeen: number;
  /** Of the visitor's stream. */
  readonly revision: number;
}

export interface VisitorFilter extends PageRequest {
  readonly tenant: string;
  readonly state?: VisitorState | undefined;
  readonly department?: string | undefined;
  readonly operator?: string | undefined;
  /** Somewhere in the key, nick, page, title, country or city. */
  readonly q?: string | undefined;
}

export interface VisitorQueries {
  /** The most recently arrived first. A page's `next` goes on exactly behind its last row, whoever came since. */
  list(filter: VisitorFilter): Page<VisitorView>;
  get(tenant: string, key: string): VisitorView | null;
  /** Of all rows. */
  hash(): string;
}

const COLUMNS = `key, presence, conversation, chat_id AS chatId, operator,
  ifnull(chat_department, department) AS department, ifnull(chat_nick, nick) AS nick, page, title, referrer,
  country, city, timezone, visits, logged_in AS loggedIn, arrived_at AS arrivedAt, last_seen AS lastSeen, revision`;

// The columns above are the view by name, and the table's types are strict; a boolean is a number in SQLite.
const viewOf = (row: Record<string, SQLOutputValue>): VisitorView =>
  ({ ...row, loggedIn: row.loggedIn === 1 }) as unknown as VisitorView;

/** Literals, not parameters: SQLite uses a partial index only for a condition that it can see. */
const CONDITIONS: Readonly<Record<VisitorState, string>> = {
  online: `presence = 'online'`,
  timedOut: `presence = 'timedOut'`,
  cleanedUp: `presence = 'cleanedUp'`,
  invited: `conversation = 'invited' AND conversation <> 'none'`,
  waiting: `conversation = 'waiting' AND conversation <> 'none'`,
  chatting: `conversation = 'chatting' AND conversation <> 'none'`,
};

const SEARCHED = ['key', 'ifnull(chat_nick, nick)', 'page', 'title', 'country', 'city'];

export function visitorQueries(db: DatabaseSync): VisitorQueries {
  const one = db.prepare(`SELECT ${COLUMNS} FROM visitors WHERE tenant = ? AND key = ?`);
  return {
    get: (tenant, key) => {
      const row = one.get(tenant, key);
      return row ? viewOf(row) : null;
    },
    list: ({ tenant, state, department, operator, q, cursor, limit }) => {
      const where = ['tenant = ?'];
      const values: SQLInputValue[] = [tenant];
      const filter = (condition: string, ...operands: SQLInputValue[]) => {
        where.push(condition);
        values.push(...operands);
      };
      if (state) filter(CONDITIONS[state]);
      if (department) filter('ifnull(chat_department, department) = ?', department);
      if (operator) filter('operator = ?', operator);
      if (q) {
        const found = SEARCHED.map((column) => `${column} LIKE ? ESCAPE '\\'`);
        filter(`(${found.join(' OR ')})`, ...SEARCHED.map(() => containing(q)));
      }
      if (cursor) {
        const [arrivedAt = 0, key = ''] = decodeCursor(cursor, ['number', 'string']);
        filter('(arrived_at < ? OR (arrived_at = ? AND key > ?))', arrivedAt, arrivedAt, key);
      }
      const rows = db
        .prepare(
          `SELECT ${COLUMNS} FROM visitors WHERE ${where.join(' AND ')}
           ORDER BY arrived_at DESC, key LIMIT ?`,
        )
        .all(...values, limit + 1);
      return pageOf(rows.map(viewOf), limit, ({ arrivedAt, key }) => [arrivedAt, key]);
    },
    hash: () => hashRows(db, [{ name: 'visitors', key: 'tenant, key' }]),
  };
}
