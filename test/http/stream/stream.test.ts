/** The live stream over a real socket, a real log and real read models. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import type { Tenant } from '../../../src/actors/tenant/tenant.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { Listening } from '../../../src/http/serve.ts';
import type { StreamLimits } from '../../../src/http/stream/hub.ts';
import { digestOf } from '../../../src/kit/key-digest.ts';
import type { Follower } from '../../../src/projections/builds.ts';
import { createReadModels } from '../../../src/projections/read-models.ts';
import { type Following, type Log, openTestLog } from '../../projections/log.ts';
import { type LiveReader, readEvents } from '../../support/events.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';
import { KEYS } from '../fakes.ts';
import { type StreamRig, startStreamRig } from './rig.ts';

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
const startOf = (chatId: string): VisitorCommand => ({
  type: 'StartChat',
  chatId,
  department: 'sales',
  delays,
  message: { id: 'm1', body: 'Hello' },
});
const START = startOf('c1');

let log: Log;
let live: Following;
const rigs: StreamRig[] = [];
beforeEach(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
  // The first build is complete a few turns later. Until then connections are refused.
  await waitFor(() => live.projections.position() !== null);
});
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  await log.close();
});

const start = async (limits: Partial<StreamLimits> = {}, one: Following = live) => {
  const rig = await startStreamRig(log, one.readModels, limits);
  rigs.push(rig);
  return rig;
};
const positions = async (prefix = 'visitor-acme.'): Promise<string[]> =>
  (await log.store.readAll({ prefixes: [prefix], limit: 5000 })).map(({ position }) => position);
const facts = (reader: LiveReader): string[] =>
  reader.events.flatMap(({ event, data }) => (data.fact ? [`${event}:${data.fact}`] : []));

/** Read models that stand still, and their followers. */
function behind() {
  const position = live.projections.position();
  const followers: Follower[] = [];
  const projections = Object.assign(Object.create(live.projections), {
    position: () => position,
    follow: (follower: Follower) => {
      followers.push(follower);
      return () => {};
    },
  });
  const readModels = createReadModels({ projections, store: log.store, now: log.now });
  return { readModels, position, followers };
}

test('starts with hello and then has an event for each change, with the row as queries show it', async () => {
  await log.visitor('old', view('/'));
  await live.projections.waitFor(await log.head(), 5000);
  const { open } = await start();
  const reader = await open();
  expect(reader.status).toBe(200);
  expect(reader.headers.get('content-type')).toBe('text/event-stream');
  expect(reader.headers.get('cache-control')).toBe('no-store');
  await reader.until(() => reader.events.length === 1);
  const head = await log.head();
  expect(reader.events[0]).toEqual({
    event: 'hello',
    id: head,
    data: { position: head, resumed: false },
  });
  expect(reader.retry).toBe(3500);

  await log.visitor('7', view('/shop'));
  await log.visitor('7', START);
  await log.visitor('7', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'receipt' });
  await log.operator('op', { type: 'ClaimAccount', adopted: false });
  await log.operator('op', {
    type: 'Register',
    lhcUserId: 1,
    departments: [],
    capacity: 2,
    name: 'Olga',
    nameChanged: true,
  });
  await reader.until(() => reader.of('operator').length === 1);
  expect(facts(reader)).toEqual([
    'visitor:VisitorArrived',
    'chat:ChatStarted',
    'visitor:ChatStarted',
    'message:VisitorMessageSent',
    'message:MessageDelivered',
    'operator:OperatorRegistered',
  ]);
  expect(reader.of('visitor')[0]?.data).toMatchObject({
    fact: 'VisitorArrived',
    at: log.now(),
    visitor: { key: '7', jid: 'visitor.7@xmpp.test', page: '/shop' },
  });
  expect(reader.of('chat')[0]?.data.chat).toMatchObject({ chatId: 'c1', state: 'waiting' });
  expect(reader.of('message').map(({ data }) => [data.key, data.message.body])).toEqual([
    ['7', 'Hello'],
    ['7', 'Hello'],
  ]);
  expect(reader.of('operator')[0]?.data).toMatchObject({
    username: 'op',
    operator: { name: 'Olga', jid: 'op@xmpp.test' },
  });
  // One fact has two events. Only the last one moves the id.
  const [, , started] = await positions();
  expect(reader.of('chat')[0]?.id).not.toBe(started);
  expect(reader.of('visitor')[1]?.id).toBe(started);
  expect(reader.lastEventId).toBe(await log.head());
});

