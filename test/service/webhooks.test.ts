/** Requests from mod_lhc, or from somebody who claims to be mod_lhc: unusable events, repeated batches, stale signatures. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import type { EventStore } from '../../src/eventstore/port.ts';
import { lastEvent } from '../../src/eventstore/reading.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');
await acme.register('olga');
for (const visitor of ['1', '2']) await acme.view(visitor, { page: 'https://a.test/' });
// Wait for the logins first, because their facts would change the comparisons below.
await waitFor(async () => (await world.metric('xmpp_chat_visitor_sessions')) === 2, {
  what: 'both visitors to be logged in',
});
await world.idle();

const queueId = randomUUID();
let seq = 0;
const event = (type: string, fields: object) => ({
  queueId,
  seq: ++seq,
  at: new Date().toISOString(),
  host: 'xmpp.test',
  type,
  ...fields,
});
const message = (from: string, to: string, text: string) =>
  event('message', { from: `${from}/desk`, to, id: text, body: { '': text } });

function post(events: unknown, at = new Date(), secret = world.webhookSecret) {
  const body = JSON.stringify(events);
  const id = randomUUID();
  return service.call('POST', '/ejabberd/events', body, {
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  });
}
/** The end of the log without the progress of lanes, which is written later than their effects. */
const head = async (): Promise<string> => {
  const { body } = await service.call('GET', '/debug/events?direction=backwards&limit=50');
  return body.items.find(({ stream }: { stream: string }) => !stream.startsWith('lane-')).position;
};
const invitations = (visitor: string) =>
  acme.callbacks('visitor.invited').filter(({ data }) => data.visitor === visitor);

const olga = 'olga@xmpp.test';
const nora = 'nora@xmpp.test';
const batch = [
  message(olga, acme.visitorJid('1'), 'the first that can be used'),
  message(nora, acme.visitorJid('2'), 'from somebody who is not registered'),
  message(olga, acme.visitorJid('stranger'), 'to a visitor who is not known'),
  message('olga@elsewhere.test', acme.visitorJid('1'), 'from a host that is nobody’s'),
  message(olga, 'x@y@z', 'to no JID at all'),
  event('message', { from: `${olga}/desk`, id: 'without-a-receiver', body: { '': 'lost' } }),
  event('message', { from: `${olga}/desk`, to: acme.visitorJid('2'), id: 'no-text', body: 'text' }),
  // Some 1.2 MB as JSON: more than one append takes.
  {
    ...message(olga, acme.visitorJid('2'), 'the long one'),
    body: { '': `long ${'"'.repeat(600_000)}` },
  },
  event('operator.presence', {
    user: 'olga',
    resource: 'desk',
    session: 's1',
    show: 'away',
    status: '\u0001'.repeat(200_000),
  }),
  event('operator.connected', { user: 'nora', resource: 'desk', session: 's2' }),
  event('of.the.future', { anything: true }),
  'no event at all',
  message(olga, acme.visitorJid('1'), 'the last that can be used'),
];

it('an unusable event is set aside with a reason; the rest of the batch is taken', async () => {
  expect((await post(batch)).status).toBe(204);
  await waitFor(() => invitations('1').length === 2, { what: 'both invitations' });
  expect(invitations('1').map(({ data }) => data.message.body)).toEqual([
    'the first that can be used',
    'the last that can be used',
  ]);
  const reasons = await waitFor(async () => {
    const { body } = await service.call('GET', '/debug/dead-letters');
    return body.items.length > 1 && body.items.map(({ reason }: { reason: string }) => reason);
  });
  expect(reasons.sort()).toEqual([
    expect.stringMatching(/^body: /),
    expect.stringMatching(/one append takes/),
  ]);
  // Strangers, and messages to nobody, leave no trace.
  const events = await service.call('GET', '/debug/events?limit=500');
  const streams = new Set(events.body.items.map(({ stream }: { stream: string }) => stream));
  expect([...streams].filter((name) => /nora|stranger|elsewhere/.test(String(name)))).toEqual([]);
});

