/** Queries on the index of streams. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { actorOf } from '../actors/ids.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { indexedId } from './fact-ids.ts';
import {
  addCaseFolding,
  Conditions,
  mentions,
  type Order,
  type Page,
  type PageRequest,
  readPage,
  SCAN_ROWS,
} from './list.ts';

export const STREAM_CATEGORIES = [
  'visitor',
  'operator',
  'tenant',
  'lane',
  'letter',
  'key',
  'other',
] as const;
export type StreamCategory = (typeof STREAM_CATEGORIES)[number];

/** What comes before the first `-` of a stream's name, as far as the index tells kinds apart. */
export function categoryOf(stream: string): StreamCategory {
  const category = stream.slice(0, stream.indexOf('-'));
  return STREAM_CATEGORIES.find((each) => each === category) ?? 'other';
}

/** The visitor's key, the operator's username; of any other stream what its name has behind the category. */
export function nameIn(stream: string): string {
  const actor = actorOf(stream);
  return actor && actor.kind !== 'tenant' ? actor.name : stream.slice(stream.indexOf('-') + 1);
}

/** The tenant whose stream it is; null for a stream of the service itself. */
export const tenantOf = ({
  stream,
  metadata,
}: Pick<RecordedEvent, 'stream' | 'metadata'>): string | null => {
  const actor = actorOf(stream.startsWith('lane-') ? stream.slice('lane-'.length) : stream);
  return actor?.tenant ?? metadata.tenant;
};

export interface StreamView {
  readonly stream: string;
  readonly category: StreamCategory;
  /** null for a stream of the service itself. */
  readonly tenant: string | null;
  /** As {@link nameIn}. */
  readonly name: string;
  /** When its last fact happened, in ms since 1970. */
  readonly lastAt: number;
  readonly lastRevision: number;
  readonly lastType: string;
  /** The personal data of its earlier facts was erased. */
  readonly erased: boolean;
}

export interface StreamFilter extends PageRequest {
  readonly tenant?: string | undefined;
  readonly category?: StreamCategory | undefined;
  /** Streams of these actors, by their actors' streams: those themselves, their lanes and their data keys. */
  readonly actors?: readonly string[] | undefined;
  /** A text in the stream's name, in upper or lower case. */
  readonly text?: string | undefined;
  /** Actors whose streams belong to the text too, whatever their names are. */
  readonly saying?: readonly string[] | undefined;
}

/** Where a fact is. */
export interface FactRef {
  readonly stream: string;
  readonly revision: number;
}

/** Facts with one id that are found at most. */
export const MAX_FACTS_OF_ID = 1_000;

export interface StreamQueries {
  /** Streams, the one with the newest fact first. @throws {AppError} `invalid` for a cursor of another list */
  list(filter: StreamFilter): Page<StreamView>;
  /** Those of these streams that the index has, by their exact names. */
  named(streams: readonly string[]): readonly StreamView[];
  /**
   * The facts with this id of their own, of their command, of their request (correlation id) or of their trace, in order
   * of the log. A fact that was cut off or deleted may still be named.
   * @param limit facts at most; default {@link MAX_FACTS_OF_ID}
   */
  factsOf(id: string, limit?: number): readonly FactRef[];
}

const COLUMNS = `stream, category, tenant, name, last_at AS lastAt, last_revision AS lastRevision,
  last_type AS lastType, erased_revision IS NOT NULL AS erased`;

// The columns above have the names of the view, and the table is STRICT. SQLite has numbers for booleans.
const viewOf = (row: Record<string, SQLOutputValue>): StreamView =>
  ({ ...row, erased: row.erased === 1 }) as unknown as StreamView; // the columns of the statement, as the view has them

const ORDER: Order = {
  name: '-lastAt',
  first: { sql: 'last_at', type: 'number' },
  ties: [{ sql: 'stream', type: 'string' }],
};

/** @param scanRows rows that one page scans; fewer in tests */
export function streamQueries(db: DatabaseSync, scanRows = SCAN_ROWS): StreamQueries {
  addCaseFolding(db);
  const named = db.prepare(
    `SELECT ${COLUMNS} FROM streams WHERE stream IN (SELECT value FROM json_each(?))`,
  );
  const facts = factsReader(db);
  return {
    list: (filter) => list(db, filter, scanRows),
    named: (streams) => named.all(JSON.stringify(streams)).map(viewOf),
    factsOf: (id, limit = MAX_FACTS_OF_ID) => facts(id, Math.min(limit, MAX_FACTS_OF_ID)),
  };
}

function factsReader(db: DatabaseSync) {
  const periods = db.prepare(
    `SELECT (SELECT min(period) FROM facts_by_id) AS first, (SELECT max(period) FROM facts_by_id) AS last`,
  );
  const facts = db.prepare(
    `SELECT stream, max(revision, first_revision) AS first, revision + facts AS behind
     FROM facts_by_id JOIN streams USING (n)
     WHERE period = ? AND id = ? AND revision + facts > first_revision ORDER BY seq LIMIT ?`,
  );
  return (id: string, limit: number): FactRef[] => {
    const wanted = Buffer.from(indexedId(id), 'hex');
    const { first, last } = periods.get() ?? {};
    const found: FactRef[] = [];
    if (first === null || last === null) return found;
    for (let period = Number(first); period <= Number(last) && found.length < limit; period += 1) {
      for (const row of facts.all(period, wanted, limit - found.length)) {
        const stream = String(row.stream);
        const behind = Math.min(Number(row.behind), Number(row.first) + limit - found.length);
        for (let revision = Number(row.first); revision < behind; revision += 1) {
          found.push({ stream, revision });
        }
      }
    }
    return found;
  };
}

function list(
  db: DatabaseSync,
  { tenant, category, actors, text, saying = [], ...request }: StreamFilter,
  scanRows: number,
): Page<StreamView> {
  const [range, filter] = [new Conditions(), new Conditions()];
  if (tenant !== undefined) filter.add('tenant = ?', tenant);
  if (category) filter.add('category = ?', category);
  const namesOf = (found: readonly string[]): string =>
    JSON.stringify(found.flatMap((actor) => streamsAround(db, actor)));
  const isNamed = 'stream IN (SELECT value FROM json_each(?))';
  if (text) {
    const [mentioned, ...values] = mentions(['stream'], text);
    filter.add(`(${mentioned} OR ${isNamed})`, ...values, namesOf(saying));
  }
  // Few streams: found by their names, and then sorted.
  if (actors) range.add(`+${isNamed}`, namesOf(actors));
  const from = actors ? 'streams' : 'streams INDEXED BY streams_by_time';
  return readPage(
    db,
    { columns: COLUMNS, from, range, filter, order: ORDER },
    request,
    viewOf,
    ({ lastAt, stream }) => [lastAt, stream],
    scanRows,
  );
}

/** The streams of an actor: its own, its lanes, its data keys. */
export function streamsAround(db: DatabaseSync, actor: string): string[] {
  const name = actor.slice(actor.indexOf('-') + 1);
  // The name of a destination has no dot, and a generation of a key comes behind `~`, which no key contains.
  return db
    .prepare(
      `SELECT stream FROM streams WHERE stream = ?1 OR stream = ?2
         OR (stream > ?2 || '~' AND stream < ?2 || '~~')
         OR (stream > ?3 AND stream < ?4 AND instr(substr(stream, length(?3) + 1), '.') = 0)`,
    )
    .all(actor, `key-${name}`, `lane-${actor}.`, `lane-${actor}/`)
    .map(({ stream }) => String(stream));
}
