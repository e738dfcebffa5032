/** The read models in their thread: a real log, real rows, real messages between threads. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { Change } from '../../src/projections/change-feed.ts';
import { createReadModels } from '../../src/projections/read-models.ts';
import {
  type ReadThread,
  type ReadThreadOptions,
  startReadThread,
} from '../../src/service/read-thread/read-thread.ts';
import { remoteReadModels } from '../../src/service/read-thread/remote.ts';
import { startStreamRig } from '../http/stream/rig.ts';
import { type Log, openTestLog, SECRET } from '../projections/log.ts';
import { waitFor } from '../support/wait.ts';

const ACME = TenantId.parse('acme');
const delays = {
  hardTimeout: 300_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 3_600_000,
};
const view = (page: string): VisitorCommand => ({
  type: 'ViewPage',
  digest: page,
  department: null,
  delays,
  profile: { page, nick: 'Ann' },
});

let log: Log;
const threads: ReadThread[] = [];
beforeEach(async () => {
  log = await openTestLog();
});
afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.stop();
  await log.close();
});

async function start(more: Partial<ReadThreadOptions> = {}): Promise<ReadThread> {
  const thread = await startReadThread({
    data: {
      eventStore: `sqlite:${join(log.folder, 'events.db')}`,
      path: join(log.folder, 'thread.db'),
      serviceSecrets: [SECRET],
      failpoints: undefined,
    },
    logger: pino({ level: 'silent' }),
    ...more,
  });
  threads.push(thread);
  return thread;
}

/** Waits until the rows have the whole log. */
const caughtUp = async ({ readModels, grown }: ReadThread) => {
  grown();
  return readModels.reach(await log.head(), 20_000, 20_000);
};

test('has every question of the read models', () => {
  const one = log.follow('here.db');
  const here = createReadModels({ projections: one.projections, store: log.store, now: log.now });
  const there = remoteReadModels(
    async () => null,
    () => () => {},
  );
  const names = (models: object): string[] =>
    Object.entries(models)
      .flatMap(([name, part]) =>
        typeof part === 'function' ? [name] : Object.keys(part).map((own) => `${name}.${own}`),
      )
      .sort();
  expect(names(there)).toEqual(names(here));
});

test('answers as the read models beside the rows do', async () => {
  for (const n of [1, 2, 3]) await log.visitor(`v${n}`, view(`/${n}`));
  await log.visitor('v2', {
    type: 'StartChat',
    chatId: 'c1',
    department: 'sales',
    delays,
    message: { id: 'm1', body: 'Hello' },
  });
  const here = (await log.caughtUp('here.db')).readModels;
  const thread = await start();
  const position = await caughtUp(thread);
  expect(position).toBe(await here.reach(null, 1000, 1000));
  const there = thread.readModels;
  const range = { tenant: ACME, since: 0, until: log.now() + 1 };
  const day = { tenant: ACME, todaySince: 0, configured: { sales: null } };
  const all = { tenant: ACME, limit: 10 };
  for (const models of [here, there]) {
    expect((await models.visitors.list(all)).items).toHaveLength(3);
    expect(await models.messages.list({ ...all, visitor: 'nobody' })).toBeNull();
  }
  expect(await there.visitors.list({ ...all, limit: 2 })).toEqual(
    await here.visitors.list({ ...all, limit: 2 }),
  );
  expect(await there.visitors.get(ACME, 'v2')).toEqual(await here.visitors.get(ACME, 'v2'));
  expect(await there.messages.list({ ...all, visitor: 'v2' })).toEqual(
    await here.messages.list({ ...all, visitor: 'v2' }),
  );
  expect(await there.chats.get(ACME, 'c1')).toEqual(await here.chats.get(ACME, 'c1'));
  expect(await there.queue.list({ ...all, now: log.now() })).toEqual(
    await here.queue.list({ ...all, now: log.now() }),
  );
  expect(await there.stats.of(range)).toEqual(await here.stats.of(range));
  expect(await there.departments.list(day)).toEqual(await here.departments.list(day));
  expect(await there.operators.free([ACME])).toEqual({ operators: 0, places: 0 });
  await there.check();
  await there.settled();
  expect(await there.lag()).toBe(0);
  expect((await there.builds()).current).toMatchObject({ complete: true, position });
});

test('an error keeps its code, its message and its details', async () => {
  const { readModels } = await start();
  await readModels.reach(null, 30_000, 0);
  await expect(
    readModels.visitors.list({ tenant: ACME, limit: 10, cursor: 'nonsense' }),
  ).rejects.toMatchObject({ name: 'AppError', code: 'invalid', details: { field: 'cursor' } });
  const elsewhere = 'sqlite:00000000-0000-0000-0000-000000000000:1' as never; // of another store
  await expect(readModels.reach(elsewhere, 0, 100)).rejects.toMatchObject({ code: 'invalid' });
});