it('a repeated batch is answered with 204 and does nothing', async () => {
  await world.idle();
  const before = { head: await head(), callbacks: acme.lhc.accepted().length };
  expect((await post(batch.filter((each) => typeof each !== 'string'))).status).toBe(204);
  expect(await head()).toBe(before.head);
  expect(acme.lhc.accepted()).toHaveLength(before.callbacks);
  // A restarted process knows the batch too.
  await service.kill();
  await service.start();
  await world.idle();
  const started = await head();
  expect((await post(batch.filter((each) => typeof each !== 'string'))).status).toBe(204);
  expect(await head()).toBe(started);
  expect(acme.lhc.accepted()).toHaveLength(before.callbacks);
});

it('a signature that is stale, missing or made with another secret is refused', async () => {
  await world.idle();
  const before = await head();
  const good = [message(olga, acme.visitorJid('1'), 'forged')];
  const answers = [
    await post(good, new Date(Date.now() - 10 * 60_000)),
    await post(good, new Date(Date.now() + 10 * 60_000)),
    await post(good, new Date(), `whsec_${Buffer.alloc(32).toString('base64')}`),
    await service.call('POST', '/ejabberd/events', JSON.stringify(good)),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  expect(answers[0]?.headers.get('content-type')).toMatch(/problem\+json/);
  expect(await head()).toBe(before);
});

it('a message to a visitor whose history does not fit is a dead letter; it can be sent again', async () => {
  await world.idle();
  await service.stop();
  const stream = 'visitor-acme.2';
  const change = async (how: (store: EventStore) => Promise<unknown>) => {
    const store = await openEventStore(`sqlite:${join(service.dataDir, 'events.db')}`);
    await how(store);
    await store.close();
  };
  await change(async (store) => {
    const last = await lastEvent(store, stream);
    if (!last) throw new Error('the visitor has no facts');
    const odd = { ...last, id: randomUUID(), type: 'OfAnotherProgram', personal: null };
    await store.append(stream, [odd], last.revision);
  });
  await service.start();
  const behind = message(olga, acme.visitorJid('1'), 'behind it');
  const before = invitations('1').length;
  const kept = message(olga, acme.visitorJid('2'), 'kept');
  expect((await post([kept, behind])).status).toBe(204);
  await waitFor(() => invitations('1').length > before, { what: 'the message behind it' });

  const list = await service.cli('dead-letters', 'list');
  expect(list).toMatchObject({ code: 0 });
  const line = list.output.split('\n').find((each) => /does not fit/.test(each)) ?? '';
  const [id = ''] = line.split(' ');
  const letter = await service.cli('dead-letters', 'show', id);
  expect(letter.output).toMatch(/kept/);
  expect(await service.cli('dead-letters', 'send', id)).toMatchObject({ code: 1 });
  expect(invitations('2')).toEqual([]);

  await service.stop();
  await change((store) => store.deleteStream(stream));
  await service.start();
  await acme.view('2', { page: 'https://a.test/' });
  const sent = await service.cli('dead-letters', 'send', id);
  expect(sent).toMatchObject({ code: 0 });
  const invited = await acme.callback('visitor.invited', ({ visitor }) => visitor === '2');
  expect(invited.data.message.body).toBe('kept');
  expect((await service.cli('dead-letters', 'list')).output).not.toContain(id);
  const again = await service.cli('dead-letters', 'send', id);
  expect(again).toMatchObject({ code: 1 });
  expect(again.output).toMatch(/there is no dead letter/);
  expect(invitations('2')).toHaveLength(1);
});

it('while ejabberd is away, the start of mod_lhc does not hold up the events behind it', async () => {
  const session = { user: 'olga', resource: 'desk' };
  const there = (id: string, show: string) => [
    event('operator.connected', { ...session, session: id }),
    event('operator.presence', { ...session, session: id, show, status: '' }),
  ];
  expect((await post(there('old', 'available'))).status).toBe(204);
  await acme.operatorIs('olga', 'available');
  await world.ejabberd.kill();
  const before = invitations('1').length;
  const started = event('module.started', { version: '1.3.0', instance: '' });
  const hello = message(olga, acme.visitorJid('1'), 'while ejabberd is away');
  expect((await post([started, ...there('new', 'away'), hello])).status).toBe(204);
  await waitFor(() => invitations('1').length > before, { what: 'the message behind it' });
  // ejabberd comes back without the client: both sessions are gone, and nobody reports it.
  await world.ejabberd.start();
  await acme.operatorIs('olga', 'offline');
});
