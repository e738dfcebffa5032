/** The table of dead letters, its bounds for each tenant, and the rows in it. dead-letters.ts has what a person can do. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { actorOf, generationOf, sealingKeyOf } from '../../actors/ids.ts';
import type { WorkTable } from '../pending-work.ts';
import type { DeadLetter } from '../ports.ts';
import { forgetsByTenant } from '../removed-tenant.ts';
import { parseLaneAdvance } from './log.ts';

/**
 * Letters of one tenant. One more drops the oldest effect, because its fact stays in the log; then the oldest event. All
 * letters of no tenant together have the same bound.
 */
export const MAX_LETTERS_PER_TENANT = 1_000;
/** The reason of a letter at most, in UTF-16 units. The log has all of it. */
export const MAX_LETTER_REASON_CHARACTERS = 500;
const COLUMNS = "id, nullif(tenant, '') AS tenant, at, kind, stream, revision, destination, reason";

/** A letter as the table has it. */
export interface LetterRow extends Omit<DeadLetter, 'type' | 'operator'> {
  /** Of the event in `stream` that could not be used, or whose effect was given up. */
  readonly revision: number;
  /** Letters are numbered in the order of the log. */
  readonly number: number;
}

export const DEAD_LETTERS_TABLE: WorkTable = {
  name: 'dead-letters',
  version: 3,
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
      reason TEXT NOT NULL,
      -- Whose data the letter has, by the name of their data key without its generation; '' for nobody's.
      person TEXT NOT NULL
    ) STRICT;
    CREATE INDEX dead_letters_of_person ON dead_letters (person) WHERE person <> '';
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
    const erase = file.prepare('DELETE FROM dead_letters WHERE person = ?');
    return (event) => {
      const { id, type, data, metadata, stream, revision, personal } = event;
      const tenant = metadata.tenant ?? '';
      const { at } = metadata;
      if (type === 'EventSetAside') {
        const reason = String(data.reason);
        const destination = 'service';
        const person = personal ? generationOf(personal.key).person : '';
        keep({ id, tenant, at, kind: 'webhook', stream, revision, destination, reason, person });
      } else if (type === 'DeadLetterResent' || type === 'DeadLetterDiscarded') {
        drop.run(String(data.letter));
      } else if (type === 'DeadLettersExpired') {
        expire.run(tenant, Number(data.before));
      } else if (type === 'PersonalDataErased') {
        erase.run(personIn(stream));
      } else {
        const lane = parseLaneAdvance(event);
        if (!lane?.dead) return;
        const { dead: reason, ...effect } = lane;
        const person = personIn(effect.stream);
        keep({ id, tenant, at, kind: 'effect', reason, person, ...effect });
      }
    };
  },
  forget: (file) => forgetsByTenant(file, ['dead_letters', 'dead_letters_dropped']),
};

/** The visitor whose stream it is, by the name of their data key; '' for every other stream. */
function personIn(stream: string): string {
  const actor = actorOf(stream);
  return actor?.kind === 'visitor' ? sealingKeyOf(actor) : '';
}

/** Adds a letter, and drops one if its tenant has too many. `kind` sorts effects before webhook events. */
function keepLetters(file: DatabaseSync) {
  const add = file.prepare(
    `INSERT OR REPLACE INTO dead_letters
     (id, tenant, at, kind, stream, revision, destination, reason, person)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
  type Kept = Omit<LetterRow, 'number'> & { readonly tenant: string; readonly person: string };
  return (letter: Kept): void => {
    const { id, tenant, at, kind, stream, revision, destination, reason, person } = letter;
    const short = reason.slice(0, MAX_LETTER_REASON_CHARACTERS).toWellFormed();
    add.run(id, tenant, at, kind, stream, revision, destination, short, person);
    if (Number(count.get(tenant)?.n) <= MAX_LETTERS_PER_TENANT) return;
    dropOldest.run(tenant);
    countDropped.run(tenant);
  };
}

/** The letters of one tenant in numbers. */
export interface LetterCount {
  readonly tenant: string | null;
  /** Letters that wait. */
  readonly letters: number;
  /** Letters that were dropped because there were too many. */
  readonly dropped: number;
}

/** Tenants with letters, or with dropped ones. */
export function countsOf(db: DatabaseSync): readonly LetterCount[] {
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

/** @param tail the end of the statement, behind the name of the table */
export const selectLetters = (
  db: DatabaseSync,
  tail: string,
  values: readonly SQLInputValue[],
): LetterRow[] =>
  // The columns are those of the table above.
  db
    .prepare(`SELECT number, ${COLUMNS} FROM dead_letters ${tail}`)
    .all(...values) as unknown as LetterRow[]; // the columns of the statement