test('the rows follow the log within a moment when it is told that the log has grown', async () => {
  const thread = await start();
  await log.visitor('7', view('/1'));
  await caughtUp(thread);
  for (const n of [2, 3, 4, 5]) {
    await log.visitor('7', view(`/${n}`));
    thread.grown();
    await thread.readModels.reach(await log.head(), 0, 10_000);
    expect(await thread.readModels.visitors.get(ACME, '7')).toMatchObject({ page: `/${n}` });
  }
});

test('the live stream gets every change once and in order, while readers come and go', async () => {
  const thread = await start();
  await log.visitor('0', view('/'));
  await caughtUp(thread);
  // The clock of the log is not that of the thread.
  const rig = await startStreamRig(log, thread.readModels, {
    maxMissedMs: Number.MAX_SAFE_INTEGER,
  });
  try {
    const pages = 60;
    const readers = [await rig.open()];
    const writing = (async () => {
      for (let n = 1; n <= pages; n++) {
        log.passes(31_000);
        await log.visitor('7', view(`/${n}`));
        thread.grown();
      }
    })();
    // Readers that resume from the beginning catch up from the log while changes are being reported.
    const [first] = await log.store.readAll({ prefixes: ['visitor-acme.'], limit: 1 });
    for (let n = 0; n < 6; n++) {
      readers.push(await rig.open({ ...(first && { id: first.position }) }));
    }
    await writing;
    await caughtUp(thread);
    for (const reader of readers) {
      await reader.until(
        () => reader.lastEventId !== undefined && reader.of('visitor').length >= pages,
      );
      const revisions = reader.of('visitor').map(({ id }) => id);
      expect(new Set(revisions).size).toBe(revisions.length);
      expect(revisions).toHaveLength(pages);
    }
  } finally {
    await rig.close();
  }
});

test('a thread that dies is started again; what it was asked is unavailable, readers end', async () => {
  const workers: Worker[] = [];
  const thread = await start({
    spawn: (data) => {
      const url = new URL('../../src/service/read-thread/worker.ts', import.meta.url);
      const worker = new Worker(url, { workerData: data, execArgv: [] });
      workers.push(worker);
      return worker;
    },
  });
  await log.visitor('7', view('/1'));
  await caughtUp(thread);
  const rig = await startStreamRig(log, thread.readModels, {
    maxMissedMs: Number.MAX_SAFE_INTEGER,
  });
  try {
    const reader = await rig.open();
    const asked = thread.readModels.reach(await log.head(), 0, 10_000);
    const never = thread.readModels.stats.of({ tenant: ACME, since: 0, until: 1 });
    await workers[0]?.terminate();
    await Promise.allSettled([asked, never]);
    await expect(thread.readModels.check()).rejects.toMatchObject({ code: 'unavailable' });
    await reader.until(() => reader.ended === 'by the server');
    await waitFor(async () => {
      await thread.readModels.check();
      return true;
    });
    await log.visitor('7', view('/2'));
    await caughtUp(thread);
    expect(await thread.readModels.visitors.get(ACME, '7')).toMatchObject({ page: '/2' });
    const next = await rig.open({ id: reader.lastEventId });
    await next.until(() => next.of('visitor').length === 1);
  } finally {
    await rig.close();
  }
  expect(workers).toHaveLength(2);
});

test('a thread that cannot open the log or the rows says why', async () => {
  const data = {
    eventStore: `sqlite:${join(log.folder, 'nowhere', 'events.db')}`,
    path: join(log.folder, 'thread.db'),
    serviceSecrets: [SECRET],
    failpoints: undefined,
  };
  await expect(start({ data })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('events.db'),
  });
});

test('changes of tenants that nobody watches are not sent', async () => {
  const thread = await start();
  const { changes } = thread.readModels;
  const seen: Change[] = [];
  await thread.readModels.reach(null, 20_000, 0); // a build reports no changes before it is complete
  changes.follow({ onChanges: (more) => seen.push(...more), onReplaced: () => {} });
  await changes.watch({ id: TenantId.parse('beta'), host: 'beta.test' });
  await log.visitor('1', view('/'));
  await log.visitor('2', view('/'), TenantId.parse('beta'));
  await caughtUp(thread);
  await waitFor(() => seen.length > 0);
  await changes.unwatch(TenantId.parse('beta'));
  await log.visitor('3', view('/'), TenantId.parse('beta'));
  await caughtUp(thread);
  expect(seen.map(({ tenant }) => tenant)).toEqual(['beta']);
});
