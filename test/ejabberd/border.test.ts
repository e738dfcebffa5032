/**
 * Who may write to whom. Accounts that are no operators leave no trace, an operator writes to their own tenant's visitors
 * only, and nothing passes between tenants, whether they share a host or not.
 */
import xml, { type Element } from '@xmpp/xml';
import { afterAll, afterEach, expect, it } from 'vitest';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { rawComponent } from './raw-stream.ts';
import { startReceiver } from './receiver.ts';

const shared = 'shared.test';
const two = 'two.test';
/** Hosts of the same ejabberd without mod_lhc. */
const [plain, trusted] = ['plain.test', 'trusted.test'];
const without = { modules: { mod_roster: {}, mod_ping: {}, mod_stream_mgmt: {} } };
const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', shared, two, plain, trusted],
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ping_interval: 1, ping_timeout: 30, max_backoff: 1, trusted_hosts: [trusted] },
  extraConfig: { host_config: { [plain]: without, [trusted]: without } },
  component: { secret: 'component-secret' },
});
const alone = ejabberd.host;
for (const host of [alone, two]) {
  await ejabberd.registerOperator('olga', 'pw', host);
  for (const user of ['stranger', 'visitor.1', 'admin']) await ejabberd.register(user, 'pw', host);
}
for (const host of [plain, trusted]) await ejabberd.register('stranger', 'pw', host);
for (const instance of ['acme', 'beta']) {
  await ejabberd.registerOperator(`olga.${instance}`, 'pw', shared, `operators.${instance}`);
  await ejabberd.register(`visitor.1.${instance}`, 'pw', shared);
}
for (const user of ['stranger', 'admin']) await ejabberd.register(user, 'pw', shared);
const connect = (username: string, domain: string) =>
  connectOperator({ service: ejabberd.xmpp, domain, username, password: 'pw' });

function errorOf(stanza: Element | undefined) {
  const error = stanza?.getChild('error');
  return error?.getChildElements()[0]?.name;
}
const lastError = (operator: Operator) => errorOf(operator.errors.at(-1));
const by = (user: string) =>
  receiver.events.filter((event) =>
    'user' in event ? event.user === user : 'from' in event && event.from.split('@', 1)[0] === user,
  );
const signals = (to: string): Element[] => [
  xml('message', { to, type: 'chat' }, xml('composing', 'http://jabber.org/protocol/chatstates')),
  xml('message', { to }, xml('received', { xmlns: 'urn:xmpp:receipts', id: 'x' })),
  xml('message', { to }, xml('displayed', { xmlns: 'urn:xmpp:chat-markers:0', id: 'x' })),
];

afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('an account that is no operator leaves no trace, and is told that it may not write', async () => {
  const [stranger, visitor] = [await connect('stranger', alone), await connect('visitor.1', alone)];
  stranger.setPresence('away', 'nobody asks');
  await stranger.sendAndAck(`visitor.1@${alone}`, 'let me in');
  expect(stranger.errors.map(errorOf)).toEqual(['item-not-found']);
  const retract = xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'x' });
  stranger.sendStanza(xml('message', { to: `visitor.1@${alone}`, id: 'retract' }, retract));
  stranger.sendStanza(
    xml('message', { to: visitor.jid, type: 'groupchat' }, xml('body', {}, 'all of you')),
  );
  stranger.sendStanza(
    xml('message', { to: visitor.jid, type: 'error' }, xml('body', {}, 'bounced')),
  );
  for (const signal of signals(visitor.jid)) stranger.sendStanza(signal);
  await stranger.acknowledged();
  expect(stranger.errors.map(errorOf)).toEqual(['item-not-found', 'item-not-found']);
  await visitor.acknowledged();
  expect(visitor.stanzas.filter(({ name }) => name === 'message')).toEqual([]);
  await stranger.disconnect();
  await visitor.disconnect();
  const operator = await connect('olga', alone);
  await operator.sendAndAck(`visitor.1@${alone}`, 'the end', 'the-end');
  await receiver.event('message', ({ id }) => id === 'the-end');
  expect(by('stranger')).toEqual([]);
  await operator.disconnect();
});

it.each([
  'visitor.1.acme',
  'visitor.',
  'visitor.a.b.c',
  'visitor.x\\20y',
  `visitor.${'1'.repeat(65)}`,
])('%s is no visitor of a tenant that has its host alone', async (local) => {
  const operator = await connect('olga', alone);
  const to = `${local}@${alone}`;
  const id = await operator.sendAndAck(to, 'is anybody there?');
  expect(operator.errors.map(({ attrs }) => attrs.id)).toEqual([id]);
  expect(lastError(operator)).toBe('item-not-found');
  for (const signal of signals(to)) operator.sendStanza(signal);
  await operator.acknowledged();
  expect(operator.errors).toHaveLength(1);
  await operator.sendAndAck(`visitor.1@${alone}`, 'x', `after ${local}`);
  await receiver.event('message', (message) => message.id === `after ${local}`);
  expect(receiver.events.some((event) => 'to' in event && event.to === to)).toBe(false);
  await operator.disconnect();
});

