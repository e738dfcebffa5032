/**
 * LHC answers with errors. The service repeats a callback until LHC accepts it, in order, and sends nothing after a 410. What
 * one request caused is one tree, with all of this.
 */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Behaviour } from '../support/lhc.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');
const { lhc } = acme;
const OK: Behaviour = { kind: 'status', status: 200 };

const viewAndTimeOut = async (visitor: string): Promise<void> => {
  await acme.view(visitor, { page: 'https://a.test/' });
  await acme.ask('POST', `/visitors/${visitor}/timeout`);
};
const about = (visitor: string) =>
  lhc.requests.filter(({ callback }) => {
    const data = callback?.data;
    return data !== undefined && 'visitor' in data && data.visitor === visitor;
  });

it('a callback is tried again after errors, redirects and closed connections, with the same id and in order', async () => {
  const answers = [
    { kind: 'status', status: 503 },
    { kind: 'close' },
    { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:2/' } },
    { kind: 'status', status: 404 },
  ] as const;
  let request = 0;
  lhc.behave(() => answers[request++] ?? OK);
  await acme.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    message: { id: 'm1', body: 'Hello?' },
  });
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await acme.callback('message.failed', ({ messageId }) => messageId === 'm1');
  const types = about('1').map(({ callback }) => callback?.type);
  expect(types).toEqual([...Array(5).fill('chat.closed'), 'message.failed']);
  const ids = about('1').map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids.slice(0, 5)).size).toBe(1);
  expect(new Set(ids).size).toBe(2);
});

it('Retry-After is obeyed, and a busy lane holds up no other', async () => {
  lhc.behave(({ callback }) =>
    callback &&
    'visitor' in callback.data &&
    callback.data.visitor === '2' &&
    about('2').length === 0
      ? { kind: 'status', status: 429, headers: { 'retry-after': '3' } }
      : OK,
  );
  await viewAndTimeOut('2');
  await waitFor(() => about('2').length === 1, { what: 'the first attempt' });
  await viewAndTimeOut('3');
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '3');
  expect(about('2')).toHaveLength(1);
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '2');
  const [first, second] = about('2');
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(2_900);
});

