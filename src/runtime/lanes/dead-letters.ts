/**
 * Dead letters: webhook events that cannot be used, and effects that were given up. They wait for a person. This file
 * has what a person can do with a letter; dead-letter-table.ts has the table, and dead-letter-expiry.ts ends their time.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { Lru } from '../../kit/lru.ts';
import { causedBy } from '../cause.ts';
import type { CommitListener } from '../pending-work.ts';
import type { DeadLetter, DeadLetters, LetterPage, LetterRequest, Vault } from '../ports.ts';
import { createServiceFacts } from '../service-facts.ts';
import { countsOf, type LetterCount, type LetterRow, selectLetters } from './dead-letter-table.ts';
import type { Destination } from './destination.ts';

/** How long an effect that is sent again may take. */
export const SEND_AGAIN_MS = 30_000;
/** Events of letters that are read at the same time for a page of the list. */
const EVENTS_READ_AT_ONCE = 16;
/** Letters that are done and that the fold has not removed yet. */
const LETTERS_DONE = 10_000;

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
  async function end({ id, tenant }: LetterRow, type: string): Promise<void> {
    const fact = {
      type,
      data: { letter: id },
      tenant,
      cause: { correlationId: id, causationId: id },
    };
    await facts.append(`letter-${id}`, [fact], 'any');
    state.done.set(id, true);
  }

  /** Runs one thing at a time for a letter: its message must not go out twice, nor after it was discarded. */
  async function alone(id: string, work: (row: LetterRow) => Promise<void>): Promise<void> {
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

/** The newest first. */
async function listLetters(
  { db, store, done }: State,
  { tenant, person, cursor, limit }: LetterRequest,
): Promise<LetterPage> {
  if (cursor !== undefined && !/^[0-9]{1,15}$/.test(cursor)) {
    throw new AppError('invalid', 'is not a cursor of this list; use `next` of its last page', {
      field: 'cursor',
    });
  }
  const rows = selectLetters(
    db,
    `WHERE (?1 IS NULL OR tenant = ?1) AND number < ?2 AND (?4 IS NULL OR person = ?4)
     ORDER BY number DESC LIMIT ?3`,
    [
      tenant ?? null,
      cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor),
      limit + 1,
      person ?? null,
    ],
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

const find = ({ db, done }: State, id: string): LetterRow | undefined =>
  done.peek(id) ? undefined : selectLetters(db, 'WHERE id = ?', [id])[0];

/** @throws {AppError} `not-found` */
function existing(state: State, id: string): LetterRow {
  const row = find(state, id);
  if (row) return row;
  throw new AppError('not-found', `there is no dead letter ${id}`);
}

/** @param event null if it is gone */
function letterOf(
  { revision: _revision, number: _number, ...letter }: LetterRow,
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

async function eventOf(store: EventStore, { stream, revision }: LetterRow): Promise<RecordedEvent> {
  const event = await eventAt(store, stream, revision);
  if (event) return event;
  throw new AppError('not-found', `its event is gone from ${stream}: it was deleted`);
}

async function performAgain(
  { destinations }: DeadLettersOptions,
  row: LetterRow,
  event: RecordedEvent,
): Promise<void> {
  const destination = destinations.find(({ name }) => name === row.destination);
  if (!destination) throw new AppError('refused', `there is no destination ${row.destination}`);
  const outcome = await causedBy(event, () =>
    destination.perform(event, AbortSignal.timeout(SEND_AGAIN_MS), true),
  );
  if (outcome.kind === 'done') return;
  if (outcome.kind === 'dead') {
    throw new AppError('refused', `${row.destination} refused it: ${outcome.reason}`);
  }
  const publicMessage = `${row.destination} cannot take it now: ${outcome.reason}`;
  throw new AppError('unavailable', publicMessage, { publicMessage }); // the caller is the administrator
}

async function takeAgain(
  { vault, again }: DeadLettersOptions,
  { id }: LetterRow,
  event: RecordedEvent,
): Promise<void> {
  const opened = await vault.open(event);
  if (!opened) throw new AppError('refused', 'its person was erased');
  await again(opened.content, `again:${id}`);
}
