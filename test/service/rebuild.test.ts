/**
 * Read models and pending work are caches: after a deletion they are rebuilt with the same content and without any effect.
 * And whoever replays the log, step by step and with other endings, sends nothing to ejabberd and to LHC: their ports are
 * watched.
 */
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, it } from 'vitest';
import { hashRows } from '../projections/hash.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { type WatchedPort, watchPort } from '../support/watched-port.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }], running: false });
const { service } = world;
const acme = world.tenant('acme');

const PINGS = /<iq [^>]*><ping xmlns="urn:xmpp:ping"\/><\/iq>/g;
/** Everything outside is behind ports that count what the service sends there. */
const portOf = (url: string): number => Number(new URL(url).port);
const watched = {
  'ejabberd’s API': await watchPort(portOf(world.ejabberd.apiUrl)),
  // A session that has nothing to say, such as that of the front desk, pings once a minute.
  XMPP: await watchPort(portOf(world.ejabberd.xmpp), PINGS),
  LHC: await watchPort(portOf(acme.lhc.url)),
};
afterAll(() => Promise.all(Object.values(watched).map(({ close }) => close())));
const through = (url: string, { port }: WatchedPort): string =>
  url.replace(/:\d+(?=\/|$)/, `:${port}`);
Object.assign(service.settings, {
  EJABBERD_API_URL: through(world.ejabberd.apiUrl, watched['ejabberd’s API']),
  EJABBERD_XMPP: through(world.ejabberd.xmpp, watched.XMPP),
});
await world.configure('acme', { callbackUrl: through(acme.lhc.url, watched.LHC) });
await service.start();
const sent = () =>
  Object.fromEntries(Object.entries(watched).map(([name, { seen }]) => [name, seen()]));

let olga: Operator;

/** The files of the read models: one, except at the moment when a new file replaces the old one. */
const builds = (): string[] =>
  readdirSync(service.dataDir).filter((name) => /^projections\.db\.\d+$/.test(name));

function hashes(): Record<string, string> {
  const [file = '', ...others] = builds();
  expect(others).toEqual([]);
  return hashRows(join(service.dataDir, file));
}

/** The rows of all tables of pending work. */
function pendingWork(): string {
  const db = new DatabaseSync(join(service.dataDir, 'work.db'), { readOnly: true });
  try {
    const tables = [
      'lane_work',
      'deadlines',
      'desired_visitors',
      'chats_of_visitors',
      'chats_of_operators',
    ];
    return JSON.stringify(tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all()));
  } finally {
    db.close();
  }
}

const remove = async (...names: string[]): Promise<void> => {
  for (const name of names) {
    for (const suffix of ['', '-wal', '-shm']) {
      await rm(join(service.dataDir, name + suffix), { force: true });
    }
  }
};
/** What LHC was told of facts. That an operator is alive follows from the time, and each process says it once a minute. */
const callbacks = () =>
  acme.lhc.requests.filter(({ callback }) => callback?.type !== 'operator.alive');

/** The kinds of actors that have a machine. */
const ACTORS = /^(visitor|operator|tenant)-/;

const head = async () =>
  (await service.call('GET', '/debug/events?direction=backwards&limit=1')).body.items[0];
