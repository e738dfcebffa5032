/**
 * Durable time-outs: the next due time of each actor is in its facts (`wakeAt`); here it is an index of it, and one
 * timer for the process. No live actor waits.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf } from '../actors/ids.ts';
import { messageOf } from '../errors.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { prepareLazily } from '../sqlite/statements.ts';
import type { ActorHost } from './host/host.ts';
import {
  keyOfStream,
  type Ownership,
  ownsStream,
  PARTITIONS,
  partitionOf,
} from './leases/ownership.ts';
import type { CommitListener, WorkTable } from './pending-work.ts';

/** setTimeout takes at most 2^31-1 ms; looking again each minute costs nothing and heals a changed clock. */
const LOOK_AGAIN_MS = 60_000;
const AT_ONCE = 64;
const RETRY_MS = 5_000;

export interface Deadlines extends CommitListener {
  /** From now on deadlines fire. @param graceMs what fell due before waits so long, so that visitors can show up */
  start(graceMs: number): void;
  /** Resolves when no deadline is being fired any more. */
  stop(): Promise<void>;
  pending(): number;
}

const QUERIES = {
  // Armed before this process started: it may have fallen due while nobody could show that he lives.
  due: `SELECT stream FROM deadlines WHERE due <= ? AND (armed >= ? OR ? >= ?)
    AND partition IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?`,
  next: `SELECT min(due) AS due FROM deadlines WHERE due > ?
    AND partition IN (SELECT value FROM json_each(?))`,
  move: 'UPDATE deadlines SET due = ?, revision = ? WHERE stream = ? AND revision <= ?',
  later: 'UPDATE deadlines SET due = ? WHERE stream = ?',
  drop: 'DELETE FROM deadlines WHERE stream = ? AND revision <= ?',
  count: 'SELECT count(*) AS n FROM deadlines',
} as const;

interface Row {
  readonly stream: string;
}

export const DEADLINES_TABLE: WorkTable = {
  name: 'deadlines',
  version: 3,
  schema: `
    CREATE TABLE deadlines (
      stream TEXT PRIMARY KEY,
      partition INTEGER NOT NULL,
      due INTEGER NOT NULL,
      armed INTEGER NOT NULL,
      revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deadlines_due ON deadlines (due);
  `,
  tables: ['deadlines'],
  apply: (file) => {
    // A fact that leaves the deadline as it was has not armed it: an outcome that comes after a start is no sign of
    // life, and the deadline keeps its grace.
    const put = file.prepare(
      `INSERT INTO deadlines VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE
       SET armed = iif(due = excluded.due, armed, excluded.armed),
         due = excluded.due, revision = excluded.revision
       WHERE excluded.revision > revision`,
    );
    const drop = file.prepare('DELETE FROM deadlines WHERE stream = ? AND revision < ?');
    return ({ stream, revision, metadata }) => {
      if (!actorOf(stream)) return;
      if (metadata.wakeAt === undefined) drop.run(stream, revision);
      else {
        const partition = partitionOf(keyOfStream(stream));
        put.run(stream, partition, metadata.wakeAt, metadata.at, revision);
      }
    };
  },
};

export function createDeadlines(options: {
  db: DatabaseSync;
  host: Pick<ActorHost, 'wake'>;
  ownership: Ownership;
  now: () => number;
  logger: Logger;
}): Deadlines {
  const { db, host, ownership, now, logger } = options;
  let startedAt = Number.POSITIVE_INFINITY;
  let graceUntil = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  /** When the timer goes off. */
  let lookAt = Number.POSITIVE_INFINITY;
  let firing: Promise<void> | null = null;
  let stopped = false;

  const query = prepareLazily(db, QUERIES);

  /** As JSON, for the statements above. */
  const owned = (): string =>
    JSON.stringify(
      Array.from({ length: PARTITIONS }, (_, n) => n).filter((n) => ownership.owns(n)),
    );

  async function fire(stream: string): Promise<void> {
    if (!ownsStream(ownership, stream)) return;
    try {
      const { next, revision } = await host.wake(stream);
      if (next === undefined) query('drop').run(stream, revision);
      else query('move').run(next, revision, stream, revision);
    } catch (error) {
      logger.warn({ stream, reason: messageOf(error) }, 'a deadline could not be met; again later');
      query('later').run(now() + RETRY_MS, stream);
    }
  }

  async function fireDue(): Promise<void> {
    for (;;) {
      const at = now();
      const rows = query('due').all(at, startedAt, at, graceUntil, owned(), AT_ONCE);
      if (rows.length === 0 || stopped) return;
      // The columns are those of the statement above.
      await Promise.all((rows as unknown as Row[]).map(({ stream }) => fire(stream)));
    }
  }

  function plan(): void {
    if (stopped || startedAt === Number.POSITIVE_INFINITY) return;
    clearTimeout(timer);
    const at = now();
    const mine = owned();
    const due = Number(query('next').get(at, mine)?.due ?? Number.POSITIVE_INFINITY);
    const overdue = query('due').all(at, startedAt, at, graceUntil, mine, 1).length > 0;
    arm(overdue ? at : Math.min(due, graceUntil > at ? graceUntil : due));
  }

  function arm(due: number): void {
    const at = now();
    clearTimeout(timer);
    lookAt = Math.min(Math.max(due, at), at + LOOK_AGAIN_MS);
    timer = setTimeout(look, lookAt - at);
  }

  /** Looks at the facts alone, not at the table: a timer that goes off for a deadline that has moved harms nobody. */
  function planSooner(events: readonly RecordedEvent[]): void {
    if (stopped || firing || startedAt === Number.POSITIVE_INFINITY) return;
    let due = lookAt;
    for (const { metadata } of events) due = Math.min(due, metadata.wakeAt ?? due);
    if (due < lookAt) arm(due);
  }

  function look(): void {
    if (firing || stopped) return;
    firing = fireDue()
      .catch((error) => logger.error({ err: error }, 'deadlines could not be read'))
      .finally(() => {
        firing = null;
        plan();
      });
  }

  return {
    onCommit: planSooner,
    start(graceMs) {
      startedAt = now();
      graceUntil = startedAt + graceMs;
      ownership.onChange(plan);
      ownership.onHandOver(async () => {
        await firing;
      });
      plan();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await firing;
    },
    pending: () => Number(query('count').get()?.n ?? 0),
  };
}
