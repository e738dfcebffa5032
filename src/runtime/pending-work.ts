/**
 * The tables of pending work: a cache in a file of its own, folded from the log. All tables share one fold, so that a
 * batch of facts costs one transaction. The file may be deleted at any time.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { forgetUnlessAlone } from '../fold/checkpoint.ts';
import { createFold, type Fold } from '../fold/fold.ts';
import { openDatabase } from '../sqlite/open.ts';
import { withoutCause } from './cause.ts';
import { type ForgetTenant, removedTenant } from './removed-tenant.ts';

/** "xCWk" */
const APPLICATION_ID = 0x7843576b;

/** One table of pending work, or a few that change together, and how facts change them. */
export interface WorkTable {
  readonly name: string;
  /** Raise it when `schema` or `apply` changes: all tables of the file are then built again. */
  readonly version: number;
  readonly schema: string;
  /** The names of the tables that `schema` creates. */
  readonly tables: readonly string[];
  /** Prepares its statements. The result is called for each fact, inside the transaction. */
  readonly apply: (db: DatabaseSync) => (event: RecordedEvent) => void;
  /** Prepares the statements that delete the rows of a tenant that was removed. */
  readonly forget: (db: DatabaseSync) => ForgetTenant;
}

export interface CommitListener {
  /** Called after the commit of a batch, with the events of the batch. Must not throw. */
  onCommit(events: readonly RecordedEvent[]): void;
}

export interface PendingWork extends Fold {
  /** Adds a listener. Listeners are called in the order in which they were added. */
  subscribe(listener: CommitListener): void;
  /**
   * Resolves when the tables contain everything up to the present end of the log. Waits as long as the fold advances.
   * @throws {AppError} `timeout` when the fold has not advanced for {@link CATCH_UP_STALL_MS}
   */
  caughtUp(): Promise<void>;
}

/** A fold that has not advanced for so long is stuck. */
export const CATCH_UP_STALL_MS = 60_000;

export const openWorkFile = (path: string): DatabaseSync =>
  openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: '',
    synchronous: 'NORMAL',
    disposable: true,
    secureDelete: true,
  });

/** Streams of actors, of lanes and dead letters, of unusable webhook events, and of leases. */
const PREFIXES = ['visitor-', 'operator-', 'tenant-', 'lane-', 'inbox-', 'letter-', 'lease-'];

export function createPendingWork(options: {
  db: DatabaseSync;
  store: EventStore;
  tables: readonly WorkTable[];
  logger: Logger;
  /**
   * Called before the transaction of a batch: opens what tables need of its sealed parts, and forgets what is in other
   * files. If the process ends before the commit, the batch comes again.
   */
  prepare?: (events: readonly RecordedEvent[]) => Promise<void>;
  /** Called when the rows were dropped because the log turned out to be an older copy. They are built again. */
  onDropped?: () => void;
  /** Called between the rows of a batch and their checkpoint: a failpoint of tests. */
  beforeCheckpoint?: () => void;
}): PendingWork {
  const { db, store, tables, logger, beforeCheckpoint = () => undefined } = options;
  const { prepare = () => Promise.resolve(), onDropped = () => undefined } = options;
  const listeners: CommitListener[] = [];
  const name = tables.map((table) => `${table.name}/${table.version}`).join(' ');
  forgetUnlessAlone(db, name);
  const fold = createFold({
    name,
    version: 1,
    db,
    store,
    prefixes: PREFIXES,
    schema: tables.map(({ schema }) => schema).join('\n'),
    tables: tables.flatMap((table) => table.tables),
    apply: (file) => {
      const all = tables.map((table) => table.apply(file));
      const forgetAll = tables.map((table) => table.forget(file));
      return (event) => {
        for (const apply of all) apply(event);
        const tenant = removedTenant(event);
        if (tenant !== null) for (const forget of forgetAll) forget(tenant);
      };
    },
    prepare,
    onDropped,
    beforeCheckpoint,
    // A request may have hurried the fold. What follows is for the facts.
    onApplied: ({ events }) =>
      withoutCause(() => {
        for (const listener of listeners) listener.onCommit(events);
      }),
  });
  return {
    ...fold,
    subscribe: (listener) => void listeners.push(listener),
    caughtUp: () => catchUp(fold, store, logger),
  };
}

async function catchUp(fold: Fold, store: EventStore, logger: Logger): Promise<void> {
  const head = await store.head();
  for (let before = -1; head !== null; ) {
    try {
      return await fold.waitFor(head, CATCH_UP_STALL_MS);
    } catch (error) {
      const { eventsApplied } = fold.state();
      if (eventsApplied === before) throw error;
      before = eventsApplied;
      logger.info({ eventsApplied }, 'catching up with the log');
    }
  }
}