it('are built again with equal rows, and cause no callback, no message and no fact', async () => {
  await acme.register('olga', { name: 'Olga' });
  olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  for (const visitor of ['1', '2', '3']) {
    await acme.view(visitor, { page: `https://a.test/${visitor}`, nick: `V${visitor}` });
    await acme.ask('POST', `/visitors/${visitor}/chats`, {
      chatId: `c${visitor}`,
      department: 'sales',
      message: { id: `m${visitor}`, body: `Hello from ${visitor}` },
    });
    await acme.callback('message.delivered', ({ messageId }) => messageId === `m${visitor}`);
    await olga.sendAndAck(acme.visitorJid(visitor), `Hello ${visitor}`);
    await acme.callback('chat.message', (data) => data.visitor === visitor);
  }
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await acme.ask('DELETE', '/visitors/2');
  await acme.ask('POST', '/visitors/4/chats', { chatId: 'c4', department: 'nobody' });
  await acme.callback('visitor.cleaned_up');
  await world.idle();
  await service.stop();
  const before = { hashes: hashes(), work: pendingWork() };
  const { visitors, messages, operators, chats } = before.hashes;
  expect(new Set([visitors, messages, operators, chats]).size).toBe(4);

  // A start without a deletion changes nothing. The next start is compared with this one.
  await service.start();
  await world.idle();
  const known = {
    head: (await head()).position,
    callbacks: callbacks().length,
    messages: olga.messages.length,
  };
  await service.stop();
  expect(hashes()).toEqual(before.hashes);

  await remove(...builds(), 'work.db', 'snapshots.db');
  await service.start();
  const { position } = await head();
  await acme.ask('GET', `/visitors?minPosition=${position}`);
  await world.idle();
  await olga.acknowledged();
  expect(position).toBe(known.head);
  expect((await head()).position).toBe(known.head);
  expect(callbacks()).toHaveLength(known.callbacks);
  expect(olga.messages).toHaveLength(known.messages);
  // Visitors who were removed long ago are forgotten when ejabberd has been compared with the log.
  await waitFor(() => pendingWork() === before.work, { what: 'the same pending work' });
  await service.stop();
  expect(hashes()).toEqual(before.hashes);
  expect(pendingWork()).toBe(before.work);

  // A rebuild beside the current rows, while the service answers queries.
  await service.start();
  const rows = async () => (await service.call('GET', '/debug/projections')).body;
  await waitFor(async () => (await rows()).shown?.complete, { what: 'the rows' });
  const { number } = (await rows()).shown;
  expect((await service.call('POST', '/debug/projections/rebuild')).status).toBe(202);
  await waitFor(
    async () => {
      const chats = await acme.call('GET', '/chats');
      expect([chats.status, chats.body.items?.length]).toEqual([200, 4]);
      return (await rows()).shown.number > number;
    },
    { what: 'the new rows' },
  );
  await waitFor(() => builds().length === 1, { what: 'the old rows to be deleted' });
  await service.stop();
  expect(hashes()).toEqual(before.hashes);

  // The service continues from there.
  await service.start();
  await acme.ask('POST', '/visitors/3/messages', { id: 'later', body: 'Still there?' });
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'later');
});

it('a replay of everything, each step, what-ifs and the command line send nothing to ejabberd and to LHC', async () => {
  // Nobody is left to whom the service would speak by itself: no visitor has a session, the front desk has said that, and
  // no operator is alive.
  for (const visitor of ['1', '3', '4']) {
    await acme.ask('DELETE', `/visitors/${visitor}`);
  }
  await waitFor(
    async () => !(await world.accounts('xmpp.test')).some((name) => name.startsWith('visitor.')),
    { what: 'the accounts of visitors to be gone' },
  );
  await olga.waitFor(
    () => olga.presences.get('visitors@xmpp.test')?.status === '0 on the site',
    'the last status of the front desk',
  );
  await olga.disconnect();
  await acme.operatorIs('olga', 'offline');
  await world.idle();
  const before = {
    sent: sent(),
    head: (await head()).position,
    callbacks: acme.lhc.requests.length,
  };

  const debug = async (path: string, body?: unknown) => {
    const answer = await service.call(body === undefined ? 'GET' : 'POST', `/debug/${path}`, body);
    expect(answer.status, `${path} ${JSON.stringify(answer.body)}`).toBe(200);
    return answer.body;
  };
  const { items: streams } = await debug('streams?limit=200');
  const names: string[] = streams
    .map(({ stream }: { stream: string }) => stream)
    .filter((stream: string) => ACTORS.test(stream));
  expect(names.length).toBeGreaterThan(5);
  expect(String(await debug('replay'))).toContain('"unfit":0');
  let steps = 0;
  for (const stream of names) {
    const { items } = await debug(`streams/${stream}/steps?limit=500`);
    const kind = stream.slice(0, stream.indexOf('-'));
    const acting = {
      visitor: [{ command: { type: 'CleanUp' } }, { command: { type: 'ErasePersonalData' } }],
      operator: [{ command: { type: 'Remove' } }],
      tenant: [],
    }[kind] as readonly object[];
    for (const { revision } of items) {
      const actions = [{ wait: 3_600_000 }, ...acting, { wait: 10 * 86_400_000 }];
      await debug(`streams/${stream}/what-if`, { at: { revision }, actions });
      steps += 1;
    }
    await debug(`streams/${stream}/effects`);
    await debug(`streams/${stream}/state`);
  }
  expect(steps).toBeGreaterThan(50);
  const log = `sqlite:${join(service.dataDir, 'events.db')}`;
  for (const store of [[], ['--store', log]]) {
    expect((await service.cli('replay', ...store)).output).toContain('everything fits');
    const trace = ['trace', 'msg:m1', ...store];
    expect((await service.cli(...trace)).output).toContain('VisitorMessageSent');
  }
  expect({
    sent: sent(),
    head: (await head()).position,
    callbacks: acme.lhc.requests.length,
  }).toEqual(before);

  // The watch would have seen it.
  await acme.view('5', { page: '/' });
  await world.idle();
  await acme.ask('POST', '/visitors/5/timeout', {});
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '5');
  for (const [name, { bytes }] of Object.entries(sent())) {
    expect(bytes, name).toBeGreaterThan(before.sent[name]?.bytes ?? 0);
  }
});
