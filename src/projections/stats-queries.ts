/** Statistics of chats: what is counted and measured of those that began within a time. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** ms since 1970; `until` itself is not in it. */
export interface Range {
  readonly tenant: string;
  readonly since: number;
  readonly until: number;
}

/** A chat, as far as it is measured: times in ms since 1970. */
export interface MeasuredChat {
  readonly department: string | null;
  readonly closed: boolean;
  readonly startedAt: number;
  readonly acceptedAt: number | null;
  readonly answeredAt: number | null;
}

/** What an operator had to do with one chat. */
export interface MeasuredWork {
  readonly operator: string;
  readonly askedAt: number | null;
  readonly acceptedAt: number | null;
  readonly answeredAt: number | null;
  readonly messages: number;
  readonly missed: number;
  readonly declined: number;
}

/** So many rows, and where the next ones begin; null: these were all. */
export interface Portion<Row> {
  readonly rows: readonly Row[];
  readonly next: PortionKey | null;
}
export type PortionKey = readonly SQLInputValue[];

export interface StatsQueries {
  /** Chats that began within a range. Portion by portion, so that a long range holds up nobody. */
  chats(range: Range, after: PortionKey | null): Portion<MeasuredChat>;
  /** What operators had to do with them. */
  work(range: Range, after: PortionKey | null): Portion<MeasuredWork>;
}

const PORTION = 4000;

const numberOrNull = (value: unknown): number | null => (value === null ? null : Number(value));
const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));

/** @param portion rows that are read in one go; default some 5 ms of them */
export function statsQueries(db: DatabaseSync, portion = PORTION): StatsQueries {
  /** Reads a range of an index that has all these columns, the latest first; `keys` name a row within a time. */
  const reader = (table: string, keys: readonly string[], columns: string) => {
    const names = keys.join(', ');
    const read = (more: string) => {
      const statement = db.prepare(
        `SELECT started_at, ${names}, ${columns} FROM ${table} INDEXED BY ${table}_by_start
         WHERE tenant = ? AND started_at >= ? AND ${more}
         ORDER BY started_at DESC, ${names} LIMIT ${portion}`,
      );
      statement.setReturnArrays(true);
      return statement;
    };
    const first = read('started_at < ?');
    const further = read(
      `started_at <= ? AND (started_at < ? OR (${names}) > (${keys.map(() => '?').join(', ')}))`,
    );
    return ({ tenant, since, until }: Range, after: PortionKey | null) => {
      const [at = 0, ...key] = after ?? [];
      // Arrays as rows, since `setReturnArrays` was called; a row's columns are those of the statement.
      const rows = (after
        ? further.all(tenant, since, at, at, ...key)
        : first.all(tenant, since, until)) as unknown as SQLInputValue[][];
      const last = rows.length === portion ? rows.at(-1) : undefined;
      return { rows, next: last ? last.slice(0, keys.length + 1) : null };
    };
  };
  const chats = reader(
    'chats',
    ['visitor', 'revision'],
    'department, state, accepted_at, answered_at',
  );
  const work = reader(
    'chat_operators',
    ['visitor', 'revision', 'operator'],
    'asked_at, accepted_at, answered_at, messages, missed, declined',
  );
  return {
    chats: (range, after) => {
      const { rows, next } = chats(range, after);
      return {
        next,
        rows: rows.map(([startedAt, , , department, state, acceptedAt, answeredAt]) => ({
          department: textOrNull(department),
          closed: state === 'closed',
          startedAt: Number(startedAt),
          acceptedAt: numberOrNull(acceptedAt),
          answeredAt: numberOrNull(answeredAt),
        })),
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
