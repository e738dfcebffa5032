/** Questions to the read model of chats. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import { Conditions, hashRows, type Page, type PageRequest, readPage } from './table.ts';

/**
 * `waiting`: nobody has it; `offered`: one or several operators are asked to answer; `active`: answered; `closed`.
 */
export const CHAT_STATES = ['waiting', 'offered', 'active', 'closed'] as const;
export type ChatState = (typeof CHAT_STATES)[number];
export const CLOSE_PARTIES = ['visitor', 'operator', 'system'] as const;

/** What a list of chats can be sorted by; with `-` the latest first. Only those that wait have a `waitingSince`. */
export const CHAT_SORTS = ['-startedAt', 'startedAt', 'waitingSince', '-waitingSince'] as const;
export type ChatSort = (typeof CHAT_SORTS)[number];

export interface ChatView {
  readonly chatId: string;
  /** The visitor's key. */
  readonly visitor: VisitorKey;
  readonly nick: string | null;
  readonly department: string | null;
  readonly state: ChatState;
  /** Who has it, is asked alone, or had it last when it was closed. */
  readonly operator: Username | null;
  /** Who is asked to answer now. */
  readonly offered: readonly Username[];
  readonly invitedBy: Username | null;
  /** ms since 1970, as all times. */
  readonly startedAt: number;
  /** Since when nobody has answered; null when somebody has, and when it is closed. */
  readonly waitingSince: number | null;
  /** When an operator was first given it, accepted it, wrote in it. */
  readonly assignedAt: number | null;
  readonly acceptedAt: number | null;
  readonly firstAnswerAt: number | null;
  readonly closedAt: number | null;
  readonly closedBy: (typeof CLOSE_PARTIES)[number] | null;
  readonly reason: string | null;
  /** Closed, and no operator had ever accepted it. */
  readonly missed: boolean;
  readonly visitorMessages: number;
  readonly operatorMessages: number;
  readonly transfers: number;
  /** Offers that nobody answered in time. */
  readonly missedOffers: number;
  /** Everybody who was asked or wrote, the first first. */
  readonly operators: readonly ChatOperatorView[];
  /** Of the fact that began it, on the visitor's stream. */
  readonly revision: number;
}

export interface ChatOperatorView {
  readonly operator: Username;
  readonly askedAt: number | null;
  readonly acceptedAt: number | null;
  readonly firstAnswerAt: number | null;
  readonly messages: number;
  /** How often an offer was missed, declined. */
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
  /** Begun at or after, and before; ms since 1970. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Default `-startedAt`. */
  readonly sort?: ChatSort | undefined;
}

export interface ChatQueries {
  /** A page's `next` goes on exactly behind its last row. @throws {AppError} `invalid` for a cursor that is none */
  list(filter: ChatFilter): Page<ChatView>;
  /** The last one of this id, of this visitor where one is given; null when there was none. */
  get(tenant: string, chatId: string, visitor?: string): ChatView | null;
  /** Of all rows. */
  hash(): string;
}

const COLUMNS = `chat_id AS chatId, visitor, nick, department, state, operator, invited_by AS invitedBy,
  started_at AS startedAt, waiting_since AS waitingSince, assigned_at AS assignedAt, accepted_at AS acceptedAt,
  answered_at AS firstAnswerAt, closed_at AS closedAt, closed_by AS closedBy, reason,
  visitor_messages AS visitorMessages, operator_messages AS operatorMessages, transfers,
  missed_offers AS missedOffers, revision`;

/** Literals, not parameters: SQLite uses a partial index only for a condition that it can see. */
const CONDITIONS: Readonly<Record<ChatState, string>> = {
  waiting: `state = 'waiting' AND state <> 'closed'`,
  offered: `state = 'offered' AND state <> 'closed'`,
  active: `state = 'active' AND state <> 'closed'`,
  closed: `state = 'closed'`,
};
/**
 * The index for a list, named: SQLite knows nothing of how many rows there are of each kind, and takes the key of the
 * table and sorts a whole tenant, or a range by time where only one visitor is asked for.
 */
function indexFor({ visitor, state, missed, operator, department, sort }: Partial<ChatFilter>) {
  if (visitor !== undefined) return ''; // the key of the table begins with the visitor; see below
  if (sort?.endsWith('waitingSince')) return 'INDEXED BY chats_waiting';
  if (state !== undefined && state !== 'closed') return 'INDEXED BY chats_open';
  if (operator !== undefined) return 'INDEXED BY chats_by_operator';
  if (missed) return 'INDEXED BY chats_missed';
  if (department !== undefined) return 'INDEXED BY chats_by_department';
  return 'INDEXED BY chats_by_start';
}

