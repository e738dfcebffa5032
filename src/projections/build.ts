/**
 * One build of the read models: a SQLite file with all their rows, how far they are, and what they mean. Several may
 * stand beside each other; what is written in each says which one is whole (docs/adr/0015).
 */
import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { hasCode } from '../errors.ts';
import type { EventStore, Position, SubscriptionBatch } from '../eventstore/port.ts';
import { createFold, type Fold } from '../fold/fold.ts';
import { openDatabase, transaction } from '../sqlite/open.ts';
import { openPersonal, type Personal } from './facts.ts';
import {
  applyToAll,
  nameOf,
  type Queries,
  queriesOf,
  SCHEMA,
  type Subject,
  TABLES,
  VERSIONS,
  type Versions,
} from './models.ts';

/** What a build is made with. */
export interface BuildOptions {
  /** The file's name without a number: builds are `projections.db.1`, `projections.db.2` …, each with its own -wal. */
  readonly path: string;
  readonly store: EventStore;
  /** Opens personal data. */
  readonly open: Parameters<typeof openPersonal>[1];
  readonly now?: () => number;
  /** Called between the rows of a batch and their checkpoint: a failpoint of tests. */
  readonly beforeCheckpoint?: () => void;
}

export interface Build {
  /** Later ones have higher numbers. */
  readonly number: number;
  readonly versions: Versions;
  /** Follows the log into it; null where this program does not know how: rows of other versions stay as they are. */
  readonly fold: Fold | null;
  /** Whether it had all that the log held at some time: nothing half-built is. */
  complete(): boolean;
  /** Says so, on disk, for good. */
  markComplete(): void;
  position(): Position | null;
  queries<S extends Subject>(subject: S): Queries[S];
  close(): void;
  /** Closes it and deletes the file. */
  remove(): void;
}

/** What is told of builds. */
export interface Told {
  /** After each commit with events. */
  applied(build: Build, batch: SubscriptionBatch): void;
  /** Its rows were dropped: the log is an older copy. It is being built anew in its place. */
  dropped(build: Build): void;
}

/** "xCPr" */
const APPLICATION_ID = 0x78435072;
const SCHEMA_OF_BUILD = `
  CREATE TABLE build (
    versions TEXT NOT NULL,
    store TEXT NOT NULL,
    complete INTEGER NOT NULL
  ) STRICT;
`;
/** A file of a release that had one build only: the sum of its versions was 3. */
const FIRST = { number: 0, checkpoint: 3, versions: { visitors: 1, messages: 1, operators: 1 } };

const openFile = (file: string): DatabaseSync =>
  openDatabase(file, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: '',
    // After a power cut the last commits may be gone, rows and checkpoint together: they are folded again.
    synchronous: 'NORMAL',
  });

const removeFile = (file: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
};

const fileOf = (path: string, number: number): string =>
  number === FIRST.number ? path : `${path}.${number}`;

/** The numbers of the builds that have a file. */
function numbersAt(path: string): number[] {
  const first = basename(path);
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => {
    if (name === first) return [FIRST.number];
    const number = name.startsWith(`${first}.`) ? name.slice(first.length + 1) : '';
    return /^[1-9][0-9]{0,14}$/.test(number) ? [Number(number)] : [];
  });
}

interface Written {
  readonly versions: Versions;
  readonly store: string;
  readonly complete: boolean;
}

/** What a file says of itself; null when it says nothing that is understood. */
function written(db: DatabaseSync): Written | null {
  const has = (table: string) =>
    db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(table);
  if (has('build')) {
    const row = db.prepare('SELECT versions, store, complete FROM build').get();
    // `startBuild` alone writes this row.
    return row
      ? {
          versions: JSON.parse(String(row.versions)),
          store: String(row.store),
          complete: row.complete === 1,
        }
      : null;
  }
  if (!has('checkpoints')) return null;
  const row = db
    .prepare(`SELECT store FROM checkpoints WHERE name = 'projections' AND version = ?`)
    .get(FIRST.checkpoint);
  // It may have been in the middle of a rebuild, and does not say so: shown for a while, as it was until now.
  return row ? { versions: FIRST.versions, store: String(row.store), complete: true } : null;
}

