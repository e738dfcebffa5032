/** What one operator can send: texts have a bound, sessions have budgets, and other tenants do not wait for it. */
import xml, { type Element } from '@xmpp/xml';
import { afterAll, afterEach, expect, it } from 'vitest';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { startReceiver } from './receiver.ts';

/** Defaults of ejabberd/README.md. */
const MAX_TEXT_BYTES = 65_536;
const MESSAGE_BURST = 60;
const SIGNAL_BURST = 200;
/** Of presences and of markers of unknown messages (mod_lhc_limits.erl). */
const SLOW_BURST = 10;

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ping_interval: 3600, max_backoff: 1, max_queue: 1200 },
});
const { host } = ejabberd;
for (const user of ['olga', 'pia', 'quin'])
  await ejabberd.registerOperator(`${user}.acme`, 'pw', host, 'operators.acme');
await ejabberd.registerOperator('rosa.beta', 'pw', host, 'operators.beta');
await ejabberd.register('visitor.1.acme', 'pw');
const connect = (username: string) =>
  connectOperator({ service: ejabberd.xmpp, domain: host, username, password: 'pw' });
const acmeVisitor = `visitor.1.acme@${host}`;
const betaVisitor = `visitor.1.beta@${host}`;
const errorOf = (stanza: Element | undefined) => {
  const error = stanza?.getChild('error');
  const [condition] = (error?.getChildElements() ?? []).map(({ name }) => name);
  return { type: error?.attrs.type, condition, text: error?.getChildText('text') };
};
/** The errors that answer these messages, in their order. */
async function refusals(operator: Operator, ids: readonly string[]) {
  await operator.acknowledged();
  return operator.errors.filter(({ attrs }) => ids.includes(attrs.id ?? ''));
}
const messages = () => receiver.ofType('message').map(({ id }) => id);

afterEach(() => {
  receiver.answer(204);
  expect(receiver.faults).toEqual([]);
});
afterAll(() => receiver.close());

it('refuses what is too long, says the bound, and records the next message', async () => {
  const visitor = await connect('visitor.1.acme');
  const operator = await connect('olga.acme');
  const body = (text: string, lang?: string) => xml('body', lang ? { 'xml:lang': lang } : {}, text);
  const say = (id: string, ...children: Element[]) =>
    operator.sendStanza(xml('message', { to: acmeVisitor, type: 'chat', id }, ...children));
  say('fits', body('x'.repeat(MAX_TEXT_BYTES)));
  say('large', body('ä'.repeat(200_000)));
  say('together', body('x'.repeat(40_000)), body('y'.repeat(40_000), 'de'));
  const languages = Array.from({ length: 21 }, (_, n) =>
    body('x', `a${String.fromCharCode(97 + n)}`),
  );
  say('languages', ...languages);
  say('i'.repeat(257), body('x'));
  const replace = xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: 'r'.repeat(257) });
  say('replaces', body('x'), replace);
  say('next', body('x'), xml('thread', {}, 't'.repeat(100_000)));
  const next = await receiver.event('message', ({ id }) => id === 'next');
  expect(Buffer.byteLength(next.thread ?? '')).toBe(256);
  expect(messages()).toEqual(['fits', 'next']);
  const ids = ['large', 'together', 'languages', 'i'.repeat(257), 'replaces'];
  const refused = await refusals(operator, ids);
  expect(refused.map(({ attrs }) => attrs.id)).toEqual(ids);
  for (const stanza of refused) {
    expect(errorOf(stanza)).toMatchObject({ type: 'modify', condition: 'policy-violation' });
  }
  expect(errorOf(refused[0]).text).toContain('400000 bytes, and at most 65536');
  // The visitor has none of them either.
  await visitor.waitFor((client) => client.messages.some(({ id }) => id === 'next'));
  expect(visitor.messages.map(({ id }) => id)).toEqual(['fits', 'next']);
  await operator.disconnect();
  await visitor.disconnect();
});

it('cuts a long status at a whole character', async () => {
  const operator = await connect('olga.acme');
  operator.setPresence('away', `x${'€'.repeat(100_000)}`);
  const { status } = await receiver.event('operator.presence', ({ show }) => show === 'away');
  expect(status).toBe(`x${'€'.repeat(341)}`);
  await operator.disconnect();
});

