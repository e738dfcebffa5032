/** The file of pending work belongs to the version that wrote it last. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EventStore } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { createFold, type Fold } from '../../src/fold/fold.ts';
import { createPendingWork, openWorkFile, type WorkTable } from '../../src/runtime/pending-work.ts';
import { events } from '../eventstore/events.ts';
import { temporaryFolder } from '../support/folder.ts';
import { silent } from '../support/rig.ts';

const DEADLINE_MS = 5_000;
let folder: string;
let store: EventStore;

beforeEach(async () => {
  folder = temporaryFolder('pending-work');
  store = await openSqliteEventStore(join(folder, 'events.db'));
});
afterEach(() => store.close());

/** Counts events. Version 2 has one more column. */
const table = (version: 1 | 2): WorkTable => ({
  name: 'counted',
  version,
  schema: `CREATE TABLE counted (stream TEXT PRIMARY KEY, n INTEGER NOT NULL${
    version === 2 ? ', more INTEGER NOT NULL' : ''
  }) STRICT`,
  tables: ['counted'],
  apply: (file) => {
    const add = file.prepare(
      `INSERT INTO counted VALUES (?, 1${version === 2 ? ', 0' : ''}) ON CONFLICT DO UPDATE SET n = n + 1`,
    );
    return ({ stream }) => void add.run(stream);
  },
  forget: () => () => undefined,
});

async function run(open: (db: ReturnType<typeof openWorkFile>) => Fold): Promise<unknown> {
  const db = openWorkFile(join(folder, 'work.db'));
  const fold = open(db);
  const controller = new AbortController();
  const ended = fold.run(controller.signal);
  const head = await store.head();
  if (head) await fold.waitFor(head, DEADLINE_MS);
  controller.abort();
  await ended;
  const rows = db.prepare('SELECT * FROM counted').all();
  db.close();
  return rows;
}

const now = () => run((db) => createPendingWork({ db, store, tables: [table(2)], logger: silent }));

/** A version of before: it looks for its own checkpoint alone, and leaves that of others. */
const before = () =>
  run((db) =>
    createFold({ ...table(1), db, store, name: 'counted/1', version: 1, prefixes: ['visitor-'] }),
  );

it('is right after an update, after the way back, and after the next update', async () => {
  const stream = 'visitor-acme.anna';
  await store.append(stream, events(0, 2), 'no-stream');
  expect(await before()).toEqual([{ stream, n: 3 }]);
  await store.append(stream, events(3, 4), 2);
  expect(await now()).toEqual([{ stream, n: 5, more: 0 }]);
  await store.append(stream, events(5, 5), 4);
  expect(await before()).toEqual([{ stream, n: 6 }]);
  await store.append(stream, events(6, 6), 5);
  expect(await now()).toEqual([{ stream, n: 7, more: 0 }]);
  expect(await now()).toEqual([{ stream, n: 7, more: 0 }]);
});

it('forgets elsewhere before a crash could say that the facts were seen', async () => {
  const stream = 'visitor-acme.anna';
  await store.append(stream, events(0, 2), 'no-stream');
  const steps: string[] = [];
  const prepare = async () => void steps.push('forgotten');
  const beforeCheckpoint = () => {
    steps.push('rows');
    if (steps.length === 2) throw new Error('the process ends');
  };
  const options = { store, tables: [table(2)], logger: silent, prepare, beforeCheckpoint };
  expect(await run((db) => createPendingWork({ db, ...options }))).toEqual([
    { stream, n: 3, more: 0 },
  ]);
  expect(steps).toEqual(['forgotten', 'rows', 'forgotten', 'rows']);
});
