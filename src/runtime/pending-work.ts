/**
 * The table of pending work: a cache in a file of its own, folded from the log. Its parts (deadlines, lanes, what each
 * reactor must know) share one fold, so that a batch of facts costs one transaction. It may be deleted at any time.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { EventStore, RecordedEvent, SubscriptionBatch } from '../eventstore/port.ts';
import { createFold, type Fold } from '../fold/fold.ts';
import { openDatabase } from '../sqlite/open.ts';

/** "xCWk" */
const APPLICATION_ID = 0x7843576b;

export interface WorkPart {
  readonly name: string;
  /** Raise it when the tables or `apply` change: all parts are then built anew. */
  readonly version: number;
  readonly schema: string;
  readonly tables: readonly string[];
  /** Prepares its statements; the result is called for every fact, inside the transaction. */
  readonly apply: (db: DatabaseSync) => (event: RecordedEvent) => void;
  /** Told after the commit, with events of the batch. */
  readonly applied?: (batch: SubscriptionBatch) => void;
}

export const openWorkFile = (path: string): DatabaseSync =>
  openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: '',
    synchronous: 'NORMAL',
    disposable: true,
  });

/** What the log says about actors, about what was done and about who does it. */
const PREFIXES = ['visitor-', 'operator-', 'tenant-', 'lane-', 'inbox-', 'letter-', 'lease-'];

/** @param beforeCheckpoint called between the rows of a batch and their checkpoint: a failpoint of tests */
export function createWork(
  db: DatabaseSync,
  store: EventStore,
  parts: readonly WorkPart[],
  beforeCheckpoint: () => void = () => {},
): Fold {
  return createFold({
    name: parts.map((part) => `${part.name}/${part.version}`).join(' '),
    version: 1,
    db,
    store,
    prefixes: PREFIXES,
    schema: parts.map((part) => part.schema).join('\n'),
    tables: parts.flatMap((part) => part.tables),
    apply: (file) => {
      const all = parts.map((part) => part.apply(file));
      return (event) => {
        for (const apply of all) apply(event);
      };
    },
    beforeCheckpoint,
    onApplied: (batch) => {
      for (const part of parts) part.applied?.(batch);
    },
  });
}
