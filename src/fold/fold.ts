/**
 * Folds the log into tables of SQLite files: the read models and the table of pending work. The entry point is
 * {@link createFold}. This folder knows SQLite (src/sqlite) and the port of the event store; src/projections and
 * src/runtime build on it.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { EventStore, Position, RecordedEvent, SubscriptionBatch } from '../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { transaction } from '../sqlite/open.ts';
import { type Checkpoint, createCheckpoint } from './checkpoint.ts';
import { createWaiters, type Waiters } from './waiters.ts';

/** Applies one event to the rows of a fold. Runs inside the transaction that moves the checkpoint. */
type Apply<Prepared> = (event: RecordedEvent, prepared: Prepared) => void;

/** Applies the events of a transaction together: what `add` keeps in memory is written by `end`. */
interface ApplyTogether<Prepared> {
  /** A transaction begins. The one before it may have been rolled back: nothing of it may be written any more. */
  begin(): void;
  readonly add: Apply<Prepared>;
  /** Called behind the last event, before the checkpoint. */
  end(): void;
}

export interface FoldOptions<Prepared> {
  /** Unique in its file. */
  readonly name: string;
  /** Raise it when `schema` or the effect of `apply` changes: the tables are then dropped and built again. */
  readonly version: number;
  /** The file; several folds may share it. */
  readonly db: DatabaseSync;
  readonly store: EventStore;
  /** Only events of streams whose name begins with one of these; default all. */
  readonly prefixes?: readonly string[];
  /** Creates the tables of this fold and their indexes. */
  readonly schema: string;
  /** Every table in `schema`. A rebuild drops them first. */
  readonly tables: readonly string[];
  /** Called once, when the tables exist: the place to prepare statements. The functions that it returns must not be async. */
  readonly apply: (db: DatabaseSync) => Apply<Prepared> | ApplyTogether<Prepared>;
  /**
   * Does the asynchronous part of a batch, such as opening personal data, before its transaction begins. Required unless
   * Prepared is undefined.
   */
  readonly prepare?: (events: readonly RecordedEvent[], signal: AbortSignal) => Promise<Prepared>;
  /** Called after the rows of a batch and before their checkpoint: a failpoint of tests. */
  readonly beforeCheckpoint?: () => void;
  /** Called after the commit of a batch with events. */
  readonly onApplied?: (batch: SubscriptionBatch) => void;
  /** Called when existing rows were dropped because the log turned out to be an older copy. */
  readonly onDropped?: () => void;
  /** Default {@link BUSY_PAUSE_MS}. */
  readonly busyPauseMs?: number;
  /** Events in a transaction at most; default {@link FOLD_BATCH_EVENTS}. */
  readonly batch?: number;
  /** In ms since 1970; default Date.now. */
  readonly now?: () => number;
}

interface FoldFailure {
  readonly reason: string;
  /** The event that could not be applied; null when something else failed. */
  readonly event: {
    readonly stream: string;
    readonly revision: number;
    readonly type: string;
  } | null;
  /** Tries that failed in a row. */
  readonly attempts: number;
  /** When the first of these tries failed, in ms since 1970. */
  readonly since: number;
}

export interface FoldState {
  readonly name: string;
  readonly position: Position | null;
  /** Events applied since the process started. */
  readonly eventsApplied: number;
  /** The fold has reached the end of the log, and has applied everything since as it came. */
  readonly live: boolean;
  /** 0 when live; otherwise the age of the last applied event. */
  readonly lagMs: number;
  readonly failure: FoldFailure | null;
}

export interface Fold {
  readonly name: string;
  /** The rows contain everything up to this position; null before the first batch. */
  position(): Position | null;
  state(): FoldState;
  /**
   * Resolves when the rows contain everything up to this position.
   * @param deadlineMs how long to wait
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** Ends the pause on a busy log ({@link BUSY_PAUSE_MS}): somebody waits for what was just appended. */
  hurry(): void;
  /** Follows the log. Resolves after the signal was aborted and the last transaction is done. */
  run(signal: AbortSignal): Promise<void>;
}

export const FOLD_BATCH_EVENTS = 256;
export const FOLD_RETRY: RetryPolicy = { firstMs: 100, mostMs: 30_000 };
/** After a batch of this many events the log counts as busy, and the fold pauses so that its next transaction covers more. */
export const BUSY_BATCH_EVENTS = 8;
/**
 * The pause on a busy log. One transaction for each commit of the log took 15 % of the time of a page view. An event that
 * comes alone is never delayed, and {@link Fold.hurry} ends the pause for one that somebody waits for.
 */
export const BUSY_PAUSE_MS = 10;
/** How often the checkpoint is written while no event matches. A restart then scans that much of the log again. */
export const IDLE_CHECKPOINT_MS = 1000;

/** How far a fold is. */
interface Progress {
  readonly now: () => number;
  position: Position | null;
  eventsApplied: number;
  live: boolean;
  /** When the last applied event happened, in ms since 1970. */
  lastAt: number | undefined;
  failure: FoldFailure | null;
  /** The event that is being applied. */
  current: RecordedEvent | undefined;
  /** When the checkpoint was last written, in ms since 1970. */
  checkpointAt: number;
}

interface Run<Prepared> extends Progress {
  readonly options: FoldOptions<Prepared>;
  readonly checkpoint: Checkpoint;
  readonly together: ApplyTogether<Prepared>;
  readonly waiters: Waiters;
  /** Ends the pause on a busy log; nothing while there is none. */
  hurry: () => void;
}

