/** Queries on the read model of visitors. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import { PROFILE_FIELDS, type Profile } from '../actors/visitor/profile.ts';
import { IN_LHC_SELECTED, type InLhc, withInLhc } from './in-lhc.ts';
import {
  addCaseFolding,
  Conditions,
  equals,
  mentions,
  type Order,
  type Page,
  type PageRequest,
  readPage,
  SCAN_ROWS,
} from './list.ts';

export const VISITOR_STATES = [
  'online',
  'timedOut',
  'cleanedUp',
  'invited',
  'waiting',
  'chatting',
] as const;
export type VisitorState = (typeof VISITOR_STATES)[number];

/** The orders of a list of visitors. With `-` the latest comes first. */
export const VISITOR_SORTS = ['-arrivedAt', 'arrivedAt', '-lastSeen', 'lastSeen'] as const;
export type VisitorSort = (typeof VISITOR_SORTS)[number];

/** The fields of a profile in the view. `vid` is for LHC alone. */
const VIEW_FIELDS = PROFILE_FIELDS.filter((field) => field !== 'vid');
type ViewProfile = {
  readonly [F in (typeof VIEW_FIELDS)[number]]: NonNullable<Profile[F]> | null;
};

export interface VisitorView extends ViewProfile {
  readonly key: VisitorKey;
  readonly presence: 'online' | 'timedOut' | 'cleanedUp';
  readonly conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  readonly chatId: string | null;
  /** The operator who invited the visitor, or has the chat. */
  readonly operator: Username | null;
  /** Who has the chat in LHC's own pages, or is asked there; null if nobody. */
  readonly inLhc: InLhc | null;
  /** The department of the chat; without a chat that of the last page view that named one. */
  readonly department: string | null;
  /** True if the visitor has an XMPP session. */
  readonly loggedIn: boolean;
  /** When the visitor last arrived, in ms since 1970. After a cleanup: when the visitor was last seen. */
  readonly arrivedAt: number;
  /** ms since 1970 */
  readonly lastSeen: number;
  /** The revision of the visitor's stream. */
  readonly revision: number;
}

export interface VisitorFilter extends PageRequest {
  readonly tenant: string;
  readonly state?: VisitorState | undefined;
  readonly department?: string | undefined;
  readonly operator?: string | undefined;
  /** The country's name from the browser or LHC, in upper or lower case. */
  readonly country?: string | undefined;
  readonly online?: boolean | undefined;
  /** Default `-arrivedAt`. */
  readonly sort?: VisitorSort | undefined;
  /** A text in the key, nick, page, title, country or city. */
  readonly q?: string | undefined;
}

export interface VisitorQueries {
  /** @throws {AppError} `invalid` for a cursor of another list or another order */
  list(filter: VisitorFilter): Page<VisitorView>;
  get(tenant: string, key: string): VisitorView | null;
}

const COLUMNS = `key, presence, conversation, chat_id AS chatId, operator, ${IN_LHC_SELECTED},
  ifnull(chat_department, department) AS department,
  ${VIEW_FIELDS.join(', ')},
  logged_in AS loggedIn, arrived_at AS arrivedAt, last_seen AS lastSeen, revision`;

// The columns above have the names of the view, and the table is STRICT. SQLite has numbers for booleans.
const viewOf = (row: Record<string, SQLOutputValue>): VisitorView =>
  ({ ...withInLhc(row), loggedIn: row.loggedIn === 1 }) as unknown as VisitorView; // the columns of the statement, as the view has them

/** Literals, not parameters: SQLite uses a partial index only if the statement contains its condition. */
const CONDITIONS: Readonly<Record<VisitorState, string>> = {
  online: `presence = 'online'`,
  timedOut: `presence = 'timedOut'`,
  cleanedUp: `presence = 'cleanedUp'`,
  invited: `conversation = 'invited' AND conversation <> 'none'`,
  waiting: `conversation = 'waiting' AND conversation <> 'none'`,
  chatting: `conversation = 'chatting' AND conversation <> 'none'`,
};

