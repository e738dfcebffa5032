/** Every type of event that mod_lhc reports, in order and signed. */
import xml, { type Element } from '@xmpp/xml';
import { afterAll, afterEach, expect, it } from 'vitest';
import { FAST_OPERATORS, testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { type LhcEvent, startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ...FAST_OPERATORS, ping_interval: 2, ping_timeout: 1, ping_grace: 1 },
});
for (const user of ['visitor.1', 'admin']) await ejabberd.register(user, 'pw');
for (const user of ['op1', 'op2']) await ejabberd.registerOperator(user, 'pw');
const login = { service: ejabberd.xmpp, domain: ejabberd.host, password: 'pw' };
const visitorJid = `visitor.1@${ejabberd.host}`;

afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('reports its start first', async () => {
  const started = await receiver.event('module.started');
  expect(started).toMatchObject({
    seq: 1,
    host: ejabberd.host,
    reason: 'start',
    version: '1.4.0',
    instance: '',
  });
  expect(started.ejabberd).toContain(ejabberd.version);
  expect(Math.abs(Date.now() - Date.parse(started.at))).toBeLessThan(60_000);
});

it("reports start, presence and end of an operator's session", async () => {
  const operator = await connectOperator({
    ...login,
    username: 'op1',
    resource: 'desk',
    presence: { show: 'away', status: 'zurück um 2 "<&' },
  });
  operator.setPresence();
  operator.sendStanza(xml('presence', {}, xml('show', {}, 'dnd'), xml('priority', {}, '-1')));
  operator.sendStanza(xml('presence', { type: 'unavailable' }, xml('status', {}, 'gone')));
  await operator.disconnect();
  const end = await receiver.event('operator.disconnected', ({ user }) => user === 'op1');
  const session = { user: 'op1', resource: 'desk', session: end.session };
  const own = receiver.events.filter((event) => 'user' in event && event.user === 'op1');
  const expected = [
    { type: 'operator.connected', ...session },
    { type: 'operator.presence', ...session, show: 'away', status: 'zurück um 2 "<&', priority: 0 },
    { type: 'operator.presence', ...session, show: 'available', status: '', priority: 0 },
    { type: 'operator.presence', ...session, show: 'dnd', status: '', priority: -1 },
    { type: 'operator.presence', ...session, show: 'unavailable', status: 'gone', priority: 0 },
    { type: 'operator.presence', ...session, show: 'unavailable', status: '', priority: 0 },
    { type: 'operator.disconnected', ...session },
  ];
  expect(own.filter(({ type }) => type !== 'operator.ping')).toMatchObject(expected);
});

it('gives each session its own id, even with the same resource', async () => {
  const ids: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const seen = receiver.ofType('operator.disconnected').length;
    const operator = await connectOperator({ ...login, username: 'op1', resource: 'desk' });
    await operator.disconnect();
    await waitFor(() => receiver.ofType('operator.disconnected').length > seen);
    ids.push(receiver.ofType('operator.disconnected').at(-1)?.session ?? '');
  }
  expect(new Set(ids).size).toBe(2);
});

it('reports a message with all its languages, its thread and an id', async () => {
  const visitor = await connectOperator({ ...login, username: 'visitor.1' });
  const operator = await connectOperator({ ...login, username: 'op1' });
  operator.sendStanza(
    xml(
      'message',
      { to: visitorJid, type: 'chat', id: 'm-1' },
      xml('body', {}, 'Hello\n"quoted" \\ 🙂 \u2028 <b>'),
      xml('body', { 'xml:lang': 'de' }, 'Hallo'),
      xml('thread', {}, 't-1'),
      xml('active', { xmlns: 'http://jabber.org/protocol/chatstates' }),
    ),
  );
  operator.sendStanza(xml('message', { to: `${visitorJid}/any` }, xml('body', {}, 'no id')));
  const first = await receiver.event('message', ({ id }) => id === 'm-1');
  expect(first).toMatchObject({ from: operator.jid, to: visitorJid, thread: 't-1' });
  expect(first.body).toEqual({ '': 'Hello\n"quoted" \\ 🙂 \u2028 <b>', de: 'Hallo' });
  const second = await receiver.event('message', ({ body }) => body[''] === 'no id');
  expect(second).toMatchObject({ from: operator.jid, to: visitorJid });
  expect(second.id).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  // Both reach the visitor, who is online. The second has the id that the module created.
  await visitor.waitFor(({ messages }) => messages.length === 2);
  expect(visitor.messages.map(({ id }) => id)).toEqual(['m-1', second.id]);
  await operator.disconnect();
  await visitor.disconnect();
});

