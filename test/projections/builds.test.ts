/** New builds beside the current one: whatever happens, queries always see complete rows. */
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { RecordedEvent } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { nameOf } from '../../src/projections/models.ts';
import type { Projections } from '../../src/projections/projections.ts';
import { createProjections } from '../../src/projections/projections.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';
import { startChild } from '../support/child-process.ts';
import { username } from '../support/names.ts';
import { seeded } from '../support/seeded.ts';
import { waitFor } from '../support/wait.ts';
import { type Log, openTestLog, SECRET } from './log.ts';

let log: Log;
beforeEach(async () => {
  log = await openTestLog();
});
afterEach(() => log.close());

const delays = {
  hardTimeout: 300_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 3_600_000,
};
const VIEW: VisitorCommand = {
  type: 'ViewPage',
  digest: 'd',
  department: null,
  delays,
  profile: { page: '/', nick: 'Ann' },
};
const chat = (n: number): VisitorCommand => ({
  type: 'StartChat',
  chatId: `c${n}`,
  department: 'sales',
  delays,
  message: { id: `m${n}`, body: 'words' },
});
const fill = async (from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += 1) {
    log.passes(1000);
    await log.visitor(`v${n}`, VIEW);
    await log.visitor(`v${n}`, chat(n));
    if (n % 3 === 0) await log.visitor(`v${n}`, { type: 'AcceptChat', operator: username('op') });
  }
};
const filesOf = async (name: string): Promise<string[]> =>
  (await readdir(log.folder)).filter(
    (file) => file.startsWith(`${name}.db`) && /\.db(\.\d+)?$/.test(file),
  );
const replaced = async (projections: Projections): Promise<void> => {
  await waitFor(() => projections.builds().current && !projections.builds().next, {
    what: 'the new rows',
  });
};

test('a rebuild gives the same rows, while queries are answered and the position only grows', async () => {
  await fill(0, 150);
  const { projections } = await log.caughtUp('live.db');
  const first = projections.builds().current?.number;
  projections.rebuild();
  projections.rebuild(); // starts no other
  let looks = 0;
  let before = projections.position();
  for (let n = 150; projections.builds().next; n += 1) {
    await fill(n, n + 1);
    const now = projections.position();
    expect(before && now && log.store.compare(before, now)).toBeLessThanOrEqual(0);
    before = now;
    expect(projections.visitors.get('acme', 'v0')).toMatchObject({ nick: 'Ann' });
    expect(projections.chats.get('acme', 'c149')).not.toBeNull();
    looks += 1;
  }
  expect(looks).toBeGreaterThan(0);
  await projections.waitFor(await log.head(), 5000);
  expect(projections.builds().current?.number).toBe((first ?? 0) + 1);
  const fresh = await log.caughtUp('fresh.db');
  expect(log.hashes('live.db', projections)).toEqual(log.hashes('fresh.db', fresh.projections));
  await waitFor(async () => (await filesOf('live')).length === 1);
  // The new build follows the log.
  await log.visitor('late', VIEW);
  await projections.waitFor(await log.head(), 5000);
  expect(projections.visitors.get('acme', 'late')).not.toBeNull();
});

/** Makes a file look like one of an older release: it writes other versions into the file. */
const pretend = async (name: string, versions: Record<string, number>): Promise<void> => {
  const [file = ''] = await filesOf(name);
  const db = new DatabaseSync(join(log.folder, file));
  db.prepare('UPDATE build SET versions = ?').run(JSON.stringify(versions));
  db.close();
};

