/** What lanes have to do, folded from the log: a row for each fact and destination, until the lane is past it. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareLazily } from '../../sqlite/statements.ts';
import type { WorkTable } from '../pending-work.ts';
import type { DestinationFilter } from './destination.ts';
import { parseLaneAdvance } from './log.ts';

export interface LaneTable {
  /** Revisions of a stream that wait, in order, after one. */
  revisions(stream: string, destination: string, after: number, limit: number): readonly number[];
  /**
   * Everything up to this revision is done and in the log. The fold will do the same when it comes to that fact; until
   * then it must not be taken for pending.
   */
  done(stream: string, destination: string, revision: number): void;
  /** Lanes with something to do. */
  lanes(): readonly { stream: string; destination: string }[];
  pending(): { destination: string; effects: number }[];
}

const DONE = 'DELETE FROM lane_work WHERE stream = ? AND destination = ? AND revision <= ?';
const QUERIES = {
  revisions: `SELECT revision FROM lane_work WHERE stream = ? AND destination = ? AND revision > ?
    ORDER BY revision LIMIT ?`,
  done: DONE,
  lanes: 'SELECT DISTINCT stream, destination FROM lane_work',
  count: 'SELECT destination, count(*) AS effects FROM lane_work GROUP BY destination',
} as const;

/** A row for each fact and each destination that it concerns. */
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
    const done = file.prepare(DONE);
    return (event) => {
      const advanced = parseLaneAdvance(event);
      if (advanced) {
        done.run(advanced.stream, advanced.destination, advanced.revision);
        return;
      }
      for (const { name, concerns } of filters) {
        if (concerns(event)) {
          add.run(event.stream, name, event.revision);
        }
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
    done(stream, destination, revision) {
      query('done').run(stream, destination, revision);
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
