/**
 * The contacts of a component of visitors: in operators' rosters, with presences, without anything stored and without a
 * probe to the component.
 */
import xml, { type Element } from '@xmpp/xml';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator, type OperatorOptions } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { type RawStream, rawComponent, rawOperator } from './raw-stream.ts';
import { startReceiver } from './receiver.ts';

const NS = 'urn:xmpp-chat:contacts:1';
const SECRET = 'component-secret';
const MOST = 150;
const shared = 'shared.test';
/** A host of the same ejabberd without mod_lhc. */
const plain = 'plain.test';
const receiver = await startReceiver();
/** A listener that believes any sender, for the streams of several processes. */
const open = await freePorts({});
const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', shared, plain],
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ping_interval: 1, ping_timeout: 30, max_backoff: 1, max_contacts: MOST },
  component: { secret: SECRET },
  streamManagement: { maxAckQueue: 60 },
  extraConfig: {
    api_permissions: {
      'everything, for this test': {
        from: ['mod_http_api'],
        who: { access: { allow: 'api' } },
        what: '*',
      },
    },
    host_config: { [plain]: { modules: { mod_roster: {}, mod_ping: {}, mod_stream_mgmt: {} } } },
  },
  extraListeners: [
    {
      module: 'ejabberd_service',
      port: open.component,
      ip: '127.0.0.1',
      password: 'open-secret',
      check_from: false,
    },
  ],
});
const { host } = ejabberd;
const domain = `visitors.${host}`;
await ejabberd.registerOperator('olga', 'pw');
for (const user of ['nora', 'visitor.7']) await ejabberd.register(user, 'pw');
for (const instance of ['acme', 'beta']) {
  await ejabberd.registerOperator(`olga.${instance}`, 'pw', shared, `operators.${instance}`);
}
let component: RawStream;
const connect = (username = 'olga', options: Partial<OperatorOptions> = {}) =>
  connectOperator({ service: ejabberd.xmpp, domain: host, username, password: 'pw', ...options });

beforeAll(async () => {
  component = await rawComponent(ejabberd.componentPort, domain, SECRET);
});
afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(async () => {
  component.drop();
  await receiver.close();
});

let ids = 0;
/** Sends an IQ as the component. @returns its answer */
async function ask(type: 'get' | 'set', query: string, stream = component, from = domain) {
  ids += 1;
  const id = `c${ids}`;
  stream.send(`<iq type='${type}' id='${id}' from='${from}' to='${host}'>${query}</iq>`);
  const [answer] = await stream.sees(new RegExp(`<iq[^>]* id='${id}'[^>]*?(/>|>.*?</iq>)`, 's'));
  return answer;
}
const set = (...entries: string[]) =>
  ask('set', `<contacts xmlns='${NS}'>${entries.join('')}</contacts>`);
const presenceXml = (show: string, status = '') =>
  `<presence>${show && `<show>${show}</show>`}${status && `<status>${status}</status>`}</presence>`;
const contact = (local: string, name: string, presence = presenceXml(''), hash = 'h') =>
  `<contact jid='${local}@${domain}' name='${name}' hash='${hash}'>${presence}</contact>`;
const gone = (local: string) => `<gone jid='${local}@${domain}'/>`;
const list = async (rest = "instance='' after='' max='500'") => {
  const answer = await ask('get', `<contacts xmlns='${NS}' ${rest}/>`);
  return {
    more: /more='true'/.test(answer),
    jids: [...answer.matchAll(/<contact [^>]*jid='([^'@]+)@/g)].map(([, local]) => local),
  };
};
/** What an operator was told of contacts since some stanza, in short. */
const told = (operator: Operator, since = 0) =>
  operator.stanzas.slice(since).flatMap((stanza) => {
    const item = stanza.getChild('query', 'jabber:iq:roster')?.getChild('item');
    if (item && stanza.attrs.type === 'set') {
      const { jid = '', name = '', subscription } = item.attrs;
      const groups = item.getChildren('group').map((group) => group.text());
      return [`push ${jid.split('@')[0]} ${subscription} ${name} ${groups.join(',')}`.trim()];
    }
    if (stanza.name !== 'presence' || !stanza.attrs.from?.includes(`@${domain}`)) return [];
    const show = stanza.attrs.type ?? stanza.getChildText('show') ?? 'available';
    return [`${stanza.attrs.from.split('@')[0]} ${show}`];
  });
