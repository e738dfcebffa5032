/** What every read model offers, and how pages of it are cut. */
import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
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

/**
 * The parts of a cursor.
 * @param types what each part has to be
 * @throws {AppError} `invalid` for what is no cursor of this list
 */
export function decodeCursor(
  cursor: string,
  types: readonly ('string' | 'number')[],
): readonly SQLInputValue[] {
  const refused = () =>
    new AppError('invalid', 'is no cursor of this list; use `next` of its last page', {
      field: 'cursor',
    });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw refused(); // whatever is wrong with it, the caller did not get it from here
  }
  if (!Array.isArray(parts) || parts.length !== types.length) throw refused();
  return parts.map((part: unknown, i) => {
    if (typeof part === 'string' && types[i] === 'string') return part;
    if (typeof part === 'number' && types[i] === 'number' && Number.isSafeInteger(part))
      return part;
    throw refused();
  });
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

/** A pattern for LIKE … ESCAPE '\' that finds this text anywhere. */
export const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;
