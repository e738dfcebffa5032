/**
 * Dead letters: webhook events that cannot be used, and effects that were given up. They wait for a person. This file
 * has the table and what a person can do with a letter; dead-letter-expiry.ts ends their time.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { Lru } from '../../kit/lru.ts';
import type { CommitListener, WorkTable } from '../pending-work.ts';
import type { DeadLetter, DeadLetters, LetterPage, LetterRequest, Vault } from '../ports.ts';
import { createServiceFacts } from '../service-facts.ts';
import type { Destination } from './destination.ts';
import { parseLaneAdvance } from './log.ts';

/**
 * Letters of one tenant. One more drops the oldest effect, because its fact stays in the log; then the oldest event. All
 * letters of no tenant together have the same bound.
 */
export const MAX_LETTERS_PER_TENANT = 1_000;
/** The reason of a letter at most, in UTF-16 units. The log has all of it. */
export const MAX_LETTER_REASON_CHARACTERS = 500;
/** How long an effect that is sent again may take. */
export const SEND_AGAIN_MS = 30_000;
/** Events of letters that are read at the same time for a page of the list. */
const EVENTS_READ_AT_ONCE = 16;
/** Letters that are done and that the fold has not removed yet. */
const LETTERS_DONE = 10_000;

const COLUMNS = "id, nullif(tenant, '') AS tenant, at, kind, stream, revision, destination, reason";

interface Row extends Omit<DeadLetter, 'type' | 'operator'> {
  /** Of the event in `stream` that could not be used, or whose effect was given up. */
  readonly revision: number;
  /** Letters are numbered in the order of the log. */
  readonly number: number;
}

