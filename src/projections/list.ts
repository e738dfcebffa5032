/** Lists of rows, the same for every read model: conditions, orders, pages and cursors. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { AppError } from '../errors.ts';

export interface PageRequest {
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
  /** Rows at most. */
  readonly limit: number;
}

export interface Page<Row> {
  readonly items: readonly Row[];
  /** The cursor of the next page; null at the end. */
  readonly next: string | null;
}

/** Conditions of a statement, joined by AND, and the values of their parameters. */
export class Conditions {
  readonly #conditions: string[] = [];
  readonly #values: SQLInputValue[] = [];

  add(condition: string, ...values: SQLInputValue[]): void {
    this.#conditions.push(condition);
    this.#values.push(...values);
  }

  get sql(): string {
    return this.#conditions.join(' AND ') || 'TRUE';
  }

  get values(): readonly SQLInputValue[] {
    return this.#values;
  }

  get any(): boolean {
    return this.#conditions.length > 0;
  }
}

export interface Column {
  /** A column, or an expression that an index may not use, such as `+started_at`. */
  readonly sql: string;
  readonly type: 'string' | 'number';
}

/** An order of a list. The values of its columns name a row, so a page can begin exactly behind a row. */
export interface Order {
  /** Its cursors begin with this name. If it begins with `-`, the first column is descending. All others are ascending. */
  readonly name: string;
  readonly first: Column;
  readonly ties?: readonly Column[];
}

const isDescending = ({ name }: Order): boolean => name.startsWith('-');

export const orderBy = (order: Order): string => {
  const ties = (order.ties ?? []).map(({ sql }) => `, ${sql}`);
  return `ORDER BY ${order.first.sql}${isDescending(order) ? ' DESC' : ''}${ties.join('')}`;
};

/** The condition for the rows behind one. {@link behindValues} has the values of its parameters. */
export const behind = (order: Order): string => {
  const { first, ties = [] } = order;
  const [least, less] = isDescending(order) ? ['<=', '<'] : ['>=', '>'];
  if (ties.length === 0) return `${first.sql} ${less} ?`;
  const names = ties.map(({ sql }) => sql).join(', ');
  // The first condition is a range of an index. The second one leaves out rows of the same value up to this row.
  return `${first.sql} ${least} ? AND (${first.sql} ${less} ? OR (${names}) > (${ties.map(() => '?').join(', ')}))`;
};

/** @param key the values of the order's columns in a row */
export const behindValues = <Value>([first, ...ties]: readonly [
  Value,
  ...Value[],
]): readonly Value[] => (ties.length === 0 ? [first] : [first, first, ...ties]);

type Key = readonly [SQLInputValue, ...SQLInputValue[]];

/** The cursor behind a row. @param key the values of the order's columns in it */
export const encodeCursor = (order: Order, key: readonly SQLOutputValue[]): string =>
  Buffer.from(JSON.stringify([order.name, ...key])).toString('base64url');

const refusal = (reason: string): AppError => new AppError('invalid', reason, { field: 'cursor' });
const NO_CURSOR = 'is not a cursor of this list; use `next` of its last page';

const isValue = (value: unknown, { type }: Column): boolean =>
  typeof value === type && (typeof value === 'string' || Number.isSafeInteger(value));

/** @throws {AppError} `invalid` for a text that is not a cursor of this list in this order */
export function decodeCursor(cursor: string, order: Order): Key {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw refusal(NO_CURSOR); // No page has this as its `next`, whatever is wrong with it.
  }
  if (!Array.isArray(parts)) throw refusal(NO_CURSOR);
  const [name, ...key]: unknown[] = parts;
  const columns = [order.first, ...(order.ties ?? [])];
  const fits =
    key.length === columns.length && columns.every((column, i) => isValue(key[i], column));
  if (!fits) throw refusal(NO_CURSOR);
  if (name !== order.name) {
    throw refusal(
      `is a cursor of this list in another order, not of sort=${order.name}; start again without a cursor`,
    );
  }
  return key as unknown as Key; // isValue has checked each.
}

