import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EventStore, RecordedEvent } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { BUSY_BATCH_EVENTS, createFold, type Fold } from '../../src/fold/fold.ts';
import { event, events } from '../eventstore/events.ts';
import { startChild } from '../support/child-process.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seeded } from '../support/seeded.ts';
import { waitFor } from '../support/wait.ts';
import { countsOptions, openCounts, rowsOf } from './counts.ts';

let folder: string;
let store: EventStore;
const running: { controller: AbortController; ended: Promise<void> }[] = [];
const open: DatabaseSync[] = [];

beforeEach(async () => {
  folder = temporaryFolder('fold');
  store = await openSqliteEventStore(join(folder, 'events.db'));
});
afterEach(async () => {
  for (const one of running.splice(0)) {
    one.controller.abort();
    await one.ended;
  }
  for (const db of open.splice(0)) db.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

const counts = (...[name, more]: [name?: string, more?: Parameters<typeof openCounts>[2]]) => {
  const opened = openCounts(join(folder, name ?? 'rows.db'), store, more);
  open.push(opened.db);
  return opened;
};

const start = (fold: Fold): { stop: () => Promise<void> } => {
  const controller = new AbortController();
  const ended = fold.run(controller.signal);
  running.push({ controller, ended });
  return {
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
};

const caughtUp = async (fold: Fold): Promise<void> => {
  const head = await store.head();
  if (head !== null) await fold.waitFor(head, 5000);
};

const countOf = (db: DatabaseSync, stream: string): unknown =>
  db.prepare('SELECT n FROM counts WHERE stream = ?').get(stream)?.n;

describe('a fold', () => {
  test('catches up, follows the log and resumes where it was', async () => {
    await store.append('v-a', events(0, 999), 'no-stream');
    const { db, fold } = counts();
    expect(fold.position()).toBeNull();
    const first = start(fold);
    await caughtUp(fold);
    const { position } = await store.append('v-a', [event(1000)], 999);
    await fold.waitFor(position, 5000);
    expect(countOf(db, 'v-a')).toBe(1001);
    expect(fold.state()).toMatchObject({
      eventsApplied: 1001,
      live: true,
      lagMs: 0,
      failure: null,
    });
    await first.stop();

    await store.append('v-a', [event(1001)], 1000);
    const again = counts();
    expect(again.fold.position()).toBe(position);
    start(again.fold);
    await caughtUp(again.fold);
    expect(countOf(again.db, 'v-a')).toBe(1002);
    expect(again.fold.state().eventsApplied).toBe(1);
  });

  test('rests on a busy log, until somebody waits for what comes next', async () => {
    const { fold } = counts('rows.db', { busyPauseMs: 600_000 });
    start(fold);
    await store.append('v-a', events(0, BUSY_BATCH_EVENTS), 'no-stream');
    await caughtUp(fold);
    const { position } = await store.append('v-a', [event(100)], BUSY_BATCH_EVENTS);
    await expect(fold.waitFor(position, 100)).rejects.toMatchObject({ code: 'timeout' });
    fold.hurry();
    await fold.waitFor(position, 5000);
  });

  test('waits for a position until the deadline', async () => {
    const { fold } = counts();
    const { position } = await store.append('v-a', [event(0)], 'no-stream');
    await expect(fold.waitFor(position, 20)).rejects.toMatchObject({ code: 'timeout' });
    // Not a position: the type says so, a query parameter does not.
    await expect(fold.waitFor('sqlite:other:1' as never, 20)).rejects.toMatchObject({
      code: 'invalid',
    });
    const waiting = fold.waitFor(position, 5000);
    start(fold);
    await waiting;
  });

  test('moves its position when nothing matches', async () => {
    const { fold, db } = counts('rows.db', { prefixes: ['v-'] });
    start(fold);
    const { position } = await store.append('w-a', events(0, 9), 'no-stream');
    await fold.waitFor(position, 5000);
    expect(rowsOf(db)).toEqual([]);
    expect(fold.state().eventsApplied).toBe(0);
  });

  test.each([
    ['another version', { version: 2 }],
    ['a changed name', { name: 'counts2' }],
  ])('is built again with %s', async (_, more) => {
    await store.append('v-a', events(0, 9), 'no-stream');
    const first = counts();
    const { stop } = start(first.fold);
    await caughtUp(first.fold);
    await stop();
    const again = counts('rows.db', more);
    expect(again.fold.position()).toBeNull();
    expect(rowsOf(again.db)).toEqual([]);
    start(again.fold);
    await caughtUp(again.fold);
    expect(countOf(again.db, 'v-a')).toBe(10);
  });

  test('is built again for another log, and for an older copy of its log', async () => {
    await store.append('v-a', events(0, 9), 'no-stream');
    const first = counts();
    const { stop } = start(first.fold);
    await caughtUp(first.fold);
    await stop();
    const { position } = await store.append('v-a', [event(10)], 9);

    const other = await openSqliteEventStore(join(folder, 'other.db'));
    const foreign = openCounts(join(folder, 'rows.db'), other);
    open.push(foreign.db);
    expect(foreign.fold.position()).toBeNull();
    await other.close();

    const back = counts();
    back.db
      .prepare('UPDATE checkpoints SET store = ?, position = ?')
      .run(store.id, position.replace(/\d+$/, '99'));
    const ahead = counts();
    expect(ahead.fold.position()).not.toBeNull();
    start(ahead.fold);
    await waitFor(() => countOf(ahead.db, 'v-a') === 11);
  });

  test('shares its file with other folds', async () => {
    const { db, fold } = counts();
    const types = createFold({
      ...countsOptions(db, store),
      name: 'types',
      schema: 'CREATE TABLE types (type TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT',
      tables: ['types'],
      prefixes: ['w-'],
      apply: (file) => {
        const upsert = file.prepare(
          'INSERT INTO types VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1',
        );
        return ({ type }) => void upsert.run(type);
      },
    });
    start(fold);
    start(types);
    await store.append('v-a', events(0, 9), 'no-stream');
    await store.append('w-a', events(0, 4), 'no-stream');
    await caughtUp(fold);
    await caughtUp(types);
    expect(rowsOf(db, 'types')).toEqual([{ type: 'PageViewed', n: 5 }]);
    expect([countOf(db, 'v-a'), countOf(db, 'w-a')]).toEqual([10, 5]);
  });

  test('prepares a batch before its transaction, and calls onApplied after it', async () => {
    const { db } = counts();
    const sizes: number[] = [];
    const opened = createFold<ReadonlyMap<string, string>>({
      name: 'opened',
      version: 1,
      db,
      store,
      schema: 'CREATE TABLE opened (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT',
      tables: ['opened'],
      prepare: async (batch) => {
        await Promise.resolve();
        return new Map(batch.map(({ id }) => [id, `opened ${id}`]));
      },
      apply: (file) => {
        const insert = file.prepare('INSERT INTO opened VALUES (?, ?)');
        return ({ id }, texts) => void insert.run(id, texts.get(id) ?? '');
      },
      onApplied: (batch) => {
        expect(db.isTransaction).toBe(false);
        sizes.push(batch.events.length);
      },
    });
    start(opened);
    const sent = events(0, 2);
    await store.append('v-a', sent, 'no-stream');
    await caughtUp(opened);
    const expected = sent.map(({ id }) => ({ id, text: `opened ${id}` }));
    expect(new Set(rowsOf(db, 'opened'))).toEqual(new Set(expected));
    expect(sizes.reduce((sum, n) => sum + n, 0)).toBe(3);
  });

  test('writes what was kept in memory at the end of each transaction, and nothing of one that failed', async () => {
    let failures = 2;
    let kept: number[] = [];
    const { db, fold } = counts('rows.db', {
      schema: 'CREATE TABLE counts (n INTEGER PRIMARY KEY) STRICT',
      apply: (file) => {
        const insert = file.prepare('INSERT INTO counts VALUES (?)');
        return {
          begin: () => {
            kept = [];
          },
          add: ({ data }: RecordedEvent) => {
            kept.push(Number(data.n));
            if (data.n === 5 && failures-- > 0) throw new Error('no column for this');
          },
          end: () => {
            for (const n of kept) insert.run(n);
          },
        };
      },
    });
    await store.append('v-a', events(0, 9), 'no-stream');
    start(fold);
    await waitFor(() => rowsOf(db).length === 10);
    expect(failures).toBeLessThan(0);
  });

  test('reports a failure, tries again, and applies nothing twice', async () => {
    let broken = true;
    const { db, fold } = counts('rows.db', {
      apply: (file) => {
        const count = countsOptions(file, store).apply(file);
        if (typeof count !== 'function') throw new Error('counts applies one event at a time');
        return (one: RecordedEvent) => {
          count(one, undefined);
          if (broken && one.data.n === 5) throw new Error('no column for this');
        };
      },
    });
    start(fold);
    await store.append('v-a', events(0, 9), 'no-stream');
    await waitFor(() => (fold.state().failure?.attempts ?? 0) >= 2);
    expect(fold.state()).toMatchObject({
      live: false,
      failure: {
        reason: 'no column for this',
        event: { stream: 'v-a', revision: 5, type: 'PageViewed' },
      },
    });
    // Backoff: not more than a few attempts in this time.
    expect(fold.state().failure?.attempts).toBeLessThan(5);
    broken = false;
    await caughtUp(fold);
    expect(fold.state().failure).toBeNull();
    expect(countOf(db, 'v-a')).toBe(10);
  });
});

test('a fold that was killed again and again has the same rows as one that never was', async () => {
  const random = seeded(3);
  let revision = -1;
  const fill = async (): Promise<void> => {
    const stream = `v-${(revision + 1) % 7}`;
    await store.append(stream, events(revision + 1, revision + 500), 'any');
    revision += 500;
  };
  const rows = join(folder, 'rows.db');
  let progress = 0;
  for (let round = 0; round < 8; round += 1) {
    for (let i = 0; i < 6; i += 1) await fill();
    const child = startChild(new URL('./fold-child.ts', import.meta.url), [
      join(folder, 'events.db'),
      rows,
    ]);
    // Kill it somewhere in the middle of the new events.
    const enough = progress + Math.floor(random() * 2500);
    const count = (): number => {
      const db = new DatabaseSync(rows, { readOnly: true, timeout: 1000 });
      try {
        return Number(db.prepare('SELECT ifnull(sum(n), 0) AS n FROM counts').get()?.n);
      } finally {
        db.close();
      }
    };
    await waitFor(() => count() > enough, { every: 1, deadlineMs: 10_000, what: 'progress' });
    await child.kill();
    progress = count();
    // The rows are exactly those of the events up to the checkpoint.
    const killed = counts('rows.db');
    const after = killed.fold.position();
    const upTo = await store.readAll({
      limit: 100_000,
      direction: 'backwards',
      ...(after && { after }),
    });
    expect(progress).toBe(upTo.length + 1);
  }
  const survivor = counts('rows.db');
  start(survivor.fold);
  await caughtUp(survivor.fold);
  const fresh = counts('fresh.db');
  start(fresh.fold);
  await caughtUp(fresh.fold);
  expect(rowsOf(survivor.db)).toEqual(rowsOf(fresh.db));
  expect(rowsOf(fresh.db)).toHaveLength(7);
});