export const DEAD_LETTERS_TABLE: WorkTable = {
  name: 'dead-letters',
  version: 2,
  // The tenant '' stands for none. Everything here follows from the log alone, so that a table built anew is the same.
  schema: `
    CREATE TABLE dead_letters (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      at INTEGER NOT NULL,
      kind TEXT NOT NULL,
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      destination TEXT NOT NULL,
      reason TEXT NOT NULL
    ) STRICT;
    -- An append without an answer may be repeated: it is still one letter.
    CREATE UNIQUE INDEX dead_letters_once ON dead_letters (stream, revision, destination);
    CREATE INDEX dead_letters_of_tenant ON dead_letters (tenant, kind, number);
    CREATE TABLE dead_letters_dropped (
      tenant TEXT PRIMARY KEY,
      letters INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['dead_letters', 'dead_letters_dropped'],
  apply: (file) => {
    const keep = keepLetters(file);
    const drop = file.prepare('DELETE FROM dead_letters WHERE id = ?');
    const expire = file.prepare('DELETE FROM dead_letters WHERE tenant = ? AND at < ?');
    return (event) => {
      const { id, type, data, metadata, stream, revision } = event;
      const tenant = metadata.tenant ?? '';
      const { at } = metadata;
      if (type === 'EventSetAside') {
        const reason = String(data.reason);
        const destination = 'service';
        keep({ id, tenant, at, kind: 'webhook', stream, revision, destination, reason });
      } else if (type === 'DeadLetterResent' || type === 'DeadLetterDiscarded') {
        drop.run(String(data.letter));
      } else if (type === 'DeadLettersExpired') {
        expire.run(tenant, Number(data.before));
      } else {
        const lane = parseLaneAdvance(event);
        if (!lane?.dead) return;
        const { dead: reason, ...effect } = lane;
        keep({ id, tenant, at, kind: 'effect', reason, ...effect });
      }
    };
  },
};

/** Adds a letter, and drops one if its tenant has too many. `kind` sorts effects before webhook events. */
function keepLetters(file: DatabaseSync) {
  const add = file.prepare(
    `INSERT OR REPLACE INTO dead_letters
     (id, tenant, at, kind, stream, revision, destination, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const count = file.prepare('SELECT count(*) AS n FROM dead_letters WHERE tenant = ?');
  const dropOldest = file.prepare(
    `DELETE FROM dead_letters WHERE number =
     (SELECT number FROM dead_letters WHERE tenant = ? ORDER BY kind, number LIMIT 1)`,
  );
  const countDropped = file.prepare(
    `INSERT INTO dead_letters_dropped VALUES (?, 1)
     ON CONFLICT DO UPDATE SET letters = letters + 1`,
  );
  return (letter: Omit<Row, 'number'> & { readonly tenant: string }): void => {
    const { id, tenant, at, kind, stream, revision, destination, reason } = letter;
    const short = reason.slice(0, MAX_LETTER_REASON_CHARACTERS).toWellFormed();
    add.run(id, tenant, at, kind, stream, revision, destination, short);
    if (Number(count.get(tenant)?.n) <= MAX_LETTERS_PER_TENANT) return;
    dropOldest.run(tenant);
    countDropped.run(tenant);
  };
}

interface DeadLettersOptions {
  readonly db: DatabaseSync;
  readonly store: EventStore;
  readonly vault: Vault;
  readonly destinations: readonly Destination[];
  /** Carries out a webhook event as a new command. */
  readonly again: (content: unknown, commandId: string) => Promise<void>;
  readonly now: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
}

/** The letters of one tenant in numbers. */
export interface LetterCount {
  readonly tenant: string | null;
  /** Letters that wait. */
  readonly letters: number;
  /** Letters that were dropped because there were too many. */
  readonly dropped: number;
}

/** Subscribe it to the pending work, so that it can log what was dropped. */
export interface DeadLetterOffice extends DeadLetters, CommitListener {
  /** Tenants with letters, or with dropped ones. */
  counts(): readonly LetterCount[];
}

interface State extends DeadLettersOptions {
  /** Letters that are done, though the fold has not removed them yet. */
  readonly done: Lru<true>;
  /** Dropped letters of each tenant that the log of this process has told of. */
  readonly droppedSeen: Map<string | null, number>;
}

export function createDeadLetters(options: DeadLettersOptions): DeadLetterOffice {
  const { db, store, vault } = options;
  const state: State = { ...options, done: new Lru(LETTERS_DONE), droppedSeen: new Map() };
  const facts = createServiceFacts(options);
  /** Letters that a request works on. */
  const underWay = new Set<string>();

  /** Writes that a letter is done. The fold removes it, as it does in every other process. */
  async function end({ id, tenant }: Row, type: string): Promise<void> {
    const fact = { type, data: { letter: id }, tenant, causationId: id };
    await facts.append(`letter-${id}`, [fact], 'any');
    state.done.set(id, true);
  }

  /** Runs one thing at a time for a letter: its message must not go out twice, nor after it was discarded. */
  async function alone(id: string, work: (row: Row) => Promise<void>): Promise<void> {
    const row = existing(state, id);
    if (underWay.has(id)) {
      throw new AppError(
        'conflict',
        `another request sends or discards dead letter ${id} just now`,
      );
    }
    underWay.add(id);
    try {
      await work(row);
    } finally {
      underWay.delete(id);
    }
  }

  return {
    counts: () => countsOf(db),
    onCommit: (events) => logDropped(state, events),
    list: async (request) => listLetters(state, request),
    async show(id) {
      const row = find(state, id);
      if (!row) return null;
      const event = await eventOf(store, row);
      const { type, data } = event;
      return {
        ...letterOf(row, event),
        content: { type, data, personal: await vault.open(event) },
      };
    },
    sendAgain: (id) =>
      alone(id, async (row) => {
        const event = await eventOf(store, row);
        if (row.kind === 'effect') await performAgain(options, row, event);
        else await takeAgain(options, row, event);
        await end(row, 'DeadLetterResent');
      }),
    discard: (id) => alone(id, (row) => end(row, 'DeadLetterDiscarded')),
  };
}

function countsOf(db: DatabaseSync): readonly LetterCount[] {
  const rows = db
    .prepare(
      `SELECT nullif(tenant, '') AS tenant, sum(letters) AS letters, sum(dropped) AS dropped FROM (
         SELECT tenant, count(*) AS letters, 0 AS dropped FROM dead_letters GROUP BY tenant
         UNION ALL SELECT tenant, 0, letters FROM dead_letters_dropped)
       GROUP BY 1 ORDER BY 1`,
    )
    .all();
  return rows as unknown as LetterCount[]; // the columns of the statement
}

function logDropped(state: State, events: readonly RecordedEvent[]): void {
  if (!events.some(({ type, data }) => type === 'EventSetAside' || data.dead !== undefined)) return;
  for (const { tenant, dropped } of countsOf(state.db)) {
    const seen = state.droppedSeen.get(tenant) ?? 0;
    state.droppedSeen.set(tenant, dropped);
    if (dropped <= seen) continue;
    const about = { tenant, dropped: dropped - seen };
    state.logger.warn(about, 'dead letters were dropped: the tenant had too many');
  }
}

/** @param tail the end of the statement, behind the name of the table */
const select = (db: DatabaseSync, tail: string, values: readonly SQLInputValue[]): Row[] =>
  // The columns are those of the table above.
  db
    .prepare(`SELECT number, ${COLUMNS} FROM dead_letters ${tail}`)
    .all(...values) as unknown as Row[];

/** The newest first. */
async function listLetters(
  { db, store, done }: State,
  { tenant, cursor, limit }: LetterRequest,
): Promise<LetterPage> {
  if (cursor !== undefined && !/^[0-9]{1,15}$/.test(cursor)) {
    throw new AppError('invalid', 'is not a cursor of this list; use `next` of its last page', {
      field: 'cursor',
    });
  }
  const rows = select(
    db,
    `WHERE (?1 IS NULL OR tenant = ?1) AND number < ?2 ORDER BY number DESC LIMIT ?3`,
    [tenant ?? null, cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor), limit + 1],
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const limited = createLimiter(EVENTS_READ_AT_ONCE);
  const items = page
    .filter(({ id }) => !done.peek(id))
    .map((row) =>
      limited(async () => letterOf(row, await eventAt(store, row.stream, row.revision))),
    );
  return {
    items: await Promise.all(items),
    next: last && rows.length > limit ? String(last.number) : null,
  };
}

const find = ({ db, done }: State, id: string): Row | undefined =>
  done.peek(id) ? undefined : select(db, 'WHERE id = ?', [id])[0];

/** @throws {AppError} `not-found` */
function existing(state: State, id: string): Row {
  const row = find(state, id);
  if (row) return row;
  throw new AppError('not-found', `there is no dead letter ${id}`);
}

/** @param event null if it is gone */
function letterOf(
  { revision: _revision, number: _number, ...letter }: Row,
  event: RecordedEvent | null,
): DeadLetter {
  const { stream, kind } = letter;
  const actor = actorOf(stream);
  const named = event?.data.operator ?? (actor?.kind === 'operator' ? actor.name : null);
  return {
    ...letter,
    type: event && (kind === 'webhook' ? 'message' : event.type),
    operator: typeof named === 'string' ? named : null,
  };
}

async function eventOf(store: EventStore, { stream, revision }: Row): Promise<RecordedEvent> {
  const event = await eventAt(store, stream, revision);
  if (event) return event;
  throw new AppError('not-found', `its event is gone from ${stream}: it was deleted`);
}

async function performAgain(
  { destinations }: DeadLettersOptions,
  row: Row,
  event: RecordedEvent,
): Promise<void> {
  const destination = destinations.find(({ name }) => name === row.destination);
  if (!destination) throw new AppError('refused', `there is no destination ${row.destination}`);
  const outcome = await destination.perform(event, AbortSignal.timeout(SEND_AGAIN_MS), true);
  if (outcome.kind === 'done') return;
  if (outcome.kind === 'dead') {
    throw new AppError('refused', `${row.destination} refused it: ${outcome.reason}`);
  }
  const reason = 'reason' in outcome ? outcome.reason : 'its chat or its callbacks have to wait';
  const publicMessage = `${row.destination} cannot take it now: ${reason}`;
  throw new AppError('unavailable', publicMessage, { publicMessage }); // the caller is the administrator
}

async function takeAgain(
  { vault, again }: DeadLettersOptions,
  { id }: Row,
  event: RecordedEvent,
): Promise<void> {
  const opened = await vault.open(event);
  if (!opened) throw new AppError('refused', 'its person was erased');
  await again(opened.content, `again:${id}`);
}