it('an account becomes an operator while it is logged in, and is none any more', async () => {
  await ejabberd.register('nora', 'pw');
  const nora = await connect('nora', alone);
  nora.setPresence('away', 'at lunch');
  await nora.sendAndAck(`visitor.1@${alone}`, 'too early');
  expect(nora.errors.map(errorOf)).toEqual(['item-not-found']);
  await ejabberd.registerOperator('nora', 'pw');
  const connected = await receiver.event('operator.connected', ({ user }) => user === 'nora');
  const presence = await receiver.event('operator.presence', ({ user }) => user === 'nora');
  expect(presence).toMatchObject({ session: connected.session, status: 'at lunch' });
  await receiver.event('operator.ping', ({ user }) => user === 'nora');
  await nora.sendAndAck(`visitor.1@${alone}`, 'now', 'now');
  await receiver.event('message', ({ id }) => id === 'now');
  const member = { user: 'nora', host: alone, group: 'operators', grouphost: alone };
  await call('srg_user_del', member);
  const left = await receiver.event('operator.disconnected', ({ user }) => user === 'nora');
  expect(left.session).toBe(connected.session);
  // Answers are remembered for some seconds.
  await waitFor(async () => {
    await nora.sendAndAck(`visitor.1@${alone}`, 'too late');
    return nora.errors.length > 1;
  });
  const events = by('nora').length;
  nora.setPresence('dnd');
  await nora.disconnect();
  const olga = await connect('olga', alone);
  await olga.sendAndAck(`visitor.1@${alone}`, 'x', 'after nora');
  await receiver.event('message', ({ id }) => id === 'after nora');
  expect(by('nora')).toHaveLength(events);
  await olga.disconnect();
});

it('an operator who was removed while logged in is disconnected once', async () => {
  await ejabberd.registerOperator('mona', 'pw');
  const mona = await connect('mona', alone);
  await receiver.event('operator.presence', ({ user }) => user === 'mona');
  await call('srg_user_del', { user: 'mona', host: alone, group: 'operators', grouphost: alone });
  await call('unregister', { user: 'mona', host: alone });
  await mona.waitFor(({ lost }) => lost !== undefined);
  await receiver.event('operator.disconnected', ({ user }) => user === 'mona');
  const olga = await connect('olga', alone);
  await olga.sendAndAck(`visitor.1@${alone}`, 'x', 'after mona');
  await receiver.event('message', ({ id }) => id === 'after mona');
  expect(by('mona').filter(({ type }) => type === 'operator.disconnected')).toHaveLength(1);
  await olga.disconnect();
});

/** Everything that an account can send to another one, each with the answer that the sender gets. */
async function tries(from: Operator, to: string): Promise<Record<string, string | undefined>> {
  const errors = async (...stanzas: Element[]) => {
    const before = from.errors.length;
    for (const stanza of stanzas) from.sendStanza(stanza);
    await from.acknowledged();
    // What another session or a module answers comes a little later.
    return from.errors.slice(before).map(errorOf).join(' ') || undefined;
  };
  const iq = async (query: Element) =>
    errorOf(await from.request(xml('iq', { to, type: 'get' }, query)));
  return {
    message: await errors(xml('message', { to, type: 'chat', id: 'm' }, xml('body', {}, 'hello'))),
    headline: await errors(xml('message', { to, type: 'headline' }, xml('body', {}, 'news'))),
    bounce: await errors(xml('message', { to, type: 'error', id: 'e' }, xml('body', {}, 'no'))),
    signals: await errors(...signals(to)),
    vcard: await iq(xml('vCard', 'vcard-temp')),
    version: await iq(xml('query', 'jabber:iq:version')),
    disco: await iq(xml('query', 'http://jabber.org/protocol/disco#info')),
    last: await iq(xml('query', 'jabber:iq:last')),
    subscription: await errors(xml('presence', { to, type: 'subscribe' })),
    presence: await errors(xml('presence', { to })),
  };
}
const refused = {
  message: 'item-not-found',
  headline: 'item-not-found',
  bounce: undefined,
  signals: undefined,
  vcard: 'item-not-found',
  version: 'item-not-found',
  disco: 'item-not-found',
  last: 'item-not-found',
  subscription: 'item-not-found',
  presence: 'item-not-found',
};

const login = (address: string): Promise<Operator> => {
  const [user = '', host = ''] = address.split('@');
  return connect(user, host);
};

