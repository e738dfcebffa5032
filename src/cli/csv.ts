/** Comma-separated values (RFC 4180), also with semicolons, which spreadsheets write where decimals have a comma. */
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

/** A text with more faults is no CSV file, and to look for each of them may take long. */
export const MOST_CSV_FAULTS = 100;

export interface CsvFault {
  readonly line: number;
  readonly reason: string;
}

/**
 * The records of a text, in order. Lines end with CRLF or LF. Empty lines are left out. Spaces belong to their field. A
 * record with a misplaced or an open quote is a fault, and what follows on the line is left out.
 * @param mostRecords bound of the result; one more is a fault, and the end
 * @returns {@link MOST_CSV_FAULTS} faults at most
 */
export function parseCsv(
  text: string,
  mostRecords = Number.POSITIVE_INFINITY,
): { readonly records: readonly CsvRecord[]; readonly faults: readonly CsvFault[] } {
  const separator = separatorOf(text);
  const pattern = FIELD[separator];
  const records: CsvRecord[] = [];
  const faults: CsvFault[] = [];
  let fields: string[] = [];
  let line = 1;
  let begins = line;
  for (let at = 0; at < text.length || fields.length > 0; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) {
      faults.push({ line, reason: reasonAt(text, at, separator) });
      if (faults.length === MOST_CSV_FAULTS) break;
      pattern.lastIndex = lineAfter(text, at);
      line += text.slice(at, pattern.lastIndex).split('\n').length - 1;
      fields = [];
      begins = line;
      continue;
    }
    const [whole, field = '', end] = match;
    fields.push(unquoted(field));
    line += whole.split('\n').length - 1;
    if (end === separator) continue;
    if (fields.length > 1 || field !== '') {
      if (records.length === mostRecords) {
        faults.push({ line: begins, reason: `there are more than ${mostRecords} records` });
        break;
      }
      records.push({ line: begins, fields });
    }
    fields = [];
    begins = line;
  }
  return { records, faults };
}

/** A quoted field that is closed. */
const CLOSED = /"[^"]*(?:""[^"]*)*"/y;

/** Where the line behind a broken field begins. Lines within quotes belong to the field. */
function lineAfter(text: string, at: number): number {
  CLOSED.lastIndex = at;
  const end = text.indexOf('\n', CLOSED.test(text) ? CLOSED.lastIndex : at);
  return end < 0 ? text.length : end + 1;
}

/** Why there is no field at that place. */
function reasonAt(text: string, at: number, separator: Separator): string {
  const rest = text.slice(at);
  CLOSED.lastIndex = at;
  const closed = CLOSED.test(text);
  if (!closed && rest.startsWith('"')) return 'a quoted field is not closed';
  if (!closed && /^[^\r\n]*"/.test(rest)) return 'a field that contains a quote has to be quoted';
  const expected = `a ${separator === ',' ? 'comma' : 'semicolon'} or the end of the line`;
  const next = closed ? 'something else' : 'a carriage return';
  return `${next} follows a field, where ${expected} has to be`;
}