it('no event is longer than its text', () => {
  const lengths = receiver.events.map((event) => Buffer.byteLength(JSON.stringify(event)));
  expect(Math.max(...lengths)).toBeLessThan(MAX_TEXT_BYTES + 1_000);
});

it('a session has a budget of messages, and the next one has its own', async () => {
  const [olga, pia] = [await connect('olga.acme'), await connect('pia.acme')];
  const sent = Array.from({ length: 3 * MESSAGE_BURST }, (_, n) => `flood-${n}`);
  for (const id of sent) olga.send(acmeVisitor, 'x', id);
  const refused = await refusals(olga, sent);
  pia.send(acmeVisitor, 'x', 'colleague');
  await receiver.event('message', ({ id }) => id === 'colleague');
  const accepted = messages().filter((id) => id.startsWith('flood-'));
  expect(accepted.length).toBeGreaterThanOrEqual(MESSAGE_BURST);
  expect(accepted.length).toBeLessThan(2 * MESSAGE_BURST);
  expect(accepted.length + refused.length).toBe(sent.length);
  for (const stanza of refused) {
    expect(errorOf(stanza)).toMatchObject({ type: 'wait', condition: 'resource-constraint' });
  }
  // People may go on writing after some seconds.
  await waitFor(async () => {
    const id = olga.send(acmeVisitor, 'x');
    return (await refusals(olga, [id])).length === 0;
  });
  for (const client of [olga, pia]) await client.disconnect();
});

it("4,000 presences and 7,000 markers of one operator do not delay another tenant's message", async () => {
  const [olga, rosa] = [await connect('olga.acme'), await connect('rosa.beta')];
  // Another session of the same account sees each presence, as visitors do.
  const watcher = await connect('olga.acme');
  const shown = () => watcher.presenceStanzas.filter(({ attrs }) => attrs.from === olga.jid);
  const seen = receiver.events.length;
  const marker = (id: string) => xml('displayed', { xmlns: 'urn:xmpp:chat-markers:0', id });
  for (let n = 0; n < 4_000; n += 1) olga.setPresence('away', `status ${n}`);
  for (let n = 0; n < 3_500; n += 1) olga.displayed(acmeVisitor, `marker-${n}`);
  const many = Array.from({ length: 3_500 }, (_, n) => marker(`together-${n}`));
  olga.sendStanza(xml('message', { to: acmeVisitor }, ...many));
  olga.setPresence('dnd', 'the last status');
  await rosa.sendAndAck(betaVisitor, 'not late', 'not-late');
  const message = await receiver.event('message', ({ id }) => id === 'not-late');
  // Nothing of this tenant waits in front of it, whatever the others send.
  const own = receiver.events.filter(({ queueId }) => queueId === message.queueId);
  expect(own.findLast(({ type }) => type !== 'message')?.type).toBe('operator.presence');
  await olga.acknowledged();
  // The last state counts, for the presence and for the marker.
  await receiver.event('operator.presence', ({ status }) => status === 'the last status', 15_000);
  await receiver.event('displayed', ({ id }) => id === 'together-3499', 15_000);
  await waitFor(() => shown().at(-1)?.getChildText('status') === 'the last status');
  expect(shown().length).toBeLessThan(6 * SLOW_BURST);
  for (const kind of ['operator.presence', 'displayed']) {
    const flood = receiver.events.slice(seen).filter(({ type }) => type === kind);
    expect(flood.length).toBeLessThan(6 * SLOW_BURST);
  }
  for (const client of [olga, rosa, watcher]) await client.disconnect();
});