test("has no other tenant's changes, and only the requested types", async () => {
  const { open } = await start();
  const [acme, chats, beta] = [
    await open(),
    await open({ query: '?types=chat,operator' }),
    await open({ tenant: 'beta' }),
  ];
  await log.visitor('7', view('/a'));
  await log.visitor('7', view('/b'), TenantId.parse('beta'));
  await log.visitor('7', START);
  await log.visitor('7', startOf('of-beta'), TenantId.parse('beta'));
  await acme.until(() => acme.of('message').length === 1);
  await beta.until(() => beta.of('message').length === 1);
  await chats.until(() => chats.of('chat').length === 1);
  expect(JSON.stringify(acme.events)).not.toContain('beta');
  expect(beta.of('visitor')[0]?.data.visitor.page).toBe('/b');
  expect(facts(chats)).toEqual(['chat:ChatStarted']);
  // If only one of the two types is requested, its event has the id.
  expect(chats.of('chat')[0]?.id).toBe((await positions())[1]);
});

test('goes on after the last event id: nothing is missed, in order, from the log and then live', async () => {
  const { open } = await start();
  const first = await open();
  await log.visitor('7', view('/0'));
  await first.until(() => first.of('visitor').length === 1);
  const id = first.lastEventId;
  await first.close();
  for (let n = 1; n <= 1200; n += 1) {
    log.passes(40_000);
    await log.visitor('7', view(`/${n}`));
    // A visitor with the same name, so that a mix-up of tenants would find a row.
    if (n % 100 === 0) await log.visitor('7', view(`/of-beta/${n}`), TenantId.parse('beta'));
    log.passes(-39_000); // so that the missed events are not too old
  }
  const going = Promise.all(
    Array.from({ length: 50 }, async (_, n) => log.visitor(`later-${n}`, view('/later'))),
  );
  const second = await open({ id });
  await going;
  await second.until(() => second.of('visitor').length >= 1250, 'all of them', 20_000);
  expect(second.events[0]).toMatchObject({ event: 'hello', data: { position: id, resumed: true } });
  const all = await positions();
  expect(second.of('visitor').map((event) => event.id)).toEqual(all.slice(all.indexOf(id) + 1));
});

test('sends missed events as fast as the reader reads, however many there are', async () => {
  const { open, stream } = await start({ maxBufferBytes: 64 * 1024 });
  await log.visitor('7', view('/0'));
  const id = await log.head();
  for (let n = 1; n <= 100; n += 1) await log.visitor(`v${n}`, view(`/${'x'.repeat(4000)}`));
  await log.visitor('7', START);
  const messageIds = Array.from({ length: 8 }, (_, n) => `long-${n}`);
  const body = 'x'.repeat(20_000);
  for (const messageId of messageIds) {
    await log.visitor('7', { type: 'SendMessage', chatId: null, messageId, body });
  }
  // One fact whose events exceed the buffer.
  await log.visitor('7', { type: 'ReportMessageDelivered', messageIds, by: 'receipt' });
  await live.projections.waitFor(await log.head(), 5000);
  const reader = await open({ id });
  await reader.until(() => reader.of('message').length === 17 || reader.ended !== null, 'all');
  expect(reader.of('visitor')).toHaveLength(101);
  expect(reader.lastEventId).toBe(await log.head());
  expect(stream.stats()).toMatchObject({ connections: 1, cut: 0, resets: 0 });
});

test('many readers that reconnect at once share the event loop: a few events in each turn', async () => {
  const { open, stream } = await start();
  await log.visitor('7', view('/0'));
  const id = await log.head();
  for (let n = 1; n <= 200; n += 1) await log.visitor(`v${n}`, view(`/${n}`));
  await live.projections.waitFor(await log.head(), 5000);
  let [last, most, watching] = [0, 0, true];
  const watch = (): void => {
    const { sent } = stream.stats();
    most = Math.max(most, sent - last);
    last = sent;
    if (watching) setImmediate(watch);
  };
  watch();
  const readers = await Promise.all(Array.from({ length: 20 }, () => open({ id })));
  for (const reader of readers) await reader.until(() => reader.of('visitor').length === 200);
  watching = false;
  expect(stream.stats().sent).toBe(4000);
  // One reader's share of a turn. All of them together would be up to 1,000.
  expect(most).toBeLessThanOrEqual(100);
});

test('sends missed events only up to what queries show, and the rest when queries show it', async () => {
  await log.visitor('7', view('/0'));
  await live.projections.waitFor(await log.head(), 5000);
  const { readModels, position, followers } = behind();
  const { open } = await start({ heartbeatMs: 10 }, { ...live, readModels });
  await log.visitor('7', START);
  const events = await log.store.readAll({ prefixes: ['visitor-acme.'] });
  const reader = await open({ id: `${position?.replace(/\d+$/, '0')}` });
  await reader.until(() => reader.of('visitor').length === 1);
  // The reader has caught up. Some heartbeats later nothing more has come.
  await reader.until(() => reader.comments > 3);
  expect(facts(reader)).toEqual(['visitor:VisitorArrived']);
  expect(reader.lastEventId).toBe(position);
  for (const { onApplied } of followers) {
    onApplied({ events, through: await log.head(), live: true });
  }
  await reader.until(() => reader.of('message').length === 1);
  expect(facts(reader).filter((fact) => fact === 'visitor:VisitorArrived')).toHaveLength(1);
});

