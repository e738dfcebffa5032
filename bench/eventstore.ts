import { randomUUIDv7 } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NewEvent } from '../src/eventstore/port.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { mediansOf, type Round, type Row } from './row.ts';

export const AT_ONCE = [1, 16, 64, 256];
const ROUNDS = 7;
const ROUND_MS = 250;

/** Some 400 B in the store, like a page view. */
export const pageView = (n: number): NewEvent => ({
  id: randomUUIDv7(),
  type: 'PageViewed',
  schemaVersion: 1,
  data: { visits: n, country: 'de' },
  personal: { key: 'demo.visitor-1', box: 'Vm9uIGRlciBTZWl0ZSBkZXMgQmVzdWNoZXJz'.repeat(2) },
  metadata: {
    tenant: 'demo',
    at: 1_700_000_000_000 + n,
    wakeAt: 1_700_000_300_000 + n,
    commandId: 'f47ac10b-58cc-7372-a567-0e02b2c3d479',
    correlationId: 'f47ac10b-58cc-7372-a567-0e02b2c3d479',
    causationId: 'f47ac10b-58cc-7372-a567-0e02b2c3d479',
    machine: 'visitor/1',
  },
});

/** Appends for a while. @returns durable appends a second */
type Measure = (atOnce: number, ms: number) => Promise<number>;

/** Appends through the port. Each of several writers waits for its answer before its next append. */
const throughPort = async (
  path: string,
): Promise<{ round: Measure; close: () => Promise<void> }> => {
  const store = await openSqliteEventStore(path);
  let streams = 0;
  const round: Measure = async (atOnce, ms) => {
    const start = performance.now();
    let count = 0;
    const writer = async (stream: string): Promise<void> => {
      for (let revision = -1; performance.now() - start < ms; count += 1) {
        const expected = revision < 0 ? 'no-stream' : revision;
        ({ revision } = await store.append(stream, [pageView(count)], expected));
      }
    };
    await Promise.all(
      Array.from({ length: atOnce }, () => {
        streams += 1;
        return writer(`visitor-demo.${streams}`);
      }),
    );
    return (count / (performance.now() - start)) * 1000;
  };
  return { round, close: () => store.close() };
};

/** The same rows in the same transactions, directly in `node:sqlite` with the same settings, without checks. */
const bare = (path: string): { round: Measure; close: () => Promise<void> } => {
  const db = new DatabaseSync(path);
  db.exec(`
    PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE events (
      position INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL, revision INTEGER NOT NULL,
      event_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, body TEXT NOT NULL,
      UNIQUE (stream_id, revision)
    ) STRICT;`);
  const insertStream = db.prepare('INSERT INTO streams (name) VALUES (?)');
  const insert = db.prepare(
    'INSERT INTO events (stream_id, revision, event_id, type, body) VALUES (?, ?, ?, ?, ?)',
  );
  let streams = 0;
  const round: Measure = async (atOnce, ms) => {
    const ids = Array.from({ length: atOnce }, () => {
      streams += 1;
      return insertStream.run(`visitor-demo.${streams}`).lastInsertRowid;
    });
    const start = performance.now();
    let count = 0;
    for (let revision = 0; performance.now() - start < ms; revision += 1) {
      db.exec('BEGIN IMMEDIATE');
      for (const stream of ids) {
        const { id, type, ...body } = pageView(count);
        insert.run(stream, revision, id, type, JSON.stringify(body));
        count += 1;
      }
      db.exec('COMMIT');
    }
    return (count / (performance.now() - start)) * 1000;
  };
  return { round, close: async () => db.close() };
};

/** Appends a second through the port, compared with the same transactions by hand. The rounds alternate. */
export const benchEventStore = async (): Promise<Row[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-eventstore-'));
  const ours = await throughPort(join(folder, 'ours.db'));
  const reference = bare(join(folder, 'bare.db'));
  const rows: Row[] = [];
  for (const atOnce of AT_ONCE) {
    const rounds: Round[] = [];
    for (let i = 0; i < ROUNDS + 1; i += 1) {
      const value = await ours.round(atOnce, ROUND_MS);
      rounds.push({ value, reference: await reference.round(atOnce, ROUND_MS) });
    }
    // The first round is the warm-up.
    rounds.shift();
    rows.push({
      name: `appends, ${atOnce} at once`,
      unit: 'appends/s',
      ...mediansOf(rounds),
      aim: atOnce === 1 ? 0.5 : 0.65,
      better: 'higher',
    });
  }
  await ours.close();
  await reference.close();
  rmSync(folder, { recursive: true });
  return rows;
};