test('queries read rows of an older version, as far as it fits, until the new build is complete', async () => {
  await fill(0, 3);
  const old = await log.caughtUp('old.db');
  const versions = { ...old.projections.builds().current?.versions };
  await old.stop();
  await pretend('old', { ...versions, chats: 0 });
  await fill(3, 4);

  const opened = log.open('old.db');
  const { current, next } = opened.builds();
  expect(current).toMatchObject({ complete: true, following: null });
  expect(next).toMatchObject({ complete: false, position: null });
  expect(opened.visitors.get('acme', 'v2')).not.toBeNull();
  expect(opened.visitors.get('acme', 'v3')).toBeNull(); // they no longer change
  expect(() => opened.chats).toThrow(
    expect.objectContaining({
      code: 'unavailable',
      details: expect.objectContaining({
        publicMessage: expect.stringContaining('being rebuilt'),
        retryAfter: expect.any(Number),
      }),
    }),
  );
  expect(() => opened.departments).toThrow(/being rebuilt/);
  await expect(opened.settled()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(opened.waitFor(await log.head(), 20)).rejects.toMatchObject({ code: 'timeout' });
  opened.close();

  const { projections } = await log.caughtUp('old.db');
  await replaced(projections);
  await projections.settled();
  expect(projections.chats.get('acme', 'c3')).not.toBeNull();
  const fresh = await log.caughtUp('fresh.db');
  expect(log.hashes('old.db', projections)).toEqual(log.hashes('fresh.db', fresh.projections));
  await waitFor(async () => (await filesOf('old')).length === 1);
});

test('queries never read an incomplete build: it is continued first', async () => {
  await fill(0, 3);
  const never = log.open('half.db');
  expect(never.position()).toBeNull();
  expect(() => never.visitors).toThrow(/being rebuilt/);
  never.close();
  const [file = ''] = await filesOf('half');
  const { projections } = await log.caughtUp('half.db');
  expect(projections.visitors.get('acme', 'v2')).not.toBeNull();
  expect(await filesOf('half')).toEqual([file]); // the same file, continued
});

test('deletes files that are damaged, or are no build', async () => {
  await fill(0, 1);
  const one = await log.caughtUp('mine.db');
  await one.stop();
  await pretend('mine', { visitors: 99 });
  await copyFile(join(log.folder, 'events.db'), join(log.folder, 'mine.db.7'));
  await copyFile(new URL(import.meta.url).pathname, join(log.folder, 'mine.db.8'));
  const { projections } = await log.caughtUp('mine.db');
  await replaced(projections);
  await waitFor(async () => (await filesOf('mine')).length === 1);
  expect(await filesOf('mine')).toEqual(['mine.db.9']);
  expect(projections.visitors.get('acme', 'v0')).not.toBeNull();
});

test('no query reads rows of another log', async () => {
  await fill(0, 1);
  const one = await log.caughtUp('mine.db');
  await one.stop();
  const [file = ''] = await filesOf('mine');
  const db = new DatabaseSync(join(log.folder, file));
  db.exec(`UPDATE build SET store = 'another log'`);
  db.close();
  const opened = log.open('mine.db');
  expect(opened.builds().current).toBeNull();
  expect(await filesOf('mine')).not.toContain(file);
  opened.close();
});

test('if the log turns out to be an older copy, the rows are dropped and built again in the same file', async () => {
  await fill(0, 2);
  const folder = join(log.folder, 'events.db');
  const copy = join(log.folder, 'copy.db');
  const source = new DatabaseSync(folder, { readOnly: true });
  source.exec(`VACUUM INTO '${copy}'`);
  source.close();
  await fill(2, 5);
  const newer = await log.caughtUp('restored.db');
  await newer.stop();

  const store = await openSqliteEventStore(copy);
  const path = join(log.folder, 'restored.db');
  const opens = Promise.withResolvers<void>();
  const vault = {
    learn: () => {},
    forget: () => {},
    open: async (event: RecordedEvent) => {
      await opens.promise;
      return log.vault.open(event);
    },
  };
  const projections = createProjections({ path, store, vault });
  expect(projections.visitors.get('acme', 'v4')).not.toBeNull(); // not compared with the log yet
  const ending = new AbortController();
  const running = projections.start(ending.signal);
  await waitFor(() => projections.position() === null);
  expect(() => projections.visitors).toThrow(/being rebuilt/);
  // If the process were killed now, the file would not pass for complete.
  const [file = ''] = await filesOf('restored');
  const seen = new DatabaseSync(join(log.folder, file), { readOnly: true });
  expect(seen.prepare('SELECT complete FROM build').get()).toEqual({ complete: 0 });
  seen.close();
  opens.resolve();
  await waitFor(() => projections.position() !== null);
  expect(projections.visitors.get('acme', 'v4')).toBeNull();
  expect(projections.visitors.get('acme', 'v1')).not.toBeNull();
  ending.abort();
  await running;
  projections.close();
  await store.close();
});

test('after a kill at any moment of a rebuild, queries see complete rows', async () => {
  await fill(0, 120);
  const fresh = await log.caughtUp('fresh.db');
  const complete = log.hashes('fresh.db', fresh.projections);
  const head = await log.head();
  const random = seeded(7);
  const child = () =>
    startChild(new URL('./builds-child.ts', import.meta.url), [log.folder, SECRET]);
  let exchanges = 0;
  for (let round = 0; round < 12; round += 1) {
    const running = child();
    await running.until(1 + Math.floor(random() * 3));
    const end = performance.now() + random() * 30;
    await waitFor(() => performance.now() >= end, { every: 1 });
    await running.kill();
    exchanges += running.lines.filter((line) => line === 'replaced').length;
    const files = await filesOf('killed');
    expect(files.length).toBeLessThanOrEqual(3);
    const opened = log.open('killed.db');
    const { current } = opened.builds();
    if (exchanges > 0) expect(current).not.toBeNull();
    if (current) {
      expect(nameOf(current.versions)).toContain('chats/');
      expect(opened.position()).toBe(head);
      expect(log.hashes('killed.db', opened)).toEqual(complete);
    }
    opened.close();
  }
  expect(exchanges).toBeGreaterThan(3);
  const { projections } = await log.caughtUp('killed.db');
  await replaced(projections);
  expect(log.hashes('killed.db', projections)).toEqual(complete);
});

test('a build learns the data keys from the log, and searches for none', async () => {
  await fill(0, 4);
  const { wrapping } = deriveSecrets([SECRET]);
  const searches: string[] = [];
  const { store } = log;
  const vault = createVault({
    store: {
      ...store,
      readStream: (stream, options) => {
        searches.push(stream);
        return store.readStream(stream, options);
      },
    },
    wrapping,
    now: log.now,
    newId: () => '',
  });
  const projections = createProjections({ path: join(log.folder, 'learning.db'), store, vault });
  const ending = new AbortController();
  const running = projections.start(ending.signal);
  await projections.waitFor(await log.head(), 10_000);
  expect(projections.visitors.get('acme', 'v0')?.page).not.toBeNull();
  expect(searches).toEqual([]);
  ending.abort();
  await running;
  projections.close();
});
