import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import {
  READ_LIMIT,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
} from '../port.ts';
import { decodeEvent } from './encode.ts';
import type { Positions } from './position.ts';

/** A part of the whole log: its matching events, up to and including `through`. */
export interface Page {
  readonly events: readonly RecordedEvent[];
  readonly through: number;
}

export interface PageOptions {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive: the page ends here at the latest. */
  readonly upTo: number;
  readonly prefixes: readonly string[] | undefined;
  readonly limit: number;
}

export interface Reader {
  stream(name: string, options: ReadStreamOptions): readonly RecordedEvent[];
  /** A page of the log, forwards. It scans {@link SCAN_POSITIONS} at most. */
  page(options: PageOptions): Page;
  all(options: ReadAllOptions, head: number): Promise<readonly RecordedEvent[]>;
}

/** Positions scanned in one go, some 5 ms: a filter that matches little does not block the process. */
export const SCAN_POSITIONS = 4096;
/** Characters of the events in one page of a subscription. */
export const PAGE_CHARS = 4 * 1024 * 1024;

const COLUMNS = 's.name, e.revision, e.position, e.event_id, e.type, e.body';

/** Reads the log over a connection of its own. Each read is one statement, so it sees one state of the log. */
export const createReader = (db: DatabaseSync, positions: Positions): Reader => {
  const source: Source = { db, positions, statements: new Map() };
  return {
    stream: (name, options) => readStream(source, name, options),
    page: (options) => readPage(source, options),
    all: (options, head) => readAll(source, options, head),
  };
};

interface Source {
  readonly db: DatabaseSync;
  readonly positions: Positions;
  /** By their SQL. */
  readonly statements: Map<string, StatementSync>;
}

type Row = [
  stream: string,
  revision: number,
  position: number,
  id: string,
  type: string,
  body: string,
] &
  SQLOutputValue[];

/** A statement that selects COLUMNS and returns its rows as arrays. */
const prepare = ({ db, statements }: Source, sql: string): StatementSync => {
  const prepared = statements.get(sql);
  if (prepared !== undefined) return prepared;
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  statements.set(sql, statement);
  return statement;
};

const decode = ({ positions }: Source, row: unknown): RecordedEvent => {
  // The statements here select COLUMNS as arrays, and the tables are STRICT.
  const [stream, revision, position, id, type, body] = row as Row;
  return decodeEvent({ id, type, body }, stream, revision, positions.format(position));
};

const readStream = (
  source: Source,
  name: string,
  options: ReadStreamOptions,
): readonly RecordedEvent[] => {
  const { direction = 'forwards', limit = READ_LIMIT } = options;
  const forwards = direction === 'forwards';
  const { from = forwards ? 0 : Number.MAX_SAFE_INTEGER } = options;
  const statement = prepare(
    source,
    `SELECT ${COLUMNS} FROM streams s JOIN events e
       ON e.stream_id = s.id AND e.revision >= s.first AND e.revision ${forwards ? '>=' : '<='} ?
     WHERE s.name = ? ORDER BY e.revision ${forwards ? 'ASC' : 'DESC'} LIMIT ?`,
  );
  return statement.all(from, name, limit).map((row) => decode(source, row));
};

/** The statement over a range of positions. The events are its outer loop, in their order. */
const rangeOf = (
  source: Source,
  prefixes: readonly string[] | undefined,
  order: 'ASC' | 'DESC',
): StatementSync => {
  const filter = prefixes?.map(() => 'substr(s.name, 1, ?) = ?').join(' OR ');
  return prepare(
    source,
    `SELECT ${COLUMNS} FROM events e CROSS JOIN streams s ON s.id = e.stream_id
     WHERE e.position > ? AND e.position <= ? ${filter === undefined ? '' : `AND (${filter || 'FALSE'})`}
     ORDER BY e.position ${order} LIMIT ?`,
  );
};

/** SQLite counts characters where JavaScript counts UTF-16 units. */
const filterOf = (prefixes: readonly string[] | undefined): (string | number)[] =>
  prefixes?.flatMap((prefix) => [[...prefix].length, prefix]) ?? [];

const readPage = (source: Source, { after, upTo, prefixes, limit }: PageOptions): Page => {
  const end = Math.min(after + SCAN_POSITIONS, upTo);
  const rows = rangeOf(source, prefixes, 'ASC').iterate(after, end, ...filterOf(prefixes), limit);
  const events: RecordedEvent[] = [];
  let chars = 0;
  let through = after;
  for (const row of rows) {
    // As in `decode`.
    const [, , position, , , body] = row as unknown as Row;
    events.push(decode(source, row));
    through = position;
    chars += body.length;
    if (chars >= PAGE_CHARS) return { events, through };
  }
  return { events, through: events.length < limit ? end : through };
};

const readAll = async (
  source: Source,
  options: ReadAllOptions,
  head: number,
): Promise<readonly RecordedEvent[]> => {
  const { after, prefixes, direction = 'forwards', limit = READ_LIMIT } = options;
  const forwards = direction === 'forwards';
  const statement = rangeOf(source, prefixes, forwards ? 'ASC' : 'DESC');
  const filter = filterOf(prefixes);
  const events: RecordedEvent[] = [];
  let at = after === undefined ? (forwards ? 0 : head + 1) : source.positions.parse(after);
  for (;;) {
    const low = forwards ? at : Math.max(at - 1 - SCAN_POSITIONS, 0);
    const high = forwards ? Math.min(at + SCAN_POSITIONS, head) : at - 1;
    for (const row of statement.all(low, high, ...filter, limit - events.length)) {
      events.push(decode(source, row));
    }
    at = forwards ? high : low + 1;
    if (events.length >= limit || (forwards ? at >= head : low <= 0)) return events;
    await new Promise(setImmediate);
  }
};
