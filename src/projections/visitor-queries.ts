/** Questions to the read model of visitors. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import {
  Conditions,
  equals,
  hashRows,
  knowCases,
  LOOK,
  mentions,
  type Page,
  type PageRequest,
  readPage,
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

/** What a list of visitors can be sorted by; with `-` the latest first. */
export const VISITOR_SORTS = ['-arrivedAt', 'arrivedAt', '-lastSeen', 'lastSeen'] as const;
export type VisitorSort = (typeof VISITOR_SORTS)[number];

export interface VisitorView {
  readonly key: VisitorKey;
  readonly presence: 'online' | 'timedOut' | 'cleanedUp';
  readonly conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  readonly chatId: string | null;
  /** Who invited, was assigned or chats. */
  readonly operator: Username | null;
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
  /** As the visitors' browsers or LHC told it, upper or lower case. */
  readonly country?: string | undefined;
  readonly online?: boolean | undefined;
  /** Default `-arrivedAt`. */
  readonly sort?: VisitorSort | undefined;
  /** Somewhere in the key, nick, page, title, country or city. */
  readonly q?: string | undefined;
}

export interface VisitorQueries {
  /**
   * A page's `next` goes on exactly behind its last row, whoever came since; it is a cursor of that order only.
   * @throws {AppError} `invalid` for a cursor that is none
   */
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

/**
 * The index for a list, named: SQLite does not know that few of many are online, or in a conversation.
 * @param crowded whether more are online than can be sorted in one go
 */
function indexFor(
  { state, operator, online, sort }: Partial<VisitorFilter>,
  crowded: () => boolean,
): string {
  if (operator !== undefined) return 'INDEXED BY visitors_of_operators';
  if (state === 'invited' || state === 'waiting' || state === 'chatting') {
    return 'INDEXED BY visitors_conversing';
  }
  const bySeen = sort?.endsWith('lastSeen') === true;
  if ((state === 'online' || (online && state === undefined)) && !(bySeen && crowded())) {
    return 'INDEXED BY visitors_online';
  }
  return bySeen ? 'INDEXED BY visitors_by_last_seen' : 'INDEXED BY visitors_by_arrival';
}

/**
 * Looks that are sorted in one go before those who were seen first are looked for among all; who was seen last is online,
 * and found at once.
 */
const SORTED = 5;

const COLUMN_OF = { arrivedAt: 'arrived_at', lastSeen: 'last_seen' } as const;
const KEY = [{ column: 'key', type: 'string' as const }];

/** What a list is sorted by, and what its cursors begin with: those of the default order have always had no name. */
const sorting = (name: VisitorSort) => {
  const by = name.endsWith('arrivedAt') ? 'arrivedAt' : 'lastSeen';
  return {
    by,
    order: { name, column: COLUMN_OF[by] },
    cursors: name === '-arrivedAt' ? undefined : name,
  } as const;
};

const SEARCHED = ['key', 'ifnull(chat_nick, nick)', 'page', 'title', 'country', 'city'];

/** @param look rows that a list looks through in one go; for tests */
export function visitorQueries(db: DatabaseSync, look = LOOK): VisitorQueries {
  knowCases(db);
  const indexed =
    db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'visitors_of_operators'`).get() !==
    undefined;
  const one = db.prepare(`SELECT ${COLUMNS} FROM visitors WHERE tenant = ? AND key = ?`);
  const isCrowded = (tenant: string, sort: VisitorSort | undefined): boolean =>
    db
      .prepare(
        `SELECT 1 FROM visitors INDEXED BY visitors_online WHERE tenant = ? AND ${CONDITIONS.online}
         LIMIT 1 OFFSET ?`,
      )
      .get(tenant, sort?.startsWith('-') ? look : SORTED * look) !== undefined;
  return {
    get: (tenant, key) => {
      const row = one.get(tenant, key);
      return row ? viewOf(row) : null;
    },
    list: ({ tenant, state, department, operator, country, online, sort, q, cursor, limit }) => {
      // Rows of the version before have not all of these indexes.
      const crowded = () => isCrowded(tenant, sort);
      const hint = indexed ? indexFor({ state, operator, online, sort }, crowded) : '';
      const [within, wanted] = [new Conditions(), new Conditions()];
      within.add('tenant = ?', tenant);
      if (operator) within.add('operator = ?', operator);
      if (online || state === 'online') {
        (hint.endsWith('visitors_online') ? within : wanted).add(CONDITIONS.online);
      }
      // Few are in a conversation; SQLite has to see that condition to use their index.
      if (state && state !== 'online') {
        (hint.endsWith('visitors_conversing') ? within : wanted).add(CONDITIONS[state]);
      }
      if (online === false) wanted.add(`presence <> 'online'`);
      if (department) wanted.add('ifnull(chat_department, department) = ?', department);
      if (country) wanted.add(...equals('country', country));
      if (q) wanted.add(...mentions(SEARCHED, q));
      const { by, order, cursors } = sorting(sort ?? '-arrivedAt');
      return readPage(
        db,
        {
          columns: COLUMNS,
          from: `visitors ${hint}`,
          within,
          wanted,
          limit,
          sorting: order,
          ties: KEY,
          cursor,
          cursorOrder: cursors,
        },
        viewOf,
        (row) => [row[by], row.key],
        look,
      );
    },
    hash: () => hashRows(db, [{ name: 'visitors', key: 'tenant, key' }]),
  };
}
