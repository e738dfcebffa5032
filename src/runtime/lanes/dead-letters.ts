/** What was given up, waiting for a person: webhook events that could not be used, and effects that never worked. */
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { WorkTable } from '../pending-work.ts';
import type { DeadLetter, DeadLetters, Vault } from '../ports.ts';
import { createServiceFacts } from '../service-facts.ts';
import type { Destination } from './destination.ts';
import { parseLaneAdvance } from './log.ts';

const MOST_LISTED = 1000;

interface Row extends DeadLetter {
  /** Of the event that is meant, in `stream`. */
  readonly revision: number;
}

export const DEAD_LETTERS_TABLE: WorkTable = {
  name: 'dead-letters',
  version: 2,
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
    -- Whether an append that got no answer was made is not known: made again, it is still one letter.
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
      } else if (type === 'DeadLetterSent') {
        drop.run(String(data.letter));
      } else {
        const lane = parseLaneAdvance(event);
        if (!lane?.dead) return;
        add.run(id, tenant, at, 'effect', lane.stream, lane.revision, lane.destination, lane.dead);
      }
    };
  },
};

export function createDeadLetters(options: {
  db: DatabaseSync;
  store: EventStore;
  vault: Vault;
  destinations: readonly Destination[];
  /** Carries out a webhook event as a new command. */
  again: (content: unknown, commandId: string) => Promise<void>;
  now: () => number;
  newId: () => string;
}): DeadLetters & { count(): number } {
  const { db, store, vault, destinations } = options;
  const facts = createServiceFacts(options);

  const COLUMNS = 'id, tenant, at, kind, stream, revision, destination, reason';

  // The columns are those of the table above.
  const rows = (found: unknown): Row[] => found as Row[];

  function find(id: string): Row | undefined {
    return rows(db.prepare(`SELECT ${COLUMNS} FROM dead_letters WHERE id = ?`).all(id))[0];
  }

  async function eventOf(row: Row): Promise<RecordedEvent> {
    const event = await eventAt(store, row.stream, row.revision);
    if (event) return event;
    throw new AppError('not-found', `its event is gone from ${row.stream}: it was deleted`);
  }

  async function perform(row: Row, event: RecordedEvent): Promise<void> {
    const destination = destinations.find(({ name }) => name === row.destination);
    if (!destination) throw new AppError('refused', `there is no destination ${row.destination}`);
    const outcome = await destination.perform(event, AbortSignal.timeout(30_000), true);
    if (outcome.kind === 'done') return;
    const reason = 'reason' in outcome ? outcome.reason : 'it has to wait';
    throw new AppError('unavailable', `it could not be sent: ${reason}`);
  }

  async function note(row: Row): Promise<void> {
    const { id: letter, tenant } = row;
    const fact = { type: 'DeadLetterSent', data: { letter }, tenant, causationId: letter };
    await facts.append(`letter-${letter}`, [fact], 'any');
    db.prepare('DELETE FROM dead_letters WHERE id = ?').run(row.id); // the fold will come to it too
  }

  const withoutRevision = ({ revision: _revision, ...letter }: Row): DeadLetter => letter;

  return {
    count: () => Number(db.prepare('SELECT count(*) AS n FROM dead_letters').get()?.n ?? 0),
    async list(tenant) {
      const where = tenant === undefined ? '' : 'WHERE tenant = ?';
      const all = db
        .prepare(
          `SELECT ${COLUMNS} FROM dead_letters ${where} ORDER BY at DESC LIMIT ${MOST_LISTED}`,
        )
        .all(...(tenant === undefined ? [] : [tenant]));
      return rows(all).map(withoutRevision);
    },
    async show(id) {
      const row = find(id);
      if (!row) return null;
      const { type, data, personal } = await eventOf(row);
      const opened = personal ? await vault.open(personal) : null;
      return { ...withoutRevision(row), content: { type, data, personal: opened } };
    },
    async sendAgain(id) {
      const row = find(id);
      if (!row) throw new AppError('not-found', `there is no dead letter ${id}`);
      const event = await eventOf(row);
      if (row.kind === 'effect') await perform(row, event);
      else {
        const opened = event.personal ? await vault.open(event.personal) : null;
        if (!opened) throw new AppError('refused', 'its person was erased');
        await options.again(opened.content, `again:${id}`);
      }
      await note(row);
    },
  };
}
