/** What lanes have to do, folded from the log: one row for each fact and destination until the effect is done. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareLazily } from '../../sqlite/statements.ts';
import type { WorkTable } from '../pending-work.ts';
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
  /** Lanes with pending effects. */
  lanes(): readonly { stream: string; destination: string }[];
  /** The number of pending effects by destination. */
  pending(): { destination: string; effects: number }[];
}

const REMOVE = 'DELETE FROM lane_work WHERE stream = ? AND destination = ? AND revision <= ?';
const QUERIES = {
  revisions: `SELECT revision FROM lane_work WHERE stream = ? AND destination = ? AND revision > ?
    ORDER BY revision LIMIT ?`,
  remove: REMOVE,
  lanes: 'SELECT DISTINCT stream, destination FROM lane_work',
  count: 'SELECT destination, count(*) AS effects FROM lane_work GROUP BY destination',
} as const;

export const laneTable = (filters: readonly DestinationFilter[]): WorkTable => ({
  name: 'lanes',
  version: 1,
  schema: `
    CREATE TABLE lane_work (
      stream TEXT NOT NULL,
      destination TEXT NOT NULL,
      revision INTEGER NOT NULL,
      PRIMARY KEY (stream, destination, revision)
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['lane_work'],
  apply: (file) => {
    const add = file.prepare('INSERT OR IGNORE INTO lane_work VALUES (?, ?, ?)');
    const remove = file.prepare(REMOVE);
    return (event) => {
      const progress = parseLaneAdvance(event);
      if (progress) {
        remove.run(progress.stream, progress.destination, progress.revision);
        return;
      }
      for (const { name, concerns } of filters) {
        if (concerns(event)) add.run(event.stream, name, event.revision);
      }
    };
  },
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
    lanes: () =>
      query('lanes')
        .all()
        .map((row) => ({ stream: String(row.stream), destination: String(row.destination) })),
    pending: () =>
      query('count')
        .all()
        .map((row) => ({ destination: String(row.destination), effects: Number(row.effects) })),
  };
}
