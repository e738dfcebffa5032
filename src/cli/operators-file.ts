/** A CSV file of operators: reads its rows and finds all of its faults before anything is sent. */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { Username } from '../actors/ids.ts';
import { MAX_NAME_CHARACTERS } from '../actors/input-text.ts';
import { OperatorRegistration } from '../actors/operator/registration.ts';
import { AppError, messageOf } from '../errors.ts';
import { inOurWords } from '../kit/schema-words.ts';
import { textOfFile } from '../kit/text-file.ts';
import { isFilled, parseCsv } from './csv.ts';

export interface Row {
  /** Of the file, from 1. */
  readonly line: number;
  readonly username: Username;
  /** What the row says. An empty cell says nothing, so that setting stays as it is. */
  readonly settings: Omit<z.output<typeof Cells>, 'username'>;
  /** Columns whose cell has a fault. Such a row is never sent. */
  readonly wrong: ReadonlySet<string>;
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
 * @throws {AppError} `not-found`; `too-large` past {@link MOST_FILE_BYTES}; `invalid` for a text that is neither UTF-8 nor
 *   UTF-16 with a byte order mark
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
  const text = textOfFile(Buffer.concat(chunks));
  if (text !== null) return text;
  throw new AppError('invalid', `${path} is not UTF-8: save it as "CSV UTF-8"`);
}

const list = (text: string): string[] =>
  text
    .split(';')
    .map((name) => name.trim())
    .filter((name) => name !== '');

const { shape } = OperatorRegistration;
const TOO_LONG = `is longer than ${MAX_NAME_CHARACTERS} characters`;
/** The API cuts a name that is too long. Here is somebody who can choose a shorter one. */
const ShortName = z.string().max(MAX_NAME_CHARACTERS, TOO_LONG);

const TIER = 'is not a whole number from 1 to 9';

/** How a cell becomes a setting. The schema of the API has the last word. */
const Cells = z.object({
  username: Username,
  lhcUserId: z
    .string()
    .regex(/^(?=\d{1,16}$)0*[1-9]/, 'is not a whole number from 1')
    .transform(Number)
    .pipe(shape.lhcUserId.unwrap())
    .optional(),
  name: ShortName.pipe(shape.name.unwrap()).optional(),
  departments: z
    .string()
    .transform(list)
    .pipe(z.array(ShortName))
    .pipe(shape.departments.unwrap())
    .optional(),
  capacity: z
    .string()
    .regex(/^(?=\d{1,16}$)0*(1000|[1-9]\d{0,2})$/, 'is not a whole number from 1 to 1000')
    .transform(Number)
    .pipe(shape.capacity.unwrap().unwrap())
    .optional(),
  tier: z
    .string()
    .regex(/^[1-9]$/, TIER)
    .transform(Number)
    .optional(),
  tiers: z
    .string()
    .transform((text, { addIssue }) => {
      const pairs = list(text).map((pair) => /^(.*\S)\s*=\s*([1-9])$/.exec(pair));
      if (pairs.some((pair) => pair === null)) {
        addIssue({ code: 'custom', message: 'is not a list such as sales=1;support=2' });
      }
      return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', Number(pair?.[2])]));
    })
    .pipe(z.record(ShortName, z.number()))
    .pipe(shape.tiers.unwrap())
    .optional(),
  languages: z.string().transform(list).pipe(shape.languages.unwrap()).optional(),
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
 * The rows of a file, and everything that is wrong with it. A row with a fault has the settings that have none.
 * @throws {AppError} `invalid` for an empty text
 */
export function readRows(text: string): { rows: readonly Row[]; faults: readonly Fault[] } {
  const { records, faults: csvFaults } = parseCsv(text, MOST_ROWS + 1);
  const faults: Fault[] = [...csvFaults];
  const [header, ...lines] = records;
  if (!header && faults.length === 0) {
    throw new AppError('invalid', 'the file is empty: its first line has to name the columns');
  }
  // Without a usable header nobody knows what the cells are.
  if (!header || faults.some(({ line }) => line < header.line)) return { rows: [], faults };
  const columns = header.fields.map((name) => name.trim());
  const ofHeader = [...headerFaults(columns)].map((reason) => ({ line: header.line, reason }));
  if (ofHeader.length > 0) return { rows: [], faults: [...ofHeader, ...faults] };
  const rows: Row[] = [];
  for (const { line, fields } of lines) {
    const read = rowOf(line, columns, fields);
    if (read.row) rows.push(read.row);
    faults.push(...read.faults);
  }
  faults.push(
    ...repetitions(rows, 'username', ({ username }) => username),
    ...repetitions(rows, 'lhcUserId', ({ settings }) => settings.lhcUserId),
  );
  return { rows, faults: faults.toSorted((a, b) => a.line - b.line) };
}

function* headerFaults(names: readonly string[]): Iterable<string> {
  const unknown = names.filter((name) => name !== '' && !COLUMNS.includes(name));
  if (unknown.length > 0) {
    const quoted = unknown.map((name) => JSON.stringify(name)).join(', ');
    yield `unknown columns ${quoted}; the columns are ${COLUMNS.join(', ')}`;
  }
  const repeated = names.filter((name, i) => COLUMNS.includes(name) && names.indexOf(name) < i);
  for (const name of new Set(repeated)) yield `the column ${name} is there twice`;
  if (!names.includes('username')) {
    yield 'there is no column username; the first line has to name the columns';
  }
}

function rowOf(
  line: number,
  columns: readonly string[],
  fields: readonly string[],
): { readonly row?: Row; readonly faults: readonly Fault[] } {
  // Spreadsheets write a separator for each column that ever had something in it.
  const nameless = fields.findIndex((field, i) => !columns[i] && isFilled(field));
  if (nameless >= 0 || fields.length < columns.length) {
    const reason =
      nameless < 0
        ? `has ${fields.length} fields, the header has ${columns.length}`
        : `has something in column ${nameless + 1}, which has no name in the header`;
    return { faults: [{ line, reason }] };
  }
  const cells: Record<string, string> = {};
  for (const [i, column] of columns.entries()) {
    const field = fields[i] ?? '';
    const cell = field.trim();
    // Spaces belong to a password, if there is something else in it. Around everything else they mean nothing.
    if (cell !== '' || column === 'username') cells[column] = column === 'password' ? field : cell;
  }
  const { issues = [] } = Cells.safeParse(cells, { error: inOurWords }).error ?? {};
  const faults = issues.map(({ path: [column], message }) => ({
    line,
    field: String(column),
    reason: message,
  }));
  const wrong = new Set(faults.map(({ field }) => field));
  const right = Object.entries(cells).filter(([column]) => !wrong.has(column));
  const { data } = Cells.safeParse(Object.fromEntries(right));
  if (!data) return { faults }; // without a username
  const { username, ...settings } = data;
  return { row: { line, username, settings, wrong }, faults };
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
