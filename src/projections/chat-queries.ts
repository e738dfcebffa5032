/** Queries on the read model of chats. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { VisitorNotice } from '../actors/visitor/facts.ts';
import { IN_LHC_SELECTED, type InLhc, withInLhc } from './in-lhc.ts';
import {
  type Column,
  Conditions,
  type Order,
  type Page,
  type PageRequest,
  readPage,
  SCAN_ROWS,
} from './list.ts';

/** `waiting`: no operator has the chat; `offered`: one or more operators may accept it, or somebody in LHC; `active`: one of them did. */
export const CHAT_STATES = ['waiting', 'offered', 'active', 'closed'] as const;
export type ChatState = (typeof CHAT_STATES)[number];
export const CLOSE_PARTIES = ['visitor', 'operator', 'system'] as const;

/** The orders of a list of chats. With `-` the latest comes first. Only waiting and offered chats have a `waitingSince`. */
export const CHAT_SORTS = ['-startedAt', 'startedAt', 'waitingSince', '-waitingSince'] as const;
export type ChatSort = (typeof CHAT_SORTS)[number];

export interface ChatView {
  readonly chatId: string;
  /** The visitor's key. */
  readonly visitor: VisitorKey;
  readonly nick: string | null;
  readonly department: string | null;
  /** The visitor's, BCP 47; null if it is not known. */
  readonly language: string | null;
  /** Departments in which it waited too long, in order. */
  readonly overflowedFrom: readonly string[];
  /** What the visitor was told while nobody answered. */
  readonly notified: VisitorNotice | null;
  readonly state: ChatState;
  /** The operator who has the chat, is the only one it is offered to, or had it when it was closed. */
  readonly operator: Username | null;
  /** Who has it in LHC's own pages, is asked there, or had it there when it was closed; null if nobody. */
  readonly inLhc: InLhc | null;
  /** The operators to whom it is offered now. */
  readonly offered: readonly Username[];
  readonly invitedBy: Username | null;
  /** In ms since 1970, as all times here. */
  readonly startedAt: number;
  /** Since when the visitor has waited for an operator; null for an active or closed chat. */
  readonly waitingSince: number | null;
  /** When the chat was first assigned to an operator, accepted by one, answered by one. */
  readonly assignedAt: number | null;
  readonly acceptedAt: number | null;
  readonly firstAnswerAt: number | null;
  readonly closedAt: number | null;
  readonly closedBy: (typeof CLOSE_PARTIES)[number] | null;
  readonly reason: string | null;
  /** True if the chat was closed without ever being accepted. */
  readonly missed: boolean;
  readonly visitorMessages: number;
  readonly operatorMessages: number;
  readonly transfers: number;
  /** Offers that expired. */
  readonly missedOffers: number;
  /** The operators to whom it was offered, or who wrote in it; the earliest comes first. */
  readonly operators: readonly ChatOperatorView[];
  /** The revision of ChatStarted on the visitor's stream. */
  readonly revision: number;
}

export interface ChatOperatorView {
  readonly operator: Username;
  readonly askedAt: number | null;
  readonly acceptedAt: number | null;
  readonly firstAnswerAt: number | null;
  readonly messages: number;
  /** Offers that expired, and that the operator declined. */
  readonly missed: number;
  readonly declined: number;
}

export interface ChatFilter extends PageRequest {
  readonly tenant: string;
  readonly state?: ChatState | undefined;
  readonly department?: string | undefined;
  readonly operator?: string | undefined;
  readonly visitor?: string | undefined;
  readonly closedBy?: (typeof CLOSE_PARTIES)[number] | undefined;
  readonly missed?: boolean | undefined;
  /** Started at or after `since`, and before `until`, in ms since 1970. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Default `-startedAt`. */
  readonly sort?: ChatSort | undefined;
}

/** A chat of any tenant. */
export interface ChatOfVisitor {
  readonly tenant: TenantId;
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly nick: string | null;
  readonly state: ChatState;
  /** ms since 1970 */
  readonly startedAt: number;
  /** Of its start, in the visitor's stream. */
  readonly revision: number;
}