test('a reader that comes from a process further ahead gets nothing twice', async () => {
  await log.visitor('7', view('/0'));
  await live.projections.waitFor(await log.head(), 5000);
  const { readModels, followers } = behind();
  const { open } = await start({ heartbeatMs: 10 }, { ...live, readModels });
  await log.visitor('7', view('/seen'));
  const reader = await open({ id: await log.head() });
  await reader.until(() => reader.comments > 3);
  await log.visitor('7', START);
  const events = await log.store.readAll({ prefixes: ['visitor-acme.'] });
  for (const { onApplied } of followers)
    onApplied({ events, through: await log.head(), live: true });
  await reader.until(() => reader.of('message').length === 1);
  expect(facts(reader)).toEqual([
    'chat:ChatStarted',
    'visitor:ChatStarted',
    'message:VisitorMessageSent',
  ]);
});

test('tells the reader to query anew if events cannot be sent, and goes on from there', async () => {
  const limits = { maxMissedEvents: 3, maxMissedMs: 60_000 };
  const { open, stream } = await start(limits);
  const resetReason = async (id: string): Promise<string> => {
    const reader = await open({ id });
    await reader.until(() => reader.of('reset').length === 1);
    expect(reader.events[0]).toMatchObject({ event: 'hello' });
    expect(reader.of('reset')[0]).toMatchObject({
      id: live.projections.position(),
      data: { position: live.projections.position() },
    });
    await log.visitor('next', { type: 'TimeOut' });
    await log.visitor('next', view(`/${log.now()}`));
    await reader.until(() => reader.of('visitor').length > 0, 'to go on');
    return reader.of('reset')[0]?.data.reason;
  };
  await log.visitor('7', view('/0'));
  const [old = ''] = await positions();
  for (let n = 1; n < 5; n += 1) {
    log.passes(1000);
    await log.visitor(`v${n}`, view('/'));
  }
  await live.projections.waitFor(await log.head(), 5000);
  expect(await resetReason(old)).toMatch(/too much/);
  expect(await resetReason('nonsense')).toMatch(/not a position/);
  expect(await resetReason(old.replace(/:\d+$/, ':999999'))).toMatch(/not in the log/);
  log.passes(120_000);
  expect(await resetReason(old)).toMatch(/too old/);
  expect(stream.stats().resets).toBe(4);
});

test('has at most so many connections for each tenant and for all', async () => {
  const { open, stream, server } = await start({ maxPerTenant: 2, maxConnections: 3 });
  const [first] = [await open(), await open()];
  const third = await open();
  expect([third.status, third.headers.get('retry-after')]).toEqual([429, '10']);
  const metrics = await fetch(`${server.url}/metrics`);
  expect(await metrics.text()).toContain('xmpp_chat_over_bound_total{bound="liveConnections"} 1');
  expect((await open({ tenant: 'beta' })).status).toBe(200);
  expect((await open({ tenant: 'beta' })).status).toBe(503);
  expect(stream.stats().connections).toBe(3);
  await first.close();
  await waitFor(() => stream.stats().connections === 2);
  expect((await open()).status).toBe(200);
});

test('keeps no connection for a HEAD request', async () => {
  const { open, stream, server } = await start({ maxPerTenant: 1 });
  const headers = { authorization: `Bearer ${KEYS.acme}` };
  const response = await fetch(`${server.url}/v1/acme/stream`, { method: 'HEAD', headers });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream',
  ]);
  expect(stream.stats().connections).toBe(0);
  expect((await open()).status).toBe(200);
});

test("keeps connections alive, and moves their id with other tenants' events", async () => {
  const { open } = await start({ heartbeatMs: 20 });
  const reader = await open();
  await log.visitor('b', view('/'), TenantId.parse('beta'));
  await reader.until(() => reader.comments > 2 && reader.lastEventId !== '');
  await reader.until(() => reader.lastEventId === live.projections.position());
  await live.projections.waitFor(await log.head(), 5000);
  expect(reader.events.map(({ event }) => event)).toEqual(['hello']);
});

