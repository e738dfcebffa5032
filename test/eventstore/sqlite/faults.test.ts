import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, test } from 'vitest';
import { openEventStore } from '../../../src/eventstore/open.ts';
import { encodeAppend } from '../../../src/eventstore/sqlite/encode.ts';
import { FLOORS } from '../../../src/eventstore/sqlite/floors.ts';
import { createLogWriter } from '../../../src/eventstore/sqlite/log.ts';
import { createRemoval } from '../../../src/eventstore/sqlite/removal.ts';
import { openLog } from '../../../src/eventstore/sqlite/schema.ts';
import { openSqliteEventStore } from '../../../src/eventstore/sqlite/store.ts';
import { spawnWriter } from '../../../src/eventstore/sqlite/writer-thread.ts';
import { fnv1a } from '../../../src/kit/hash.ts';
import { startChild } from '../../support/child-process.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { waitFor } from '../../support/wait.ts';
import { event, events, numbers } from '../events.ts';

const folder = temporaryFolder('eventstore-faults');
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (): string => {
  files += 1;
  return join(folder, `${files}.db`);
};

function namesIn(path: string): unknown[] {
  const db = openLog(path, 'reader');
  const rows = db.prepare('SELECT name FROM streams ORDER BY name').all();
  db.close();
  return rows.map(({ name }) => name);
}

describe('a group of appends', () => {
  test('a conflict and a repeated id affect no other append', () => {
    const db = openLog(newPath(), 'writer');
    const log = createLogWriter(db);
    const known = event(0);
    log.commit([encodeAppend('v-a', [known], 'no-stream')]);
    const answers = log.commit([
      encodeAppend('v-b', events(1, 2), 'no-stream'),
      encodeAppend('v-a', [event(3)], 'no-stream'),
      encodeAppend('v-c', [event(4), known], 'no-stream'),
      encodeAppend('v-a', [event(5)], 0),
      encodeAppend('v-c', [event(6)], 'no-stream'),
    ]);
    expect(answers).toEqual([
      { kind: 'appended', revision: 1, position: 3 },
      { kind: 'conflict', actual: 0 },
      { kind: 'duplicate' },
      { kind: 'appended', revision: 1, position: 4 },
      { kind: 'appended', revision: 0, position: 5 },
    ]);
    db.close();
  });

  test('a full disk fails the whole group, and a later one succeeds', () => {
    const db = openLog(newPath(), 'writer');
    const log = createLogWriter(db);
    const large = (n: number) => event(n, { data: { text: 'x'.repeat(100_000) } });
    log.commit([encodeAppend('v-a', [event(0)], 'no-stream')]);
    db.exec('PRAGMA max_page_count = 20');
    expect(() =>
      log.commit([
        encodeAppend('v-a', [event(1)], 0),
        encodeAppend('v-b', [large(2), large(3)], 'no-stream'),
      ]),
    ).toThrow(/full/);
    db.exec('PRAGMA max_page_count = 100000');
    const answers = log.commit([
      encodeAppend('v-a', [event(1)], 0),
      encodeAppend('v-b', [large(2)], 'no-stream'),
    ]);
    expect(answers).toEqual([
      { kind: 'appended', revision: 1, position: 2 },
      { kind: 'appended', revision: 0, position: 3 },
    ]);
    db.close();
  });
});