/** Chats with one id that are found at most. */
export const MAX_CHATS_OF_ID = 100;

export interface ChatQueries {
  /** @throws {AppError} `invalid` for a cursor of another list or another order */
  list(filter: ChatFilter): Page<ChatView>;
  /**
   * @param visitor the chat's visitor; default any
   * @returns the last chat with this id; null if there was none
   */
  get(tenant: string, chatId: string, visitor?: string): ChatView | null;
  /** The chats with this id of these tenants, the newest first; of each visitor the newest one. */
  withId(tenants: readonly string[], chatId: string): readonly ChatOfVisitor[];
}

const COLUMNS = `chat_id AS chatId, visitor, nick, department, language,
  overflowed AS overflowedFrom, notified, state, operator, ${IN_LHC_SELECTED}, invited_by AS invitedBy,
  started_at AS startedAt, waiting_since AS waitingSince, assigned_at AS assignedAt, accepted_at AS acceptedAt,
  answered_at AS firstAnswerAt, closed_at AS closedAt, closed_by AS closedBy, reason,
  visitor_messages AS visitorMessages, operator_messages AS operatorMessages, transfers,
  missed_offers AS missedOffers, revision`;

/** Literals, not parameters: SQLite uses a partial index only if the statement contains its condition. */
const CONDITIONS: Readonly<Record<ChatState, string>> = {
  waiting: `state = 'waiting' AND state <> 'closed'`,
  offered: `state = 'offered' AND state <> 'closed'`,
  active: `state = 'active' AND state <> 'closed'`,
  closed: `state = 'closed'`,
};

/**
 * The index for a list; null for the key of the table. It has to be named, because SQLite does not know how many rows have
 * each value: it would sort all chats of a tenant, or scan a range of time for the few chats of one visitor.
 */
function indexFor({
  visitor,
  state,
  missed,
  operator,
  department,
  sort,
}: Partial<ChatFilter>): string | null {
  if (visitor !== undefined) return null;
  if (sort?.endsWith('waitingSince')) return 'chats_waiting';
  if (state !== undefined && state !== 'closed') return 'chats_open';
  if (operator !== undefined) return 'chats_by_operator';
  if (missed) return 'chats_missed';
  if (department !== undefined) return 'chats_by_department';
  return 'chats_by_start';
}

/** Visitor and revision name a chat within a tenant. */
export const CHAT_TIES: readonly Column[] = [
  { sql: 'visitor', type: 'string' },
  { sql: 'revision', type: 'number' },
];

const sortedBy = (sort: ChatSort): 'startedAt' | 'waitingSince' =>
  sort.endsWith('startedAt') ? 'startedAt' : 'waitingSince';

const orderOf = ({ sort = '-startedAt', visitor }: ChatFilter): Order => {
  const column = sortedBy(sort) === 'startedAt' ? 'started_at' : 'waiting_since';
  // With a `+` SQLite uses no index by time, and sorts the few chats of one visitor.
  const sql = visitor === undefined ? column : `+${column}`;
  return { name: sort, first: { sql, type: 'number' }, ties: CHAT_TIES };
};

/** Reads the views of chats, with their operators. */
export function chatReader(db: DatabaseSync) {
  const operators = db.prepare(
    `SELECT operator, offer_open AS offerOpen, asked_at AS askedAt, accepted_at AS acceptedAt,
       answered_at AS firstAnswerAt, messages, missed, declined
     FROM chat_operators WHERE tenant = ? AND visitor = ? AND chat_id = ? AND revision = ?
     ORDER BY ifnull(asked_at, accepted_at), operator`,
  );
  return {
    columns: COLUMNS,
    viewOf: (tenant: string, row: Record<string, SQLOutputValue>): ChatView => {
      const { visitor = null, chatId = null, revision = null } = row;
      const all = operators.all(tenant, visitor, chatId, revision);
      // The columns have the names of the view, and the tables are STRICT.
      return {
        ...withInLhc(row),
        overflowedFrom: JSON.parse(String(row.overflowedFrom)), // written as JSON
        missed: row.state === 'closed' && row.acceptedAt === null,
        offered: all.filter(({ offerOpen }) => offerOpen === 1).map(({ operator }) => operator),
        operators: all.map(({ offerOpen: _, ...operator }) => operator),
      } as unknown as ChatView; // the columns of the statement, as the view has them
    },
  };
}

