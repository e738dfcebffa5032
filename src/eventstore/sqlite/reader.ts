import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { ReadAllOptions, ReadStreamOptions, RecordedEvent } from '../port.ts';
import { decodeEvent } from './encode.ts';
import type { Positions } from './position.ts';

/** A part of the whole log: what matched, up to and including `through`. */
export interface Page {
  readonly events: readonly RecordedEvent[];
  readonly through: number;
}

export interface PageOptions {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive; where the part ends at the latest. */
  readonly upTo: number;
  readonly prefixes: readonly string[] | undefined;
  readonly limit: number;
}

export interface Reader {
  stream(name: string, options: ReadStreamOptions): readonly RecordedEvent[];
  /** A bounded part of the log, forwards: at most WINDOW positions are looked at. */
  page(options: PageOptions): Page;
  all(options: ReadAllOptions, head: number): Promise<readonly RecordedEvent[]>;
}

/** Positions looked at in one go, so that a filter that matches little does not hold up the process: some 5 ms. */
const WINDOW = 4096;
/** Characters of the events of one page of a subscription. */
const PAGE_CHARS = 4 * 1024 * 1024;
const LIMIT = 1000;

const columns = 's.name, e.revision, e.position, e.event_id, e.type, e.body';

/** Reads the log over a connection of its own; each read is one statement, so it sees one state of the log. */
export const createReader = (db: DatabaseSync, positions: Positions): Reader => {
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const found = statements.get(sql);
    if (found !== undefined) return found;
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    statements.set(sql, statement);
    return statement;
  };

  const decode = (row: unknown): RecordedEvent => {
    // The statements here select `columns`, with arrays as rows, from STRICT tables.
    const [stream, revision, position, id, type, body] = row as Row;
    return decodeEvent({ id, type, body }, stream, revision, positions.format(position));
  };

  const stream = (name: string, options: ReadStreamOptions): readonly RecordedEvent[] => {
    const { direction = 'forwards', limit = LIMIT } = options;
    const forwards = direction === 'forwards';
    const { from = forwards ? 0 : Number.MAX_SAFE_INTEGER } = options;
    const statement = prepare(`
      SELECT ${columns} FROM streams s JOIN events e
        ON e.stream_id = s.id AND e.revision >= s.first AND e.revision ${forwards ? '>=' : '<='} ?
      WHERE s.name = ? ORDER BY e.revision ${forwards ? 'ASC' : 'DESC'} LIMIT ?`);
    return statement.all(from, name, limit).map(decode);
  };

  /** The statement over a range of positions, outermost the events in their order. */
  const range = (prefixes: readonly string[] | undefined, order: 'ASC' | 'DESC'): StatementSync => {
    const filter = prefixes?.map(() => 'substr(s.name, 1, ?) = ?').join(' OR ');
    return prepare(`
      SELECT ${columns} FROM events e CROSS JOIN streams s ON s.id = e.stream_id
      WHERE e.position > ? AND e.position <= ? ${filter === undefined ? '' : `AND (${filter || 'FALSE'})`}
      ORDER BY e.position ${order} LIMIT ?`);
  };
  /** SQLite counts characters where JavaScript counts UTF-16 units. */
  const filterOf = (prefixes: readonly string[] | undefined): (string | number)[] =>
    prefixes?.flatMap((prefix) => [[...prefix].length, prefix]) ?? [];

  const page = ({ after, upTo, prefixes, limit }: PageOptions): Page => {
    const end = Math.min(after + WINDOW, upTo);
    const rows = range(prefixes, 'ASC').iterate(after, end, ...filterOf(prefixes), limit);
    const events: RecordedEvent[] = [];
    let chars = 0;
    let through = after;
    for (const row of rows) {
      // As in `decode`.
      const [, , position, , , body] = row as unknown as Row;
      events.push(decode(row));
      through = position;
      chars += body.length;
      if (chars >= PAGE_CHARS) return { events, through };
    }
    return { events, through: events.length < limit ? end : through };
  };

  const all = async (options: ReadAllOptions, head: number): Promise<readonly RecordedEvent[]> => {
    const { prefixes, direction = 'forwards', limit = LIMIT } = options;
    const forwards = direction === 'forwards';
    const statement = range(prefixes, forwards ? 'ASC' : 'DESC');
    const events: RecordedEvent[] = [];
    let at =
      options.after === undefined ? (forwards ? 0 : head + 1) : positions.parse(options.after);
    for (;;) {
      const low = forwards ? at : Math.max(at - 1 - WINDOW, 0);
      const high = forwards ? Math.min(at + WINDOW, head) : at - 1;
      for (const row of statement.all(low, high, ...filterOf(prefixes), limit - events.length)) {
        events.push(decode(row));
      }
      at = forwards ? high : low + 1;
      if (events.length >= limit || (forwards ? at >= head : low <= 0)) return events;
      await new Promise(setImmediate);
    }
  };

  return { stream, page, all };
};

type Row = [
  stream: string,
  revision: number,
  position: number,
  id: string,
  type: string,
  body: string,
] &
  SQLOutputValue[];