/**
 * Opens what there is: the whole build to show, if any, and the one that was being built. All others are deleted, also
 * what is damaged, of another log, or half-built for another version.
 */
export function openBuilds(
  options: BuildOptions,
  told: Told,
): { readonly shown: Build | null; readonly building: Build | null; readonly last: number } {
  const numbers = numbersAt(options.path).sort((a, b) => b - a);
  let shown: Build | null = null;
  let building: Build | null = null;
  for (const number of numbers) {
    const build = reopen(options, number, told);
    if (!build) continue;
    const current = nameOf(build.versions) === nameOf(VERSIONS);
    if (build.complete() && !shown) shown = build;
    else if (!build.complete() && current && !building && !shown) building = build;
    else build.remove();
  }
  return { shown, building, last: numbers[0] ?? FIRST.number };
}

/** @returns null for a file that is of no use; it is deleted */
function reopen(options: BuildOptions, number: number, told: Told): Build | null {
  const file = fileOf(options.path, number);
  let db: DatabaseSync;
  try {
    db = openFile(file);
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error;
    removeFile(file);
    return null;
  }
  const found = written(db);
  if (!found || found.store !== options.store.id) {
    db.close();
    removeFile(file);
    return null;
  }
  return createBuild(options, { number, file, db, ...found }, told);
}

/** Begins a new build, with nothing in it. */
export function startBuild(options: BuildOptions, number: number, told: Told): Build {
  const file = fileOf(options.path, number);
  removeFile(file);
  const db = openFile(file);
  transaction(db, () => {
    db.exec(SCHEMA_OF_BUILD);
    db.prepare('INSERT INTO build VALUES (?, ?, 0)').run(
      JSON.stringify(VERSIONS),
      options.store.id,
    );
  });
  const opened = { number, file, db, versions: VERSIONS, complete: false };
  return createBuild(options, opened, told);
}

function createBuild(
  { store, open, now, beforeCheckpoint }: BuildOptions,
  opened: {
    readonly number: number;
    readonly file: string;
    readonly db: DatabaseSync;
    readonly versions: Versions;
    readonly complete: boolean;
  },
  told: Told,
): Build {
  const { number, file, db, versions } = opened;
  let complete = opened.complete;
  const current = nameOf(versions) === nameOf(VERSIONS);
  // One fold for all models: each event is read and opened once, and one position covers every row.
  const fold = current
    ? createFold<Personal>({
        name: `projections ${nameOf(VERSIONS)}`,
        version: 1,
        db,
        store,
        prefixes: ['visitor-', 'operator-'],
        // When rows are dropped in place, in the same transaction: what follows is half-built.
        schema: `${SCHEMA} UPDATE build SET complete = 0;`,
        tables: TABLES,
        prepare: (events) => openPersonal(events, open),
        apply: applyToAll,
        onApplied: (batch) => told.applied(build, batch),
        onDropped: () => {
          complete = false;
          told.dropped(build);
        },
        ...(now && { now }),
        ...(beforeCheckpoint && { beforeCheckpoint }),
      })
    : null;
  const standing = fold ? null : standingAt(db);
  const build: Build = {
    number,
    versions,
    fold,
    complete: () => complete,
    markComplete: () => {
      // The older build is deleted behind it: this has to be there after a power cut, too.
      db.exec('PRAGMA synchronous = FULL');
      db.exec('UPDATE build SET complete = 1');
      db.exec('PRAGMA synchronous = NORMAL');
      complete = true;
    },
    position: () => (fold ? fold.position() : standing),
    queries: queriesOf(db),
    close: () => db.close(),
    remove: () => {
      db.close();
      removeFile(file);
    },
  };
  return build;
}

/** How far rows are that nothing follows any more. */
const standingAt = (db: DatabaseSync): Position | null => {
  const row = db.prepare('SELECT position FROM checkpoints').get();
  // A fold alone writes this column.
  return (row?.position ?? null) as Position | null;
};
