/** What read models do with the rows of a tenant that is removed: they go in steps, and nobody sees them meanwhile. */
import { randomUUIDv7 } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { RecordedEvent } from '../../src/eventstore/port.ts';
import { openPersonal } from '../../src/projections/facts.ts';
import { applyToAll, INDEXES, SCHEMA, sweepOf, TABLES } from '../../src/projections/models.ts';
import { REMOVED_ROWS_AT_ONCE } from '../../src/projections/removed-tenants.ts';
import { removeWords } from '../../src/projections/search-index.ts';
import { sendMessage, startChat, viewPage } from '../actors/facts.ts';
import { hashRows } from './hash.ts';
import { type Log, openTestLog } from './log.ts';

const BETA = TenantId.parse('beta');
const VISITORS = 100;

const closes = (chatId: string) =>
  ({ type: 'CloseChat', chatId, by: 'visitor', reason: null }) as const;

let log: Log;
/** Before the removal, between it and the return of the tenant, from the return on. */
let facts: readonly (readonly RecordedEvent[])[];
let personal: Awaited<ReturnType<typeof openPersonal>>;
beforeAll(async () => {
  log = await openTestLog();
  await log.visitor('1', startChat('a1', 'm0'));
  for (let n = 0; n < VISITORS; n += 1) {
    await log.visitor(`b${n}`, startChat(`c${n}`, `s${n}`), BETA);
    await log.visitor(`b${n}`, sendMessage(`m${n}`), BETA);
    if (n % 2) await log.visitor(`b${n}`, closes(`c${n}`), BETA);
  }
  await log.visitor('cut', viewPage('Ann'), BETA);
  await log.visitor('cut', { type: 'ErasePersonalData' }, BETA);
  await log.visitor('cut', { type: 'ApplyRetention', before: 1 }, BETA);
  await append('TenantRemoved');
  await log.visitor('b0', sendMessage('late'), BETA);
  await log.visitor('late', startChat('late'), BETA);
  await log.visitor('cut', viewPage('Bob'), BETA);
  await log.visitor('1', sendMessage('m1'));
  await append('TenantConfigured');
  await log.visitor('b0', sendMessage('again'), BETA);
  await log.visitor('new', startChat('new', 's'), BETA);
  const all = await log.store.readAll({ limit: 10_000 });
  personal = await openPersonal(all, log.vault.open);
  const [removed, back] = ['TenantRemoved', 'TenantConfigured'].map((type) =>
    all.findIndex((event) => event.type === type),
  );
  facts = [all.slice(0, removed), all.slice(removed, back), all.slice(back)];
});
afterAll(() => log.close());

const append = (type: string) =>
  log.store.append(
    'tenant-beta',
    [
      {
        id: randomUUIDv7(),
        type,
        schemaVersion: 1,
        data: { purged: false },
        personal: null,
        metadata: {
          tenant: 'beta',
          at: log.now(),
          commandId: 'c',
          correlationId: 'c',
          causationId: 'c',
          machine: 'tenant/1',
        },
      },
    ],
    'any',
  );

function open(name: string) {
  const path = join(log.folder, name);
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA synchronous = OFF; ${SCHEMA} ${INDEXES.join(';')}`);
  const { begin, add, end } = applyToAll(db);
  const count = (sql: string, ...values: string[]) => Number(db.prepare(sql).get(...values)?.n);
  const tables = TABLES.filter(
    (table) =>
      table !== 'removed_tenants' &&
      count(`SELECT count(*) AS n FROM pragma_table_info(?) WHERE name = 'tenant'`, table),
  );
  return {
    sweep: sweepOf(db),
    count,
    streamsOf: (tenant: string) =>
      db
        .prepare(
          'SELECT stream, first_revision AS first, erased_revision AS erased FROM streams WHERE tenant = ? ORDER BY stream',
        )
        .all(tenant)
        .map(({ stream, first, erased }) => [stream, first, erased]),
    rowsOf: (tenant: string) =>
      tables
        .map((table) => count(`SELECT count(*) AS n FROM ${table} WHERE tenant = ?`, tenant))
        .reduce((sum, n) => sum + n),
    apply(events: readonly RecordedEvent[] = []) {
      db.exec('BEGIN');
      begin();
      for (const event of events) add(event, personal);
      end();
      db.exec('COMMIT');
    },
    /** The words that are left, and a hash of everything else. */
    close() {
      while (removeWords(db));
      db.exec(`CREATE VIRTUAL TABLE temp.v USING fts5vocab (main, search_words, row)`);
      const words = db.prepare('SELECT term, doc FROM temp.v').all();
      db.close();
      const hashes = hashRows(path);
      rmSync(path);
      return { hashes, words: words.map(({ term, doc }) => `${term}`.replace(/.*·/, `${doc} `)) };
    },
  };
}

test('they go in steps, and those of others stay', () => {
  const rows = open('steps.db');
  rows.apply(facts[0]);
  const theirs = rows.rowsOf('beta');
  expect(rows.streamsOf('beta')).toContainEqual(['visitor-beta.cut', 1, 2]);
  rows.apply(facts[1]?.slice(0, 1));
  const shards = rows.count(`SELECT count(*) AS n FROM search_shards WHERE tenant = 'beta'`);
  expect(shards).toBe(0); // a search finds nothing at once
  // The fact itself has removed no other row: only that its stream is in the index now.
  expect(rows.rowsOf('beta')).toBeGreaterThanOrEqual(theirs - 2);
  expect(theirs).toBeGreaterThan(REMOVED_ROWS_AT_ONCE);
  rows.apply(facts[1]?.slice(1));
  const ours = rows.rowsOf('acme');
  let before = rows.rowsOf('beta');
  for (let more = true; more; ) {
    more = rows.sweep.step();
    const left = rows.rowsOf('beta');
    expect(before - left).toBeLessThanOrEqual(REMOVED_ROWS_AT_ONCE);
    before = left;
  }
  expect(rows.sweep.hasMore()).toBe(false);
  // Streams that have got facts since then are in the index. The facts count nowhere else.
  const left = [
    'key-beta.cut~1',
    'tenant-beta',
    ...['b0', 'cut', 'late'].map((each) => `visitor-beta.${each}`),
  ];
  expect(rows.streamsOf('beta')).toEqual(left.map((stream) => [stream, 0, null]));
  expect(rows.rowsOf('beta')).toBe(left.length);
  expect(rows.rowsOf('acme')).toBe(ours);
  expect(rows.close().words).toHaveLength(1); // ours
});

test.each([0, 1, 2, 3])(
  'after %d steps late facts and the return of the tenant lead to the same rows',
  (steps) => {
    const [rows, wanted] = [open('some.db'), open('all.db')];
    rows.apply(facts[0]);
    rows.apply(facts[1]?.slice(0, 1));
    for (let n = 0; n < steps; n += 1) rows.sweep.step();
    // All at once: the tenant comes back while facts of it are not written yet.
    rows.apply([...(facts[1]?.slice(1) ?? []), ...(facts[2] ?? [])]);
    wanted.apply(facts[0]);
    wanted.apply(facts[1]?.slice(0, 1));
    while (wanted.sweep.step());
    wanted.apply(facts[1]?.slice(1));
    wanted.apply(facts[2]);
    expect(rows.sweep.hasMore()).toBe(false);
    expect(rows.count(`SELECT count(*) AS n FROM chats WHERE tenant = 'beta'`)).toBe(1);
    expect(rows.count(`SELECT count(*) AS n FROM messages WHERE id = 'late'`)).toBe(0);
    expect(rows.close()).toEqual(wanted.close());
  },
);
