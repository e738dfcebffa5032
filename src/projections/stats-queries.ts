/** The rows that statistics of chats count and measure: those of chats that started within a range of time. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { behind, behindValues, type Column, type Order, orderBy } from './list.ts';

/** A range of time in ms since 1970. `until` is exclusive. */
export interface Range {
  readonly tenant: string;
  readonly since: number;
  readonly until: number;
}

/** The measured part of a chat. Times are in ms since 1970. */
export interface MeasuredChat {
  readonly department: string | null;
  readonly closed: boolean;
  readonly startedAt: number;
  readonly acceptedAt: number | null;
  readonly answeredAt: number | null;
  /** Departments in which it waited too long. */
  readonly overflowed: readonly string[];
}

/** The work of one operator in one chat. Times are in ms since 1970. */
export interface MeasuredWork {
  readonly operator: string;
  readonly askedAt: number | null;
  readonly acceptedAt: number | null;
  readonly answeredAt: number | null;
  readonly messages: number;
  readonly missed: number;
  readonly declined: number;
}

export interface Portion<Row> {
  readonly rows: readonly Row[];
  /** Behind the last of these rows; null if they were the last. */
  readonly next: PortionKey | null;
}
export type PortionKey = readonly [SQLInputValue, ...SQLInputValue[]];

export interface StatsQueries {
  /** Chats that started within the range. They come in portions, so that a long range does not block the process. */
  chats(range: Range, after: PortionKey | null): Portion<MeasuredChat>;
  /** The work of operators in these chats, in portions. */
  work(range: Range, after: PortionKey | null): Portion<MeasuredWork>;
}

/** Rows in a portion, some 5 ms. */
export const PORTION_ROWS = 4000;

const numberOrNull = (value: unknown): number | null => (value === null ? null : Number(value));
const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));

const VISITOR: Column = { sql: 'visitor', type: 'string' };
const REVISION: Column = { sql: 'revision', type: 'number' };
const OPERATOR: Column = { sql: 'operator', type: 'string' };

type Row = readonly SQLInputValue[];
type ReadPortion = (range: Range, after: PortionKey | null) => Portion<Row>;

/**
 * Reads a range of the index `{table}_by_start`, which has all these columns, the latest chat first.
 * @param ties name a row among those of the same start
 * @param portion rows in a portion
 */
function portionReader(
  db: DatabaseSync,
  { table, ties, columns }: { table: string; ties: readonly Column[]; columns: string },
  portion: number,
): ReadPortion {
  const order: Order = { name: '-start', first: { sql: 'started_at', type: 'number' }, ties };
  const key = ['started_at', ...ties.map(({ sql }) => sql)];
  const prepare = (condition: string) => {
    const statement = db.prepare(
      `SELECT ${key.join(', ')}, ${columns} FROM ${table} INDEXED BY ${table}_by_start
       WHERE tenant = ? AND started_at >= ? AND ${condition} ${orderBy(order)} LIMIT ${portion}`,
    );
    statement.setReturnArrays(true);
    return statement;
  };
  const first = prepare('started_at < ?');
  const further = prepare(behind(order));
  return ({ tenant, since, until }, after) => {
    // Arrays as rows, because of `setReturnArrays`. Their columns are those of the statement.
    const rows = (after
      ? further.all(tenant, since, ...behindValues(after))
      : first.all(tenant, since, until)) as unknown as Row[]; // the columns of the statement
    const last = rows.length === portion ? rows.at(-1) : undefined;
    // A key has at least the start.
    return { rows, next: last ? (last.slice(0, key.length) as unknown as PortionKey) : null };
  };
}

/** @param portion rows in a portion; fewer in tests */
export function statsQueries(db: DatabaseSync, portion = PORTION_ROWS): StatsQueries {
  const chats = portionReader(
    db,
    {
      table: 'chats',
      ties: [VISITOR, REVISION],
      columns: 'department, state, accepted_at, answered_at, overflowed',
    },
    portion,
  );
  const work = portionReader(
    db,
    {
      table: 'chat_operators',
      ties: [VISITOR, REVISION, OPERATOR],
      columns: 'asked_at, accepted_at, answered_at, messages, missed, declined',
    },
    portion,
  );
  return {
    chats: (range, after) => {
      const { rows, next } = chats(range, after);
      return {
        next,
        rows: rows.map(
          ([startedAt, , , department, state, acceptedAt, answeredAt, overflowed]) => ({
            department: textOrNull(department),
            closed: state === 'closed',
            startedAt: Number(startedAt),
            acceptedAt: numberOrNull(acceptedAt),
            answeredAt: numberOrNull(answeredAt),
            // Written as JSON, a list of names.
            overflowed: overflowed === '[]' ? [] : (JSON.parse(String(overflowed)) as string[]),
          }),
        ),
      };
    },
    work: (range, after) => {
      const { rows, next } = work(range, after);
      return {
        next,
        rows: rows.map(([, , , operator, askedAt, acceptedAt, answeredAt, ...counts]) => {
          const [messages, missed, declined] = counts.map(Number);
          return {
            operator: String(operator),
            askedAt: numberOrNull(askedAt),
            acceptedAt: numberOrNull(acceptedAt),
            answeredAt: numberOrNull(answeredAt),
            messages: messages ?? 0,
            missed: missed ?? 0,
            declined: declined ?? 0,
          };
        }),
      };
    },
  };
}