it('reports which messages ask for a receipt and for markers', async () => {
  const operator = await connectOperator({ ...login, username: 'op1' });
  const request = xml('request', { xmlns: 'urn:xmpp:receipts' });
  const markable = xml('markable', { xmlns: 'urn:xmpp:chat-markers:0' });
  const say = (id: string | undefined, ...asks: Element[]) =>
    operator.sendStanza(
      xml('message', { to: visitorJid, type: 'chat', id }, xml('body', {}, `${id}?`), ...asks),
    );
  say('asks-both', request, markable);
  say('asks-receipt', request);
  say('asks-marker', markable);
  say('asks-nothing');
  // Without an id the client could not match a receipt.
  say(undefined, request, markable);
  const last = await receiver.event('message', ({ body }) => body[''] === 'undefined?');
  const requests = receiver.ofType('message').filter(({ id }) => /^asks-/.test(id));
  expect([...requests, last].map(({ receipt, markable }) => [receipt, markable])).toEqual([
    [true, true],
    [true, undefined],
    [undefined, true],
    [undefined, undefined],
    [undefined, undefined],
  ]);
  await operator.disconnect();
});

it('reports which message a correction replaces', async () => {
  const operator = await connectOperator({ ...login, username: 'op1' });
  const replace = xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: 'wrong' });
  const to = { to: visitorJid, type: 'chat' };
  operator.sendStanza(xml('message', { ...to, id: 'wrong' }, xml('body', {}, 'Helo')));
  operator.sendStanza(xml('message', { ...to, id: 'right' }, xml('body', {}, 'Hello'), replace));
  expect(await receiver.event('message', ({ id }) => id === 'right')).toMatchObject({
    body: { '': 'Hello' },
    replaces: 'wrong',
  });
  const first = receiver.ofType('message').find(({ id }) => id === 'wrong');
  expect(first).not.toHaveProperty('replaces');
  await operator.disconnect();
});

it('reports unsupported content without its text', async () => {
  const visitor = await connectOperator({ ...login, username: 'visitor.1' });
  const operator = await connectOperator({ ...login, username: 'op1' });
  const say = (id: string, ...children: Element[]) =>
    operator.sendStanza(xml('message', { to: visitorJid, type: 'chat', id }, ...children));
  const omemo = (...children: Element[]) =>
    xml('encrypted', { xmlns: 'eu.siacs.conversations.axolotl' }, ...children);
  say('u-omemo', omemo(xml('payload', {}, 'AAAA')), xml('body', {}, 'I sent you an OMEMO …'));
  say('u-silent', omemo(xml('payload', {}, 'AAAA')));
  say('u-keys', omemo());
  say('u-otr', xml('body', {}, '?OTRv23? somebody wants a private conversation'));
  say('u-nothing', xml('retract', { xmlns: 'urn:xmpp:message-retract:1' }));
  say('u-last', xml('body', {}, 'plain'));
  await receiver.event('message', ({ id }) => id === 'u-last');
  const to = { from: operator.jid, to: visitorJid };
  const unsupported = receiver.ofType('unsupported').filter(({ from }) => from === operator.jid);
  expect(unsupported).toMatchObject([
    { ...to, id: 'u-omemo', what: 'encrypted' },
    { ...to, id: 'u-silent', what: 'encrypted' },
    { ...to, id: 'u-otr', what: 'encrypted' },
    { ...to, id: 'u-nothing', what: 'retraction' },
  ]);
  expect(JSON.stringify(unsupported)).not.toMatch(/OMEMO|OTR/);
  const messages = receiver.ofType('message').filter(({ id }) => id.startsWith('u-'));
  expect(messages.map(({ id }) => id)).toEqual(['u-last']);
  await operator.disconnect();
  await visitor.disconnect();
});