it.each([
  ["an operator and another tenant's operator", `olga.acme@${shared}`, `olga.beta@${shared}`],
  ["an operator and another tenant's visitor", `olga.acme@${shared}`, `visitor.1.beta@${shared}`],
  [
    "a visitor and another tenant's visitor",
    `visitor.1.acme@${shared}`,
    `visitor.1.beta@${shared}`,
  ],
  ["a visitor and another tenant's operator", `visitor.1.acme@${shared}`, `olga.beta@${shared}`],
  ['a stranger and an operator', `stranger@${shared}`, `olga.beta@${shared}`],
  ['an operator and a stranger', `olga.acme@${shared}`, `stranger@${shared}`],
  ['a stranger and an operator of one tenant', `stranger@${alone}`, `olga@${alone}`],
  ['a stranger and a visitor of one tenant', `stranger@${alone}`, `visitor.1@${alone}`],
  ['an operator and a stranger of one tenant', `olga@${alone}`, `stranger@${alone}`],
  ["an operator and another host's operator", `olga@${alone}`, `olga@${two}`],
  ["an operator and another host's visitor", `olga@${alone}`, `visitor.1@${two}`],
  ["an operator and an instance's visitor", `olga@${alone}`, `visitor.1.acme@${shared}`],
  ["a visitor and another host's operator", `visitor.1@${alone}`, `olga@${two}`],
  ["a visitor and another host's stranger", `visitor.1@${alone}`, `stranger@${two}`],
  ["a stranger and another host's operator", `stranger@${alone}`, `olga@${two}`],
  ["a stranger and another host's visitor", `stranger@${alone}`, `visitor.1@${two}`],
  ["a stranger and an instance's operator", `stranger@${alone}`, `olga.acme@${shared}`],
  ['an operator and an account of a host without mod_lhc', `olga@${alone}`, `stranger@${plain}`],
])('nothing passes between %s', async (_, left, right) => {
  const [from, to] = [await login(left), await login(right)];
  await to.acknowledged();
  const before = to.stanzas.length;
  for (const address of [right, to.jid]) {
    expect(await tries(from, address)).toEqual(refused);
  }
  await to.acknowledged();
  const foreign = to.stanzas.slice(before).filter(({ attrs }) => attrs.from?.startsWith(left));
  expect(foreign).toEqual([]);
  await from.disconnect();
  await to.disconnect();
  // Offline too.
  expect(await tries(await login(left), right)).toEqual(refused);
  const again = await login(right);
  await again.acknowledged();
  expect(again.messages).toEqual([]);
  const reported = receiver.events.filter((event) => 'to' in event && event.to === right);
  expect(reported.filter((event) => 'from' in event && event.from.startsWith(left))).toEqual([]);
  await again.disconnect();
});

it.each([
  ['an account of a host without mod_lhc', `stranger@${plain}`],
  ["another host's reserved account", `admin@${two}`],
])('%s reaches no visitor and no operator', async (_, left) => {
  const from = await login(left);
  const receivers = [`olga@${alone}`, `visitor.1@${alone}`, `olga.acme@${shared}`];
  for (const right of receivers) {
    const to = await login(right);
    const before = from.errors.length;
    from.send(right, 'hello');
    from.sendStanza(xml('presence', { to: right, type: 'subscribe' }));
    await from.waitFor(({ errors }) => errors.length === before + 2);
    const vcard = xml('iq', { to: right, type: 'get' }, xml('vCard', 'vcard-temp'));
    const answers = [...from.errors.slice(before), await from.request(vcard)];
    expect(answers.map(errorOf)).toEqual(answers.map(() => 'item-not-found'));
    await to.acknowledged();
    const { stanzas } = to;
    expect(stanzas.filter(({ attrs }) => attrs.from?.startsWith(left))).toEqual([]);
    await to.disconnect();
  }
  await from.disconnect();
});

it.each(['elsewhere.example', 'somebody@elsewhere.example'])(
  'nothing passes between an operator and another server: %s',
  async (to) => {
    const olga = await connect('olga', alone);
    expect(await tries(olga, to)).toEqual(refused);
    await olga.disconnect();
  },
);

it('a trusted host may write to operators, and they to it', async () => {
  const [outside, olga] = [await connect('stranger', trusted), await connect('olga', alone)];
  outside.send(olga.jid, 'hello');
  olga.send(outside.jid, 'hello');
  for (const client of [outside, olga]) {
    await client.waitFor(({ messages }) => messages.length === 1);
    expect(client.errors).toEqual([]);
    await client.disconnect();
  }
});

it('a stranger who writes to a visitor of a shared host is refused', async () => {
  const stranger = await connect('stranger', shared);
  expect(await tries(stranger, `visitor.1.acme@${shared}`)).toEqual(refused);
  await stranger.disconnect();
});

