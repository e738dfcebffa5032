/**
 * The index of streams, for the debugger: one row for each stream of the log, and where the facts with an id are. A row
 * of a stream that was deleted may stay for a while, so whoever shows it looks into the log.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { visitorFact } from '../actors/facts.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { idsOf } from './fact-ids.ts';
import type { Model } from './model.ts';
import { categoryOf, nameIn, streamsAround, tenantOf } from './stream-queries.ts';

/** Rows of `facts_by_id` to look at for each event. More than an event adds, so that the circle comes to its end. */
const SWEPT_ROWS = 4;
/** Events between two looks. */
const SWEEP_EVERY_EVENTS = 128;

/** Facts whose ids are together: 4 MB. A lookup asks each period, which takes some µs. */
const PERIOD_FACTS = 65_536;
/** Rows in one statement: a statement for each took longer. */
const ROWS_AT_ONCE = 32;

/** Every event of the log, whatever its stream is. A transaction writes each stream once, when it ends. */
export interface ApplyToStreams {
  /** A transaction begins. What an earlier one has not written was rolled back with it. */
  begin(): void;
  add(event: RecordedEvent): void;
  /** Writes what was added. To be called before the transaction ends, and before `forget`. */
  write(): void;
}

export const STREAMS: Model<ApplyToStreams> = {
  version: 3,
  // `n` stands for the stream in `facts_by_id`, and is never used again. `seq` is the order of the log: not every store
  // numbers its facts. Both come from `fact_seq`. `period` keeps the ids of facts together that came together: many ids are
  // random, and each would change a page of its own. A row stands for `facts` facts of the stream that follow each other.
  // `first_revision`: facts before it were cut off. `circles`: how often the ids are to be swept through; two, because the
  // first one may have begun before.
  schema: `
    CREATE TABLE streams (
      n INTEGER PRIMARY KEY,
      stream TEXT NOT NULL UNIQUE,
      category TEXT NOT NULL,
      tenant TEXT,
      name TEXT NOT NULL,
      first_revision INTEGER NOT NULL DEFAULT 0,
      last_at INTEGER NOT NULL,
      last_revision INTEGER NOT NULL,
      last_type TEXT NOT NULL,
      erased_revision INTEGER
    ) STRICT;
    CREATE TABLE facts_by_id (
      period INTEGER NOT NULL,
      id BLOB NOT NULL,
      seq INTEGER NOT NULL,
      n INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      facts INTEGER NOT NULL,
      PRIMARY KEY (period, id, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE fact_seq (last INTEGER NOT NULL, circles INTEGER NOT NULL) STRICT;
    INSERT INTO fact_seq VALUES (0, 0);
  `,
  indexes: {
    streams_by_time: 'ON streams (last_at DESC, stream)',
  },
  tables: ['streams', 'facts_by_id', 'fact_seq'],
  apply: (db) => {
    const statements = prepare(db);
    const sweep = sweeping(db);
    let added: RecordedEvent[] = [];
    const write = () => {
      if (added.length === 0) return;
      writeEvents(statements, added);
      sweep(added.length);
      added = [];
    };
    return {
      begin: () => {
        added = [];
      },
      add: (event) => {
        added.push(event);
        if (!REMOVING.has(event.type)) return;
        write();
        remove(db, statements, event);
      },
      write,
    };
  },
  // No index has the tenants of streams, so all are looked through. A stream that gets a fact meanwhile gets a new number
  // (`put`), and stays. The rows of `facts_by_id` go with the sweeps.
  forget: (db) => {
    const rows = db.prepare(
      `SELECT n FROM streams WHERE n > ?1 AND n <= (SELECT streams FROM removed_tenants WHERE tenant = ?2)
       ORDER BY n LIMIT ?3`,
    );
    const looked = db.prepare('SELECT looked FROM removed_tenants WHERE tenant = ?');
    const look = db.prepare('UPDATE removed_tenants SET looked = ? WHERE tenant = ?');
    const remove = db.prepare('DELETE FROM streams WHERE n > ? AND n <= ? AND tenant = ?');
    const sweep = db.prepare(SWEEP);
    return (tenant, most) => {
      const from = Number(looked.get(tenant)?.looked ?? 0);
      const found = rows.all(from, tenant, most);
      const last = found.at(-1);
      if (last) {
        remove.run(from, Number(last.n), tenant);
        look.run(Number(last.n), tenant);
      }
      if (found.length < most) sweep.run();
      return found.length;
    };
  },
};

