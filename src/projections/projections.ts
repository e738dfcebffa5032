/** The read models, in one disposable SQLite file: deleted, they are built again from the log, and nothing else happens. */
import { actorOf } from '../actors/ids.ts';
import { AppError } from '../errors.ts';
import type { EventStore, JsonObject, Position, Sealed } from '../eventstore/port.ts';
import { createFold, type FoldState } from '../sqlite/fold.ts';
import { openDatabase } from '../sqlite/open.ts';
import { openPersonal, operatorFact, type Personal, visitorFact } from './facts.ts';
import {
  applyToMessages,
  MESSAGES_SCHEMA,
  MESSAGES_TABLES,
  MESSAGES_VERSION,
  type MessageQueries,
  messageQueries,
} from './messages.ts';
import { type OperatorQueries, operatorQueries } from './operator-queries.ts';
import {
  applyToOperators,
  OPERATORS_SCHEMA,
  OPERATORS_TABLES,
  OPERATORS_VERSION,
} from './operators.ts';
import { type VisitorQueries, visitorQueries } from './visitor-queries.ts';
import { applyToVisitors, VISITORS_SCHEMA, VISITORS_TABLES, VISITORS_VERSION } from './visitors.ts';

export interface Projections {
  readonly visitors: VisitorQueries;
  readonly messages: MessageQueries;
  readonly operators: OperatorQueries;
  /**
   * Resolves when everything up to this position is in the rows.
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** Everything up to here is in the rows; null before the first batch. */
  position(): Position | null;
  /** 0 when live; else how old the last applied event is, in ms. */
  lag(): number;
  state(): FoldState;
  /** Resolves while the log is being followed. @throws {AppError} `unavailable` with what stops it */
  check(): Promise<void>;
  /** Follows the log; resolves when the signal was aborted and the last transaction is done. */
  start(signal: AbortSignal): Promise<void>;
  /** Only after `start` has resolved. */
  close(): void;
}

/** "xCPr" */
const APPLICATION_ID = 0x78435072;

/**
 * Opens the read models.
 * @param options.path the SQLite file; one that is damaged or of another version is deleted and built anew
 * @param options.vault opens personal data; what it can no longer open (an erased person) is null in the rows
 */
export function createProjections(options: {
  readonly path: string;
  readonly store: EventStore;
  readonly vault: { open(sealed: Sealed): Promise<JsonObject | null> };
  readonly now?: () => number;
  /** Called between the rows of a batch and their checkpoint: a failpoint of tests. */
  readonly beforeCheckpoint?: () => void;
}): Projections {
  const { path, store, vault, now, beforeCheckpoint } = options;
  const db = openDatabase(path, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: '',
    // After a power cut the last commits may be gone, rows and checkpoint together: they are folded again.
    synchronous: 'NORMAL',
    disposable: true,
  });

  // One fold for all: each event is read and opened once, and one position covers every row.
  const fold = createFold<Personal>({
    name: 'projections',
    version: VISITORS_VERSION + MESSAGES_VERSION + OPERATORS_VERSION, // each only grows
    db,
    store,
    prefixes: ['visitor-', 'operator-'],
    schema: VISITORS_SCHEMA + MESSAGES_SCHEMA + OPERATORS_SCHEMA,
    tables: [...VISITORS_TABLES, ...MESSAGES_TABLES, ...OPERATORS_TABLES],
    prepare: (events) => openPersonal(events, (sealed) => vault.open(sealed)),
    apply: (prepared) => {
      const toVisitors = applyToVisitors(prepared);
      const toMessages = applyToMessages(prepared);
      const toOperators = applyToOperators(prepared);
      return (event, personal) => {
        const actor = actorOf(event.stream);
        if (!actor || actor.kind === 'tenant') return;
        const { tenant, name } = actor;
        const recorded = { tenant, name, revision: event.revision, at: event.metadata.at };
        if (actor.kind === 'operator') return toOperators(operatorFact(event, personal), recorded);
        const fact = visitorFact(event, personal);
        toVisitors(fact, recorded);
        toMessages(fact, recorded);
      };
    },
    ...(now && { now }),
    ...(beforeCheckpoint && { beforeCheckpoint }),
  });

  return {
    visitors: visitorQueries(db),
    messages: messageQueries(db),
    operators: operatorQueries(db),
    waitFor: fold.waitFor,
    position: fold.position,
    lag: () => fold.state().lagMs,
    state: fold.state,
    check: async () => {
      const { failed } = fold.state();
      if (failed) {
        throw new AppError('unavailable', `read models are not following: ${failed.reason}`);
      }
    },
    start: fold.run,
    close: () => db.close(),
  };
}