const COLUMN_OF = { startedAt: 'started_at', waitingSince: 'waiting_since' } as const;
const TIES = [
  { column: 'visitor', type: 'string' as const },
  { column: 'revision', type: 'number' as const },
];

/** Reads chats as they are shown, with their operators. */
export function chatReader(db: DatabaseSync) {
  const operators = db.prepare(
    `SELECT operator, asked, asked_at AS askedAt, accepted_at AS acceptedAt,
       answered_at AS firstAnswerAt, messages, missed, declined
     FROM chat_operators WHERE tenant = ? AND visitor = ? AND chat_id = ? AND revision = ?
     ORDER BY ifnull(asked_at, accepted_at), operator`,
  );
  return {
    columns: COLUMNS,
    viewOf: (tenant: string, row: Record<string, SQLOutputValue>): ChatView => {
      const { visitor = null, chatId = null, revision = null } = row;
      const all = operators.all(tenant, visitor, chatId, revision);
      // The columns are the view by name, and the tables' types are strict.
      return {
        ...row,
        missed: row.state === 'closed' && row.acceptedAt === null,
        offered: all.filter(({ asked }) => asked === 1).map(({ operator }) => operator),
        operators: all.map(({ asked: _, ...operator }) => operator),
      } as unknown as ChatView;
    },
  };
}

/** @param look rows that a list looks through in one go; for tests */
export function chatQueries(db: DatabaseSync, look?: number): ChatQueries {
  const { columns, viewOf } = chatReader(db);
  const last = 'ORDER BY started_at DESC, revision DESC LIMIT 1';
  const one = db.prepare(
    `SELECT ${columns} FROM chats INDEXED BY chats_by_id WHERE tenant = ? AND chat_id = ? ${last}`,
  );
  const ofVisitor = db.prepare(
    `SELECT ${columns} FROM chats WHERE tenant = ? AND chat_id = ? AND visitor = ? ${last}`,
  );
  return {
    get: (tenant, chatId, visitor) => {
      const row =
        visitor === undefined ? one.get(tenant, chatId) : ofVisitor.get(tenant, chatId, visitor);
      return row ? viewOf(tenant, row) : null;
    },
    list: ({ tenant, cursor, limit, sort = '-startedAt', ...asked }) => {
      const { state, department, operator, visitor, closedBy, missed, since, until } = asked;
      const [within, wanted] = [new Conditions(), new Conditions()];
      within.add('tenant = ?', tenant);
      const by = sort.endsWith('startedAt') ? 'startedAt' : 'waitingSince';
      if (by === 'waitingSince') within.add('waiting_since IS NOT NULL');
      const hint = indexFor({ ...asked, sort });
      // Of a range in time every index has both ends. One visitor has few chats, and few of all are open.
      const few = visitor !== undefined || by === 'waitingSince' || hint.endsWith('chats_open');
      const put = (index: string | null) =>
        few || (index !== null && hint.endsWith(index)) ? within : wanted;
      if (since !== undefined) within.add('started_at >= ?', since);
      if (until !== undefined) within.add('started_at < ?', until);
      if (visitor) within.add('visitor = ?', visitor);
      if (state) put(null).add(CONDITIONS[state]);
      if (department) put('chats_by_department').add('department = ?', department);
      if (operator) put('chats_by_operator').add('operator = ?', operator);
      if (missed) put('chats_missed').add(`state = 'closed' AND accepted_at IS NULL`);
      if (missed === false) put(null).add(`(state <> 'closed' OR accepted_at IS NOT NULL)`);
      if (closedBy) put(null).add('closed_by = ?', closedBy);
      // A `+` keeps SQLite from an index by time where the few chats of one visitor are to be sorted.
      const column = `${visitor === undefined ? '' : '+'}${COLUMN_OF[by]}`;
      return readPage(
        db,
        {
          columns,
          from: `chats ${hint}`,
          within,
          wanted,
          limit,
          sorting: { name: sort, column },
          ties: TIES,
          cursor,
          cursorOrder: sort,
        },
        (row) => viewOf(tenant, row),
        (chat) => [chat[by] ?? 0, chat.visitor, chat.revision],
        look,
      );
    },
    hash: () =>
      hashRows(db, [
        { name: 'chats', key: 'tenant, visitor, chat_id, revision' },
        { name: 'chat_operators', key: 'tenant, visitor, chat_id, revision, operator' },
      ]),
  };
}