it('reports retractions, reactions and replies with the message that they are about', async () => {
  const operator = await connectOperator({ ...login, username: 'op1' });
  const say = (id: string, ...children: Element[]) =>
    operator.sendStanza(xml('message', { to: visitorJid, type: 'chat', id }, ...children));
  const reactions = { xmlns: 'urn:xmpp:reactions:0', id: 'm1' };
  say('r-set', xml('reactions', reactions, xml('reaction', {}, '👍'), xml('reaction', {}, '🐢')));
  say('r-gone', xml('reactions', reactions));
  say('r-long', xml('reactions', reactions, xml('reaction', {}, '👍'.repeat(20))));
  const retract = xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'r-sent' });
  say('r-back', retract, xml('body', {}, 'This person wants to take back a message'));
  const older = { xmlns: 'urn:xmpp:fasten:0', id: 'r-older' };
  say('r-fasten', xml('apply-to', older, xml('retract', { xmlns: 'urn:xmpp:message-retract:0' })));
  const fallback = { xmlns: 'urn:xmpp:fallback:0', for: 'urn:xmpp:reply:0' };
  say(
    'r-reply',
    xml('body', {}, '> Do you?\nYes'),
    xml('reply', { xmlns: 'urn:xmpp:reply:0', to: visitorJid, id: 'm1' }),
    xml('fallback', fallback, xml('body', { start: '0', end: '10' })),
  );
  const to = { from: operator.jid, to: visitorJid };
  expect(await receiver.event('message', ({ id }) => id === 'r-reply')).toMatchObject({
    body: { '': '> Do you?\nYes' },
    replyTo: 'm1',
    quote: [0, 10],
  });
  expect(receiver.ofType('reaction')).toMatchObject([
    { ...to, id: 'r-set', reactsTo: 'm1', reactions: ['👍', '🐢'] },
    { ...to, id: 'r-gone', reactsTo: 'm1', reactions: [] },
  ]);
  expect(receiver.ofType('retraction')).toMatchObject([
    { ...to, id: 'r-back', retracts: 'r-sent' },
    { ...to, id: 'r-fasten', retracts: 'r-older' },
  ]);
  expect(JSON.stringify(receiver.ofType('retraction'))).not.toMatch(/take back/);
  await operator.disconnect();
});

it('keeps the order of each operator, with a text of 64 kB and two hundred messages', async () => {
  const operators = await Promise.all(
    ['op1', 'op2', 'op2'].map((username) => connectOperator({ ...login, username })),
  );
  const long = 'ä"'.repeat(20_000);
  operators[0]?.send(visitorJid, long, 'long');
  for (let n = 0; n < 70; n += 1) {
    for (const operator of operators) operator.send(visitorJid, `order ${n}`);
  }
  expect((await receiver.event('message', ({ id }) => id === 'long')).body).toEqual({ '': long });
  const ordered = () =>
    receiver.ofType('message').filter(({ body }) => body['']?.startsWith('order '));
  await waitFor(() => ordered().length === 210, { what: () => `${ordered().length} of 210` });
  for (const { jid } of operators) {
    const own = ordered().filter(({ from }) => from === jid);
    expect(own.map(({ body }) => body[''])).toEqual(
      Array.from({ length: 70 }, (_, n) => `order ${n}`),
    );
  }
  await Promise.all(operators.map((operator) => operator.disconnect()));
});

it('reports chat states and displayed markers, and receipts for messages that were routed', async () => {
  const visitor = await connectOperator({ ...login, username: 'visitor.1' });
  const operator = await connectOperator({
    ...login,
    username: 'op1',
    receipts: false,
    answerPings: false,
  });
  operator.chatState(visitorJid, 'composing');
  operator.chatState(visitorJid, 'paused');
  operator.chatState(visitorJid, 'active');
  const gone = xml('gone', { xmlns: 'http://jabber.org/protocol/chatstates' });
  operator.sendStanza(xml('message', { to: visitorJid, type: 'chat' }, gone));
  operator.displayed(visitorJid, 'd-1');
  for (const id of ['r-1', 'r-2']) visitor.send(operator.jid, 'hello', id);
  await operator.waitFor(({ messages }) => messages.length === 2);
  const received = (id: string) => xml('received', { xmlns: 'urn:xmpp:receipts', id });
  const displayed = (id: string) => xml('displayed', { xmlns: 'urn:xmpp:chat-markers:0', id });
  // Receipts of one stanza are one event. That of an unknown message means nothing. The last marker counts.
  const signals = [received('r-1'), received('unknown'), displayed('r-1'), received('r-2')];
  operator.sendStanza(xml('message', { to: visitorJid }, ...signals, displayed('r-2')));
  const to = { from: operator.jid, to: visitorJid };
  expect(await receiver.event('displayed')).toMatchObject({ ...to, id: 'd-1' });
  await receiver.event('displayed', ({ id }) => id === 'r-2');
  expect(receiver.ofType('displayed').map(({ id }) => id)).toEqual(['d-1', 'r-2']);
  const delivered = receiver.ofType('delivered').filter(({ from }) => from === operator.jid);
  expect(delivered).toMatchObject([{ ...to, ids: ['r-1', 'r-2'], by: 'receipt' }]);
  const states = receiver.ofType('chat_state').filter(({ from }) => from === operator.jid);
  expect(states.map(({ state }) => state)).toEqual(['composing', 'paused', 'active', 'paused']);
  await operator.disconnect();
  await visitor.disconnect();
});