/** @param scanRows rows that one page scans; fewer in tests */
export function chatQueries(db: DatabaseSync, scanRows = SCAN_ROWS): ChatQueries {
  const { columns, viewOf } = chatReader(db);
  const last = 'ORDER BY started_at DESC, revision DESC LIMIT 1';
  const one = db.prepare(
    `SELECT ${columns} FROM chats INDEXED BY chats_by_id WHERE tenant = ? AND chat_id = ? ${last}`,
  );
  const ofVisitor = db.prepare(
    `SELECT ${columns} FROM chats WHERE tenant = ? AND chat_id = ? AND visitor = ? ${last}`,
  );
  const withId = db.prepare(
    `SELECT tenant, visitor, chat_id AS chatId, nick, state, started_at AS startedAt,
       max(revision) AS revision
     FROM chats INDEXED BY chats_by_id
     WHERE tenant IN (SELECT value FROM json_each(?)) AND chat_id = ?
     GROUP BY tenant, visitor ORDER BY started_at DESC LIMIT ?`,
  );
  return {
    get: (tenant, chatId, visitor) => {
      const row =
        visitor === undefined ? one.get(tenant, chatId) : ofVisitor.get(tenant, chatId, visitor);
      return row ? viewOf(tenant, row) : null;
    },
    // Only the columns of ChatOfVisitor, and the table is STRICT.
    withId: (tenants, chatId) =>
      withId.all(JSON.stringify(tenants), chatId, MAX_CHATS_OF_ID) as unknown as ChatOfVisitor[], // the columns of the statement
    list: (wish) => {
      const index = indexFor(wish);
      const from = index === null ? 'chats' : `chats INDEXED BY ${index}`;
      const by = sortedBy(wish.sort ?? '-startedAt');
      return readPage(
        db,
        { columns, from, order: orderOf(wish), ...conditionsOf(wish, index) },
        wish,
        (row) => viewOf(wish.tenant, row),
        (chat) => [chat[by] ?? 0, chat.visitor, chat.revision],
        scanRows,
      );
    },
  };
}

function conditionsOf(
  wish: ChatFilter,
  index: string | null,
): { readonly range: Conditions; readonly filter: Conditions } {
  const { tenant, state, department, operator, visitor, closedBy, missed, since, until } = wish;
  const waiting = sortedBy(wish.sort ?? '-startedAt') === 'waitingSince';
  const [range, filter] = [new Conditions(), new Conditions()];
  // One visitor has few chats, and few chats are open. There every condition may be part of the range.
  const few = visitor !== undefined || waiting || index === 'chats_open';
  /** The conditions to which one belongs: the range of the index that answers it, otherwise the filter. */
  const of = (answeredBy: string | null) =>
    few || (answeredBy !== null && answeredBy === index) ? range : filter;
  range.add('tenant = ?', tenant);
  if (waiting) range.add('waiting_since IS NOT NULL');
  if (since !== undefined) range.add('started_at >= ?', since);
  if (until !== undefined) range.add('started_at < ?', until);
  if (visitor) range.add('visitor = ?', visitor);
  if (state) of(null).add(CONDITIONS[state]);
  if (department) of('chats_by_department').add('department = ?', department);
  if (operator) of('chats_by_operator').add('operator = ?', operator);
  if (missed) of('chats_missed').add(`state = 'closed' AND accepted_at IS NULL`);
  if (missed === false) of(null).add(`(state <> 'closed' OR accepted_at IS NOT NULL)`);
  if (closedBy) of(null).add('closed_by = ?', closedBy);
  return { range, filter };
}