/**
 * The index for a list. It has to be named, because SQLite does not know that few of many visitors are online or in a
 * conversation.
 * @param crowded tells whether more visitors are online than one page may sort
 */
function indexFor(
  { state, operator, online, sort }: Partial<VisitorFilter>,
  crowded: () => boolean,
): string {
  if (operator !== undefined) return 'visitors_of_operators';
  if (state === 'invited' || state === 'waiting' || state === 'chatting') {
    return 'visitors_conversing';
  }
  const bySeen = sort?.endsWith('lastSeen') === true;
  if ((state === 'online' || (online && state === undefined)) && !(bySeen && crowded())) {
    return 'visitors_online';
  }
  return bySeen ? 'visitors_by_last_seen' : 'visitors_by_arrival';
}

/**
 * How many scans of rows one page may sort to find the online visitors who were seen first. If more are online, the page
 * scans all visitors in order instead. In the other direction that is always quick: whoever was seen last is online.
 */
const SORTED_SCANS = 5;

const sortedBy = (sort: VisitorSort): 'arrivedAt' | 'lastSeen' =>
  sort.endsWith('arrivedAt') ? 'arrivedAt' : 'lastSeen';

const orderOf = (sort: VisitorSort): Order => ({
  name: sort,
  first: { sql: sortedBy(sort) === 'arrivedAt' ? 'arrived_at' : 'last_seen', type: 'number' },
  ties: [{ sql: 'key', type: 'string' }],
});

const SEARCHED_COLUMNS = ['key', 'nick', 'page', 'title', 'country', 'city'];

/** @param scanRows rows that one page scans; fewer in tests */
export function visitorQueries(db: DatabaseSync, scanRows = SCAN_ROWS): VisitorQueries {
  addCaseFolding(db);
  const one = db.prepare(`SELECT ${COLUMNS} FROM visitors WHERE tenant = ? AND key = ?`);
  return {
    get: (tenant, key) => {
      const row = one.get(tenant, key);
      return row ? viewOf(row) : null;
    },
    list: (filter) => list(db, filter, scanRows),
  };
}

function list(db: DatabaseSync, wish: VisitorFilter, scanRows: number): Page<VisitorView> {
  const { tenant, state, department, operator, country, online, q, sort = '-arrivedAt' } = wish;
  const index = indexFor(wish, () => isCrowded(db, tenant, sort, scanRows));
  const [range, filter] = [new Conditions(), new Conditions()];
  range.add('tenant = ?', tenant);
  if (operator) range.add('operator = ?', operator);
  if (online || state === 'online') {
    (index === 'visitors_online' ? range : filter).add(CONDITIONS.online);
  }
  if (state && state !== 'online') {
    (index === 'visitors_conversing' ? range : filter).add(CONDITIONS[state]);
  }
  if (online === false) filter.add(`presence <> 'online'`);
  if (department) filter.add('ifnull(chat_department, department) = ?', department);
  if (country) filter.add(...equals('country', country));
  if (q) filter.add(...mentions(SEARCHED_COLUMNS, q));
  const by = sortedBy(sort);
  const from = `visitors INDEXED BY ${index}`;
  return readPage(
    db,
    { columns: COLUMNS, from, range, filter, order: orderOf(sort) },
    wish,
    viewOf,
    (row) => [row[by], row.key],
    scanRows,
  );
}

const isCrowded = (
  db: DatabaseSync,
  tenant: string,
  sort: VisitorSort,
  scanRows: number,
): boolean =>
  db
    .prepare(
      `SELECT 1 FROM visitors INDEXED BY visitors_online WHERE tenant = ? AND ${CONDITIONS.online}
       LIMIT 1 OFFSET ?`,
    )
    .get(tenant, sort.startsWith('-') ? scanRows : SORTED_SCANS * scanRows) !== undefined;
