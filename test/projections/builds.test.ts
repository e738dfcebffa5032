/** New rows are built beside the old ones: what queries see is whole, at every moment, whatever happens. */
import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { Sealed } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { nameOf } from '../../src/projections/models.ts';
import type { Projections } from '../../src/projections/projections.ts';
import { createProjections } from '../../src/projections/projections.ts';
import { VISITORS_SCHEMA } from '../../src/projections/visitors.ts';
import { openDatabase } from '../../src/sqlite/open.ts';
import { seeded, startChild } from '../support/killing.ts';
import { username } from '../support/names.ts';
import { waitFor } from '../support/wait.ts';
import { type Log, openTestLog } from './log.ts';

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
const hashes = ({ visitors, messages, operators, chats }: Projections) =>
  [visitors, messages, operators, chats].map((each) => each.hash());
const filesOf = async (name: string): Promise<string[]> =>
  (await readdir(log.folder)).filter(
    (file) => file.startsWith(`${name}.db`) && /\.db(\.\d+)?$/.test(file),
  );
const swapped = async (projections: Projections): Promise<void> => {
  await waitFor(() => projections.builds().shown && !projections.builds().building, {
    what: 'the new rows',
  });
};

test('rows that are built anew are those that grew, while all is answered and goes forward', async () => {
  await fill(0, 150);
  const { projections } = await log.caughtUp('live.db');
  const first = projections.builds().shown?.number;
  projections.rebuild();
  projections.rebuild(); // is the same one
  let looks = 0;
  let before = projections.position();
  for (let n = 150; projections.builds().building; n += 1) {
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
  expect(projections.builds().shown?.number).toBe((first ?? 0) + 1);
  const anew = await log.caughtUp('anew.db');
  expect(hashes(projections)).toEqual(hashes(anew.projections));
  await waitFor(async () => (await filesOf('live')).length === 1);
  // And it goes on with them.
  await log.visitor('late', VIEW);
  await projections.waitFor(await log.head(), 5000);
  expect(projections.visitors.get('acme', 'late')).not.toBeNull();
});

/** As an older release left them: the same file with other versions written in it. */
const pretend = async (name: string, versions: Record<string, number>): Promise<void> => {
  const [file = ''] = await filesOf(name);
  const db = new DatabaseSync(join(log.folder, file));
  db.prepare('UPDATE build SET versions = ?').run(JSON.stringify(versions));
  db.close();
};

test('rows of an older version answer where they can until the new ones are whole', async () => {
  await fill(0, 3);
  const old = await log.caughtUp('old.db');
  const versions = { ...old.projections.builds().shown?.versions };
  await old.stop();
  await pretend('old', { ...versions, visitors: 1, chats: 0 });
  await fill(3, 4);

  const opened = log.open('old.db');
  const { shown, building } = opened.builds();
  expect(shown).toMatchObject({ complete: true, following: null });
  expect(building).toMatchObject({ complete: false, position: null });
  expect(opened.visitors.get('acme', 'v2')).not.toBeNull();
  expect(opened.visitors.get('acme', 'v3')).toBeNull(); // they stand still
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
  await swapped(projections);
  await projections.settled();
  expect(projections.chats.get('acme', 'c3')).not.toBeNull();
  expect(hashes(projections)).toEqual(hashes((await log.caughtUp('anew.db')).projections));
  await waitFor(async () => (await filesOf('old')).length === 1);
});

test('rows of the release that knew one file only are shown until the new ones are whole', async () => {
  await fill(0, 2);
  const head = await log.head();
  const db = openDatabase(join(log.folder, 'first.db'), {
    applicationId: 0x78435072,
    version: 1,
    schema: '',
    synchronous: 'NORMAL',
  });
  db.exec(`${VISITORS_SCHEMA}
    CREATE TABLE checkpoints (name TEXT PRIMARY KEY, version INTEGER, store TEXT, position TEXT);
    INSERT INTO visitors (tenant, key, presence, arrived_at, last_seen, revision, updated_at)
      VALUES ('acme', 'of-old', 'online', 1, 1, 0, 1)`);
  db.prepare(`INSERT INTO checkpoints VALUES ('projections', 3, ?, ?)`).run(log.store.id, head);
  db.close();
  const opened = log.open('first.db');
  expect(opened.position()).toBe(head);
  expect(opened.visitors.get('acme', 'of-old')).not.toBeNull();
  expect(() => opened.messages).toThrow(/being rebuilt/);
  opened.close();
  const { projections } = await log.caughtUp('first.db');
  await swapped(projections);
  expect(projections.visitors.get('acme', 'of-old')).toBeNull();
  expect(projections.visitors.get('acme', 'v1')).not.toBeNull();
  await waitFor(async () => !(await filesOf('first')).includes('first.db'));
});

test('what is half-built is never shown: it is built to its end first', async () => {
  await fill(0, 3);
  const never = log.open('half.db');
  expect(never.position()).toBeNull();
  expect(() => never.visitors).toThrow(/being rebuilt/);
  never.close();
  const [file = ''] = await filesOf('half');
  const { projections } = await log.caughtUp('half.db');
  expect(projections.visitors.get('acme', 'v2')).not.toBeNull();
  expect(await filesOf('half')).toEqual([file]); // the same one, gone on with
});

test('files that are damaged, of another log, or of no build are deleted', async () => {
  await fill(0, 1);
  const one = await log.caughtUp('mine.db');
  await one.stop();
  await pretend('mine', { visitors: 99 });
  await copyFile(join(log.folder, 'events.db'), join(log.folder, 'mine.db.7'));
  await copyFile(new URL(import.meta.url).pathname, join(log.folder, 'mine.db.8'));
  const { projections } = await log.caughtUp('mine.db');
  await swapped(projections);
  await waitFor(async () => (await filesOf('mine')).length === 1);
  expect(await filesOf('mine')).toEqual(['mine.db.9']);
  expect(projections.visitors.get('acme', 'v0')).not.toBeNull();
});

test('rows of a log that turns out to be an older copy are not shown, but built anew in their place', async () => {
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
    open: async (sealed: Sealed) => {
      await opens.promise;
      return log.vault.open(sealed);
    },
  };
  const projections = createProjections({ path, store, vault });
  expect(projections.visitors.get('acme', 'v4')).not.toBeNull(); // not looked at yet
  const ending = new AbortController();
  const running = projections.start(ending.signal);
  await waitFor(() => projections.position() === null);
  expect(() => projections.visitors).toThrow(/being rebuilt/);
  // Killed now, it would not be taken for whole.
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

test('killed at any moment of a rebuild, what is shown is whole', async () => {
  await fill(0, 120);
  const whole = hashes((await log.caughtUp('anew.db')).projections);
  const head = await log.head();
  const random = seeded(7);
  const child = () =>
    startChild(new URL('./builds-child.ts', import.meta.url), [
      log.folder,
      log.wrapping.toString('hex'),
    ]);
  let swaps = 0;
  for (let round = 0; round < 12; round += 1) {
    const running = child();
    await running.until(1 + Math.floor(random() * 3));
    const end = performance.now() + random() * 30;
    await waitFor(() => performance.now() >= end, { every: 1 });
    await running.kill();
    swaps += running.lines.filter((line) => line === 'swapped').length;
    const files = await filesOf('killed');
    expect(files.length).toBeLessThanOrEqual(3);
    const opened = log.open('killed.db');
    const { shown } = opened.builds();
    if (swaps > 0) expect(shown).not.toBeNull();
    if (shown) {
      expect(nameOf(shown.versions)).toContain('chats/');
      expect(opened.position()).toBe(head);
      expect(hashes(opened)).toEqual(whole);
    }
    opened.close();
  }
  expect(swaps).toBeGreaterThan(3);
  await rm(join(log.folder, 'killed.db'), { force: true });
  const { projections } = await log.caughtUp('killed.db');
  await swapped(projections);
  expect(hashes(projections)).toEqual(whole);
});
