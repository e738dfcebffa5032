/** What every read model offers, and how pages of it are cut. */
import { createHash } from 'node:crypto';
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
  /** Of the page after this one; null at the end. */
  readonly next: string | null;
}

/** Cuts a page out of `limit + 1` rows. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => readonly (string | number)[],
): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last ? encodeCursor(cursorOf(last)) : null };
}

const encodeCursor = (parts: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(parts)).toString('base64url');

const refused = (reason: string): AppError => new AppError('invalid', reason, { field: 'cursor' });
const NO_CURSOR = 'is no cursor of this list; use `next` of its last page';

const isPart = (part: unknown, type: 'string' | 'number' | undefined): part is SQLInputValue =>
  typeof part === type && (typeof part === 'string' || Number.isSafeInteger(part));

/**
 * The parts of a cursor.
 * @param types what each part has to be
 * @param order of a list that is sorted in several ways: the cursor has to begin with it
 * @throws {AppError} `invalid` for what is no cursor of this list, or of another order of it
 */
export function decodeCursor(
  cursor: string,
  types: readonly ('string' | 'number')[],
  order?: string,
): readonly SQLInputValue[] {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw refused(NO_CURSOR); // whatever is wrong with it, the caller did not get it from here
  }
  if (!Array.isArray(parts)) throw refused(NO_CURSOR);
  const named: readonly unknown[] = order === undefined ? parts : parts.slice(1);
  const fits = named.length === types.length && named.every((part, i) => isPart(part, types[i]));
  if (!fits) throw refused(NO_CURSOR);
  if (order !== undefined && parts[0] !== order) {
    throw refused(
      `belongs to a list in another order, not to sort=${order}; begin anew without it`,
    );
  }
  return named as readonly SQLInputValue[]; // isPart has looked at each
}

/** A hash of every row of these tables in order of their keys: equal rows, equal hash. */
export function hashRows(
  db: DatabaseSync,
  tables: readonly { name: string; key: string }[],
): string {
  const sum = createHash('sha256');
  for (const { name, key } of tables) {
    sum.update(`${name}\n`);
    for (const row of db.prepare(`SELECT * FROM ${name} ORDER BY ${key}`).iterate()) {
      sum.update(`${JSON.stringify(row)}\n`);
    }
  }
  return sum.digest('hex');
}

/** In which order a list is. */
export interface Sorting {
  /** By name, as callers write it; with a `-` before it the greatest comes first. */
  readonly name: string;
  /** What it is sorted by: a column of whole numbers. */
  readonly column: string;
}

/** Conditions of a statement, all of which have to hold, and the values of their parameters. */
export class Conditions {
  readonly #all: string[] = [];
  readonly #values: SQLInputValue[] = [];

  add(condition: string, ...values: SQLInputValue[]): void {
    this.#all.push(condition);
    this.#values.push(...values);
  }

  get sql(): string {
    return this.#all.join(' AND ') || 'TRUE';
  }

  get values(): readonly SQLInputValue[] {
    return this.#values;
  }

  get any(): boolean {
    return this.#all.length > 0;
  }
}

interface Ordered {
  readonly sorting: Sorting;
  /** Columns that together name a row: rows with equal values are in their order. */
  readonly ties: readonly { readonly column: string; readonly type: 'string' | 'number' }[];
  readonly cursor: string | undefined;
  /** The name that cursors of this order begin with; absent where they have none. */
  readonly cursorOrder: string | undefined;
}

/**
 * The end of a statement that reads a page of a list. It begins exactly behind the row of the cursor, whatever was
 * inserted or changed since.
 */