const empty = async () => {
  const { jids } = await list();
  for (let at = 0; at < jids.length; at += 100) {
    await set(...jids.slice(at, at + 100).map((local) => gone(local ?? '')));
  }
};
afterEach(empty);

it('an operator who is online is told what changes, and nothing else', async () => {
  const olga = await connect();
  const step = async (...entries: string[]) => {
    const before = olga.stanzas.length;
    expect(await set(...entries)).toContain("type='result'");
    await olga.acknowledged();
    return told(olga, before);
  };
  expect(await step(contact('visitor.7', 'Anna', presenceXml('chat', 'on the page')))).toEqual([
    'push visitor.7 both Anna visitors',
    'visitor.7 chat',
  ]);
  expect(olga.presences.get(`visitor.7@${domain}`)).toMatchObject({ status: 'on the page' });
  expect(
    await step(contact('visitor.7', 'Anna', presenceXml('chat', 'on the page'), 'h2')),
  ).toEqual([]);
  expect(await step(contact('visitor.7', 'Anne', presenceXml('chat', 'on the page')))).toEqual([
    'push visitor.7 both Anne visitors',
  ]);
  expect(await step(contact('visitor.7', 'Anne', presenceXml('away')))).toEqual(['visitor.7 away']);
  expect(await step(contact('visitor.7', 'Anne', ''))).toEqual(['visitor.7 unavailable']);
  expect(await step(contact('visitor.7', 'Anne', presenceXml('')))).toEqual([
    'visitor.7 available',
  ]);
  expect(await step(gone('visitor.7'), gone('visitor.8'))).toEqual([
    'visitor.7 unavailable',
    'push visitor.7 remove',
  ]);
  expect(await olga.roster()).toEqual([]);
  await olga.disconnect();
});

it('a contact who leaves is unavailable by the full JID that they had', async () => {
  const olga = await connect();
  const from = `visitor.7@${domain}/xmpp-chat`;
  const there = contact('visitor.7', 'Anna', `<presence from='${from}'/>`);
  for (const left of [gone('visitor.7'), contact('visitor.7', 'Anna', '')]) {
    const before = olga.presenceStanzas.length;
    await set(there);
    await olga.acknowledged();
    await set(left);
    await olga.acknowledged();
    expect(olga.presenceStanzas.slice(before).map(({ attrs }) => [attrs.from, attrs.type])).toEqual(
      [
        [from, undefined],
        [from, 'unavailable'],
      ],
    );
  }
  await olga.disconnect();
});

it('an operator who logs in while the component is away has everybody, once, and the component hears nothing', async () => {
  const everybody = Array.from({ length: 120 }, (_, n) => `visitor.${n}`);
  await set(...everybody.slice(0, 100).map((local) => contact(local, `Name of ${local}`)));
  await set(...everybody.slice(100).map((local) => contact(local, `Name of ${local}`)));
  const olga = await connect();
  const items = await olga.roster();
  expect(items).toHaveLength(120);
  expect(items.find(({ jid }) => jid === `visitor.7@${domain}`)).toEqual({
    jid: `visitor.7@${domain}`,
    name: 'Name of visitor.7',
    subscription: 'both',
    groups: ['visitors'],
  });
  await olga.waitFor(({ presences }) => presences.size >= 120);
  await olga.acknowledged();
  expect(told(olga).sort()).toEqual(everybody.map((local) => `${local} available`).sort());
  olga.setPresence('away');
  await olga.disconnect();
  // A connection that breaks ends without a presence of the client.
  const broken = await connect('olga', { resource: 'broken' });
  broken.drop();
  await receiver.event('operator.disconnected', ({ resource }) => resource === 'broken');
  await list();
  expect(component.count(/<presence/)).toBe(0);
  expect(await list("instance='' after='' max='2'")).toEqual({
    more: true,
    jids: ['visitor.0', 'visitor.100'],
  });
});

