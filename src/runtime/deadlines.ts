/**
 * Durable deadlines. The next deadline of each actor is in its facts (`wakeAt`). This is an index of them and one timer
 * for the process, so an actor need not be in memory to wait.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf } from '../actors/ids.ts';
import { AHEAD_MOST_MS } from '../actors/machine/timers.ts';
import { isTransient, messageOf } from '../errors.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { prepareLazily } from '../sqlite/statements.ts';
import { causedBy } from './cause.ts';
import type { ActorHost } from './host/host.ts';
import {
  keyOfStream,
  type Ownership,
  ownsStream,
  PARTITIONS,
  partitionOf,
} from './leases/ownership.ts';
import type { CommitListener, WorkTable } from './pending-work.ts';
import { forgetsByStream } from './removed-tenant.ts';

/** The longest sleep of the timer. setTimeout takes 2^31-1 ms at most, and the clock may be changed meanwhile. */
export const LOOK_AGAIN_MS = 60_000;
export const FIRED_AT_ONCE = 64;
/** Waits between the tries of one deadline while the event store is away or other processes are in the way. */
export const DEADLINE_RETRY: RetryPolicy = { firstMs: 5_000, mostMs: 60_000 };
/**
 * Waits between the tries of one deadline that fails for any other reason: a history that does not fit its machine is
 * read to the end each time. A new fact of the actor and a start of the service begin anew.
 */
export const UNFIT_RETRY: RetryPolicy = { firstMs: 5_000, mostMs: 3_600_000 };

export interface Deadlines extends CommitListener {
  /**
   * Begins to fire.
   * @param graceMs delays deadlines that were armed before the start: while the service was down nobody could show a
   * sign of life
   */
  start(graceMs: number): void;
  /** The clock of this process was set. Nobody could show a sign of life in the time between, so the grace begins again. */
  clockWasSet(): void;
  /** Resolves when no deadline is firing any more. */
  stop(): Promise<void>;
  /** Actors with a deadline. */
  pending(): number;
}

const QUERIES = {
  // A deadline that was armed before the start of this process has to wait for the end of the grace.
  due: `SELECT stream, due, revision, failures, armed_by AS armedBy FROM deadlines WHERE try_at <= ? AND (armed >= ? OR ? >= ?)
    AND partition IN (SELECT value FROM json_each(?)) ORDER BY try_at LIMIT ?`,
  next: `SELECT min(try_at) AS due FROM deadlines WHERE try_at > ?
    AND partition IN (SELECT value FROM json_each(?))`,
  move: `UPDATE deadlines SET due = ?1, try_at = ?4, failures = 0, revision = ?2, armed_by = NULL
    WHERE stream = ?3 AND revision <= ?2`,
  // They were armed while a clock was wrong. Each has its whole time from now on.
  fromTheFuture: `UPDATE deadlines SET try_at = ?1 + (due - armed)
    WHERE armed > ?2 AND try_at > ?1 + (due - armed)`,
  // A fact that came meanwhile has begun anew.
  later: `UPDATE deadlines SET try_at = ?, failures = failures + 1 WHERE stream = ? AND revision = ?`,
  anew: 'UPDATE deadlines SET try_at = due, failures = 0 WHERE failures > 0',
  drop: 'DELETE FROM deadlines WHERE stream = ? AND revision <= ?',
  count: 'SELECT count(*) AS n FROM deadlines',
} as const;