const SWEEP = 'UPDATE fact_seq SET circles = 2';

/** Inserts rows of as many values, {@link ROWS_AT_ONCE} in a statement. */
function inserter(db: DatabaseSync, into: string, columns: number, more = '') {
  const row = `(${Array(columns).fill('?').join()})`;
  const insert = (rows: number) =>
    db.prepare(`INSERT INTO ${into} VALUES ${Array(rows).fill(row).join()} ${more}`);
  const [many, one] = [insert(ROWS_AT_ONCE), insert(1)];
  return (rows: readonly SQLInputValue[][]): void => {
    const whole = rows.length - (rows.length % ROWS_AT_ONCE);
    for (let i = 0; i < whole; i += ROWS_AT_ONCE) {
      many.run(...rows.slice(i, i + ROWS_AT_ONCE).flat());
    }
    for (const values of rows.slice(whole)) one.run(...values);
  };
}

const COLUMNS = 'n, stream, category, tenant, name, last_at, last_revision, last_type';
const NEWEST = `last_at = excluded.last_at, last_revision = excluded.last_revision, last_type = excluded.last_type`;

const TO_GO = `streams.n <= (SELECT r.streams FROM removed_tenants AS r WHERE r.tenant = streams.tenant)`;

const prepare = (db: DatabaseSync) => ({
  sweep: db.prepare(SWEEP),
  // A stream that was deleted and begins again: its ids of before lead nowhere.
  begin: inserter(
    db,
    `streams (${COLUMNS})`,
    8,
    `ON CONFLICT (stream) DO UPDATE SET n = excluded.n, first_revision = 0, erased_revision = NULL, ${NEWEST}`,
  ),
  // A row that is to go with its tenant counts as one that has gone.
  put: db.prepare(
    `INSERT INTO streams (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (stream) DO UPDATE SET ${NEWEST}, n = iif(${TO_GO}, excluded.n, n),
       first_revision = iif(${TO_GO}, 0, first_revision), erased_revision = iif(${TO_GO}, NULL, erased_revision)
     RETURNING n`,
  ),
  erase: db.prepare('UPDATE streams SET erased_revision = ? WHERE stream = ?'),
  take: db.prepare('UPDATE fact_seq SET last = last + ? RETURNING last'),
  cut: db.prepare(
    `UPDATE streams SET first_revision = ?1, erased_revision = iif(erased_revision < ?1, NULL, erased_revision)
     WHERE stream = ?2`,
  ),
  remove: db.prepare('DELETE FROM streams WHERE stream = ?'),
  addIds: inserter(db, 'facts_by_id', 6),
});

type Statements = ReturnType<typeof prepare>;

interface Written {
  readonly first: RecordedEvent;
  last: RecordedEvent;
  n: number;
}

function writeEvents(to: Statements, events: readonly RecordedEvent[]): void {
  const streams = new Map<string, Written>();
  for (const event of events) {
    const known = streams.get(event.stream);
    if (known) known.last = event;
    else streams.set(event.stream, { first: event, last: event, n: 0 });
  }
  const numbers = streams.size + events.length;
  let number = Number(to.take.get(numbers)?.last) - numbers;
  const begun: SQLInputValue[][] = [];
  for (const [stream, written] of streams) {
    const { first, last } = written;
    const { revision, type, metadata } = last;
    number += 1;
    written.n = number;
    const of = [categoryOf(stream), tenantOf(first), nameIn(stream)];
    const row = [number, stream, ...of, metadata.at, revision, type];
    if (first.revision === 0) begun.push(row);
    else written.n = Number(to.put.get(...row)?.n);
  }
  to.begin(begun);
  to.addIds(rowsOf(events, streams, number).map(valuesOf));
}