it('only the component of visitors, or a process of it, may say who its contacts are', async () => {
  const entry = `<contacts xmlns='${NS}'>${contact('visitor.7', 'Mallory')}</contacts>`;
  const olga = await connect();
  const client = await olga.request(
    xml(
      'iq',
      { type: 'set', to: host },
      xml('contacts', NS, xml('gone', { jid: `visitor.7@${domain}` })),
    ),
  );
  expect(client.getChild('error')?.getChild('forbidden')).toBeDefined();
  await olga.disconnect();
  const other = await rawComponent(open.component, 'other.test', 'open-secret');
  const process = await rawComponent(open.component, `0a1b2c3d.${domain}`, 'open-secret');
  for (const from of [domain, `0a1b2c3d.${domain}`, 'other.test', `olga@${host}`, host]) {
    other.send(`<iq type='set' id='forged' from='${from}' to='${host}'>${entry}</iq>`);
  }
  expect(await ask('set', entry, other, 'other.test')).toContain('forbidden');
  const foreign = await rawComponent(open.component, `a.b.${domain}`, 'open-secret');
  expect(await ask('set', entry, foreign, `a.b.${domain}`)).toContain('forbidden');
  expect(await ask('set', entry, component, `visitor.7@${domain}`)).toContain('forbidden');
  expect(await list()).toEqual({ more: false, jids: [] });
  expect(await ask('set', entry, process, `0a1b2c3d.${domain}`)).toContain("type='result'");
  expect(await list()).toEqual({ more: false, jids: ['visitor.7'] });
  for (const stream of [other, process, foreign]) stream.drop();
});

it.each([
  ['no entry', '', 'neither contact nor gone'],
  ['another element', '<other/>', 'Entry 1: other'],
  ['no JID', "<gone jid='@'/>", 'Entry 1: jid'],
  ['a JID of the host', `<gone jid='visitor.7@${host}'/>`, `bare JID at ${domain}`],
  ['a full JID', `<gone jid='visitor.7@${domain}/x'/>`, 'bare JID'],
  ['a name of nobody', gone('olga'), 'olga is no name of a visitor'],
  ['a desk of no instance', gone('visitors.A_'), 'is no name of a visitor'],
  ['an odd way to forget', `<gone jid='visitor.7@${domain}' forget='1'/>`, 'forget: it must be'],
  ['a JID twice', gone('visitor.7') + gone('visitor.7'), 'is in two entries'],
  ['a long name', contact('visitor.7', 'x'.repeat(1024)), 'name has more than 1023 bytes'],
  ['a long hash', contact('visitor.7', '', '', 'x'.repeat(129)), 'hash has more than 128 bytes'],
  ['a large presence', contact('visitor.7', '', presenceXml('', 'x'.repeat(8192))), '8192 bytes'],
  ['no show', contact('visitor.7', '', presenceXml('sleepy')), 'presence'],
  ['a subscription', contact('visitor.7', '', "<presence type='subscribe'/>"), 'its type'],
  [
    'a presence of another',
    contact('visitor.7', '', `<presence from='visitor.8@${domain}/x'/>`),
    'from must be a JID of the contact',
  ],
  ['two children', contact('visitor.7', '', '<presence/><presence/>'), 'at most one child'],
  ['too many', Array.from({ length: 101 }, (_, n) => gone(`visitor.${n}`)).join(''), '100 entries'],
])('an IQ with %s does nothing, and is told why', async (_, entries, reason) => {
  const answer = await set(contact('visitor.good', 'Good'), entries);
  const alone = await set(entries);
  expect(alone).toContain('bad-request');
  expect(alone).toContain(reason);
  if (entries !== '') expect(answer).toContain('bad-request');
  await set(gone('visitor.good'));
  expect(await list()).toEqual({ more: false, jids: [] });
});

it.each(["instance='A'", "max='0'", "max='501'", "max='x'"])(
  'a comparison with %s is refused',
  async (attributes) => {
    expect(await ask('get', `<contacts xmlns='${NS}' ${attributes}/>`)).toContain('bad-request');
  },
);