it('after a 410 no callback is sent, over restarts too, until the settings change', async () => {
  lhc.behave({ kind: 'status', status: 410 });
  await viewAndTimeOut('4');
  await waitFor(() => about('4').length === 1, { what: 'the request that is answered 410' });
  lhc.behave(OK);
  const isPaused = async () => (await acme.ask('GET', '')).callbacks.state === 'paused';
  await waitFor(isPaused, { what: 'the tenant to see that its callbacks are paused' });
  expect(await acme.ask('POST', '/callback-test')).toMatchObject({ status: 'ok', httpStatus: 200 });
  const requestsBefore = lhc.requests.length;
  await viewAndTimeOut('5');
  await service.stop();
  await service.start();
  await viewAndTimeOut('6');
  await waitFor(async () => {
    const { items } = await acme.ask('GET', '/visitors');
    return items.find(({ key }: { key: string }) => key === '6')?.presence === 'timedOut';
  });
  expect(lhc.requests).toHaveLength(requestsBefore);

  await world.configure('acme', { callbackUrl: `${lhc.url}/moved` });
  await service.stop();
  await service.start();
  for (const each of ['4', '5', '6']) {
    await acme.callback('visitor.timed_out', ({ visitor }) => visitor === each);
  }
  expect(about('4').map(({ headers }) => headers['webhook-id'])).toHaveLength(2);
  expect(new Set(about('4').map(({ callback }) => callback?.id)).size).toBe(1);
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

interface Node {
  readonly id: string;
  readonly parent: string | null;
  readonly kind: string;
  readonly name: string;
  readonly ms: number | null;
  readonly outcome: string | null;
}
/** The nodes of a trace. */
const nodesOf = async (id: string): Promise<Node[]> => {
  const { status, body } = await service.call('GET', `/debug/traces/${encodeURIComponent(id)}`);
  return status === 200 ? body.nodes : [];
};
/** The names of a node and of all that it is under, the root first. */
const pathTo = (nodes: readonly Node[], leaf: Node): string[] => {
  const above = nodes.find(({ id }) => id === leaf.parent);
  return [...(above ? pathTo(nodes, above) : []), `${leaf.kind} ${leaf.name}`];
};
const callbackIn = (nodes: readonly Node[], name: string, outcome = '200') =>
  nodes.find((node) => node.kind === 'callback' && node.name === name && node.outcome === outcome);
const pathOfCallback = async (id: string, name: string) => {
  const nodes = await nodesOf(id);
  const callback = callbackIn(nodes, name);
  return callback ? pathTo(nodes, callback) : null;
};

it('one visitor’s message: the request, the fact, the send, the receipt, three tries of its callback', async () => {
  await acme.register('olga');
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await acme.ask('POST', '/visitors/t/chats', { chatId: 't1', message: { id: 't0', body: 'Hi' } });
  await olga.waitFor(() => olga.messages.some(({ body }) => body.includes('Hi')));
  await acme.callback('message.delivered', ({ visitor }) => visitor === 't');

  let refused = 0;
  lhc.behave(({ callback }) => {
    const isIts = callback?.type === 'message.delivered';
    return isIts && refused++ < 2 ? { kind: 'status', status: 503 } : OK;
  });
  const headers = { 'x-request-id': 'req-t1', traceparent: TRACEPARENT, tracestate: 'shop=1' };
  const message = { id: 't1', body: 'Where is my parcel?' };
  await acme.call('POST', '/visitors/t/messages', message, headers);
  await acme.callback('message.delivered', ({ messageId }) => messageId === 't1');

  const expected = [
    'request POST /v1/{tenant}/visitors/{key}/messages',
    'fact VisitorMessageSent',
    'effect xmpp VisitorMessageSent',
    'request webhook delivered',
    'fact MessageDelivered',
    'effect lhc message.delivered',
    'attempt attempt 3',
    'callback message.delivered',
  ];
  const show = async () => (await pathOfCallback('req-t1', 'message.delivered'))?.join();
  await waitFor(async () => (await show()) === expected.join(), { what: 'the trace' });
  const { body } = await service.call('GET', '/debug/traces/req-t1');
  expect(body).toMatchObject({ id: 'req-t1', traceId: TRACE, truncated: false });
  const nodes: Node[] = body.nodes;
  expect(nodes.filter(({ parent }) => parent === null)).toHaveLength(1);
  const timed = nodes.filter(({ kind }) => kind !== 'fact');
  expect(timed.filter(({ ms }) => ms === null || ms < 0)).toEqual([]);
  expect(JSON.stringify(nodes)).not.toContain('parcel');

  // How the visitor came to be shown, step by step.
  const { body: shown } = await service.call('GET', '/debug/streams/visitor-acme.t/effects');
  const presence = shown.items.find(
    ({ destination }: { destination: string }) => destination === 'presence',
  );
  expect(presence).toMatchObject({ name: 'VisitorArrived', outcome: 'done' });
  expect(presence.attempts[0].detail).toMatch(
    /^register [\d.]+ ms, name [\d.]+ ms, join the group [\d.]+ ms, log in [\d.]+ ms$/,
  );

  // The log of the process leads to the trace.
  const lines = service
    .logs()
    .split('\n')
    .filter((line) => line.includes('"effect failed"'));
  expect(lines.join()).toContain(`"traceId":"${TRACE}"`);

  // Each try has a parent id of its own, and the tree has it.
  const own = about('t').filter(
    ({ callback }) => callback?.type === 'message.delivered' && callback.data.messageId === 't1',
  );
  const tries = own.map(({ headers: sent }) => sent.traceparent ?? '');
  expect(tries).toHaveLength(3);
  for (const each of tries) expect(each).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
  expect(new Set(tries).size).toBe(3);
  expect(own[2]?.headers.tracestate).toBe('shop=1');
  expect(callbackIn(nodes, 'message.delivered')?.id).toBe(`callback/${tries[2]?.split('-')[2]}`);

  const effects = await service.call('GET', '/debug/streams/visitor-acme.t/effects');
  const delivered = effects.body.items.findLast(
    ({ name }: { name: string }) => name === 'message.delivered',
  );
  expect(delivered).toMatchObject({ destination: 'lhc', outcome: 'done' });
  expect(delivered.attempts.map(({ status }: { status: number }) => status)).toEqual([
    503, 503, 200,
  ]);

  // By the id of the trace, of the message's command, of a fact: the same tree. After a restart too.
  await service.stop();
  await service.start();
  const fact = nodes.find(({ name }) => name === 'VisitorMessageSent');
  for (const id of ['req-t1', TRACE, 'msg:t1', fact?.id ?? '']) {
    await waitFor(async () => (await nodesOf(id)).length === nodes.length, { what: id });
    expect(await nodesOf(id)).toEqual(nodes);
  }
});

it('an operator’s message: the webhook, the fact, the callback, the receipt', async () => {
  lhc.behave(OK);
  const olga = await acme.connect('olga');
  olga.sendStanza(
    xml(
      'message',
      { to: acme.visitorJid('t'), type: 'chat', id: 't-o1' },
      xml('body', {}, 'In the post.'),
      xml('request', { xmlns: 'urn:xmpp:receipts' }),
    ),
  );
  const { callback, headers } = (await waitFor(() =>
    about('t').find(({ callback: each }) => each?.type === 'chat.message'),
  )) as ReturnType<typeof about>[number];
  const expected = [
    'request webhook message',
    'fact OperatorMessageReceived',
    'effect lhc chat.message',
    'attempt attempt 1',
    'callback chat.message',
  ];
  const eventId = callback?.id ?? '';
  const show = async () => (await pathOfCallback(eventId, 'chat.message'))?.join();
  await waitFor(async () => (await show()) === expected.join(), { what: 'the trace' });
  // The receipt comes of the callback's answer.
  await waitFor(async () => {
    const nodes = await nodesOf(eventId);
    const receipt = nodes.find(({ name }) => name === 'xmpp OperatorMessageAccepted');
    return (
      receipt?.outcome === 'done' && pathTo(nodes, receipt).includes('effect lhc chat.message')
    );
  });
  expect(olga.acknowledgements).toContainEqual(
    expect.objectContaining({ what: 'received', id: 't-o1' }),
  );
  // The trace of the header finds it.
  const traceId = headers.traceparent?.split('-')[1] ?? '';
  expect(await nodesOf(traceId)).toEqual(await nodesOf(eventId));
});
