/** Requests from mod_lhc, or from somebody who claims to be mod_lhc: unusable events, repeated batches, stale signatures. */
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
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
  const { body } = await service.call('GET', '/debug/dead-letters');
  const reasons = body.items.map(({ reason }: { reason: string }) => reason).sort();
  expect(reasons).toHaveLength(5);
  expect(reasons.join('\n')).toMatch(/not a registered operator/);
  expect(reasons.join('\n')).toMatch(/its receiver is not known/);
  expect(reasons.join('\n')).toMatch(/its sender is no operator of any tenant/);
  expect(reasons.join('\n')).toMatch(/its receiver is no visitor of any tenant/);
  expect(reasons.join('\n')).toMatch(/^to: /m);
});

it('a repeated batch is answered with 204 and does nothing', async () => {
  const before = { head: await head(), callbacks: acme.lhc.accepted().length };
  expect((await post(batch.filter((each) => typeof each !== 'string'))).status).toBe(204);
  expect(await head()).toBe(before.head);
  expect(acme.lhc.accepted()).toHaveLength(before.callbacks);
  // A restarted process knows the batch too.
  await service.kill();
  await service.start();
  const started = await head();
  expect((await post(batch.filter((each) => typeof each !== 'string'))).status).toBe(204);
  expect(await head()).toBe(started);
  expect(acme.lhc.accepted()).toHaveLength(before.callbacks);
});

it('a signature that is stale, missing or made with another secret is refused', async () => {
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

it('dead letters are listed, shown and sent again from the command line', async () => {
  const list = await service.cli('dead-letters', 'list');
  expect(list).toMatchObject({ code: 0 });
  const line = list.output.split('\n').find((each) => /not a registered operator/.test(each)) ?? '';
  const [id = ''] = line.split(' ');
  const letter = await service.cli('dead-letters', 'show', id);
  expect(letter.output).toMatch(/from somebody who is not registered/);

  const tooEarly = await service.cli('dead-letters', 'send', id);
  expect(tooEarly).toMatchObject({ code: 1 });
  expect(tooEarly.output).toMatch(/still unusable/);
  expect(invitations('2')).toEqual([]);

  await acme.register('nora');
  const sent = await service.cli('dead-letters', 'send', id);
  expect(sent).toMatchObject({ code: 0 });
  const invited = await acme.callback('visitor.invited', ({ visitor }) => visitor === '2');
  expect(invited.data.message.body).toBe('from somebody who is not registered');
  expect((await service.cli('dead-letters', 'list')).output).not.toContain(id);
  const again = await service.cli('dead-letters', 'send', id);
  expect(again).toMatchObject({ code: 1 });
  expect(again.output).toMatch(/there is no dead letter/);
  expect(invitations('2')).toHaveLength(1);
});