it('an instance has so many contacts and no more, and another one has its own', async () => {
  const many = (instance: string, from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => contact(`visitor.${from + n}${instance}`, ''));
  await set(...many('.acme', 0, 100));
  await set(...many('.acme', 100, 149));
  const answer = await set(...many('.acme', 149, 151));
  expect(answer).toContain('resource-constraint');
  expect(answer).toContain(`acme&apos;: at most ${MOST}`);
  expect((await list("instance='acme' after=''")).jids).toHaveLength(149);
  const exchange = [gone('visitor.0.acme'), ...many('.acme', 149, 151), ...many('.beta', 0, 2)];
  expect(await set(...exchange)).toContain("type='result'");
  const pages: string[] = [];
  for (let after = '', more = true; more; ) {
    const page = await list(`instance='acme' after='${after}' max='60'`);
    pages.push(...page.jids.map((local) => `${local}@${domain}`));
    more = page.more;
    after = pages.at(-1) ?? '';
  }
  expect(pages).toHaveLength(MOST);
  expect(pages).toEqual([...pages].sort());
  expect((await list("instance='beta'")).jids).toEqual(['visitor.0.beta', 'visitor.1.beta']);
});

it('operators of an instance have the contacts of their instance alone', async () => {
  const there = `visitors.${shared}`;
  const other = await rawComponent(ejabberd.componentPort, there, SECRET);
  const login = { domain: shared };
  const [acme, beta] = [await connect('olga.acme', login), await connect('olga.beta', login)];
  const entry = `<contact jid='visitor.7.acme@${there}' name='Anna'><presence/></contact>`;
  const desk = `<contact jid='visitors.acme@${there}' name='Front desk'><presence/></contact>`;
  const iq = `<iq type='set' id='i' from='${there}' to='${shared}'><contacts xmlns='${NS}'>${entry}${desk}</contacts></iq>`;
  other.send(iq);
  await other.sees(/type='result'/);
  await acme.waitFor(({ presences }) => presences.has(`visitors.acme@${there}`));
  expect((await acme.roster()).map(({ jid, groups }) => [jid, ...groups])).toEqual([
    [`visitor.7.acme@${there}`, 'visitors.acme'],
    [`visitors.acme@${there}`, 'visitors.acme'],
  ]);
  await beta.acknowledged();
  expect(await beta.roster()).toEqual([]);
  expect(beta.presences.has(`visitor.7.acme@${there}`)).toBe(false);
  other.drop();
  for (const client of [acme, beta]) await client.disconnect();
});

const rosterSet = (operator: Operator, attributes: Record<string, string>, ...groups: string[]) =>
  operator.request(
    xml(
      'iq',
      { type: 'set' },
      xml(
        'query',
        'jabber:iq:roster',
        xml('item', attributes, ...groups.map((group) => xml('group', {}, group))),
      ),
    ),
  );

it("an operator's own name and groups are shown with the contact, and go when they remove it", async () => {
  await set(contact('visitor.7', 'Anna'));
  const olga = await connect();
  const jid = `visitor.7@${domain}`;
  const own = {
    jid,
    name: 'The one with the boat',
    subscription: 'both',
    groups: ['VIP', 'visitors'],
  };
  await rosterSet(olga, { jid, name: own.name }, 'VIP', 'visitors');
  await olga.waitFor(({ rosterPushes }) => rosterPushes.length > 0);
  expect(olga.rosterPushes).toEqual([own]);
  expect(await olga.roster()).toEqual([own]);
  // The service's changes do not take it away.
  await set(contact('visitor.7', 'Anne', presenceXml('away')));
  await olga.waitFor(({ rosterPushes }) => rosterPushes.length > 1);
  expect(olga.rosterPushes.at(-1)).toEqual(own);
  await rosterSet(olga, { jid, name: own.name });
  expect((await olga.roster())[0]?.groups).toEqual(['visitors']);
  const colleague = await connect();
  await rosterSet(olga, { jid, subscription: 'remove' });
  const plainContact = { jid, name: 'Anne', subscription: 'both', groups: ['visitors'] };
  for (const client of [olga, colleague]) {
    await client.waitFor(({ rosterPushes }) => rosterPushes.at(-1)?.subscription === 'both');
    expect(client.rosterPushes.slice(-2).map(({ subscription }) => subscription)).toEqual([
      'remove',
      'both',
    ]);
    expect(await client.roster()).toEqual([plainContact]);
  }
  // What was stored outlives the contact, until it is removed.
  await rosterSet(olga, { jid, name: 'Boat' }, 'VIP');
  await set(gone('visitor.7'));
  await olga.acknowledged();
  expect(olga.rosterPushes.at(-1)).toMatchObject({ name: 'Boat', subscription: 'both' });
  expect(await olga.roster()).toHaveLength(1);
  await set(`<gone jid='${jid}' forget='true'/>`);
  await olga.acknowledged();
  expect(olga.rosterPushes.at(-1)?.subscription).toBe('remove');
  expect(await olga.roster()).toEqual([]);
  for (const client of [olga, colleague]) await client.disconnect();
});