it('pings operators, and reports an answer or a time-out', async () => {
  const alive = await connectOperator({ ...login, username: 'op1', resource: 'alive' });
  const hanging = await connectOperator({
    ...login,
    username: 'op2',
    resource: 'hanging',
    answerPings: false,
  });
  const ping = await receiver.event('operator.ping', ({ resource }) => resource === 'alive');
  expect(ping.user).toBe('op1');
  const timeout = await receiver.event(
    'operator.ping_timeout',
    ({ resource }) => resource === 'hanging',
  );
  const connected = await receiver.event(
    'operator.connected',
    ({ resource }) => resource === 'hanging',
  );
  expect(timeout.session).toBe(connected.session);
  const answered = receiver.ofType('operator.ping').map(({ resource }) => resource);
  expect(answered).not.toContain('hanging');
  await alive.disconnect();
  await hanging.disconnect();
});

it('reports nothing from visitors and reserved accounts, or between operators', async () => {
  const names = ['visitor.1', 'admin', 'op1', 'op2'];
  const before = receiver.events.length;
  const [visitor, admin, op1, op2] = await Promise.all(
    names.map((username) => connectOperator({ ...login, username, resource: 'quiet' })),
  );
  visitor?.send(`op1@${ejabberd.host}`, 'from a visitor');
  visitor?.chatState(`op1@${ejabberd.host}`, 'composing');
  visitor?.send(visitorJid, 'to itself');
  admin?.send(visitorJid, 'from admin');
  op1?.send(`op2@${ejabberd.host}`, 'to a colleague');
  await op2?.waitFor(({ messages }) => messages.length === 1);
  await visitor?.waitFor(({ messages }) => messages.length === 2);
  for (const client of [visitor, admin]) await client?.disconnect();
  op1?.send(visitorJid, 'the end', 'the-end');
  await receiver.event('message', ({ id }) => id === 'the-end');
  const reported = receiver.events.slice(before);
  const by = (event: LhcEvent) =>
    'user' in event ? event.user : 'from' in event ? event.from : '';
  expect(reported.filter((event) => /^(visitor\.|admin)/.test(by(event)))).toEqual([]);
  expect(reported.filter(({ type }) => type === 'message')).toHaveLength(1);
  for (const client of [op1, op2]) await client?.disconnect();
});

it('posts one batch after the other, each with its own id', () => {
  const { batches } = receiver;
  for (const { id, events } of batches) {
    const [first, last] = [events[0], events.at(-1)];
    expect(id).toBe(`${first?.queueId}_${first?.seq}_${last?.seq}`);
    expect(events.length).toBeLessThanOrEqual(100);
  }
  expect(new Set(batches.map(({ id }) => id)).size).toBe(batches.length);
  const seqs = receiver.events.map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
});

it('logs neither secrets nor messages, also not of calls of the API', async () => {
  await ejabberd.register('op9', 'a-password-of-op9');
  const { user, password } = ejabberd.api;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const body = "<message type='chat'><body>a-text-of-the-service</body></message>";
  const stanza = { from: visitorJid, to: `op1@${ejabberd.host}`, stanza: body };
  const sent = await fetch(`${ejabberd.apiUrl}/send_stanza`, {
    method: 'POST',
    body: JSON.stringify(stanza),
    headers: { authorization, 'content-type': 'application/json' },
  });
  expect(sent.status).toBe(200);
  const operator = await connectOperator({ ...login, username: 'op1' });
  await operator.waitFor(({ messages }) => messages.some(({ body }) => /a-text/.test(body)));
  await operator.disconnect();
  const logs = await ejabberd.logs();
  expect(logs).not.toContain('a-password-of-op9');
  expect(logs).not.toContain('a-text-of-the-service');
  expect(logs).not.toContain(receiver.secret.slice(6));
  expect(logs).not.toContain('Hallo');
  expect(logs).not.toMatch(/mod_lhc.*(error|crash)/i);
});
