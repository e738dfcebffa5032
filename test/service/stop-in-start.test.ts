/** SIGTERM at every moment of a start: also while a table is built anew from a long log, or the event store is away. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pace } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { NewEvent } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { newId } from '../support/rig.ts';
import { makeService, type Service, writeTenants } from '../support/service.ts';
import { waitFor } from '../support/wait.ts';

const STREAMS = 600;
/** Facts in one append. */
const FACTS_EACH = 500;

const closing: Service[] = [];
afterEach(async () => {
  for (const service of closing.splice(0)) await service.close();
});

/** A service with an ejabberd that is away. */
async function service(settings: Record<string, string> = {}) {
  const made = await makeService();
  closing.push(made);
  await writeTenants(made, [{ id: 'acme', host: 'xmpp.test', apiKey: 'key-of-acme-0123456789' }]);
  Object.assign(made.settings, {
    EJABBERD_API_URL: 'http://127.0.0.1:2/api',
    EJABBERD_API_USER: 'api@xmpp.test',
    EJABBERD_API_PASSWORD: 'pw',
    EJABBERD_XMPP: 'xmpp://127.0.0.1:1',
    EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    ...settings,
  });
  return made;
}

const fact = (): NewEvent => {
  const id = newId();
  const causes = { commandId: id, correlationId: id, causationId: id };
  const metadata = { tenant: 'acme', at: Date.now(), ...causes, machine: 'visitor/1' };
  const data = { reason: 'no such host' };
  return { id, type: 'SessionFailed', schemaVersion: 1, data, personal: null, metadata };
};

/** Node prints each file of the service when it is loaded, and when the process begins to listen for SIGTERM. */
const TRACE = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  import { writeSync } from 'node:fs';
  const pause = new Int32Array(new SharedArrayBuffer(4));
  // The pipe to a busy test may be full.
  const say = (line) => {
    for (;;) {
      try {
        return writeSync(1, line + '\\n');
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error;
        Atomics.wait(pause, 0, 0, 5);
      }
    }
  };
  registerHooks({
    load(url, context, next) {
      if (url.includes('/src/')) say('loads ' + url.slice(url.indexOf('/src/')));
      return next(url, context);
    },
  });
  const { once } = process;
  process.once = function (name, listener) {
    once.call(this, name, listener);
    if (name === 'SIGTERM') say('listens');
    return this;
  };
`)}`;

it('listens for signals before it loads anything', async () => {
  const running = await service({ NODE_OPTIONS: `--import ${TRACE}` });
  await running.start();
  await running.stop();
  const lines = running
    .logs()
    .split('\n')
    .filter((line) => /^(loads|listens)/.test(line));
  expect(lines.slice(0, 2)).toEqual(['loads /src/cli.ts', 'listens']);
  expect(lines).toContain('loads /src/service/service.ts');
});

it.each<[string, (running: Service) => boolean]>([
  ['it listens for signals', ({ logs }) => logs().includes('listens')],
  ['it loads its configuration', ({ logs }) => logs().includes('/src/config/config.ts')],
  ['it loads the service', ({ logs }) => logs().includes('/src/service/service.ts')],
  ['it opens its folder', ({ dataDir }) => existsSync(join(dataDir, 'process.lock'))],
  ['it opens the log', ({ dataDir }) => existsSync(join(dataDir, 'events.db'))],
  ['the log begins', ({ logs }) => logs().includes('a new log begins')],
  ['its thread starts', ({ logs }) => logs().includes('/src/service/read-thread/worker.ts')],
])('ends with 0 when %s', async (_what, hasCome) => {
  const running = await service({ NODE_OPTIONS: `--import ${TRACE}` });
  const ended = running.start().catch(() => undefined);
  await waitFor(() => hasCome(running), { every: 1, what: 'that moment' });
  await running.stop(); // throws if the code is not 0
  await ended;
});

it('ends with 0 before the table is complete; the next start goes on', {
  timeout: 240_000,
}, async () => {
  const running = await service();
  await running.start();
  await waitFor(() => running.logs().includes('"msg":"ready"'), {
    what: 'the service to be ready',
  });
  await running.stop();
  const store = await openSqliteEventStore(join(running.dataDir, 'events.db'));
  for (let n = 0; n < STREAMS; n++) {
    const facts = Array.from({ length: FACTS_EACH }, fact);
    await store.append(`visitor-acme.${n}`, facts, 'no-stream');
  }
  await store.close();
  const rows = (): number => {
    const db = new DatabaseSync(join(running.dataDir, 'work.db'), { readOnly: true });
    try {
      return Number(db.prepare('SELECT count(*) AS n FROM lane_work').get()?.n);
    } finally {
      db.close();
    }
  };

  await running.start();
  await running.stop(); // with code 0, within its time
  const after = rows();
  expect(after).toBeLessThan(STREAMS * FACTS_EACH);
  expect(running.logs().match(/"msg":"ready"/g)).toHaveLength(1);

  await running.start();
  await waitFor(() => rows() > after, { what: 'the table to go on' });
  await running.stop();
});

it('ends with 0 while the event store is away', async () => {
  const running = await service({
    EVENT_STORE: 'esdb://127.0.0.1:1?tls=false',
    SERVICE_SECRET: 'a-secret-of-the-tests-for-every-process',
  });
  const ended = running.start().catch(() => undefined);
  // The folder is opened just before the event store, and signals are handled in the same turn.
  await waitFor(() => existsSync(join(running.dataDir, 'work.db')), { what: 'the folder' });
  await pace(200);
  await running.stop();
  await ended;
});