describe('the file', () => {
  test('can be read only by its owner', async () => {
    const path = newPath();
    const store = await openSqliteEventStore(path);
    await store.append('v-a', [event(0)], 'no-stream');
    for (const suffix of ['', '-wal', '-shm', '.lock']) {
      expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    }
    await store.close();
  });

  test.each([
    [
      'is not a SQLite file',
      (path: string) => writeFileSync(path, 'The quick brown fox. '.repeat(500)),
    ],
    [
      'belongs to another program',
      (path: string) => {
        const db = new DatabaseSync(path);
        db.exec('CREATE TABLE t (a)');
        db.close();
      },
    ],
    [
      'was made by a later version',
      (path: string) => {
        const db = openLog(path, 'writer');
        db.exec('PRAGMA user_version = 99');
        db.close();
      },
    ],
    [
      'is damaged',
      (path: string) => {
        openLog(path, 'writer').close();
        const bytes = readFileSync(path);
        writeFileSync(path, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length, 7)]));
      },
    ],
  ])('is refused, with its name, if it %s', async (_, make) => {
    const path = newPath();
    make(path);
    await expect(openEventStore(`sqlite:${path}`)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(path),
    });
  });

  test.each(['esdb:localhost:2113', 'sqlite:', 'postgres://x', ''])(
    'an EVENT_STORE of %j is refused',
    async (url) => {
      await expect(openEventStore(url)).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringContaining('EVENT_STORE'),
      });
    },
  );

  test('has nothing left of a deleted stream', async () => {
    const path = newPath();
    const store = await openSqliteEventStore(path);
    const secret = 'wrapped-key-of-a-person';
    const many = Array.from({ length: 1200 }, (_, n) => event(n, { data: { secret } }));
    await store.append('key-demo.a', many, 'no-stream');
    await store.append('v-a', [event(0)], 'no-stream');
    await store.deleteStream('key-demo.a');
    for (const suffix of ['', '-wal']) {
      const bytes = readFileSync(path + suffix);
      expect([secret, 'key-demo.a'].filter((text) => bytes.includes(text))).toEqual([]);
    }
    expect(numbers(await store.readAll())).toEqual([0]);
    await store.close();
  });

  test('gives no revision of a deleted stream again, though its name is forgotten', async () => {
    const path = newPath();
    let store = await openSqliteEventStore(path);
    // They share a floor.
    const names = ['v-a', 'v-535662', 'v-3823795'];
    expect(new Set(names.map((name) => fnv1a(name) % FLOORS)).size).toBe(1);
    for (const life of [0, 1, 2]) {
      for (const name of names) {
        const { revision } = await store.append(name, events(0, 2), 'no-stream');
        expect(revision).toBe((life * names.length + names.indexOf(name)) * 3 + 2);
        await store.deleteStream(name, { expected: revision });
      }
      expect(namesIn(path)).toEqual([]);
      await store.close();
      store = await openSqliteEventStore(path);
    }
    // The one that ends last is shorter than the other.
    await store.append(names[0] ?? '', events(0, 2), 'no-stream');
    await store.append(names[1] ?? '', [event(3)], 'no-stream');
    await store.deleteStream(names[0] ?? '');
    await store.deleteStream(names[1] ?? '');
    // Nor if the row of the new stream comes from an append that failed.
    const known = event(4);
    await store.append('v-known', [known], 'no-stream');
    await expect(store.append(names[2] ?? '', [known], 'no-stream')).rejects.toThrow();
    expect((await store.append(names[2] ?? '', [event(5)], 'no-stream')).revision).toBe(30);
    expect((await store.append('v-another', [event(0)], 'no-stream')).revision).toBe(0);
    await store.close();
  });

  test('keeps the name of a stream that begins again before its old events are gone', () => {
    const path = newPath();
    const db = openLog(path, 'writer');
    const log = createLogWriter(db);
    const removal = createRemoval(db);
    log.commit([encodeAppend('v-a', events(0, 2), 'no-stream')]);
    removal.hide('v-a', null);
    log.forget('v-a');
    const [again] = log.commit([encodeAppend('v-a', [event(3)], 'no-stream')]);
    expect(again).toMatchObject({ kind: 'appended', revision: 3 });
    expect(removal.slice('v-a')).toBe(true);
    expect(namesIn(path)).toEqual(['v-a']);
    log.forget('v-a');
    expect(log.last('v-a')).toBe(3);
    db.close();
  });

  test('writes what can be read behind a deletion that others looked at', async () => {
    const store = await openSqliteEventStore(newPath());
    await store.append('v-a', events(0, 1999), 'no-stream');
    const [deleted, looked] = await Promise.allSettled([
      store.deleteStream('v-a'),
      store.append('v-a', [event(2000)], 7), // the writer remembers the stream while its events go
    ]);
    expect([deleted.status, looked.status]).toEqual(['fulfilled', 'rejected']);
    await store.append('v-a', [event(2001)], 'no-stream');
    expect(numbers(await store.readStream('v-a'))).toEqual([2001]);
    expect(numbers(await store.readAll())).toEqual([2001]);
    await store.close();
  });

  test('of an earlier release loses the names of deleted streams, and keeps their revisions', async () => {
    const path = newPath();
    const old = openLog(path, 'writer');
    createLogWriter(old).commit([encodeAppend('v-kept', events(0, 1), 'no-stream')]);
    old.exec(`DROP TABLE floors;
      INSERT INTO streams (name, base, first) VALUES ('v-gone', 7, 7), ('v-gone too', 4, 4);
      UPDATE streams SET first = 2 WHERE name = 'v-kept'; DELETE FROM events`);
    old.close();
    const store = await openSqliteEventStore(path);
    expect(namesIn(path)).toEqual(['v-kept']);
    const begun = await store.append('v-gone', [event(2)], 'no-stream');
    expect(begun.revision).toBe(7);
    expect((await store.append('v-kept', [event(3)], 1)).revision).toBe(2);
    await store.close();
  });

  test('loses truncated events later, even after a restart', async () => {
    const path = newPath();
    let store = await openSqliteEventStore(path);
    await store.append('v-a', events(0, 1999), 'no-stream');
    await store.truncateBefore('v-a', 1990);
    await store.close();
    store = await openSqliteEventStore(path);
    await waitFor(async () => (await store.readAll()).length === 10, { what: 'the removal' });
    expect(numbers(await store.readStream('v-a', { limit: 1 }))).toEqual([1990]);
    await store.close();
  });
});

