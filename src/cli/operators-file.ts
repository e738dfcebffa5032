/** A file of operators: read, and every fault in it found before anything is sent. */
import { createReadStream } from 'node:fs';
import type { z } from 'zod';
import { Username } from '../actors/ids.ts';
import { AppError, messageOf } from '../errors.ts';
import { PutOperator } from '../http/v1/operators.ts';
import { parseCsv } from './csv.ts';

export type Wish = z.output<typeof PutOperator>;

export interface Row {
  /** Of the file, from 1. */
  readonly line: number;
  readonly username: Username;
  /** What the row says; an empty cell says nothing. */
  readonly wish: Wish;
}

export interface Fault {
  readonly line: number;
  /** The column; undefined for the row as a whole. */
  readonly field?: string | undefined;
  readonly reason: string;
}

export const COLUMNS = [
  'username',
  'lhcUserId',
  'name',
  'departments',
  'capacity',
  'password',
  'adopt',
] as const;
type Column = (typeof COLUMNS)[number];

const MAX_BYTES = 5 * 1024 * 1024;
const MAX_ROWS = 10_000;
const YES = ['true', 'yes', '1'];
const NO = ['false', 'no', '0'];

/**
 * The text of a file.
 * @param path `-` for standard input
 * @throws {AppError} `not-found`, `too-large` past 5 MB, `invalid` for what is not UTF-8
 */
export async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
      const bytes = chunk as Buffer; // no encoding is set
      size += bytes.length;
      if (size > MAX_BYTES) throw new AppError('too-large', `${path} has more than 5 MB`);
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('not-found', `${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    // A byte order mark is taken off by it.
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new AppError('invalid', `${path} is not UTF-8: save it as "CSV UTF-8"`);
  }
}

/** A number as people write it; what is none stays text, for the schema to say so. */
const number = (text: string): unknown => (/^\d{1,16}$/.test(text) ? Number(text) : text);

const READ: Record<Exclude<Column, 'username'>, (text: string) => unknown> = {
  lhcUserId: number,
  name: (text) => text,
  departments: (text) =>
    text
      .split(';')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  capacity: number,
  password: (text) => text,
  adopt: (text) => {
    const word = text.toLowerCase();
    return YES.includes(word) ? true : NO.includes(word) ? false : text;
  },
};

/** What a schema says of a number that is text would be about types. */
const REASONS: Partial<Record<string, string>> = {
  lhcUserId: 'is not a whole number from 1',
  capacity: 'is not a whole number from 1 to 1000',
  adopt: `is none of ${[...YES, ...NO].join(', ')}`,
};

/** @throws {AppError} `invalid` for a header that cannot be used */
function columnsOf(header: readonly string[]): readonly Column[] {
  const names = header.map((name) => name.trim());
  const known: readonly string[] = COLUMNS;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new AppError(
      'invalid',
      `line 1: unknown columns ${unknown.map((name) => JSON.stringify(name)).join(', ')}; the columns are ${COLUMNS.join(', ')}`,
    );
  }
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new AppError('invalid', `line 1: the column ${twice} stands twice`);
  if (!names.includes('username')) {
    throw new AppError(
      'invalid',
      'line 1: there is no column username; the first line has their names',
    );
  }
  return names as Column[]; // each was looked up
}

function rowOf(
  line: number,
  cells: ReadonlyMap<Column, string>,
): { row: Row | null; faults: Fault[] } {
  const faults: Fault[] = [];
  const username = Username.safeParse(cells.get('username') ?? '');
  if (!username.success) {
    faults.push({
      line,
      field: 'username',
      reason: username.error.issues[0]?.message ?? 'is wrong',
    });
  }
  const wish: Record<string, unknown> = {};
  for (const [column, text] of cells) {
    if (column !== 'username' && text !== '') wish[column] = READ[column](text);
  }
  const parsed = PutOperator.safeParse(wish);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const field = String(path[0]);
      faults.push({ line, field, reason: REASONS[field] ?? message });
    }
  }
  const row = username.success &&
    parsed.success && { line, username: username.data, wish: parsed.data };
  return { row: row || null, faults };
}

/** Two rows that name the same operator, or the same LHC user. */
function* duplicates(rows: readonly Row[]): Iterable<Fault> {
  const usernames = new Map<string, number>();
  const lhcUsers = new Map<number, number>();
  for (const { line, username, wish } of rows) {
    const first = usernames.get(username);
    if (first === undefined) usernames.set(username, line);
    else yield { line, field: 'username', reason: `${username} is on line ${first} too` };
    if (wish.lhcUserId === undefined) continue;
    const other = lhcUsers.get(wish.lhcUserId);
    if (other === undefined) lhcUsers.set(wish.lhcUserId, line);
    else yield { line, field: 'lhcUserId', reason: `${wish.lhcUserId} is on line ${other} too` };
  }
}

/**
 * The rows of a file, or all that is wrong with them.
 * @throws {AppError} `invalid` for what is no CSV or has a header that cannot be used
 */
export function readRows(text: string): { rows: readonly Row[]; faults: readonly Fault[] } {
  const [header, ...records] = parseCsv(text, MAX_ROWS + 1);
  if (!header) throw new AppError('invalid', 'the file is empty; its first line names the columns');
  const columns = columnsOf(header.fields);
  const rows: Row[] = [];
  const faults: Fault[] = [];
  for (const { line, fields } of records) {
    if (fields.length !== columns.length) {
      const reason = `has ${fields.length} fields, the header has ${columns.length}`;
      faults.push({ line, reason });
      continue;
    }
    // A password is what it is; around everything else spaces mean nothing.
    const cells = new Map(
      columns.map((column, i) => {
        const field = fields[i] ?? '';
        return [column, column === 'password' ? field : field.trim()] as const;
      }),
    );
    const read = rowOf(line, cells);
    if (read.row) rows.push(read.row);
    faults.push(...read.faults);
  }
  faults.push(...duplicates(rows));
  return { rows, faults: faults.toSorted((a, b) => a.line - b.line) };
}