/** A row of `facts_by_id`. */
interface IdRow {
  readonly id: string;
  readonly seq: number;
  readonly n: number;
  readonly revision: number;
  facts: number;
}

/** @param seq of the fact before them */
function rowsOf(
  events: readonly RecordedEvent[],
  streams: ReadonlyMap<string, Written>,
  seq: number,
): IdRow[] {
  const rows: IdRow[] = [];
  const lastOf = new Map<string, IdRow>();
  for (const [i, event] of events.entries()) {
    const { stream, revision } = event;
    // A lane says how far it came, again and again. No request asks for that, and its stream is cut all the time.
    if (stream.startsWith('lane-')) continue;
    const n = streams.get(stream)?.n ?? 0;
    for (const id of idsOf(event)) {
      const last = lastOf.get(id);
      if (last?.n === n && last.revision + last.facts === revision) {
        last.facts += 1;
        continue;
      }
      const row = { id, seq: seq + 1 + i, n, revision, facts: 1 };
      lastOf.set(id, row);
      rows.push(row);
    }
  }
  return rows;
}

function valuesOf({ id, seq, n, revision, facts }: IdRow): SQLInputValue[] {
  return [Math.floor(seq / PERIOD_FACTS), Buffer.from(id, 'hex'), seq, n, revision, facts];
}

/** The facts behind which something of the index goes. */
const REMOVING: ReadonlySet<string> = new Set([
  'PersonalDataErased',
  'DataKeyErased',
  'RetentionApplied',
]);

function remove(db: DatabaseSync, to: Statements, event: RecordedEvent): void {
  const { stream, revision, type } = event;
  if (type === 'PersonalDataErased') to.erase.run(revision, stream);
  // The last fact of a data key. Its stream is deleted behind it.
  if (type === 'DataKeyErased') to.remove.run(stream);
  if (type === 'RetentionApplied') retain(db, to, event);
}

/** What retention cuts off, and the streams that it deletes (docs/adr/0050). Both are gone for readers of the log as well. */
function retain(db: DatabaseSync, to: Statements, event: RecordedEvent): void {
  const fact = visitorFact(event);
  if (fact?.type !== 'RetentionApplied') return;
  to.sweep.run();
  const { before, generation } = fact.data;
  if (generation === undefined) to.cut.run(before, event.stream);
  else for (const stream of streamsAround(db, event.stream)) to.remove.run(stream);
}

/**
 * Removes what `facts_by_id` has of streams that are gone, a few rows at a time, in a circle: a removed tenant may have
 * millions of them.
 */
function sweeping(db: DatabaseSync): (events: number) => void {
  const rows = db.prepare(
    `SELECT period, id, seq, n, revision + facts - 1 AS last FROM facts_by_id WHERE (period, id, seq) > (?, ?, ?)
     ORDER BY period, id, seq LIMIT ?`,
  );
  const due = db.prepare('SELECT circles FROM fact_seq');
  const ended = db.prepare('UPDATE fact_seq SET circles = max(0, circles - 1)');
  const isThere = db.prepare('SELECT 1 FROM streams WHERE n = ? AND first_revision <= ?');
  const remove = db.prepare('DELETE FROM facts_by_id WHERE period = ? AND id = ? AND seq = ?');
  const beginning = [-1, new Uint8Array(), 0] as const;
  let behind: readonly [number, Uint8Array, number] = beginning;
  let events = 0;
  return (added) => {
    events += added;
    if (events < SWEEP_EVERY_EVENTS) return;
    const most = SWEPT_ROWS * events;
    events = 0;
    if (due.get()?.circles === 0) return;
    const found = rows.all(...behind, most);
    if (found.length < most) ended.run();
    behind = beginning;
    for (const { period, id, seq, n, last } of found) {
      // The table is STRICT.
      behind = [Number(period), id as Uint8Array, Number(seq)];
      if (!isThere.get(Number(n), Number(last))) remove.run(...behind);
    }
  };
}
