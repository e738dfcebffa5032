/**
 * The index of streams, for the debugger: one row for each stream of the log, and where the facts with an id are. A row
 * of a stream that was deleted may stay for a while, so whoever shows it looks into the log.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { visitorFact } from '../actors/facts.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { idsOf, indexedId } from './fact-ids.ts';
import type { Model } from './model.ts';
import { categoryOf, nameIn, streamsAround, tenantOf } from './stream-queries.ts';

/** Rows of `facts_by_id` to look at for each event. More than an event adds, so that the circle comes to its end. */
const SWEPT_ROWS = 4;
/** Events between two looks. */
const SWEEP_EVERY_EVENTS = 128;

/** Facts whose ids are together: 4 MB. A lookup asks each period, which takes some µs. */
const PERIOD_FACTS = 65_536;

/** Every event of the log, whatever its stream is. */
export type ApplyEvent = (event: RecordedEvent) => void;

export const STREAMS: Model<ApplyEvent> = {
  version: 2,
  // `n` stands for the stream in `facts_by_id`, and is never used again. `seq` is the order of the log: not every store
  // numbers its facts. Both come from `fact_seq`. `period` keeps the ids of facts together that came together: many ids are
  // random, and each would change a page of its own. `first_revision`: facts before it were cut off. `circles`: how often the
  // ids are to be swept through; two, because the first one may have begun before.
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
    return (event) => {
      apply(statements, event);
      if (event.type === 'RetentionApplied') retain(db, statements, event);
      sweep();
    };
  },
  // The rows of `facts_by_id` go with the sweeps.
  forget: (db) => {
    const streams = db.prepare('DELETE FROM streams WHERE tenant = ?');
    const sweep = db.prepare(SWEEP);
    return (tenant) => {
      streams.run(tenant);
      sweep.run();
    };
  },
};

const SWEEP = 'UPDATE fact_seq SET circles = 2';

const prepare = (db: DatabaseSync) => ({
  sweep: db.prepare(SWEEP),
  update: db.prepare(
    'UPDATE streams SET last_at = ?, last_revision = ?, last_type = ? WHERE stream = ? RETURNING n',
  ),
  insert: db.prepare(
    `INSERT INTO streams (last_at, last_revision, last_type, stream, category, tenant, name, n)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
  erase: db.prepare('UPDATE streams SET erased_revision = ? WHERE n = ?'),
  next: db.prepare('UPDATE fact_seq SET last = last + 1 RETURNING last'),
  cut: db.prepare(
    `UPDATE streams SET first_revision = ?1, erased_revision = iif(erased_revision < ?1, NULL, erased_revision)
     WHERE stream = ?2`,
  ),
  remove: db.prepare('DELETE FROM streams WHERE stream = ?'),
  addId: db.prepare('INSERT OR REPLACE INTO facts_by_id VALUES (?, ?, ?, ?, ?)'),
});

type Statements = ReturnType<typeof prepare>;

function apply(to: Statements, event: RecordedEvent): void {
  const { stream, revision, type, metadata } = event;
  const last: SQLInputValue[] = [metadata.at, revision, type, stream];
  const category = categoryOf(stream);
  const known = to.update.get(...last)?.n;
  const n = Number(known ?? to.next.get()?.last);
  if (known === undefined) to.insert.run(...last, category, tenantOf(event), nameIn(stream), n);
  if (type === 'PersonalDataErased') to.erase.run(revision, n);
  // The last fact of a data key. Its stream is deleted behind it.
  if (type === 'DataKeyErased') to.remove.run(stream);
  // A lane says how far it came, again and again. No request asks for that, and its stream is cut all the time.
  if (category === 'lane') return;
  const seq = Number(to.next.get()?.last);
  const period = Math.floor(seq / PERIOD_FACTS);
  for (const id of idsOf(event)) to.addId.run(period, indexedId(id), seq, n, revision);
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
function sweeping(db: DatabaseSync): () => void {
  const rows = db.prepare(
    `SELECT period, id, seq, n, revision FROM facts_by_id WHERE (period, id, seq) > (?, ?, ?)
     ORDER BY period, id, seq LIMIT ?`,
  );
  const due = db.prepare('SELECT circles FROM fact_seq');
  const ended = db.prepare('UPDATE fact_seq SET circles = max(0, circles - 1)');
  const isThere = db.prepare('SELECT 1 FROM streams WHERE n = ? AND first_revision <= ?');
  const remove = db.prepare('DELETE FROM facts_by_id WHERE period = ? AND id = ? AND seq = ?');
  const beginning = [-1, new Uint8Array(), 0] as const;
  let behind: readonly [number, Uint8Array, number] = beginning;
  let events = 0;
  return () => {
    events += 1;
    if (events % SWEEP_EVERY_EVENTS !== 0) return;
    if (due.get()?.circles === 0) return;
    const found = rows.all(...behind, SWEPT_ROWS * SWEEP_EVERY_EVENTS);
    if (found.length < SWEPT_ROWS * SWEEP_EVERY_EVENTS) ended.run();
    behind = beginning;
    for (const { period, id, seq, n, revision } of found) {
      // The table is STRICT.
      behind = [Number(period), id as Uint8Array, Number(seq)];
      if (!isThere.get(Number(n), Number(revision))) remove.run(...behind);
    }
  };
}