export const DEADLINES_TABLE: WorkTable = {
  name: 'deadlines',
  version: 3,
  // Failed tries move `try_at` alone.
  schema: `
    CREATE TABLE deadlines (
      stream TEXT PRIMARY KEY,
      partition INTEGER NOT NULL,
      due INTEGER NOT NULL,
      armed INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      try_at INTEGER NOT NULL,
      failures INTEGER NOT NULL DEFAULT 0,
      -- The revision of the fact that armed it, if that is known.
      armed_by INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deadlines_due ON deadlines (try_at);
  `,
  tables: ['deadlines'],
  apply: (file) => {
    // A fact that leaves the deadline unchanged does not arm it again. The outcome of an effect after a start is no sign
    // of life of a visitor, so the deadline keeps its grace.
    const put = file.prepare(
      `INSERT INTO deadlines VALUES (?1, ?2, ?3, ?4, ?5, ?3, 0, ?5) ON CONFLICT (stream) DO UPDATE
       SET armed = iif(due = excluded.due, armed, excluded.armed),
         armed_by = iif(due = excluded.due, armed_by, excluded.armed_by),
         due = excluded.due, revision = excluded.revision, try_at = excluded.due, failures = 0
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
  forget: (file) => forgetsByStream(file, 'deadlines'),
};

interface State {
  readonly query: (name: keyof typeof QUERIES) => StatementSync;
  readonly host: Pick<ActorHost, 'wake'>;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
  /** ms since 1970, as all times here; infinite before the start. */
  startedAt: number;
  graceMs: number;
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
  random: () => number;
  logger: Logger;
}): Deadlines {
  const { db, host, ownership, now, random, logger } = options;
  const state: State = {
    query: prepareLazily(db, QUERIES),
    host,
    ownership,
    now,
    random,
    logger,
    startedAt: Number.POSITIVE_INFINITY,
    graceMs: 0,
    graceUntil: Number.POSITIVE_INFINITY,
    timer: undefined,
    lookAt: Number.POSITIVE_INFINITY,
    firing: null,
    stopped: false,
  };
  return {
    onCommit(events) {
      if (isRunning(state) && events.some(({ metadata }) => isFromTheFuture(state, metadata.at))) {
        haveTheirTimeFromNow(state);
      }
      planSooner(state, events);
    },
    start(graceMs) {
      state.graceMs = graceMs;
      begin(state);
      ownership.onChange(() => plan(state));
      ownership.onHandOver(async () => {
        await state.firing;
      });
      plan(state);
    },
    clockWasSet() {
      if (!isRunning(state)) return;
      begin(state);
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

/** Deadlines that were armed before have to wait for the end of the grace. */
function begin(state: State): void {
  state.startedAt = state.now();
  state.graceUntil = state.startedAt + state.graceMs;
  state.query('anew').run(); // this program may have another version of a machine
  haveTheirTimeFromNow(state);
}

const isFromTheFuture = ({ now }: State, at: number): boolean => at > now() + AHEAD_MOST_MS;

/** For deadlines that were armed while a clock was wrong. */
function haveTheirTimeFromNow(state: State): void {
  const at = state.now();
  state.query('fromTheFuture').run(at, at + AHEAD_MOST_MS);
  state.lookAt = Number.POSITIVE_INFINITY;
}

const isRunning = ({ stopped, startedAt }: State): boolean =>
  !stopped && startedAt !== Number.POSITIVE_INFINITY;

/** The partitions of this process as JSON, for the statements above. */
const ownPartitions = ({ ownership }: State): string =>
  JSON.stringify(Array.from({ length: PARTITIONS }, (_, n) => n).filter((n) => ownership.owns(n)));

interface Due {
  readonly stream: string;
  /** ms since 1970, by the clock that was right when it was armed. */
  readonly due: number;
  readonly revision: number;
  /** Tries that failed since the last fact. */
  readonly failures: number;
  /** The revision of the fact that armed it; null if that is not known. */
  readonly armedBy: number | null;
}

const dueNow = (state: State, limit: number): readonly Due[] => {
  const { query, now, startedAt, graceUntil } = state;
  const at = now();
  const rows = query('due').all(at, startedAt, at, graceUntil, ownPartitions(state), limit);
  return rows as unknown as Due[]; // the columns of the statement
};

/** Sets the timer to the next deadline in the table. */
function plan(state: State): void {
  if (!isRunning(state)) return;
  const { query, now, graceUntil } = state;
  const at = now();
  const due = Number(query('next').get(at, ownPartitions(state))?.due ?? Number.POSITIVE_INFINITY);
  const overdue = dueNow(state, 1).length > 0;
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
  if (state.lookAt === Number.POSITIVE_INFINITY) plan(state);
  else if (due < state.lookAt) arm(state, due);
}

function arm(state: State, due: number): void {
  const at = state.now();
  clearTimeout(state.timer);
  state.lookAt = Math.min(Math.max(due, at), at + LOOK_AGAIN_MS);
  state.timer = setTimeout(() => look(state), state.lookAt - at);
}

function look(state: State): void {
  if (state.firing || state.stopped) return;
  state.firing = fireDue(state).then(
    () => {
      state.firing = null;
      plan(state);
    },
    (error) => {
      state.logger.error({ err: error }, 'deadlines could not be read or moved; trying again');
      state.firing = null;
      if (isRunning(state)) arm(state, state.now() + DEADLINE_RETRY.firstMs);
    },
  );
}

async function fireDue(state: State): Promise<void> {
  for (;;) {
    const all = dueNow(state, FIRED_AT_ONCE);
    if (all.length === 0 || state.stopped) return;
    await Promise.all(all.map((due) => fire(state, due)));
  }
}

async function fire(state: State, row: Due): Promise<void> {
  const { stream, due, revision: seen, failures, armedBy } = row;
  const { query, host, ownership, now, random, logger } = state;
  if (!ownsStream(ownership, stream)) return;
  try {
    // An actor whose facts are from the future is woken at its own time.
    const ahead = isFromTheFuture(state, due) ? due - now() : 0;
    const wake = () => host.wake(stream, ahead > 0 ? due : undefined);
    const { next, revision } = await (armedBy === null
      ? wake()
      : causedBy({ stream, revision: armedBy }, wake));
    if (next === undefined) query('drop').run(stream, revision);
    else query('move').run(next, revision, stream, next - ahead);
  } catch (error) {
    const policy = isTransient(error) ? DEADLINE_RETRY : UNFIT_RETRY;
    const wait = Math.ceil(backoff(failures + 1, policy, random));
    logger.warn({ stream, reason: messageOf(error), wait }, 'deadline not fired; trying again');
    query('later').run(now() + wait, stream, seen);
  }
}
