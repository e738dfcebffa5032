/**
 * Comma-separated values (RFC 4180) as spreadsheets write them: also with semicolons, where decimals have a comma, or with
 * tabs ("Unicode text").
 */
export interface CsvRecord {
  /** The line of the text where the record begins, from 1. A quoted field may span several lines. */
  readonly line: number;
  readonly fields: readonly string[];
}

const NAMES = { ',': 'a comma', ';': 'a semicolon', '\t': 'a tab' } as const;
type Separator = keyof typeof NAMES;

/** A field, quoted or not, and what ends it. */
const fieldPattern = (separator: Separator): RegExp =>
  new RegExp(`("[^"]*(?:""[^"]*)*"|[^"${separator}\\r\\n]*)(${separator}|\\r\\n?|\\n|$)`, 'y');

/** Excel begins a file with it, or wants it there. It is no record. */
const DIRECTIVE = /^"?sep=([,;\t])"?[,;\t]*(\r\n?|\n|$)/i;

/** The first line with something in it decides: names of columns contain none of them. */
const separatorOf = (text: string): Separator => {
  const found = DIRECTIVE.exec(text)?.[1] ?? /^\s*?[^,;\t\r\n]*([,;\t])/.exec(text)?.[1];
  return found === ';' || found === '\t' ? found : ',';
};

const breaksIn = (text: string): number => text.match(/\r\n?|\n/g)?.length ?? 0;

/** True if there is something to read: web pages leave invisible characters behind, and DOS an end of its own (U+001A). */
export const isFilled = (field: string): boolean => /[^\s\p{Cc}\p{Cf}\p{DI}]/u.test(field);

const unquoted = (field: string): string =>
  field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;

/** A text with more faults is no CSV file, and to look for each of them may take long. */
export const MOST_CSV_FAULTS = 100;

export interface CsvFault {
  readonly line: number;
  readonly reason: string;
}

/**
 * The records of a text, in order. Lines end with CRLF, LF or CR. Spaces belong to their field; a record with nothing else
 * is left out, as is a first line `sep=;`. A record with a misplaced or an open quote is a fault, and what follows on the
 * line is left out.
 * @param mostRecords bound of the result; one more is a fault, and the end
 * @returns {@link MOST_CSV_FAULTS} faults at most
 */
export function parseCsv(
  text: string,
  mostRecords = Number.POSITIVE_INFINITY,
): { readonly records: readonly CsvRecord[]; readonly faults: readonly CsvFault[] } {
  const separator = separatorOf(text);
  const pattern = fieldPattern(separator);
  const records: CsvRecord[] = [];
  const faults: CsvFault[] = [];
  let fields: string[] = [];
  const directive = DIRECTIVE.exec(text)?.[0] ?? '';
  let line = 1 + breaksIn(directive);
  let begins = line;
  for (let at = directive.length; at < text.length || fields.length > 0; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) {
      faults.push({ line, reason: reasonAt(text, at, separator) });
      if (faults.length === MOST_CSV_FAULTS) break;
      pattern.lastIndex = lineAfter(text, at);
      line += breaksIn(text.slice(at, pattern.lastIndex));
      fields = [];
      begins = line;
      continue;
    }
    const [whole, field = '', end] = match;
    fields.push(unquoted(field));
    line += breaksIn(whole);
    if (end === separator) continue;
    if (fields.some(isFilled)) {
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

const LINE_END = /\r\n?|\n/g;

/** Where the line behind a broken field begins. Lines within quotes belong to the field. */
function lineAfter(text: string, at: number): number {
  CLOSED.lastIndex = at;
  LINE_END.lastIndex = CLOSED.test(text) ? CLOSED.lastIndex : at;
  return LINE_END.test(text) ? LINE_END.lastIndex : text.length;
}

/** Why there is no field at that place. */
function reasonAt(text: string, at: number, separator: Separator): string {
  const rest = text.slice(at);
  CLOSED.lastIndex = at;
  const closed = CLOSED.test(text);
  if (!closed && rest.startsWith('"')) return 'a quoted field is not closed';
  if (!closed && /^[^\r\n]*"/.test(rest)) return 'a field that contains a quote has to be quoted';
  return `something else follows a field, where ${NAMES[separator]} or the end of the line has to be`;
}
