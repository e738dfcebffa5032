/** A host that several tenants share: each has a queue of its own, and waits for nobody else's. */
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { FAST_OPERATORS, testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { type Batch, type LhcEvent, startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ...FAST_OPERATORS, max_backoff: 1, request_timeout: 6, max_queue: 160, max_tenants: 4 },
  extraConfig: {
    api_permissions: { all: { from: ['mod_http_api'], who: { ip: '127.0.0.0/8' }, what: '*' } },
  },
});
async function call(command: string, body: Readonly<Record<string, string>>): Promise<void> {
  const response = await fetch(`${ejabberd.apiUrl}/${command}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status, await response.text()).toBe(200);
}
const { host } = ejabberd;
const spool = join(ejabberd.dir, 'spool', 'mod_lhc', host);
for (const instance of ['acme', 'beta', 'gamma', 'delta']) {
  await ejabberd.registerOperator(`olga.${instance}`, 'pw', host, `operators.${instance}`);
}
const login = { service: ejabberd.xmpp, domain: host, password: 'pw' };
const connect = (instance: string) => connectOperator({ ...login, username: `olga.${instance}` });
const visitorOf = (instance: string): string => `visitor.1.${instance}@${host}`;
const starts = (instance: string) =>
  receiver.ofType('module.started').filter((event) => event.instance === instance);
const queueOf = (instance: string): string => starts(instance).at(-1)?.queueId ?? '';
const eventsOf = (instance: string): LhcEvent[] =>
  receiver.events.filter(({ queueId }) => queueId === queueOf(instance));
const isOf = (instance: string) => (batch: Batch) => batch.id.startsWith(queueOf(instance));

beforeEach(() => receiver.answer(204));
afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('a queue begins with module.started, which names the instance', async () => {
  expect(await receiver.event('module.started')).toMatchObject({ instance: '', seq: 1 });
  expect(starts('acme')).toEqual([]);
  const [acme, beta] = [await connect('acme'), await connect('beta')];
  await acme.sendAndAck(visitorOf('acme'), 'x', 'a-1');
  await beta.sendAndAck(visitorOf('beta'), 'x', 'b-1');
  for (const [instance, id] of [
    ['acme', 'a-1'],
    ['beta', 'b-1'],
  ] as const) {
    await receiver.event('message', (message) => message.id === id);
    expect(eventsOf(instance)).toMatchObject([
      { type: 'module.started', seq: 1, instance, reason: 'start' },
      { type: 'operator.connected', seq: 2, user: `olga.${instance}` },
      { type: 'operator.presence', seq: 3 },
      { type: 'message', seq: 4, id },
    ]);
  }
  expect(new Set(['', 'acme', 'beta'].map(queueOf)).size).toBe(3);
  expect((await readdir(join(spool, 'instances'))).toSorted()).toEqual(['acme', 'beta']);
  for (const client of [acme, beta]) await client.disconnect();
});

it.each([
  ['is refused', 500],
  ['gets no answer', 'hang'],
] as const)("a tenant whose batch %s does not hold up another's", async (_, answer) => {
  const [acme, beta] = [await connect('acme'), await connect('beta')];
  const isAcme = isOf('acme');
  receiver.answer((batch) => (isAcme(batch) ? answer : 204));
  const before = eventsOf('acme').length;
  const seen = receiver.batches.length;
  for (let n = 0; n < 5; n += 1)
    await acme.sendAndAck(visitorOf('acme'), 'x', `held-${answer}-${n}`);
  await waitFor(() => receiver.batches.at(-1) && receiver.batches.some((b) => isAcme(b)));
  for (let n = 0; n < 5; n += 1) {
    await beta.sendAndAck(visitorOf('beta'), 'x', `free-${answer}-${n}`);
    await receiver.event('message', ({ id }) => id === `free-${answer}-${n}`);
  }
  expect(eventsOf('acme').length).toBe(before);
  // All of that while the first attempt had no answer: tenants do not even share a connection.
  if (answer === 'hang') expect(receiver.batches.slice(seen).filter(isAcme)).toHaveLength(1);
  receiver.answer(204);
  await receiver.event('message', ({ id }) => id === `held-${answer}-4`, 15_000);
  const held = eventsOf('acme').flatMap((e) => (e.type === 'message' ? [e.id] : []));
  expect(held.slice(-5)).toEqual([0, 1, 2, 3, 4].map((n) => `held-${answer}-${n}`));
  for (const client of [acme, beta]) await client.disconnect();
});

it('a tenant that fills the queue leaves the others their part', async () => {
  const [acme, beta, gamma] = await Promise.all(['acme', 'beta', 'gamma'].map(connect));
  if (!acme || !beta || !gamma) throw new Error('unreachable');
  receiver.answer(503);
  // Four queues: each may have 40 of 160 entries, and beyond half of them 20.
  const flood = async (client: typeof acme, instance: string) => {
    const refused = client.errors.length;
    for (let n = 0; n < 60; n += 1) client.send(visitorOf(instance), 'x', `full-${instance}-${n}`);
    await client.acknowledged();
    return 60 - (client.errors.length - refused);
  };
  expect(await flood(acme, 'acme')).toBeLessThanOrEqual(40);
  expect(await flood(beta, 'beta')).toBeLessThanOrEqual(40);
  const rest = await flood(gamma, 'gamma');
  expect(rest).toBeGreaterThanOrEqual(15);
  expect(rest).toBeLessThanOrEqual(40);
  receiver.answer(204);
  for (const client of [acme, beta, gamma]) {
    // There is room again.
    await waitFor(async () => {
      const refused = client.errors.length;
      await client.sendAndAck(visitorOf(client.jid.split(/[.@]/)[1] ?? ''), 'x');
      return client.errors.length === refused;
    });
    await client.disconnect();
  }
});

it('refuses the operators of more tenants than max_tenants', async () => {
  const delta = await connect('delta');
  const id = await delta.sendAndAck(visitorOf('delta'), 'x');
  expect(delta.errors.map(({ attrs }) => attrs.id)).toEqual([id]);
  expect(starts('delta')).toEqual([]);
  await waitFor(async () => /more than 4 tenants/.test(await ejabberd.logs()));
  await delta.disconnect();
});

it('after a kill each queue keeps its messages, id and numbers, and begins with module.started', async () => {
  const acme = await connect('acme');
  await receiver.event('operator.presence', ({ user }) => user === 'olga.acme');
  const before = { id: queueOf('acme'), starts: starts('acme').length };
  receiver.answer(503);
  for (let n = 0; n < 10; n += 1) acme.send(visitorOf('acme'), 'x', `kept-${n}`);
  await acme.acknowledged();
  await ejabberd.kill();
  acme.drop();
  receiver.answer(204);
  await ejabberd.start();
  await receiver.event('message', ({ id }) => id === 'kept-9', 10_000);
  await waitFor(() => starts('acme').length > before.starts);
  expect(queueOf('acme')).toBe(before.id);
  const own = eventsOf('acme');
  const kept = own.flatMap((event) => (event.type === 'message' ? [event.id] : []));
  expect(kept.slice(-10)).toEqual(Array.from({ length: 10 }, (_, n) => `kept-${n}`));
  expect(own.at(-1)).toMatchObject({ type: 'module.started', instance: 'acme', reason: 'start' });
  // The others have begun too, though nobody has logged in.
  for (const instance of ['', 'beta', 'gamma']) {
    await waitFor(() => starts(instance).length >= 2);
  }
});

it('a process that crashes begins again, reports its sessions, and logs no text', async () => {
  const [acme, beta] = [await connect('acme'), await connect('beta')];
  receiver.answer((batch) => (isOf('acme')(batch) ? 503 : 204));
  await acme.sendAndAck(visitorOf('acme'), 'in the batch', 'crash-1');
  await waitFor(() => receiver.batches.some(({ body }) => body.includes('crash-1')));
  // The sender keeps its batch, so this message is read from the disk later, where it is damaged.
  await acme.sendAndAck(visitorOf('acme'), 'S3CRET-TEXT', 'crash-2');
  const folder = join(spool, 'instances', 'acme');
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.seg')).toSorted();
  const file = join(folder, segments.at(-1) ?? '');
  const damaged = await open(file, 'r+');
  const content = await damaged.readFile();
  await damaged.write('X', content.lastIndexOf('S3CRET-TEXT'));
  await damaged.close();
  const before = starts('acme').length;
  receiver.answer(204);
  await waitFor(() => starts('acme').length > before);
  expect(starts('acme').at(-1)).toMatchObject({ reason: 'overflow' });
  const id = await acme.sendAndAck(visitorOf('acme'), 'x');
  await receiver.event('message', (message) => message.id === id);
  const last = eventsOf('acme').findLastIndex(({ type }) => type === 'module.started');
  expect(eventsOf('acme').slice(last + 1)).toMatchObject([
    { type: 'operator.connected', user: 'olga.acme' },
    { type: 'operator.presence', user: 'olga.acme' },
    { type: 'message', id },
  ]);
  await beta.sendAndAck(visitorOf('beta'), 'x', 'crash-beta');
  await receiver.event('message', (message) => message.id === 'crash-beta');
  const crash = /mod_lhc: error in \w+: badmatch/;
  await waitFor(async () => crash.test(await ejabberd.logs()), { what: 'the line of the crash' });
  expect(await ejabberd.logs()).not.toContain('CRET-TEXT');
  for (const client of [acme, beta]) await client.disconnect();
});

it('a changed bound begins all queues anew, and nothing is lost or passes unseen', async () => {
  const acme = await connect('acme');
  await acme.sendAndAck(visitorOf('acme'), 'x', 'before-reload');
  await receiver.event('message', ({ id }) => id === 'before-reload');
  receiver.answer(503);
  await acme.sendAndAck(visitorOf('acme'), 'x', 'waits-for-reload');
  const before = { id: queueOf('acme'), starts: starts('acme').length };
  const file = join(ejabberd.dir, 'ejabberd.yml');
  const config = JSON.parse(await readFile(file, 'utf8'));
  config.modules.mod_lhc.max_queue = 400;
  await writeFile(file, JSON.stringify(config));
  const reloaded = call('reload_config', {});
  // The roster is an IQ, which needs the module's tables.
  for (let n = 0; n < 20; n += 1) await acme.roster();
  await reloaded;
  receiver.answer(204);
  await waitFor(() => starts('acme').length > before.starts);
  const id = await acme.sendAndAck(visitorOf('acme'), 'x');
  await receiver.event('message', (message) => message.id === id);
  expect(queueOf('acme')).toBe(before.id);
  const last = eventsOf('acme').findLastIndex(({ type }) => type === 'module.started');
  expect(eventsOf('acme').slice(last - 1)).toMatchObject([
    { type: 'message', id: 'waits-for-reload' },
    { type: 'module.started', reason: 'start' },
    { type: 'operator.connected', user: 'olga.acme' },
    { type: 'operator.presence', show: 'available' },
    { type: 'message', id },
  ]);
  await acme.disconnect();
});

it('the empty queue of a tenant that is gone is removed at the next start', async () => {
  await call('srg_delete', { group: 'operators.gamma', host });
  const folder = join(spool, 'instances');
  const isEmpty = async () => {
    const files = await readdir(join(folder, 'gamma'));
    const segments = files.filter((name) => name.endsWith('.seg'));
    const sizes = segments.map(
      async (name) => (await readFile(join(folder, 'gamma', name))).length,
    );
    return Math.max(...(await Promise.all(sizes))) <= 33;
  };
  // Some seconds after its last event was accepted.
  await waitFor(isEmpty, { deadlineMs: 20_000 });
  const before = { gamma: starts('gamma').length, beta: starts('beta').length };
  await ejabberd.stop();
  await ejabberd.start();
  await waitFor(() => starts('beta').length > before.beta);
  expect(await readdir(folder)).not.toContain('gamma');
  expect(starts('gamma').length).toBe(before.gamma);
  // Its place is free.
  const delta = await connect('delta');
  const id = await delta.sendAndAck(visitorOf('delta'), 'x');
  await receiver.event('message', (message) => message.id === id);
  await delta.disconnect();
});