it('a subscription to a contact changes nothing, and a probe is answered at once', async () => {
  await set(contact('visitor.7', 'Anna', presenceXml('dnd')));
  const olga = await connect();
  await olga.waitFor(({ presences }) => presences.has(`visitor.7@${domain}`));
  const before = olga.stanzas.length;
  const heard = component.count(/<presence/);
  for (const type of ['unsubscribe', 'unsubscribed', 'subscribe', 'probe']) {
    olga.sendStanza(xml('presence', { type, to: `visitor.7@${domain}` }));
  }
  await olga.waitFor((client) => told(client, before).length > 0);
  await olga.acknowledged();
  expect(told(olga, before)).toEqual(['visitor.7 dnd']);
  for (const type of ['subscribed', 'unsubscribed', 'subscribe', 'unsubscribe']) {
    component.send(`<presence type='${type}' from='visitor.7@${domain}' to='olga@${host}'/>`);
  }
  await list();
  expect(await olga.roster()).toMatchObject([{ subscription: 'both', groups: ['visitors'] }]);
  expect(component.count(/<presence/)).toBe(heard);
  // ejabberd itself takes the contact for one with a subscription.
  for (const local of ['visitor.7', 'visitor.8']) {
    component.send(
      `<iq type='get' id='last-${local}' from='${local}@${domain}' to='olga@${host}'><query xmlns='jabber:iq:last'/></iq>`,
    );
  }
  await component.sees(/<iq[^>]*type='result' id='last-visitor.7'/);
  await component.sees(/<iq[^>]*type='error' id='last-visitor.8'/);
  // Others are the component's.
  olga.sendStanza(xml('presence', { type: 'probe', to: `visitor.8@${domain}` }));
  await component.sees(/<presence[^>]*visitor\.8@/);
  await olga.disconnect();
});

it('a blocked contact sends no presence and no message', async () => {
  await set(contact('visitor.7', 'Anna'));
  const olga = await connect();
  const jid = `visitor.7@${domain}`;
  const block = (name: string) =>
    olga.request(xml('iq', { type: 'set' }, xml(name, 'urn:xmpp:blocking', xml('item', { jid }))));
  await olga.waitFor(({ presences }) => presences.has(jid));
  await block('block');
  const before = olga.stanzas.length;
  await set(contact('visitor.7', 'Anna', presenceXml('away')));
  component.send(
    `<message type='chat' id='blocked' from='${jid}' to='olga@${host}'><body>hi</body></message>`,
  );
  await component.sees(/id='blocked'[^>]*>.*<error/s);
  await olga.acknowledged();
  expect(told(olga, before)).toEqual([]);
  expect(olga.messages).toEqual([]);
  await block('unblock');
  await set(contact('visitor.7', 'Anna', presenceXml('xa')));
  await olga.waitFor((client) => told(client, before).at(-1) === 'visitor.7 xa');
  await olga.disconnect();
});

it('whoever becomes an operator while logged in gets the contacts, and loses them again', async () => {
  await set(
    contact('visitor.7', 'Anna'),
    contact('visitors', 'Front desk', presenceXml('', '2 waiting')),
  );
  const nora = await connect('nora');
  const group = { user: 'nora', host, group: 'operators', grouphost: host };
  expect(await nora.roster()).toEqual([]);
  await call('srg_user_add', group);
  await nora.waitFor(({ presences }) => presences.has(`visitors@${domain}`));
  expect(told(nora).sort()).toEqual([
    'push visitor.7 both Anna visitors',
    'push visitors both Front desk visitors',
    'visitor.7 available',
    'visitors available',
  ]);
  const before = nora.stanzas.length;
  await call('srg_user_del', group);
  await nora.waitFor((client) => told(client, before).length >= 4);
  expect(told(nora, before).sort()).toEqual([
    'push visitor.7 remove',
    'push visitors remove',
    'visitor.7 unavailable',
    'visitors unavailable',
  ]);
  await set(contact('visitor.7', 'Anne', presenceXml('away')));
  await nora.acknowledged();
  expect(told(nora, before)).toHaveLength(4);
  await nora.disconnect();
});

