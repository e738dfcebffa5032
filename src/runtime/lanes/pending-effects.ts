/** What lanes have to do, folded from the log: one row for each fact and destination until the effect is done. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareLazily } from '../../sqlite/statements.ts';
import { keyOfStream } from '../leases/ownership.ts';
import type { WorkTable } from '../pending-work.ts';
import { forgetsByStream, rangeOfStreams } from '../removed-tenant.ts';
import type { DestinationFilter } from './destination.ts';
import { parseLaneAdvance } from './log.ts';

export interface LaneTable {
  /** Revisions with a pending effect, in order. @param after exclusive */
  revisions(stream: string, destination: string, after: number, limit: number): readonly number[];
  /**
   * Removes the rows up to this revision, inclusive: the effects are done, and the log has that. The fold will do the same
   * when it reaches that fact.
   */
  remove(stream: string, destination: string, revision: number): void;
  /** Tenants with pending effects. */
  tenants(): readonly string[];
  /** Streams of a tenant with pending effects at a destination, in the order of their names. @param after exclusive */
  streams(tenant: string, destination: string, after: string, limit: number): readonly string[];
  /** The same, of effects whose facts are older than `before` (ms since 1970). */
  overdue(
    tenant: string,
    destination: string,
    range: { readonly before: number; readonly after: string },
    limit: number,
  ): readonly string[];
  /** The number of pending effects by destination. */
  pending(): { destination: string; effects: number }[];
}

const REMOVE = 'DELETE FROM lane_work WHERE stream = ? AND destination = ? AND revision <= ?';
const QUERIES = {
  revisions: `SELECT revision FROM lane_work WHERE stream = ? AND destination = ? AND revision > ?
    ORDER BY revision LIMIT ?`,
  remove: REMOVE,
  nextStream: 'SELECT stream FROM lane_work WHERE stream > ? ORDER BY stream LIMIT 1',
  streams: `SELECT DISTINCT stream FROM lane_work WHERE stream > ? AND stream < ? AND destination = ?
    ORDER BY stream LIMIT ?`,
  overdue: `SELECT DISTINCT stream FROM lane_work
    WHERE stream > ? AND stream < ? AND destination = ? AND at < ?
    ORDER BY stream LIMIT ?`,
  count: 'SELECT destination, count(*) AS effects FROM lane_work GROUP BY destination',
} as const;

/** Kinds of actors with effects, in the order of the names of their streams. */
const KINDS = ['operator', 'visitor'] as const;

/** The tenant of an actor's stream. */
export const tenantOfStream = (stream: string): string =>
  keyOfStream(stream).split('.', 1)[0] ?? '';

/** The first streams of a tenant that `read` finds, in the order of their names. @param after exclusive */
function inRanges(
  tenant: string,
  after: string,
  limit: number,
  read: (from: string, to: string, most: number) => Record<string, unknown>[],
): string[] {
  const found: string[] = [];
  for (const kind of KINDS) {
    const [begin, end] = rangeOfStreams(`${kind}-${tenant}`);
    const from = after > begin ? after : begin;
    if (from >= end || found.length >= limit) continue;
    found.push(...read(from, end, limit - found.length).map(({ stream }) => String(stream)));
  }
  return found;
}

export const laneTable = (filters: readonly DestinationFilter[]): WorkTable => ({
  name: 'lanes',
  version: 2,
  schema: `
    CREATE TABLE lane_work (
      stream TEXT NOT NULL,
      destination TEXT NOT NULL,
      revision INTEGER NOT NULL,
      -- When the fact happened, ms since 1970.
      at INTEGER NOT NULL,
      PRIMARY KEY (stream, destination, revision)
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['lane_work'],
  apply: (file) => {
    const add = file.prepare('INSERT OR IGNORE INTO lane_work VALUES (?, ?, ?, ?)');
    const remove = file.prepare(REMOVE);
    return (event) => {
      const progress = parseLaneAdvance(event);
      if (progress) {
        remove.run(progress.stream, progress.destination, progress.revision);
        return;
      }
      for (const { name, concerns } of filters) {
        if (concerns(event)) add.run(event.stream, name, event.revision, event.metadata.at);
      }
    };
  },
  forget: (file) => forgetsByStream(file, 'lane_work'),
});

export function openLaneTable(db: DatabaseSync): LaneTable {
  const query = prepareLazily(db, QUERIES);
  return {
    revisions: (stream, destination, after, limit) =>
      query('revisions')
        .all(stream, destination, after, limit)
        .map((row) => Number(row.revision)),
    remove(stream, destination, revision) {
      query('remove').run(stream, destination, revision);
    },
    tenants() {
      const tenants = new Set<string>();
      for (let after = ''; ; ) {
        const stream = query('nextStream').get(after)?.stream;
        if (typeof stream !== 'string') return [...tenants];
        const tenant = tenantOfStream(stream);
        tenants.add(tenant);
        [, after] = rangeOfStreams(`${stream.slice(0, stream.indexOf('-'))}-${tenant}`);
      }
    },
    streams: (tenant, destination, after, limit) =>
      inRanges(tenant, after, limit, (from, to, most) =>
        query('streams').all(from, to, destination, most),
      ),
    overdue: (tenant, destination, { before, after }, limit) =>
      inRanges(tenant, after, limit, (from, to, most) =>
        query('overdue').all(from, to, destination, before, most),
      ),
    pending: () =>
      query('count')
        .all()
        .map((row) => ({ destination: String(row.destination), effects: Number(row.effects) })),
  };
}