test('ends when its key has ended, or its tenant was removed', async () => {
  const acme = tenantWith({ id: 'acme', host: 'xmpp.test', apiKey: KEYS.acme });
  const beta = tenantWith({ id: 'beta', host: 'beta.test', apiKey: KEYS.beta });
  const keys = [...acme.keys, { digest: digestOf('the-key-of-before-0123'), until: null }];
  const known = (...all: Tenant[]) => createTenantDirectory(all);
  let now = known({ ...acme, keys }, beta);
  const tenants = { ...now, get: (id: TenantId) => now.get(id) };
  const rig = await startStreamRig(log, live.readModels, { heartbeatMs: 20 }, { tenants });
  rigs.push(rig);
  const key = 'the-key-of-before-0123';
  const old = await readEvents(`${rig.server.url}/v1/acme/stream`, { key });
  const [present, other] = [await rig.open(), await rig.open({ tenant: 'beta' })];
  for (const each of [old, present, other]) await each.until(() => each.comments > 2);
  now = known(acme);
  for (const each of [old, other]) await each.until(() => each.ended !== null);
  const { comments } = present;
  await present.until(() => present.comments > comments + 2);
  await waitFor(() => rig.stream.stats().connections === 1);
});

/** A reader that reads nothing until it is resumed. */
const slowReader = async (server: Listening): Promise<Socket> => {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `GET /v1/acme/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEYS.acme}\r\n\r\n`,
  );
  await once(socket, 'readable');
  return socket;
};

test('cuts off a reader who is too slow, and the others go on', async () => {
  const { open, stream, server } = await start({ maxBufferBytes: 64 * 1024, drainWithinMs: 200 });
  const slow = await slowReader(server);
  const quick = await open();
  await quick.until(() => quick.events.length === 1);
  const closed = once(slow, 'close');
  let n = 0;
  // The kernel buffers some megabytes of it.
  for (; stream.stats().cut === 0 && n < 20_000; n += 1) {
    log.passes(40_000);
    await log.visitor('7', view(`/${n}/${'x'.repeat(4000)}`));
    log.passes(-39_990);
    if (n % 50 === 0) await live.projections.waitFor(await log.head(), 5000);
  }
  expect(stream.stats()).toMatchObject({ cut: 1, connections: 1 });
  slow.resume();
  await closed;
  await quick.until(() => quick.of('visitor').length === n, 'all of them', 20_000);
  expect(quick.ended).toBeNull();
  expect(new Set(quick.of('visitor').map(({ id }) => id)).size).toBe(n);
});

test('a burst larger than the buffer cuts off nobody who reads', async () => {
  const { open, stream } = await start({ maxBufferBytes: 16 * 1024 });
  const [all, chats] = [await open(), await open({ query: '?types=chat' })];
  const some = Array.from({ length: 100 }, (_, n) => `v${n}`);
  await Promise.all(some.map((key) => log.visitor(key, view(`/${'x'.repeat(2000)}`))));
  await Promise.all(some.map((key, n) => log.visitor(key, startOf(`c${n}`))));
  await all.until(() => all.of('message').length === 100 || all.ended !== null, 'all');
  await chats.until(() => chats.of('chat').length === 100 || chats.ended !== null, 'all');
  expect(all.of('visitor').map(({ id }) => id)).toEqual(
    (await log.store.readAll({ prefixes: ['visitor-acme.'] }))
      .filter(({ type }) => type !== 'VisitorMessageSent')
      .map(({ position }) => position),
  );
  expect(stream.stats()).toMatchObject({ connections: 2, cut: 0, resets: 0 });
});

test('ends at once when the service stops', async () => {
  const { open, stream, server } = await start();
  const reader = await open();
  await reader.until(() => reader.events.length === 1);
  const from = performance.now();
  stream.close();
  await server.close(10_000);
  expect(performance.now() - from).toBeLessThan(2000);
  await reader.until(() => reader.ended === 'by the server');
  expect(stream.stats().connections).toBe(0);
});

test('ends when a rebuild replaces the rows, and the next connection misses nothing', async () => {
  const { open } = await start();
  const reader = await open();
  await log.visitor('7', view('/1'));
  await reader.until(() => reader.of('visitor').length === 1);
  live.projections.rebuild();
  await reader.until(() => reader.ended === 'by the server');
  await log.visitor('8', view('/2'));
  const next = await open({ id: reader.lastEventId });
  await next.until(() => next.of('visitor').length === 1);
  expect(next.of('visitor')[0]?.data.visitor).toMatchObject({ key: '8' });
});

test('is refused while the read models are being built', async () => {
  await live.stop();
  await log.visitor('7', view('/'));
  const projections = log.open('never.db');
  const readModels = createReadModels({ projections, store: log.store, now: log.now });
  const never: Following = { projections, readModels, stop: async () => {} };
  const { open } = await start({}, never);
  const reader = await open();
  expect([reader.status, reader.headers.get('retry-after')]).toEqual([503, '5']);
  projections.close();
});