describe('a second process', () => {
  test('can read, but not write', async () => {
    const path = newPath();
    const store = await openSqliteEventStore(path);
    await store.append('v-a', [event(0)], 'no-stream');
    await expect(openSqliteEventStore(path)).rejects.toMatchObject({ code: 'conflict' });

    const reader = await openSqliteEventStore(path, { readOnly: true });
    const controller = new AbortController();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const batch of reader.subscribe({ signal: controller.signal })) {
        seen.push(...numbers(batch.events));
      }
    })();
    await store.append('v-a', [event(1)], 0);
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual([0, 1]);
    expect(await reader.head()).toBe(await store.head());
    await expect(reader.append('v-a', [event(2)], 1)).rejects.toMatchObject({ code: 'refused' });
    controller.abort();
    await reading;
    await reader.close();
    await store.close();

    // It notices the truncation although nobody writes.
    const alone = await openSqliteEventStore(path, { readOnly: true });
    expect(await alone.readStream('v-a')).toHaveLength(2);
    await alone.close();
  });

  test('can write as soon as the first process is dead', async () => {
    const path = newPath();
    const child = startChild(new URL('./child.ts', import.meta.url), [path]);
    await child.until(20);
    await expect(openSqliteEventStore(path)).rejects.toMatchObject({ code: 'conflict' });
    await child.kill();
    const store = await openSqliteEventStore(path);
    await store.append('v-a', [event(0)], 'no-stream');
    await store.close();
  });

  test('cannot open a missing log for reading', async () => {
    await expect(openSqliteEventStore(newPath(), { readOnly: true })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

describe('the writer’s thread', () => {
  test('is started again after it died: waiting appends are unavailable, and repeating them resolves their outcome', async () => {
    const workers: Worker[] = [];
    const store = await openSqliteEventStore(newPath(), {
      spawn: (path) => {
        const worker = spawnWriter(path);
        workers.push(worker);
        return worker;
      },
    });
    const controller = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const batch of store.subscribe({ signal: controller.signal })) {
        seen.push(...batch.events.map(({ id }) => id));
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      const attempts = Array.from({ length: 50 }, (_, i) => ({
        stream: `v-${round}.${i}`,
        sent: events(0, 1),
      }));
      const results = Promise.allSettled(
        attempts.map(({ stream, sent }) => store.append(stream, sent, 'no-stream')),
      );
      // Some time later, so that in some rounds a part is written.
      if (round % 2) await store.append(`v-first.${round}`, [event(0)], 'no-stream');
      await workers.at(-1)?.terminate();
      for (const result of await results) {
        if (result.status === 'rejected')
          expect(result.reason).toMatchObject({ code: 'unavailable' });
      }
      await waitFor(() => store.check().then(() => true), { what: 'the new thread' });
      for (const { stream, sent } of attempts) {
        expect((await store.append(stream, sent, 'no-stream')).revision).toBe(1);
      }
    }
    expect(workers.length).toBe(6);
    const all = await store.readAll({ limit: 5000 });
    expect(all).toHaveLength(5 * 50 * 2 + 2);
    await waitFor(() => seen.length >= all.length);
    expect(seen).toEqual(all.map(({ id }) => id));
    controller.abort();
    await following;
    await store.close();
  });

  test('writes the waiting appends before it closes; then everything is unavailable', async () => {
    const path = newPath();
    const store = await openSqliteEventStore(path);
    const appends = Array.from({ length: 100 }, (_, i) =>
      store.append(`v-${i}`, [event(i)], 'any'),
    );
    await store.close();
    expect(await Promise.all(appends)).toHaveLength(100);
    const away = { code: 'unavailable' };
    await expect(store.append('v-a', [event(0)], 'any')).rejects.toMatchObject(away);
    await expect(store.readStream('v-a')).rejects.toMatchObject(away);
    await expect(store.head()).rejects.toMatchObject(away);
    await expect(store.check()).rejects.toMatchObject(away);
    await store.close();
  });
});
