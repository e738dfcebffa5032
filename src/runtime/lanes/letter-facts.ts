/**
 * The facts of dead letters in the log. While a letter waits, its facts stay. Behind its end they go: first the fact that
 * made it, by a cut of its stream, then the stream that says how it ended. In the other order, a table that is built anew
 * between the two would have the letter again (docs/adr/0050).
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { firstEvent, lastEvent } from '../../eventstore/reading.ts';
import { type Ownership, partitionOf } from '../leases/ownership.ts';
import type { WorkTable } from '../pending-work.ts';
import { parseLaneAdvance } from './log.ts';

/** Letters whose facts are removed in one look. */
export const LETTERS_ENDED_AT_ONCE = 500;
/** A process that does not own a stream looks after so long whether the owner has removed the facts. */
export const OTHERS_LETTERS_MS = 3_600_000;

/** Every letter whose facts are in the log, also those that have ended. `stream` '' stands for one whose fact is gone. */
export const LETTER_FACTS_TABLE: WorkTable = {
  name: 'letter-facts',
  version: 1,
  schema: `
    CREATE TABLE letter_facts (
      id TEXT PRIMARY KEY,
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      tenant TEXT NOT NULL,
      at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX letter_facts_of_stream ON letter_facts (stream, revision);
  `,
  tables: ['letter_facts'],
  apply: (file) => {
    const add = file.prepare('INSERT OR IGNORE INTO letter_facts VALUES (?, ?, ?, ?, ?)');
    return (event) => {
      const { id, stream, revision, type, data, metadata } = event;
      const { tenant, at } = metadata;
      if (type === 'EventSetAside' || parseLaneAdvance(event)?.dead) {
        add.run(id, stream, revision, tenant ?? '', at);
      } else if (type === 'DeadLetterResent' || type === 'DeadLetterDiscarded') {
        add.run(String(data.letter), '', -1, tenant ?? '', at);
      }
    };
  },
  forget: (file) => {
    const forget = file.prepare('DELETE FROM letter_facts WHERE tenant = ?');
    return (tenant) => void forget.run(tenant);
  },
};

interface EndedLetter {
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  readonly at: number;
  /** Revision of the oldest letter of the stream that waits; null without one. */
  readonly waiting: number | null;
}

const ENDED = `SELECT f.id, f.stream, f.revision, f.at,
    (SELECT min(w.revision) FROM letter_facts w JOIN dead_letters d ON d.id = w.id
      WHERE w.stream = f.stream) AS waiting
  FROM letter_facts f
  WHERE f.id > ? AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.id = f.id)
  ORDER BY f.id LIMIT ?`;

interface LetterFactsOptions {
  readonly db: DatabaseSync;
  readonly store: Pick<EventStore, 'readStream' | 'truncateBefore' | 'deleteStream'>;
  readonly ownership: Ownership;
  /** ms since 1970 */
  readonly now: () => number;
  readonly logger: Logger;
}

export interface LetterFacts {
  /** Removes the facts of letters that have ended. Never rejects: the next look tries again. */
  look(): Promise<void>;
}

export function createLetterFacts(options: LetterFactsOptions): LetterFacts {
  const { db, ownership, logger } = options;
  return {
    async look() {
      try {
        for (let after = ''; ; ) {
          // The columns of the statement.
          const rows = db.prepare(ENDED).all(after, LETTERS_ENDED_AT_ONCE);
          const ended = rows as unknown as EndedLetter[]; // the columns of the statement
          for (const letter of ended) {
            const owns = ownership.owns(partitionOf(letter.stream));
            if (owns) await end(options, letter);
            else if (options.now() - letter.at > OTHERS_LETTERS_MS)
              await endedByOthers(options, letter);
          }
          const last = ended.at(-1);
          if (!last || ended.length < LETTERS_ENDED_AT_ONCE) return;
          after = last.id;
        }
      } catch (error) {
        logger.warn(
          { reason: messageOf(error) },
          'facts of dead letters not removed; trying again',
        );
      }
    },
  };
}

const remove = ({ db }: LetterFactsOptions, { id }: EndedLetter): void => {
  db.prepare('DELETE FROM letter_facts WHERE id = ?').run(id);
};

async function end(options: LetterFactsOptions, letter: EndedLetter): Promise<void> {
  const { store } = options;
  const { id, stream, revision, waiting } = letter;
  if (stream !== '') {
    const last = await lastEvent(store, stream);
    // The last fact says how far the lane is, or which event of the queue was the last one.
    const before = Math.min(waiting ?? Number.POSITIVE_INFINITY, last?.revision ?? revision + 1);
    if (before <= revision) return;
    if (last) await store.truncateBefore(stream, before);
  }
  await store.deleteStream(`letter-${id}`);
  remove(options, letter);
}

async function endedByOthers(options: LetterFactsOptions, letter: EndedLetter): Promise<void> {
  const { store } = options;
  const { id, stream, revision } = letter;
  const first = stream === '' ? null : await firstEvent(store, stream);
  if (first && first.revision <= revision) return;
  if (!(await firstEvent(store, `letter-${id}`))) remove(options, letter);
}