it('what is directed to a session of a visitor, which is the service, has a budget too', async () => {
  const [visitor, operator] = [await connect('visitor.1.acme'), await connect('quin.acme')];
  const before = visitor.stanzas.length;
  for (let n = 0; n < 1_000; n += 1) {
    operator.sendStanza(xml('presence', { to: visitor.jid }));
    const version = xml('query', 'jabber:iq:version');
    operator.sendStanza(xml('iq', { to: visitor.jid, type: 'get', id: `iq-${n}` }, version));
    const attention = xml('attention', { xmlns: 'urn:xmpp:attention:0' });
    operator.sendStanza(xml('message', { to: visitor.jid }, attention));
  }
  await operator.acknowledged();
  await visitor.acknowledged();
  const came = visitor.stanzas.slice(before);
  const sayNothing = came.filter(({ name }) => name === 'message');
  expect(sayNothing.length).toBeLessThan(3 * SIGNAL_BURST);
  expect(came.length - sayNothing.length).toBeLessThan(3 * SIGNAL_BURST);
  const refused = operator.errors.filter(({ name }) => name === 'iq').map(errorOf);
  expect(refused).toContainEqual(expect.objectContaining({ condition: 'resource-constraint' }));
  // A client asks for the vCards of all its contacts. ejabberd answers that itself.
  const seen = operator.stanzas.length;
  for (let n = 0; n < 500; n += 1) {
    const vcard = xml('vCard', 'vcard-temp');
    operator.sendStanza(xml('iq', { to: acmeVisitor, type: 'get', id: `vcard-${n}` }, vcard));
  }
  await operator.acknowledged();
  const answers = operator.stanzas
    .slice(seen)
    .filter(({ attrs }) => /^vcard-/.test(attrs.id ?? ''));
  expect(answers).toHaveLength(500);
  expect(answers.filter((stanza) => errorOf(stanza).condition === 'resource-constraint')).toEqual(
    [],
  );
  for (const client of [operator, visitor]) await client.disconnect();
});

it('chat states beyond the budget are neither reported nor routed, and the last one counts', async () => {
  const visitor = await connect('visitor.1.acme');
  const operator = await connect('quin.acme');
  const before = visitor.stanzas.length;
  for (let n = 0; n < 5 * SIGNAL_BURST; n += 1) operator.chatState(acmeVisitor, 'composing');
  operator.chatState(acmeVisitor, 'paused');
  await operator.acknowledged();
  const states = () => receiver.ofType('chat_state').filter(({ from }) => from === operator.jid);
  await waitFor(() => states().at(-1)?.state === 'paused');
  expect(states().length).toBeLessThan(3 * SIGNAL_BURST);
  expect(visitor.stanzas.length - before).toBeLessThan(3 * SIGNAL_BURST);
  // They are no letters: nobody is told of them.
  expect(operator.errors).toEqual([]);
  for (const client of [operator, visitor]) await client.disconnect();
});

it('one operator fills their share of the queue, and colleagues and other tenants go on', async () => {
  // Three sessions, because each has a budget.
  const olgas = await Promise.all([1, 2, 3].map(() => connect('olga.acme')));
  const [pia, rosa] = [await connect('pia.acme'), await connect('rosa.beta')];
  receiver.answer(503);
  // A queue may have 300 of the 1,200 entries while the host is less than half full, and an operator a quarter of these.
  const share = 75;
  let accepted = 0;
  const refused: Element[] = [];
  for (const [index, olga] of olgas.entries()) {
    const sent = Array.from({ length: 40 }, (_, n) => `share-${index}-${n}`);
    for (const id of sent) olga.send(acmeVisitor, 'x', id);
    const errors = await refusals(olga, sent);
    accepted += sent.length - errors.length;
    refused.push(...errors);
  }
  expect(accepted).toBeGreaterThan(share - 15); // events of the sessions count too
  expect(accepted).toBeLessThanOrEqual(share);
  expect(errorOf(refused[0])).toMatchObject({ type: 'wait', condition: 'resource-constraint' });
  expect(errorOf(refused[0]).text).toContain('your messages');
  await pia.sendAndAck(acmeVisitor, 'x', 'share-pia');
  await rosa.sendAndAck(betaVisitor, 'x', 'share-rosa');
  expect([...pia.errors, ...rosa.errors]).toEqual([]);
  receiver.answer(204);
  for (const id of ['share-pia', 'share-rosa']) {
    await receiver.event('message', (message) => message.id === id, 10_000);
  }
  for (const client of [...olgas, pia, rosa]) await client.disconnect();
});