/**
 * A fold of the log into tables of a SQLite file. The rows and their checkpoint commit in one transaction: a kill at any
 * point leaves both or neither. If the rows are of another version or another store, or the log ends before them, they
 * are dropped and built again from the beginning.
 *
 * A batch that cannot be applied is tried again with backoff. Nothing after it is applied before it.
 */
export const createFold = <Prepared = undefined>(options: FoldOptions<Prepared>): Fold => {
  const { name, version, db, store } = options;
  const checkpoint = createCheckpoint(db, { name, version, storeId: store.id });
  const stored = checkpoint.read();
  if (stored === undefined) rebuild(options, checkpoint);
  const apply = options.apply(db);
  const fold: Run<Prepared> = {
    options,
    checkpoint,
    together: typeof apply === 'function' ? { begin: nothing, add: apply, end: nothing } : apply,
    waiters: createWaiters(name, store, () => fold.position),
    now: options.now ?? Date.now,
    position: stored ?? null,
    eventsApplied: 0,
    live: false,
    lastAt: undefined,
    failure: null,
    current: undefined,
    checkpointAt: 0,
    hurry: nothing,
  };
  return {
    name,
    position: () => fold.position,
    state: () => stateOf(name, fold),
    waitFor: fold.waiters.waitFor,
    hurry: () => fold.hurry(),
    run: (signal) => run(fold, signal),
  };
};

const stateOf = (name: string, progress: Progress): FoldState => {
  const { position, eventsApplied, live, lastAt, failure, now } = progress;
  const lagMs = live ? 0 : Math.max(0, now() - (lastAt ?? now()));
  return { name, position, eventsApplied, live, lagMs, failure };
};

const rebuild = <Prepared>(
  { db, tables, schema }: FoldOptions<Prepared>,
  checkpoint: Checkpoint,
): void => {
  transaction(db, () => {
    for (const table of tables) db.exec(`DROP TABLE IF EXISTS "${table}"`);
    db.exec(schema);
    checkpoint.write(null);
  });
};

const run = async <Prepared>(fold: Run<Prepared>, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await dropRowsOfLongerLog(fold);
      await follow(fold, signal);
    } catch (error) {
      fold.failure = failureOf(fold, error);
      fold.live = false;
      fold.current = undefined;
      await pause(backoff(fold.failure.attempts, FOLD_RETRY, Math.random), signal);
    }
  }
  fold.live = false;
  if (fold.position !== null) fold.checkpoint.write(fold.position);
};

/** If the log ends before the checkpoint, the log is an older copy and the rows come from events that it does not have. */
const dropRowsOfLongerLog = async <Prepared>(fold: Run<Prepared>): Promise<void> => {
  const { options, checkpoint } = fold;
  const { store } = options;
  const head = await store.head();
  const { position } = fold;
  if (position === null || (head !== null && store.compare(position, head) <= 0)) return;
  rebuild(options, checkpoint);
  fold.position = null;
  options.onDropped?.();
};

const follow = async <Prepared>(fold: Run<Prepared>, signal: AbortSignal): Promise<void> => {
  const { store, prefixes, batch: size = FOLD_BATCH_EVENTS, onApplied } = fold.options;
  const subscription = store.subscribe({
    after: fold.position ?? undefined,
    signal,
    batch: size,
    ...(prefixes && { prefixes }),
  });
  for await (const batch of subscription) {
    const { events } = batch;
    commit(fold, batch, await prepare(fold, events, signal));
    fold.position = batch.through;
    fold.eventsApplied += events.length;
    fold.lastAt = events.at(-1)?.metadata.at ?? fold.lastAt;
    fold.live = batch.live;
    fold.failure = null;
    fold.waiters.moved();
    if (events.length > 0) onApplied?.(batch);
    if (batch.live && events.length >= BUSY_BATCH_EVENTS) await rest(fold, signal);
  }
};

/** The pause on a busy log. */
const rest = async <Prepared>(fold: Run<Prepared>, signal: AbortSignal): Promise<void> => {
  const hurried = new AbortController();
  fold.hurry = () => hurried.abort();
  await pause(fold.options.busyPauseMs ?? BUSY_PAUSE_MS, AbortSignal.any([signal, hurried.signal]));
  fold.hurry = nothing;
};

const nothing = (): void => undefined;

const prepare = async <Prepared>(
  { options }: Run<Prepared>,
  events: readonly RecordedEvent[],
  signal: AbortSignal,
): Promise<Prepared> =>
  options.prepare && events.length > 0
    ? options.prepare(events, signal)
    : // Without `prepare` the type parameter is its default, and without events nobody reads the value.
      (undefined as Prepared);

const commit = <Prepared>(
  fold: Run<Prepared>,
  { events, through }: SubscriptionBatch,
  prepared: Prepared,
): void => {
  const { options, checkpoint, together, now } = fold;
  if (events.length === 0 && now() - fold.checkpointAt < IDLE_CHECKPOINT_MS) return;
  transaction(options.db, () => {
    together.begin();
    for (const event of events) {
      fold.current = event;
      together.add(event, prepared);
    }
    fold.current = undefined;
    together.end();
    if (events.length > 0) options.beforeCheckpoint?.();
    checkpoint.write(through);
  });
  fold.checkpointAt = now();
};

const failureOf = ({ current, failure, now }: Progress, error: unknown): FoldFailure => ({
  reason: messageOf(error),
  event: current
    ? { stream: current.stream, revision: current.revision, type: current.type }
    : null,
  attempts: (failure?.attempts ?? 0) + 1,
  since: failure?.since ?? now(),
});

/** Ends early, and without an error, when the signal is aborted. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined);
