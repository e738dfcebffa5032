import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { EventStore, Position, RecordedEvent, SubscriptionBatch } from '../eventstore/port.ts';
import { backoff } from '../kit/backoff.ts';
import { transaction } from '../sqlite/open.ts';
import { createCheckpoint } from './checkpoint.ts';
import { createWaiters } from './waiters.ts';

/** Applies one event to the rows of a fold; runs inside the transaction that moves its checkpoint. */
type Apply<Prepared> = (event: RecordedEvent, prepared: Prepared) => void;

export interface FoldOptions<Prepared> {
  /** Unique in its file. */
  readonly name: string;
  /** Raise it when `schema` or what `apply` does changes: the tables are dropped and built anew. */
  readonly version: number;
  /** The file; several folds may share it. */
  readonly db: DatabaseSync;
  readonly store: EventStore;
  /** Only events of streams whose name begins with one of these; absent: all. */
  readonly prefixes?: readonly string[];
  /** Creates the tables of this fold (and their indexes). */
  readonly schema: string;
  /** Every table in `schema`, to be dropped before a rebuild. */
  readonly tables: readonly string[];
  /** Called once, when the tables are there: the place to prepare statements. What it returns must not be async. */
  readonly apply: (db: DatabaseSync) => Apply<Prepared>;
  /** Runs before the transaction of a batch, for what is async: opening personal data. Required unless Prepared is undefined. */
  readonly prepare?: (events: readonly RecordedEvent[], signal: AbortSignal) => Promise<Prepared>;
  /** Called between the rows of a batch and their checkpoint: a failpoint of tests. */
  readonly beforeCheckpoint?: () => void;
  /** Told after the commit of a batch with events. */
  readonly onApplied?: (batch: SubscriptionBatch) => void;
  /** Told when rows that were there were dropped, since the log turned out to be an older copy. */
  readonly onDropped?: () => void;
  /** Events in a transaction; default 256. */
  readonly batch?: number;
  /** ms since 1970; default Date.now. */
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
  /** In a row, without progress between. */
  readonly attempts: number;
  /** ms since 1970 */
  readonly since: number;
}

export interface FoldState {
  readonly name: string;
  readonly position: Position | null;
  /** Events applied since the process started. */
  readonly applied: number;
  /** The end of the log has been reached, and everything since was applied as it came. */
  readonly live: boolean;
  /** 0 when live; else how old the last applied event is. */
  readonly lagMs: number;
  readonly failed: FoldFailure | null;
}

export interface Fold {
  readonly name: string;
  /** Everything up to here is in the rows; null before the first batch. */
  position(): Position | null;
  state(): FoldState;
  /**
   * Resolves when everything up to this position is in the rows.
   * @param deadlineMs how long to wait
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** Follows the log; resolves after the signal was aborted and the last transaction is done. */
  run(signal: AbortSignal): Promise<void>;
}

export const FOLD_RETRY = { firstMs: 100, mostMs: 30_000 };
/**
 * After a batch of so many events the log is busy: so long is waited, and the next transaction covers more of them. A
 * transaction for each commit of the log was 15 % of the time of a page view; what comes alone is never held up.
 */
const BUSY = { events: 8, waitMs: 10 };
/** How often a checkpoint that moves without events is written: repeating the scan of a second harms nobody. */
const IDLE_CHECKPOINT_MS = 1000;

/**
 * A fold of the log into tables of a SQLite file. The rows and the checkpoint that covers them commit in one
 * transaction, so that a kill at any point leaves both or neither. When the version or the store is another one than
 * that of the rows, or the log ends before them, they are dropped and built anew from the start.
 *
 * A batch that cannot be applied is tried again with backoff, and nothing after it is applied before it.
 */
export const createFold = <Prepared = undefined>(options: FoldOptions<Prepared>): Fold => {
  const { name, version, db, store, prefixes, schema, tables, prepare, onApplied } = options;
  const { batch: batchSize = 256, now = Date.now } = options;
  const checkpoint = createCheckpoint(db, { name, version, storeId: store.id });

  const rebuild = (): void => {
    transaction(db, () => {
      for (const table of tables) db.exec(`DROP TABLE IF EXISTS "${table}"`);
      db.exec(schema);
      checkpoint.write(null);
    });
  };

  const stored = checkpoint.read();
  if (stored === undefined) rebuild();
  let position = stored ?? null;
  const apply = options.apply(db);
  const waiters = createWaiters(name, store, () => position);
  let applied = 0;
  let live = false;
  let lastAt: number | undefined;
  let failed: FoldFailure | null = null;
  let current: RecordedEvent | undefined;
  let checkpointAt = 0;

  const prepareBatch = async (batch: SubscriptionBatch, signal: AbortSignal): Promise<Prepared> =>
    prepare && batch.events.length > 0
      ? prepare(batch.events, signal)
      : // Without `prepare` the type parameter is its default, and without events nobody looks at it.
        (undefined as Prepared);

  const commit = ({ events, through }: SubscriptionBatch, prepared: Prepared): void => {
    // Without events the rows stay as they are, and the checkpoint may lag.
    if (events.length === 0 && now() - checkpointAt < IDLE_CHECKPOINT_MS) return;
    transaction(db, () => {
      for (const event of events) {
        current = event;
        apply(event, prepared);
      }
      current = undefined;
      if (events.length > 0) options.beforeCheckpoint?.();
      checkpoint.write(through);
    });
    checkpointAt = now();
  };

  const follow = async (signal: AbortSignal): Promise<void> => {
    const after = position ?? undefined;
    const subscription = store.subscribe({
      after,
      signal,
      batch: batchSize,
      ...(prefixes && { prefixes }),
    });
    for await (const batch of subscription) {
      commit(batch, await prepareBatch(batch, signal));
      position = batch.through;
      applied += batch.events.length;
      lastAt = batch.events.at(-1)?.metadata.at ?? lastAt;
      live = batch.live;
      failed = null;
      waiters.moved();
      if (batch.events.length > 0) onApplied?.(batch);
      if (batch.live && batch.events.length >= BUSY.events) {
        await delay(BUSY.waitMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends by itself
      }
    }
  };

  /** A log that ends before our checkpoint is an older copy: what we have is of events that never were. */
  const checkLog = async (): Promise<void> => {
    const head = await store.head();
    if (position === null || (head !== null && store.compare(position, head) <= 0)) return;
    rebuild();
    position = null;
    options.onDropped?.();
  };

  const fail = (error: unknown): FoldFailure => {
    live = false;
    const failure = {
      reason: messageOf(error),
      event: current
        ? { stream: current.stream, revision: current.revision, type: current.type }
        : null,
      attempts: (failed?.attempts ?? 0) + 1,
      since: failed?.since ?? now(),
    };
    current = undefined;
    failed = failure;
    return failure;
  };

  return {
    name,
    position: () => position,
    state: () => ({
      name,
      position,
      applied,
      live,
      lagMs: live ? 0 : Math.max(0, now() - (lastAt ?? now())),
      failed,
    }),
    waitFor: waiters.waitFor,
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          await checkLog();
          await follow(signal);
        } catch (error) {
          const { attempts } = fail(error);
          await delay(backoff(attempts, FOLD_RETRY, Math.random), undefined, { signal }).catch(
            () => undefined,
          );
        }
      }
      live = false;
      if (position !== null) checkpoint.write(position);
    },
  };
};