it("a component's visitor reaches the operators of their own tenant only", async () => {
  const [acme, beta] = [await connect('olga.acme', shared), await connect('olga.beta', shared)];
  const domain = `visitors.${shared}`;
  const component = await rawComponent(ejabberd.componentPort, domain, 'component-secret');
  const say = (to: string, id: string) =>
    component.send(
      `<message from='visitor.7.acme@${domain}' to='${to}@${shared}' type='chat' id='${id}'><body>hi</body></message>`,
    );
  say('olga.beta', 'foreign');
  await component.sees(/id='foreign'[^>]*>.*<item-not-found/s);
  component.send(
    `<iq from='visitor.7.acme@${domain}' to='olga.beta@${shared}' type='get' id='v'><vCard xmlns='vcard-temp'/></iq>`,
  );
  await component.sees(/id='v'[^>]*>.*<item-not-found/s);
  say('olga.acme', 'own');
  await acme.waitFor(({ messages }) => messages.length === 1);
  expect(await tries(beta, `visitor.7.acme@${domain}`)).toEqual(refused);
  const foreigner = await connect('stranger', alone);
  expect(await tries(foreigner, `visitor.7.acme@${domain}`)).toEqual(refused);
  await foreigner.disconnect();
  expect(beta.messages).toEqual([]);
  await receiver.event('delivered', ({ ids }) => ids.includes('own'));
  component.drop();
  for (const client of [acme, beta]) await client.disconnect();
});

it.each([
  [`olga.acme@${shared}`, `olga.beta@${shared}`],
  [`stranger@${alone}`, `olga@${alone}`],
  [`stranger@${alone}`, `olga@${two}`],
])(
  'a node in pubsub of %s does not reach %s, though its owner subscribes them',
  async (own, other) => {
    const [owner, victim] = [await login(own), await login(other)];
    const node = `trap-${other}`;
    const to = `pubsub.${own.split('@')[1]}`;
    const set = (ns: string, child: Element) =>
      owner.request(xml('iq', { to, type: 'set' }, xml('pubsub', ns, child)));
    const pubsub = 'http://jabber.org/protocol/pubsub';
    expect((await set(pubsub, xml('create', { node }))).attrs.type).toBe('result');
    const subscriptions = [owner.jid, victim.jid].map((jid) =>
      xml('subscription', { jid, subscription: 'subscribed' }),
    );
    await set(`${pubsub}#owner`, xml('subscriptions', { node }, ...subscriptions));
    const item = xml('item', {}, xml('entry', 'urn:example', 'read me'));
    expect((await set(pubsub, xml('publish', { node }, item))).attrs.type).toBe('result');
    await owner.acknowledged();
    await victim.acknowledged();
    const events = victim.stanzas.filter(
      ({ name, attrs }) => name === 'message' && attrs.from === to,
    );
    expect(events).toEqual([]);
    for (const client of [owner, victim]) await client.disconnect();
  },
);

it.each([
  ['that shares its host', 'olga.acme', 'visitor.1.acme', shared],
  ['that has its host alone', 'olga', 'visitor.1', alone],
])('within a tenant %s, with reserved accounts and to oneself all passes', async (...names) => {
  const [, operator, local, host] = names;
  const [olga, visitor, admin] = await Promise.all(
    [operator, local, 'admin'].map((user) => connect(user, host)),
  );
  if (!olga || !visitor || !admin) throw new Error('unreachable');
  visitor.send(olga.jid, 'from the visitor');
  admin.send(olga.jid, 'from the admin');
  olga.send(olga.jid, 'to myself');
  await olga.waitFor(({ messages }) => messages.length === 3);
  olga.send(visitor.jid, 'to the visitor');
  admin.send(visitor.jid, 'from the admin');
  await visitor.waitFor(({ messages }) => messages.length === 2);
  olga.send(admin.jid, 'to the admin');
  await admin.waitFor(({ messages }) => messages.length === 1);
  const vcard = xml('iq', { to: `${local}@${host}`, type: 'get' }, xml('vCard', 'vcard-temp'));
  const own = await olga.request(vcard);
  expect([own.attrs.type, errorOf(own)]).not.toEqual(['error', 'service-unavailable']);
  expect(olga.errors.filter(({ name }) => name === 'message')).toEqual([]);
  for (const client of [olga, visitor, admin]) await client.disconnect();
});

async function call(command: string, body: Readonly<Record<string, string>>): Promise<void> {
  const { user, password } = ejabberd.api;
  const response = await fetch(`${ejabberd.apiUrl}/${command}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    },
  });
  expect(response.status, await response.text()).toBe(200);
}
