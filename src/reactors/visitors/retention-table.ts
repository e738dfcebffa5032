/**
 * The tables of retention, in the file of pending work: histories that have ended, visitors who have not come back, and
 * what is left to do behind each `RetentionApplied` (docs/adr/0050). retention.ts acts on them.
 */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf, type TenantId, type VisitorKey } from '../../actors/ids.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { keyOfStream } from '../../runtime/leases/ownership.ts';
import type { WorkTable } from '../../runtime/pending-work.ts';
import { forgetsByStream } from '../../runtime/removed-tenant.ts';
import { prepareLazily } from '../../sqlite/statements.ts';

const TABLES = ['ended_histories', 'gone_visitors', 'retention_work'] as const;

export const RETENTION_TABLE: WorkTable = {
  name: 'retention',
  version: 1,
  // `at`: ms since 1970. Of a visitor who is gone it is the time of their last fact. `generation` is that of the
  // fact; null if the visitor had come back.
  schema: `
    CREATE TABLE ended_histories (
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL, -- of CleanedUp
      tenant TEXT NOT NULL,
      at INTEGER NOT NULL,
      PRIMARY KEY (stream, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ended_histories_by_time ON ended_histories (tenant, at);
    CREATE TABLE gone_visitors (
      stream TEXT PRIMARY KEY,
      tenant TEXT NOT NULL,
      at INTEGER NOT NULL,
      revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX gone_visitors_by_time ON gone_visitors (tenant, at, stream);
    CREATE TABLE retention_work (
      stream TEXT PRIMARY KEY,
      before INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      generation INTEGER,
      at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
  tables: TABLES,
  apply: (file) => {
    const statements = prepare(file);
    return (event) => apply(statements, event);
  },
  forget: (file) => {
    const all = TABLES.map((table) => forgetsByStream(file, table));
    return (tenant) => {
      for (const forget of all) forget(tenant);
    };
  },
};

const prepare = (file: DatabaseSync) => ({
  end: file.prepare('INSERT OR REPLACE INTO ended_histories VALUES (?, ?, ?, ?)'),
  leave: file.prepare('INSERT OR REPLACE INTO gone_visitors VALUES (?, ?, ?, ?)'),
  comeBack: file.prepare('DELETE FROM gone_visitors WHERE stream = ?'),
  // What happens to somebody who is gone is kept as long as they are.
  see: file.prepare('UPDATE gone_visitors SET at = ?, revision = ? WHERE stream = ?'),
  move: file.prepare('UPDATE gone_visitors SET revision = ? WHERE stream = ?'),
  drop: file.prepare('DELETE FROM ended_histories WHERE stream = ? AND revision <= ?'),
  work: file.prepare('INSERT OR REPLACE INTO retention_work VALUES (?, ?, ?, ?, ?)'),
});

function apply(to: ReturnType<typeof prepare>, event: RecordedEvent): void {
  const { stream, type, revision, data, metadata } = event;
  // Page views are most of all facts, and nobody who views a page is gone.
  if (type === 'PageViewed' || !stream.startsWith('visitor-')) return;
  const { at } = metadata;
  const tenant = actorOf(stream)?.tenant ?? '';
  switch (type) {
    case 'CleanedUp':
      to.end.run(stream, revision, tenant, at);
      to.leave.run(stream, tenant, at, revision);
      return;
    case 'VisitorArrived':
      to.comeBack.run(stream);
      return;
    case 'RetentionApplied': {
      // Written by the visitor's decisions alone.
      const { before, generation = null } = data as { before: number; generation?: number };
      to.drop.run(stream, before);
      if (generation === null) to.move.run(revision, stream);
      // If the stream cannot be deleted because of a later fact, that is kept as long as everything else.
      else to.leave.run(stream, tenant, at, revision);
      to.work.run(stream, before, revision, generation, at);
      return;
    }
    default:
      to.see.run(at, revision, stream);
  }
}

/** A history whose time is over. */
export interface Over {
  readonly stream: string;
  /** When it ended, in ms since 1970; of a visitor who is gone, their last fact. */
  readonly at: number;
  /** Of its `CleanedUp`; of a visitor who is gone, of their last fact. */
  readonly revision: number;
}

/** What a fact `RetentionApplied` calls for. */
export interface RetentionWork {
  readonly stream: string;
  readonly before: number;
  /** Of the fact. */
  readonly revision: number;
  readonly generation: number | null;
  /** Of the fact, in ms since 1970. */
  readonly at: number;
}

/** Where a list goes on: behind this entry. */
export type After = Pick<Over, 'at' | 'stream'>;
export const FROM_THE_START: After = { at: Number.MIN_SAFE_INTEGER, stream: '' };

export interface RetentionTables {
  /** Visitors who have not come back, the oldest first. @param until ms since 1970, inclusive */
  gone(tenant: TenantId, until: number, after: After, limit: number): readonly Over[];
  /** Visitors whose last fact is later than this: it was written while a clock was wrong. */
  goneAfter(tenant: TenantId, from: number, limit: number): readonly Over[];
  /** Ended histories of visitors who have come back, each visitor's latest one. */
  ended(tenant: TenantId, until: number, after: After, limit: number): readonly Over[];
  /** @param after a stream, exclusive */
  work(after: string, limit: number): readonly RetentionWork[];
  done(work: RetentionWork): void;
  /** Whether something is to be done still with facts of the stream before this revision: effects, dead letters. */
  isHeld(stream: string, before: number): boolean;
  /** Whether the visitor's account in ejabberd is to be removed still. */
  hasAccount(tenant: TenantId, key: VisitorKey): boolean;
  /** Entries of the three tables. */
  counts(): { readonly ended: number; readonly gone: number; readonly work: number };
}

/** Late facts about a visitor who is gone keep their last history for so long at most, beside the retention of its own. */
export const LATE_FACTS_MS = 86_400_000;

const AFTER = '(at, stream) > (?3, ?4)';
const QUERIES = {
  gone: `SELECT stream, at, revision FROM gone_visitors WHERE tenant = ?1 AND at <= ?2 AND ${AFTER}
    ORDER BY at, stream LIMIT ?5`,
  goneAfter: `SELECT stream, at, revision FROM gone_visitors WHERE tenant = ? AND at > ?
    ORDER BY at LIMIT ?`,
  ended: `SELECT e.stream, e.at, e.revision FROM ended_histories e
    LEFT JOIN gone_visitors g ON g.stream = e.stream
    WHERE e.tenant = ?1 AND e.at <= ?2 AND (e.at, e.stream) > (?3, ?4)
      AND (g.stream IS NULL OR g.at > e.at + ${LATE_FACTS_MS})
      AND NOT EXISTS (SELECT 1 FROM ended_histories l
        WHERE l.stream = e.stream AND l.revision > e.revision AND l.at <= ?2)
    ORDER BY e.at, e.stream LIMIT ?5`,
  work: 'SELECT * FROM retention_work WHERE stream > ? ORDER BY stream LIMIT ?',
  done: 'DELETE FROM retention_work WHERE stream = ? AND revision = ?',
  // Of a stream that was deleted.
  forget: 'DELETE FROM gone_visitors WHERE stream = ? AND revision <= ?',
  held: `SELECT EXISTS (SELECT 1 FROM lane_work WHERE stream = ?1 AND revision < ?2)
    OR EXISTS (SELECT 1 FROM dead_letters WHERE stream = ?1 AND revision < ?2)
    OR EXISTS (SELECT 1 FROM dead_letters WHERE person = ?3 AND kind = 'webhook') AS held`,
  account: 'SELECT 1 FROM desired_visitors WHERE tenant = ? AND key = ? AND gone = 1',
  counts: `SELECT (SELECT count(*) FROM ended_histories) AS ended,
    (SELECT count(*) FROM gone_visitors) AS gone, (SELECT count(*) FROM retention_work) AS work`,
} as const;

/** The casts are the columns of the statements above. */
export function openRetentionTables(db: DatabaseSync): RetentionTables {
  const query = prepareLazily(db, QUERIES);
  return {
    gone: (tenant, until, { at, stream }, limit) =>
      query('gone').all(tenant, until, at, stream, limit) as unknown as Over[], // the columns of the statement
    goneAfter: (tenant, from, limit) =>
      query('goneAfter').all(tenant, from, limit) as unknown as Over[], // the columns of the statement
    ended: (tenant, until, { at, stream }, limit) =>
      query('ended').all(tenant, until, at, stream, limit) as unknown as Over[], // the columns of the statement
    work: (after, limit) => query('work').all(after, limit) as unknown as RetentionWork[], // the columns of the statement
    done({ stream, revision, generation }) {
      query('done').run(stream, revision);
      if (generation !== null) query('forget').run(stream, revision);
    },
    isHeld: (stream, before) => query('held').get(stream, before, keyOfStream(stream))?.held === 1,
    hasAccount: (tenant, key) => query('account').get(tenant, key) !== undefined,
    counts: () => query('counts').get() as { ended: number; gone: number; work: number },
  };
}
