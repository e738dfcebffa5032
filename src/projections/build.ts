/**
 * One build of the read models: a SQLite file with the rows of all models, their position, and their versions. Several
 * builds may exist beside each other. Each file says whether it is complete (docs/adr/0015).
 */
import type { DatabaseSync } from 'node:sqlite';
import { erasedIn } from '../actors/facts.ts';
import type { EventStore, Position, RecordedEvent, SubscriptionBatch } from '../eventstore/port.ts';
import { createFold, type Fold } from '../fold/fold.ts';
import { transaction } from '../sqlite/open.ts';
import { createTidy } from '../sqlite/tidy.ts';
import { createFile, fileOf, type Header, numbersAt, openFile, removeFile } from './build-file.ts';
import { openPersonal, type Personal } from './facts.ts';
import {
  applyToAll,
  INDEXES,
  nameOf,
  type Queries,
  queriesOf,
  SCHEMA,
  type Subject,
  sweepOf,
  TABLES,
  VERSIONS,
  type Versions,
} from './models.ts';
import { hasRemovals, removeWords } from './search-index.ts';
import { nextTurn } from './turns.ts';

export interface BuildOptions {
  /** The file's name without a number. Builds are `projections.db.1`, `projections.db.2` …, each with its own -wal. */
  readonly path: string;
  readonly store: EventStore;
  /** Opens personal data. */
  readonly open: Parameters<typeof openPersonal>[1];
  /**
   * Remembers the data key in an event of the log, so that `open` need not search for it. null where the log may still
   * have keys that were deleted: an EventStoreDB has them until its next scavenge.
   */
  readonly learn: ((event: RecordedEvent) => void) | null;
  /** As `forget` of the vault: a person was erased. */
  readonly forget: (person: string, generation: number, all?: boolean) => void;
  readonly now?: () => number;
  /** Called after the rows of a batch and before their checkpoint: a failpoint of tests. */
  readonly beforeCheckpoint?: () => void;
}

export interface Build {
  /** Later builds have higher numbers. */
  readonly number: number;
  readonly versions: Versions;
  /** Follows the log. Null for rows of other versions, which this program cannot continue. */
  readonly fold: Fold | null;
  /** True if the build once had everything that the log had. */
  complete(): boolean;
  /**
   * Removes some of the rows of tenants that were removed (removed-tenants.ts), and of the words that nobody finds any more
   * (search-index.ts). @returns true if there are more
   */
  tidy(): boolean;
  /** Adds the indexes that queries need, one in each turn of the event loop. */
  addIndexes(): Promise<void>;
  /** Makes it complete, on disk, for good. */
  markComplete(): void;
  position(): Position | null;
  queries<S extends Subject>(subject: S): Queries[S];
  close(): void;
  /** Closes the build and deletes its file. */
  remove(): void;
}

export interface BuildListener {
  /** Called after each commit with events. */
  onApplied(build: Build, batch: SubscriptionBatch): void;
  /** Called when the rows were dropped, because the log is an older copy. They are built again in the same file. */
  onDropped(build: Build): void;
}

/** A power cut may lose the last commits, rows and checkpoint together. They are folded again. */
const WHEN_COMPLETE = 'PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384';
/** After a power cut an incomplete build may be damaged: it is deleted and started again. The cache has 64 MiB. */
const WHILE_INCOMPLETE = 'PRAGMA synchronous = OFF; PRAGMA cache_size = -65536';

/**
 * Opens the newest complete build, and the newest build of today's versions that is not complete yet. All others are
 * deleted, as well as files that are damaged or belong to another log.
 */
export function openBuilds(
  options: BuildOptions,
  listener: BuildListener,
): { readonly current: Build | null; readonly next: Build | null; readonly lastNumber: number } {
  const numbers = numbersAt(options.path).sort((a, b) => b - a);
  let current: Build | null = null;
  let next: Build | null = null;
  for (const number of numbers) {
    const build = openBuild(options, number, listener);
    if (!build) continue;
    if (build.complete() && !current) current = build;
    else if (!build.complete() && build.fold && !next && !current) next = build;
    else build.remove();
  }
  return { current, next, lastNumber: numbers[0] ?? 0 };
}