/** Rows that one page scans at most: 2 to 5 ms in which the process does nothing else. All of 100,000 rows took 100 ms. */
export const SCAN_ROWS = 2_000;

export interface Listing {
  readonly columns: string;
  /** The table, and the index that has its rows in this order; or a subquery with the values of its parameters. */
  readonly from: string;
  readonly fromValues?: readonly SQLInputValue[];
  /** Conditions that the index answers. */
  readonly range: Conditions;
  /** Conditions for which the rows of that range are scanned. */
  readonly filter?: Conditions;
  readonly order: Order;
}

/**
 * Reads a page of a list. It begins exactly behind the row of the cursor, whatever was inserted or changed since.
 *
 * With a filter the page scans {@link SCAN_ROWS} at most. So it may have fewer rows than the limit, or none, and `next`
 * points behind the last scanned row.
 * @param keyOf the values of the order's columns in a row
 * @throws {AppError} `invalid` for a cursor of another list or another order
 */
export function readPage<Row>(
  db: DatabaseSync,
  listing: Listing,
  { cursor, limit }: PageRequest,
  viewOf: (row: Record<string, SQLOutputValue>) => Row,
  keyOf: (row: Row) => readonly (string | number)[],
  scanRows = SCAN_ROWS,
): Page<Row> {
  const { columns, from, fromValues = [], range, filter, order } = listing;
  const key = cursor ? decodeCursor(cursor, order) : null;
  const sorted = orderBy(order);
  const rows = `FROM ${from} WHERE ${range.sql}${key ? ` AND ${behind(order)}` : ''} ${sorted}`;
  const values = [...fromValues, ...range.values, ...(key ? behindValues(key) : [])];
  const found = (
    filter?.any
      ? db
          .prepare(
            `SELECT ${columns} FROM (SELECT * ${rows} LIMIT ${scanRows}) WHERE ${filter.sql} ${sorted} LIMIT ?`,
          )
          .all(...values, ...filter.values, limit + 1)
      : db.prepare(`SELECT ${columns} ${rows} LIMIT ?`).all(...values, limit + 1)
  ).map(viewOf);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length > limit && last) return { items, next: encodeCursor(order, keyOf(last)) };
  if (!filter?.any) return { items, next: null };
  const names = [order.first, ...(order.ties ?? [])].map(({ sql }) => sql).join(', ');
  const end = db.prepare(`SELECT ${names} ${rows} LIMIT 1 OFFSET ${scanRows - 1}`).get(...values);
  return { items, next: end ? encodeCursor(order, Object.values(end)) : null };
}

const isAscii = (text: string): boolean => /^\p{ASCII}*$/u.test(text);

/**
 * Adds the SQL function that {@link mentions} and {@link equals} need. LIKE and NOCASE of SQLite know upper and lower case
 * of ASCII only. For all other texts this function is used, which is four times as slow.
 */
export const addCaseFolding = (db: DatabaseSync): void =>
  db.function('folded', { deterministic: true }, (text) => String(text).toLowerCase());

/** A condition: one of these columns contains the text, in upper or lower case. No column may have line breaks. */
export function mentions(columns: readonly string[], text: string): [string, ...string[]] {
  if (isAscii(text)) {
    const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
    const found = columns.map((column) => `${column} LIKE ? ESCAPE '\\'`);
    return [`(${found.join(' OR ')})`, ...columns.map(() => pattern)];
  }
  const all = columns.map((column) => `ifnull(${column}, '')`).join(' || char(10) || ');
  return [`instr(folded(${all}), ?) > 0`, text.toLowerCase()];
}

/** A condition: the column is this text, in upper or lower case. */
export const equals = (column: string, text: string): [string, string] =>
  isAscii(text)
    ? [`${column} = ? COLLATE NOCASE`, text]
    : [`${column} IS NOT NULL AND folded(${column}) = ?`, text.toLowerCase()];