export function pageBehind({ sorting, ties, cursor, cursorOrder }: Ordered): {
  readonly where: string;
  readonly values: readonly SQLInputValue[];
  readonly order: string;
} {
  const { name, column } = sorting;
  const descending = name.startsWith('-');
  const columns = ties.map((tie) => tie.column);
  const order = `ORDER BY ${column}${descending ? ' DESC' : ''}, ${columns.join(', ')}`;
  if (!cursor) return { where: '', values: [], order };
  const types = ['number' as const, ...ties.map(({ type }) => type)];
  const [value = 0, ...keys] = decodeCursor(cursor, types, cursorOrder);
  const [least, less] = descending ? ['<=', '<'] : ['>=', '>'];
  // The first condition is a range of an index; the second one leaves out equal values up to the cursor.
  const where = ` AND ${column} ${least} ? AND (${column} ${less} ? OR (${columns.join(', ')}) > (${keys.map(() => '?').join(', ')}))`;
  return { where, values: [value, value, ...keys], order };
}

/** Rows that one look goes through: 2 to 5 ms in which nothing else has its turn (all of 100,000 took 100). */
export const LOOK = 2_000;

export interface Listing extends Ordered {
  readonly columns: string;
  /** The table, and the index that has its rows in this order. */
  readonly from: string;
  /** What that index has. */
  readonly within: Conditions;
  /** What its rows are looked through for. */
  readonly wanted: Conditions;
  readonly limit: number;
}

/**
 * Reads a page of a list. Where its rows have to be looked through for something, it goes through {@link LOOK} of them
 * at most: then it may be short, or empty, and its `next` is behind the last one that was looked at.
 * @param partsOf the value and the ties of a row, as the list is sorted
 */
export function readPage<Row>(
  db: DatabaseSync,
  listing: Listing,
  viewOf: (row: Record<string, SQLOutputValue>) => Row,
  partsOf: (row: Row) => readonly (string | number)[],
  look = LOOK,
): Page<Row> {
  const { columns, from, within, wanted, limit, sorting, ties, cursorOrder } = listing;
  const page = pageBehind(listing);
  const rows = `FROM ${from} WHERE ${within.sql}${page.where} ${page.order}`;
  const values = [...within.values, ...page.values];
  const named = (parts: readonly (string | number)[]) =>
    encodeCursor(cursorOrder === undefined ? parts : [cursorOrder, ...parts]);
  const found = (
    wanted.any
      ? db
          .prepare(
            `SELECT ${columns} FROM (SELECT * ${rows} LIMIT ${look}) WHERE ${wanted.sql} ${page.order} LIMIT ?`,
          )
          .all(...values, ...wanted.values, limit + 1)
      : db.prepare(`SELECT ${columns} ${rows} LIMIT ?`).all(...values, limit + 1)
  ).map(viewOf);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length > limit && last) return { items, next: named(partsOf(last)) };
  if (!wanted.any) return { items, next: null };
  const names = ties.map(({ column }) => column);
  const end = db
    .prepare(`SELECT ${[sorting.column, ...names].join(', ')} ${rows} LIMIT 1 OFFSET ${look - 1}`)
    .get(...values);
  // Columns of a row that is in the order of numbers and texts.
  return { items, next: end ? named(Object.values(end) as (string | number)[]) : null };
}

const isAscii = (text: string): boolean => /^\p{ASCII}*$/u.test(text);

/** SQLite's LIKE and NOCASE know upper and lower case of ASCII only: a function for all other texts, four times as slow. */
export const knowCases = (db: DatabaseSync): void =>
  db.function('folded', { deterministic: true }, (text) => String(text).toLowerCase());

/** Somewhere in these columns, upper or lower case. On a file that {@link knowCases}; no column has line breaks. */
export function mentions(columns: readonly string[], text: string): [string, ...string[]] {
  if (isAscii(text)) {
    const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
    const found = columns.map((column) => `${column} LIKE ? ESCAPE '\\'`);
    return [`(${found.join(' OR ')})`, ...columns.map(() => pattern)];
  }
  const all = columns.map((column) => `ifnull(${column}, '')`).join(' || char(10) || ');
  return [`instr(folded(${all}), ?) > 0`, text.toLowerCase()];
}

/** A column is this text, upper or lower case. On a file that {@link knowCases}. */
export const equals = (column: string, text: string): [string, string] =>
  isAscii(text)
    ? [`${column} = ? COLLATE NOCASE`, text]
    : [`${column} IS NOT NULL AND folded(${column}) = ?`, text.toLowerCase()];