/** @returns null for a file that is of no use; the file is deleted */
function openBuild(options: BuildOptions, number: number, listener: BuildListener): Build | null {
  const file = fileOf(options.path, number);
  const opened = openFile(file, options.store.id);
  return opened && createBuild(options, { number, file, ...opened }, listener);
}

/** Starts an empty build. */
export function startBuild(options: BuildOptions, number: number, listener: BuildListener): Build {
  const file = fileOf(options.path, number);
  const header: Header = { versions: VERSIONS, store: options.store.id, complete: false };
  return createBuild(options, { number, file, db: createFile(file, header), header }, listener);
}

interface BuildFile {
  readonly number: number;
  readonly file: string;
  readonly db: DatabaseSync;
  readonly header: Header;
}

function createBuild(
  options: BuildOptions,
  { number, file, db, header }: BuildFile,
  listener: BuildListener,
): Build {
  const { versions } = header;
  let { complete } = header;
  db.exec(complete ? WHEN_COMPLETE : WHILE_INCOMPLETE);
  const files = createTidy(() => [db]);
  // A process that was killed may have left words in the file.
  files.soon();
  let hasErased = true;
  const isCurrent = nameOf(versions) === nameOf(VERSIONS);
  const fold = isCurrent
    ? createModelFold(options, db, {
        onApplied: (batch) => listener.onApplied(build, batch),
        onDropped: () => {
          complete = false;
          db.exec(WHILE_INCOMPLETE);
          listener.onDropped(build);
        },
        onErased: () => {
          hasErased = true;
          files.soon();
        },
      })
    : null;
  const stored = fold ? null : storedPosition(db);
  const sweep = fold && sweepOf(db);
  const build: Build = {
    number,
    versions,
    fold,
    complete: () => complete,
    tidy: () => {
      if (sweep?.hasMore()) {
        if (!transaction(db, () => sweep.step())) files.later();
        return true;
      }
      if (!hasRemovals(db)) return false;
      const more = transaction(db, () => removeWords(db));
      if (more) return true;
      if (hasErased) files.soon();
      else files.later();
      hasErased = false;
      return false;
    },
    addIndexes: async () => {
      for (const sql of INDEXES) {
        db.exec(sql);
        await nextTurn();
      }
    },
    markComplete: () => {
      // The older build is deleted right after this. So the rows and the mark must survive a power cut.
      db.exec('PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)');
      db.exec('UPDATE build SET complete = 1');
      db.exec(WHEN_COMPLETE);
      complete = true;
    },
    position: () => (fold ? fold.position() : stored),
    queries: queriesOf(db),
    close: () => {
      files.stop();
      db.close();
    },
    remove: () => {
      files.stop();
      db.close();
      removeFile(file);
    },
  };
  return build;
}

/** One fold for all models: each event is read and opened once, and one position covers every row. */
const createModelFold = (
  { store, open, learn, forget, now, beforeCheckpoint }: BuildOptions,
  db: DatabaseSync,
  listener: { onApplied(batch: SubscriptionBatch): void; onDropped(): void; onErased(): void },
): Fold =>
  createFold<Personal>({
    name: `projections ${nameOf(VERSIONS)}`,
    version: 1,
    db,
    store,
    // Every stream: the index of streams has them all. A data key comes before what it seals (docs/names.md).
    // If the fold drops the rows, the build is no longer complete. Both happen in one transaction.
    schema: `${SCHEMA} UPDATE build SET complete = 0;`,
    tables: TABLES,
    prepare: (events) => {
      for (const event of events) {
        learn?.(event);
        const erased = erasedIn(event);
        if (erased) forget(erased.person, erased.generation, erased.all);
      }
      return openPersonal(events, open);
    },
    apply: applyToAll,
    onApplied: (batch) => {
      listener.onApplied(batch);
      if (batch.events.some((event) => erasedIn(event))) listener.onErased();
    },
    onDropped: () => listener.onDropped(),
    ...(now && { now }),
    ...(beforeCheckpoint && { beforeCheckpoint }),
  });

/** The position of rows that no fold follows any more. */
const storedPosition = (db: DatabaseSync): Position | null => {
  const row = db.prepare('SELECT position FROM checkpoints').get();
  // Only a fold writes this column.
  return (row?.position ?? null) as Position | null;
};
