/** Dead letters: webhook events that cannot be used, and effects that were given up. They wait for a person. */
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { WorkTable } from '../pending-work.ts';
import type { DeadLetter, DeadLetters, Vault } from '../ports.ts';
import { createServiceFacts } from '../service-facts.ts';
import type { Destination } from './destination.ts';
import { parseLaneAdvance } from './log.ts';

/** Letters in a list, the newest first. */
export const LETTERS_LISTED = 1_000;
/** How long an effect that is sent again may take. */
export const SEND_AGAIN_MS = 30_000;

const COLUMNS = 'id, tenant, at, kind, stream, revision, destination, reason';

interface Row extends DeadLetter {
  /** Of the event in `stream` that could not be used, or whose effect was given up. */
  readonly revision: number;
}

export const DEAD_LETTERS_TABLE: WorkTable = {
  name: 'dead-letters',
  version: 1,
  schema: `
    CREATE TABLE dead_letters (
      id TEXT PRIMARY KEY,
      tenant TEXT,
      at INTEGER NOT NULL,
      kind TEXT NOT NULL,
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      destination TEXT NOT NULL,
      reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- An append without an answer may be repeated: it is still one letter.
    CREATE UNIQUE INDEX dead_letters_once ON dead_letters (stream, revision, destination);
  `,
  tables: ['dead_letters'],
  apply: (file) => {
    const add = file.prepare('INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    const drop = file.prepare('DELETE FROM dead_letters WHERE id = ?');
    return (event) => {
      const { id, type, data, metadata, stream, revision } = event;
      const { tenant, at } = metadata;
      if (type === 'EventSetAside') {
        add.run(id, tenant, at, 'webhook', stream, revision, 'service', String(data.reason));
      } else if (type === 'DeadLetterResent') {
        drop.run(String(data.letter));
      } else {
        const lane = parseLaneAdvance(event);
        if (!lane?.dead) return;
        add.run(id, tenant, at, 'effect', lane.stream, lane.revision, lane.destination, lane.dead);
      }
    };
  },
};

interface DeadLettersOptions {
  readonly db: DatabaseSync;
  readonly store: EventStore;
  readonly vault: Vault;
  readonly destinations: readonly Destination[];
  /** Carries out a webhook event as a new command. */
  readonly again: (content: unknown, commandId: string) => Promise<void>;
  readonly now: () => number;
  readonly newId: () => string;
}

export function createDeadLetters(options: DeadLettersOptions): DeadLetters & { count(): number } {
  const { db, store, vault } = options;
  const facts = createServiceFacts(options);
  return {
    count: () => Number(db.prepare('SELECT count(*) AS n FROM dead_letters').get()?.n ?? 0),
    async list(tenant) {
      const where = tenant === undefined ? '' : 'WHERE tenant = ?';
      const values = tenant === undefined ? [] : [tenant];
      return select(db, `${where} ORDER BY at DESC LIMIT ${LETTERS_LISTED}`, values).map(letterOf);
    },
    async show(id) {
      const row = find(db, id);
      if (!row) return null;
      const event = await eventOf(store, row);
      const { type, data } = event;
      return { ...letterOf(row), content: { type, data, personal: await vault.open(event) } };
    },
    async sendAgain(id) {
      const row = find(db, id);
      if (!row) throw new AppError('not-found', `there is no dead letter ${id}`);
      const event = await eventOf(store, row);
      if (row.kind === 'effect') await performAgain(options, row, event);
      else await takeAgain(options, row, event);
      const { tenant } = row;
      const fact = { type: 'DeadLetterResent', data: { letter: id }, tenant, causationId: id };
      await facts.append(`letter-${id}`, [fact], 'any');
      db.prepare('DELETE FROM dead_letters WHERE id = ?').run(id); // the fold will do the same later
    },
  };
}

/** @param tail the end of the statement, behind the name of the table */
const select = (db: DatabaseSync, tail: string, values: readonly string[]): Row[] =>
  // The columns are those of the table above.
  db.prepare(`SELECT ${COLUMNS} FROM dead_letters ${tail}`).all(...values) as unknown as Row[];

const find = (db: DatabaseSync, id: string): Row | undefined => select(db, 'WHERE id = ?', [id])[0];

const letterOf = ({ revision: _revision, ...letter }: Row): DeadLetter => letter;

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
  const reason = 'reason' in outcome ? outcome.reason : 'it has to wait';
  throw new AppError('unavailable', `it could not be sent: ${reason}`);
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
