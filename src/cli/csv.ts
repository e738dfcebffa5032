/** Comma-separated values (RFC 4180), also with semicolons, which spreadsheets write where decimals have a comma. */
import { AppError } from '../errors.ts';

export interface CsvRecord {
  /** The line of the text where the record begins, from 1. A quoted field may span several lines. */
  readonly line: number;
  readonly fields: readonly string[];
}

type Separator = ',' | ';';

/** A field, quoted or not, and what ends it. */
const FIELD: Readonly<Record<Separator, RegExp>> = {
  ',': /("[^"]*(?:""[^"]*)*"|[^",\r\n]*)(,|\r?\n|$)/y,
  ';': /("[^"]*(?:""[^"]*)*"|[^";\r\n]*)(;|\r?\n|$)/y,
};

/** The first line decides: names of columns contain neither. */
const separatorOf = (text: string): Separator => (/^[^,\r\n]*;/.test(text) ? ';' : ',');

const unquoted = (field: string): string =>
  field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;

/**
 * The records of a text, in order. Lines end with CRLF or LF. Empty lines are left out. Spaces belong to their field.
 * @param mostRecords bound of the result
 * @throws {AppError} `invalid`, naming the line, for a misplaced quote, an open quote or too many records
 */
export function parseCsv(text: string, mostRecords = Number.POSITIVE_INFINITY): CsvRecord[] {
  const separator = separatorOf(text);
  const pattern = FIELD[separator];
  const records: CsvRecord[] = [];
  let fields: string[] = [];
  let line = 1;
  let begins = line;
  for (let at = 0; at < text.length || fields.length > 0; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw fault(line, reasonAt(text, at, separator));
    const [whole, field = '', end] = match;
    fields.push(unquoted(field));
    line += whole.split('\n').length - 1;
    if (end === separator) continue;
    if (fields.length > 1 || field !== '') {
      if (records.length === mostRecords) {
        throw fault(begins, `there are more than ${mostRecords} records`);
      }
      records.push({ line: begins, fields });
    }
    fields = [];
    begins = line;
  }
  return records;
}

const fault = (line: number, reason: string): AppError =>
  new AppError('invalid', `line ${line}: ${reason}`, { line });

/** Why there is no field at that place. */
function reasonAt(text: string, at: number, separator: Separator): string {
  const rest = text.slice(at);
  const closed = /^"[^"]*(?:""[^"]*)*"/.test(rest);
  if (!closed && rest.startsWith('"')) return 'a quoted field is not closed';
  if (!closed && /^[^\r\n]*"/.test(rest)) return 'a field that contains a quote has to be quoted';
  const expected = `a ${separator === ',' ? 'comma' : 'semicolon'} or the end of the line`;
  const next = closed ? 'something else' : 'a carriage return';
  return `${next} follows a field, where ${expected} has to be`;
}
