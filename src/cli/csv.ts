/** Comma-separated values as RFC 4180 has them, or with the semicolons of spreadsheets where a comma is for decimals. */
import { AppError } from '../errors.ts';

export interface CsvRecord {
  /** On which line of the text it begins, from 1: a quoted field may go over several. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** The first line tells: names of columns have neither in them. */
const separatorOf = (text: string): ',' | ';' => (/^[^,\r\n]*;/.test(text) ? ';' : ',');

/**
 * The records of a text, in order. Lines end with CRLF or LF; empty lines are left out; spaces belong to their field.
 * @param most records at most
 * @throws {AppError} `invalid`, naming the line: a quote in the wrong place or one that is never closed, or too many
 *   records
 */
export function parseCsv(text: string, most = Number.POSITIVE_INFINITY): CsvRecord[] {
  const records: CsvRecord[] = [];
  const separator = separatorOf(text);
  /** A field that is not quoted ends here; a quote within one is a mistake in the file. */
  const plainEnd = separator === ';' ? /[";\r\n]/g : /[",\r\n]/g;
  let at = 0;
  let line = 1;

  const fault = (where: number, reason: string): AppError =>
    new AppError('invalid', `line ${where}: ${reason}`, { line: where });

  /** The field that begins here; `at` is behind it then. */
  function field(): string {
    if (text[at] !== '"') {
      plainEnd.lastIndex = at;
      const end = plainEnd.exec(text)?.index ?? text.length;
      const found = text.slice(at, end);
      at = end;
      if (text[at] === '"') throw fault(line, 'a field with a quote in it has to be quoted itself');
      return found;
    }
    const begins = line;
    let found = '';
    for (;;) {
      const end = text.indexOf('"', at + 1);
      if (end < 0) throw fault(begins, 'a quoted field is not closed');
      const part = text.slice(at + 1, end);
      found += part;
      for (let i = part.indexOf('\n'); i >= 0; i = part.indexOf('\n', i + 1)) line += 1;
      at = end + 1;
      if (text[at] !== '"') return found;
      found += '"'; // two of them are one, and it goes on
    }
  }

  while (at < text.length) {
    const begins = line;
    const wasQuoted = text[at] === '"';
    const fields = [field()];
    while (text[at] === separator) {
      at += 1;
      fields.push(field());
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at += 1;
    if (at < text.length && text[at] !== '\n') {
      const found = text[at] === '\r' ? 'a carriage return alone' : 'something';
      throw fault(
        line,
        `${found} behind a field, where a ${separator === ',' ? 'comma' : 'semicolon'} or the end of the line has to be`,
      );
    }
    at += 1;
    line += 1;
    if (fields.length === 1 && fields[0] === '' && !wasQuoted) continue;
    if (records.length === most) throw fault(begins, `there are more than ${most} records`);
    records.push({ line: begins, fields });
  }
  return records;
}
