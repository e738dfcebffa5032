/** Messages to a visitor who is offline or gone: reported, acknowledged, and not delivered by ejabberd. */
import xml from '@xmpp/xml';
import { afterAll, expect, it } from 'vitest';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator } from '../support/operator.ts';
import { startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  extraModules: { mod_mam: { default: 'always' } },
});
const { host } = ejabberd;
for (const user of ['visitor.1', 'visitor.2']) await ejabberd.register(user, 'pw');
await ejabberd.registerOperator('op1', 'pw');
const login = { service: ejabberd.xmpp, domain: host, password: 'pw' };
const operator = await connectOperator({ ...login, username: 'op1', streamManagement: true });
const colleague = await connectOperator({ ...login, username: 'op1', presence: false });
colleague.sendStanza(
  xml('iq', { type: 'set', id: 'carbons' }, xml('enable', { xmlns: 'urn:xmpp:carbons:2' })),
);
colleague.setPresence();
await colleague.acknowledged();
const delivered = ({ stanzas }: Operator) => stanzas.filter(({ name }) => name === 'message');

afterAll(async () => {
  expect(receiver.faults).toEqual([]);
  await receiver.close();
});

it.each([
  ['is offline', `visitor.1@${host}`],
  ['has no account', `visitor.nobody@${host}`],
  ['is addressed with a resource that is gone', `visitor.1@${host}/gone`],
  ['belongs to a component that is away', `visitor.5@visitors.${host}`],
])('reports a message to a visitor who %s', async (what, to) => {
  await operator.sendAndAck(to, `Are you there? (${what})`, what);
  operator.chatState(to, 'composing');
  operator.displayed(to, 'whatever');
  await operator.acknowledged();
  const event = await receiver.event('message', ({ id }) => id === what);
  expect(event).toMatchObject({ to: to.split('/')[0], body: { '': `Are you there? (${what})` } });
  await receiver.event('chat_state', (state) => state.to === event.to);
  expect(operator.errors).toEqual([]);
});

it('carbons and the archive have the message', async () => {
  await operator.sendAndAck(`visitor.1@${host}`, 'kept', 'kept');
  await colleague.waitFor((client) => delivered(client).some((m) => /kept/.test(m.toString())));
  const query = xml('query', { xmlns: 'urn:xmpp:mam:2' });
  operator.sendStanza(xml('iq', { type: 'set', id: 'mam' }, query));
  await operator.waitFor(({ stanzas }) => stanzas.some(({ attrs }) => attrs.id === 'mam'));
  const archived = operator.stanzas.filter((m) => /urn:xmpp:mam:2/.test(m.toString()));
  expect(archived.some((m) => /kept/.test(m.toString()))).toBe(true);
});

it('a visitor who logs in later gets none of these messages from ejabberd', async () => {
  await operator.sendAndAck(`visitor.2@${host}`, 'early', 'early');
  await receiver.event('message', ({ id }) => id === 'early');
  const visitor = await connectOperator({ ...login, username: 'visitor.2' });
  await operator.sendAndAck(`visitor.2@${host}`, 'now', 'now');
  await visitor.waitFor(({ messages }) => messages.length > 0);
  expect(visitor.messages.map(({ id }) => id)).toEqual(['now']);
  await visitor.disconnect();
});

it('a visitor with a negative priority counts as offline', async () => {
  const visitor = await connectOperator({ ...login, username: 'visitor.2', presence: false });
  visitor.sendStanza(xml('presence', {}, xml('priority', {}, '-1')));
  await visitor.acknowledged();
  await operator.sendAndAck(`visitor.2@${host}`, 'to a negative priority', 'negative');
  await receiver.event('message', ({ id }) => id === 'negative');
  await visitor.disconnect();
  const again = await connectOperator({ ...login, username: 'visitor.2' });
  expect([...visitor.messages, ...again.messages]).toEqual([]);
  expect(operator.errors).toEqual([]);
  await again.disconnect();
});
