/** A CSV file of operators: reads its rows and finds all of its faults before anything is sent. */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { Username } from '../actors/ids.ts';
import { OperatorRegistration } from '../actors/operator/registration.ts';
import { AppError, messageOf } from '../errors.ts';
import { parseCsv } from './csv.ts';

export interface Row {
  /** Of the file, from 1. */
  readonly line: number;
  readonly username: Username;
  /** What the row says. An empty cell says nothing, so that setting stays as it is. */
  readonly settings: Omit<z.output<typeof Cells>, 'username'>;
}

export interface Fault {
  readonly line: number;
  /** The column; undefined for the whole row. */
  readonly field?: string;
  readonly reason: string;
}

export const MOST_FILE_BYTES = 5 * 1024 * 1024;
export const MOST_ROWS = 10_000;

/**
 * The text of a file.
 * @param path `-` for standard input
 * @throws {AppError} `not-found`; `too-large` past {@link MOST_FILE_BYTES}; `invalid` for a text that is not UTF-8
 */
export async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
      const bytes = chunk as Buffer; // no encoding is set
      size += bytes.length;
      if (size > MOST_FILE_BYTES) throw new AppError('too-large', `${path} has more than 5 MB`);
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('not-found', `${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    // The decoder removes a byte order mark.
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new AppError('invalid', `${path} is not UTF-8: save it as "CSV UTF-8"`);
  }
}

const list = (text: string): string[] =>
  text
    .split(';')
    .map((name) => name.trim())
    .filter((name) => name !== '');

const { shape } = OperatorRegistration;
/** How a cell becomes a setting. The schema of the API has the last word. */
const Cells = z.object({
  username: Username,
  lhcUserId: z
    .string()
    .regex(/^(?=\d{1,16}$)0*[1-9]/, 'is not a whole number from 1')
    .transform(Number)
    .pipe(shape.lhcUserId.unwrap())
    .optional(),
  name: shape.name,
  departments: z.string().transform(list).pipe(shape.departments.unwrap()).optional(),
  capacity: z
    .string()
    .regex(/^(?=\d{1,16}$)0*(1000|[1-9]\d{0,2})$/, 'is not a whole number from 1 to 1000')
    .transform(Number)
    .pipe(shape.capacity.unwrap())
    .optional(),
  password: shape.password,
  adopt: z
    .stringbool({
      truthy: ['true', 'yes', '1'],
      falsy: ['false', 'no', '0'],
      error: 'is none of true, yes, 1, false, no, 0',
    })
    .optional(),
});
export const COLUMNS = Object.keys(Cells.shape);

/**
 * The rows of a file, and everything that is wrong with it.
 * @throws {AppError} `invalid` for a text that is no CSV or has an unusable header
 */
export function readRows(text: string): { rows: readonly Row[]; faults: readonly Fault[] } {
  const [header, ...records] = parseCsv(text, MOST_ROWS + 1);
  if (!header) {
    throw new AppError('invalid', 'the file is empty: its first line has to name the columns');
  }
  const columns = columnsOf(header.fields);
  const rows: Row[] = [];
  const faults: Fault[] = [];
  for (const { line, fields } of records) {
    const row = rowOf(line, columns, fields);
    if (Array.isArray(row)) faults.push(...row);
    else rows.push(row);
  }
  faults.push(
    ...repetitions(rows, 'username', ({ username }) => username),
    ...repetitions(rows, 'lhcUserId', ({ settings }) => settings.lhcUserId),
  );
  return { rows, faults: faults.toSorted((a, b) => a.line - b.line) };
}

function columnsOf(header: readonly string[]): readonly string[] {
  const names = header.map((name) => name.trim());
  const fault = (reason: string): AppError => new AppError('invalid', `line 1: ${reason}`);
  const unknown = names.filter((name) => !COLUMNS.includes(name));
  if (unknown.length > 0) {
    const quoted = unknown.map((name) => JSON.stringify(name)).join(', ');
    throw fault(`unknown columns ${quoted}; the columns are ${COLUMNS.join(', ')}`);
  }
  const repeated = names.find((name, i) => names.indexOf(name) < i);
  if (repeated !== undefined) throw fault(`the column ${repeated} is there twice`);
  if (!names.includes('username')) {
    throw fault('there is no column username; the first line has to name the columns');
  }
  return names;
}

function rowOf(line: number, columns: readonly string[], fields: readonly string[]): Row | Fault[] {
  if (fields.length !== columns.length) {
    return [{ line, reason: `has ${fields.length} fields, the header has ${columns.length}` }];
  }
  const cells: Record<string, string> = {};
  for (const [i, column] of columns.entries()) {
    // Spaces belong to a password. Around everything else they mean nothing.
    const field = fields[i] ?? '';
    const cell = column === 'password' ? field : field.trim();
    if (cell !== '' || column === 'username') cells[column] = cell;
  }
  const { data, error } = Cells.safeParse(cells);
  if (error) {
    return error.issues.map(({ path, message }) => ({
      line,
      field: String(path[0]),
      reason: message,
    }));
  }
  const { username, ...settings } = data;
  return { line, username, settings };
}

/** Rows with a value that an earlier row has too. */
function* repetitions(
  rows: readonly Row[],
  field: 'username' | 'lhcUserId',
  read: (row: Row) => string | number | undefined,
): Iterable<Fault> {
  const lines = new Map<string | number, number>();
  for (const row of rows) {
    const value = read(row);
    if (value === undefined) continue;
    const first = lines.get(value);
    if (first === undefined) lines.set(value, row.line);
    else yield { line: row.line, field, reason: `${value} is on line ${first} too` };
  }
}