it('a session that is resumed is told what changed meanwhile, once', async () => {
  await set(
    contact('visitor.1', 'One'),
    contact('visitor.2', 'Two'),
    contact('visitor.3', 'Three'),
  );
  const login = { port: ejabberd.c2sPort, host, user: 'olga', resource: 'resumed' };
  const first = await rawOperator(login);
  await first.sees(/from='visitor.3@/);
  await first.sees(/from='visitor.2@/);
  await first.sees(/from='visitor.1@/);
  const handled = first.count(/<(presence|iq|message)[ >]/);
  first.drop();
  await waitFor(async () => /\/resumed: .*waiting/.test(await ejabberd.logs()), {
    what: 'the lost connection',
  });
  await set(contact('visitor.1', 'One', presenceXml('away')), gone('visitor.2'));
  await set(contact('visitor.1', 'One', presenceXml('dnd')));
  const second = await rawOperator({ ...login, resume: first.id, handled });
  await second.sees(/<presence[^>]*from='visitor.1@[^>]*>.*?dnd/s);
  await second.sees(/<presence[^>]*from='visitor.2@/);
  await set(contact('visitor.3', 'Three', presenceXml('xa')));
  await second.sees(/<show>xa<\/show>/);
  expect(second.count(/<presence[^>]*from='visitor.1@/)).toBe(1);
  expect(second.count(/<presence[^>]*from='visitor.2@/)).toBe(1);
  expect(second.count(/<presence[^>]*from='visitor.3@/)).toBe(1);
  second.drop();
});

it('a client gets no more at a time than it acknowledges', async () => {
  // Twice as many stanzas as ejabberd lets wait.
  for (let at = 0; at < MOST; at += 50) {
    await set(...Array.from({ length: 50 }, (_, n) => contact(`visitor.${at + n}`, 'x')));
  }
  const olga = await connect('olga', { streamManagement: true });
  await olga.waitFor((client) => told(client).length >= MOST);
  expect(new Set(told(olga)).size).toBe(MOST);
  expect(olga.lost).toBeUndefined();
  await olga.disconnect();
});

it('a client that comes back with the version of a push gets the whole roster', async () => {
  const versions = (stanzas: readonly Element[]) =>
    stanzas.flatMap((stanza) => stanza.getChild('query', 'jabber:iq:roster')?.attrs.ver ?? []);
  const olga = await connect();
  const get = (ver: string) =>
    olga.request(xml('iq', { type: 'get' }, xml('query', { xmlns: 'jabber:iq:roster', ver })));
  const before = versions([await get('')])[0] ?? '';
  expect((await get(before)).getChild('query')).toBeUndefined();
  await set(contact('visitor.7', 'Anna'));
  await olga.acknowledged();
  const pushed = versions(olga.stanzas).at(-1) ?? '';
  await set(gone('visitor.7'));
  // The roster is what it was before, and the client with the version of the push has a contact too many.
  expect((await get(pushed)).getChild('query')).toBeDefined();
  expect((await get(before)).getChild('query')).toBeUndefined();
  await olga.disconnect();
});

it("an operator's message to a component's visitor is reported before it is acknowledged, and never comes back", async () => {
  const olga = await connect('olga', { streamManagement: true });
  await olga.sendAndAck(`visitor.7@${domain}`, 'with the component', 'with');
  expect(await receiver.event('message', ({ id }) => id === 'with')).toMatchObject({
    to: `visitor.7@${domain}`,
  });
  await olga.sendAndAck(`visitors@${domain}`, '!who', 'desk');
  await receiver.event('message', ({ id, to }) => id === 'desk' && to === `visitors@${domain}`);
  await olga.sendAndAck(`visitors@${host}`, '!who', 'desk-account');
  await receiver.event(
    'message',
    ({ id, to }) => id === 'desk-account' && to === `visitors@${host}`,
  );
  await olga.sendAndAck(`visitors.no_instance@${host}`, 'x', 'nobody');
  await olga.waitFor(({ errors }) => errors.length === 1);
  expect(olga.errors[0]?.attrs.id).toBe('nobody');
  await list();
  expect(component.count(/<message[^>]* id='(with|desk)'/)).toBe(0);
  // The component comes and goes while the operator writes.
  component.drop();
  const sent = Array.from({ length: 40 }, (_, n) =>
    olga.send(`visitor.7@${domain}`, `${n}`, `away-${n}`),
  );
  component = await rawComponent(ejabberd.componentPort, domain, SECRET);
  await olga.acknowledged();
  for (const id of sent) await receiver.event('message', (event) => event.id === id);
  expect(olga.errors).toHaveLength(1);
  await olga.disconnect();
});

it('a message that is sent again from the other address of a visitor is a repeat', async () => {
  const visitor = await connect('visitor.7');
  const olga = await connect();
  visitor.send(`olga@${host}`, 'by the account', 'm1');
  await receiver.event('delivered', ({ ids }) => ids.includes('m1'));
  component.send(
    `<message type='chat' id='m1' from='visitor.7@${domain}' to='olga@${host}'><body>by the account</body></message>` +
      `<message type='chat' id='m2' from='visitor.7@${domain}' to='olga@${host}'><body>by the component</body></message>`,
  );
  await receiver.event('delivered', ({ ids, to }) => ids.includes('m1') && to.endsWith(domain));
  await receiver.event('delivered', ({ ids }) => ids.includes('m2'));
  visitor.send(`olga@${host}`, 'by the component', 'm2');
  await receiver.event('delivered', ({ ids, to }) => ids.includes('m2') && to.endsWith(`@${host}`));
  // The desk is a visitor like others.
  component.send(
    `<message type='chat' id='m3' from='visitors@${domain}' to='olga@${host}'><body>2 waiting</body></message>`,
  );
  await receiver.event(
    'delivered',
    ({ ids, to }) => ids.includes('m3') && to === `visitors@${domain}`,
  );
  expect(olga.messages.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3']);
  for (const client of [visitor, olga]) await client.disconnect();
});

it('an account of a host without mod_lhc reaches no visitor of the component, nor they it', async () => {
  await ejabberd.register('stranger', 'pw', plain);
  const stranger = await connect('stranger', { domain: plain });
  const to = `visitor.7@${domain}`;
  stranger.send(to, 'hello', 'hello');
  const query = xml('query', 'http://jabber.org/protocol/disco#info');
  const answer = await stranger.request(xml('iq', { to, type: 'get' }, query));
  expect(answer.getChild('error')?.getChild('item-not-found')).toBeDefined();
  await stranger.waitFor(({ errors }) => errors.some(({ attrs }) => attrs.id === 'hello'));
  component.send(
    `<message type='chat' id='out' from='${to}' to='stranger@${plain}'><body>hi</body></message>`,
  );
  await component.sees(/id='out'[^>]*>.*<item-not-found/s);
  await stranger.acknowledged();
  expect(stranger.messages).toEqual([]);
  expect(component.text).not.toContain(`stranger@${plain}' id`);
  expect(component.count(/from='stranger@plain.test\//)).toBe(0);
  await stranger.disconnect();
});

it('contacts stay while the component is away', async () => {
  await set(contact('visitor.7', 'Anna'));
  component.drop();
  const olga = await connect();
  await olga.waitFor(({ presences }) => presences.has(`visitor.7@${domain}`));
  expect(await olga.roster()).toHaveLength(1);
  component = await rawComponent(ejabberd.componentPort, domain, SECRET);
  expect(await list()).toEqual({ more: false, jids: ['visitor.7'] });
  await olga.disconnect();
});

it('a restart of the module forgets contacts, and sessions go on with those that come after', async () => {
  await set(contact('visitor.7', 'Anna'));
  const olga = await connect();
  await olga.waitFor(({ presences }) => presences.has(`visitor.7@${domain}`));
  const starts = () =>
    receiver.ofType('module.started').filter((event) => event.host === host).length;
  const before = starts();
  await call('restart_module', { host, module: 'mod_lhc' });
  await waitFor(() => starts() > before, { what: 'the start' });
  expect(await list()).toEqual({ more: false, jids: [] });
  expect(await olga.roster()).toEqual([]);
  const since = olga.stanzas.length;
  await set(contact('visitor.8', 'Bob'));
  await olga.waitFor((client) => told(client, since).length > 1);
  expect(told(olga, since)).toEqual(['push visitor.8 both Bob visitors', 'visitor.8 available']);
  await olga.disconnect();
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
