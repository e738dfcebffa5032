/**
 * Durable deadlines. The next deadline of each actor is in its facts (`wakeAt`). This is an index of them and one timer
 * for the process, so an actor need not be in memory to wait.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
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

/** The longest sleep of the timer. setTimeout takes 2^31-1 ms at most, and the clock may be changed meanwhile. */
export const LOOK_AGAIN_MS = 60_000;
export const FIRED_AT_ONCE = 64;
export const DEADLINE_RETRY_MS = 5_000;

export interface Deadlines extends CommitListener {
  /**
   * Begins to fire.
   * @param graceMs delays deadlines that were armed before the start: while the service was down nobody could show a
   * sign of life
   */
  start(graceMs: number): void;
  /** Resolves when no deadline is firing any more. */
  stop(): Promise<void>;
  /** Actors with a deadline. */
  pending(): number;
}

const QUERIES = {
  // A deadline that was armed before the start of this process has to wait for the end of the grace.
  due: `SELECT stream FROM deadlines WHERE due <= ? AND (armed >= ? OR ? >= ?)
    AND partition IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?`,
  next: `SELECT min(due) AS due FROM deadlines WHERE due > ?
    AND partition IN (SELECT value FROM json_each(?))`,
  move: 'UPDATE deadlines SET due = ?, revision = ? WHERE stream = ? AND revision <= ?',
  later: 'UPDATE deadlines SET due = ? WHERE stream = ?',
  drop: 'DELETE FROM deadlines WHERE stream = ? AND revision <= ?',
  count: 'SELECT count(*) AS n FROM deadlines',
} as const;

export const DEADLINES_TABLE: WorkTable = {
  name: 'deadlines',
  version: 1,
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
    // A fact that leaves the deadline unchanged does not arm it again. The outcome of an effect after a start is no sign
    // of life of a visitor, so the deadline keeps its grace.
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

interface State {
  readonly query: (name: keyof typeof QUERIES) => StatementSync;
  readonly host: Pick<ActorHost, 'wake'>;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly logger: Logger;
  /** ms since 1970, as all times here; infinite before the start. */
  startedAt: number;
  graceUntil: number;
  timer: NodeJS.Timeout | undefined;
  /** When the timer goes off. */
  lookAt: number;
  /** Settles when all due deadlines have fired; null while none fires. */
  firing: Promise<void> | null;
  stopped: boolean;
}

export function createDeadlines(options: {
  db: DatabaseSync;
  host: Pick<ActorHost, 'wake'>;
  ownership: Ownership;
  now: () => number;
  logger: Logger;
}): Deadlines {
  const { db, host, ownership, now, logger } = options;
  const state: State = {
    query: prepareLazily(db, QUERIES),
    host,
    ownership,
    now,
    logger,
    startedAt: Number.POSITIVE_INFINITY,
    graceUntil: Number.POSITIVE_INFINITY,
    timer: undefined,
    lookAt: Number.POSITIVE_INFINITY,
    firing: null,
    stopped: false,
  };
  return {
    onCommit: (events) => planSooner(state, events),
    start(graceMs) {
      state.startedAt = now();
      state.graceUntil = state.startedAt + graceMs;
      ownership.onChange(() => plan(state));
      ownership.onHandOver(async () => {
        await state.firing;
      });
      plan(state);
    },
    async stop() {
      state.stopped = true;
      clearTimeout(state.timer);
      await state.firing;
    },
    pending: () => Number(state.query('count').get()?.n ?? 0),
  };
}

const isRunning = ({ stopped, startedAt }: State): boolean =>
  !stopped && startedAt !== Number.POSITIVE_INFINITY;

/** The partitions of this process as JSON, for the statements above. */
const ownPartitions = ({ ownership }: State): string =>
  JSON.stringify(Array.from({ length: PARTITIONS }, (_, n) => n).filter((n) => ownership.owns(n)));

const dueStreams = (state: State, limit: number): readonly string[] => {
  const { query, now, startedAt, graceUntil } = state;
  const at = now();
  const rows = query('due').all(at, startedAt, at, graceUntil, ownPartitions(state), limit);
  return rows.map(({ stream }) => String(stream));
};

/** Sets the timer to the next deadline in the table. */
function plan(state: State): void {
  if (!isRunning(state)) return;
  const { query, now, graceUntil } = state;
  const at = now();
  const due = Number(query('next').get(at, ownPartitions(state))?.due ?? Number.POSITIVE_INFINITY);
  const overdue = dueStreams(state, 1).length > 0;
  arm(state, overdue ? at : Math.min(due, graceUntil > at ? graceUntil : due));
}

/**
 * Sets the timer to an earlier deadline. It reads the facts alone, not the table: a timer that goes off for a deadline
 * that has moved finds nothing due.
 */
function planSooner(state: State, events: readonly RecordedEvent[]): void {
  if (!isRunning(state) || state.firing) return;
  let due = state.lookAt;
  for (const { metadata } of events) due = Math.min(due, metadata.wakeAt ?? due);
  if (due < state.lookAt) arm(state, due);
}

function arm(state: State, due: number): void {
  const at = state.now();
  clearTimeout(state.timer);
  state.lookAt = Math.min(Math.max(due, at), at + LOOK_AGAIN_MS);
  state.timer = setTimeout(() => look(state), state.lookAt - at);
}

function look(state: State): void {
  if (state.firing || state.stopped) return;
  state.firing = fireDue(state)
    .catch((error) => state.logger.error({ err: error }, 'deadlines could not be read'))
    .finally(() => {
      state.firing = null;
      plan(state);
    });
}

async function fireDue(state: State): Promise<void> {
  for (;;) {
    const streams = dueStreams(state, FIRED_AT_ONCE);
    if (streams.length === 0 || state.stopped) return;
    await Promise.all(streams.map((stream) => fire(state, stream)));
  }
}

async function fire({ query, host, ownership, now, logger }: State, stream: string): Promise<void> {
  if (!ownsStream(ownership, stream)) return;
  try {
    const { next, revision } = await host.wake(stream);
    if (next === undefined) query('drop').run(stream, revision);
    else query('move').run(next, revision, stream, revision);
  } catch (error) {
    logger.warn({ stream, reason: messageOf(error) }, 'deadline not fired; trying again');
    query('later').run(now() + DEADLINE_RETRY_MS, stream);
  }
}
