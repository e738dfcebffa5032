/** Every acknowledged message arrives, whatever is killed, and repeats can be recognised. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { FAST_OPERATORS, testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator, type OperatorOptions } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { type Answer, startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', 'other.test'],
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ...FAST_OPERATORS, request_timeout: 1, max_backoff: 1 },
  extraConfig: {
    api_permissions: { all: { from: ['mod_http_api'], who: { ip: '127.0.0.0/8' }, what: '*' } },
  },
});
const { host } = ejabberd;
/** Kills in a test: the second one finds a queue that a kill has left. */
const ROUNDS = 2;
for (const user of ['op1', 'op2']) await ejabberd.registerOperator(user, 'pw');
await ejabberd.registerOperator('op1', 'pw', 'other.test');
const visitorJid = `visitor.1@${host}`;
const spool = join(ejabberd.dir, 'spool', 'mod_lhc', host);
const login = (username: string, options: Partial<OperatorOptions> = {}): Promise<Operator> =>
  connectOperator({
    service: ejabberd.xmpp,
    domain: host,
    username,
    password: 'pw',
    ...options,
  });
const ids = () => receiver.ofType('message').map(({ id }) => id);

async function call(command: string, body: Readonly<Record<string, string>>): Promise<void> {
  const response = await fetch(`${ejabberd.apiUrl}/${command}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status, await response.text()).toBe(200);
}

beforeEach(() => receiver.answer(204));
afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('repeats a batch with the same id and a new signature until it is accepted', async () => {
  const operator = await login('op1');
  await receiver.event('operator.presence');
  const failures: Answer[] = [500, 'lost', 302, 400, 'hang'];
  const seen = receiver.batches.length;
  receiver.answer(() => failures.shift() ?? 204);
  const id = await operator.sendAndAck(visitorJid, 'again and again');
  await receiver.event('message', (message) => message.id === id, 15_000);
  const attempts = receiver.batches.slice(seen);
  expect(attempts.length).toBeGreaterThanOrEqual(6);
  const first = attempts.filter((batch) => batch.id === attempts[0]?.id);
  expect(first).toHaveLength(6);
  expect(new Set(first.map(({ body }) => body)).size).toBe(1);
  const stamps = first.map(({ timestamp }) => timestamp);
  expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
  expect(new Set(first.map(({ signature }) => signature)).size).toBe(new Set(stamps).size);
  expect(stamps.at(-1)).toBeGreaterThan(stamps[0] ?? 0);
  await operator.disconnect();
});

it('a service that hangs does not delay operators', async () => {
  receiver.answer('hang');
  const [one, two] = [await login('op1'), await login('op2')];
  const started = performance.now();
  for (let n = 0; n < 20; n += 1) await one.sendAndAck(visitorJid, `hung ${n}`, `hung-${n}`);
  one.send(two.jid, 'to a colleague');
  await two.waitFor(({ messages }) => messages.length === 1);
  expect(performance.now() - started).toBeLessThan(1_000);
  receiver.answer(204);
  await receiver.event('message', ({ id }) => id === 'hung-19', 10_000);
  for (const client of [one, two]) await client.disconnect();
});

it.each([
  ['stream management', true],
  ['the answer to a ping', false],
])('keeps messages acknowledged by %s when ejabberd is killed', async (_, streamManagement) => {
  const expected: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    receiver.answer(503);
    const operators = await Promise.all(['op1', 'op2'].map((u) => login(u, { streamManagement })));
    await Promise.all(
      operators.map(async (operator, index) => {
        const own = Array.from({ length: 25 }, (__, n) => `k-${_}-${round}-${index}-${n}`);
        for (const id of own) operator.send(visitorJid, 'kept', id);
        await operator.acknowledged();
        expected.push(...own);
      }),
    );
    await ejabberd.kill();
    for (const operator of operators) operator.drop();
    receiver.answer(204);
    await ejabberd.start();
    const last = expected.slice(-50);
    await waitFor(() => last.every((id) => ids().includes(id)), { deadlineMs: 10_000 });
  }
  const arrived = ids().filter((id) => id.startsWith(`k-${_}`));
  expect(arrived.toSorted()).toEqual(expected.toSorted());
  for (let index = 0; index < 2; index += 1) {
    const own = arrived.filter((id) => id.startsWith(`k-${_}-${ROUNDS - 1}-${index}-`));
    expect(own).toEqual(
      Array.from({ length: 25 }, (__, n) => `k-${_}-${ROUNDS - 1}-${index}-${n}`),
    );
  }
});

it('keeps acknowledged messages when ejabberd is killed while operators write', async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const operators = await Promise.all(
      ['op1', 'op2'].map((user) => login(user, { streamManagement: true })),
    );
    let running = true;
    const talk = operators.map(async (operator, index) => {
      for (let n = 0; running; n += 1) {
        const own = [0, 1, 2, 3].map((part) => `mid-${round}-${index}-${n}-${part}`);
        for (const id of own) operator.send(visitorJid, 'in the middle', id);
        await operator.acknowledged();
        acknowledged.push(...own);
      }
    });
    const before = acknowledged.length;
    await waitFor(() => acknowledged.length > before + 100 + 40 * round);
    running = false;
    await ejabberd.kill();
    for (const operator of operators) operator.drop();
    // The last acknowledgement of each operator may never come.
    await Promise.race([
      Promise.allSettled(talk),
      new Promise((resolve) => setTimeout(resolve, 200)),
    ]);
    await ejabberd.start();
  }
  await waitFor(() => acknowledged.every((id) => ids().includes(id)), { deadlineMs: 10_000 });
  const arrived = ids().filter((id) => id.startsWith('mid-'));
  expect(new Set(arrived).size).toBe(arrived.length);
});

it('keeps its queue over a restart, and reports the start', async () => {
  const hosts = [host, 'other.test'];
  const lastOf = (name: string) => receiver.events.findLast((event) => event.host === name);
  const before = new Map(hosts.map((name) => [name, lastOf(name)]));
  await ejabberd.stop();
  await ejabberd.start();
  for (const name of hosts) {
    const { queueId, seq = 0 } = before.get(name) ?? {};
    const started = await receiver.event(
      'module.started',
      (event) => event.host === name && event.seq > seq,
      30_000,
    );
    expect(started).toMatchObject({ queueId, reason: 'start' });
  }
});

it('removes accepted events from the disk', async () => {
  const operator = await login('op1');
  await operator.sendAndAck(visitorJid, 'a'.repeat(40_000), 'large');
  await receiver.event('message', ({ id }) => id === 'large');
  await operator.disconnect();
  const content = async () => {
    const files = await readdir(spool);
    expect(files).toContain('cursor');
    return files.filter((name) => name.endsWith('.seg'));
  };
  const [name] = await content();
  // A new segment, a few seconds after the queue has become empty.
  await waitFor(async () => !(await content()).includes(name ?? ''), { deadlineMs: 12_000 });
  expect(await content()).toHaveLength(1);
});

it('each virtual host has its own queue, and a deleted spool makes a new one', async () => {
  const queues = () =>
    new Set(receiver.ofType('module.started').map((event) => `${event.host} ${event.queueId}`));
  expect(queues().size).toBe(2);
  const other = await connectOperator({
    service: ejabberd.xmpp,
    domain: 'other.test',
    username: 'op1',
    password: 'pw',
  });
  // A visitor of one host is not a visitor of another.
  other.send(visitorJid, 'across', 'across');
  await other.sendAndAck('visitor.1@other.test', 'within', 'within');
  const event = await receiver.event('message', ({ id }) => id === 'within');
  expect(event.host).toBe('other.test');
  expect(ids()).not.toContain('across');
  await other.disconnect();
  await ejabberd.stop();
  await rm(spool, { recursive: true });
  await ejabberd.start();
  await waitFor(() => queues().size === 3);
});

it('reports all current sessions after a restart of the module', async () => {
  const operator = await login('op1', { presence: { show: 'dnd', status: 'busy' } });
  const before = await receiver.event('operator.presence', ({ status }) => status === 'busy');
  const starts = receiver.ofType('module.started').length;
  await call('restart_module', { host, module: 'mod_lhc' });
  await waitFor(() => receiver.ofType('module.started').length > starts);
  const start = receiver.events.findLastIndex(({ type }) => type === 'module.started');
  await waitFor(() => receiver.events.length > start + 2);
  const session = { user: 'op1', session: before.session };
  expect(receiver.events.slice(start + 1, start + 3)).toMatchObject([
    { type: 'operator.connected', ...session },
    { type: 'operator.presence', ...session, show: 'dnd', status: 'busy' },
  ]);
  await operator.sendAndAck(visitorJid, 'still works', 'after-restart');
  await receiver.event('message', ({ id }) => id === 'after-restart');
  await operator.disconnect();
});

it("an operator's account survives a kill right after the answer", async () => {
  await call('register', { user: 'new', host, password: 'pw' });
  await ejabberd.kill();
  await ejabberd.start();
  await (await login('new')).disconnect();
});
