/**
 * The contacts of a component of visitors: in operators' rosters, with presences, without anything stored and without a
 * probe to the component.
 */
import xml from '@xmpp/xml';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator, type OperatorOptions } from '../support/operator.ts';
import { type RawStream, rawComponent } from './raw-stream.ts';
import { startReceiver } from './receiver.ts';

const NS = 'urn:xmpp-chat:contacts:1';
const SECRET = 'component-secret';
const MOST = 150;
const shared = 'shared.test';
const receiver = await startReceiver();
/** A listener that believes any sender, for the streams of several processes. */
const open = await freePorts({});
const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', shared],
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { ping_interval: 1, ping_timeout: 30, max_backoff: 1, max_contacts: MOST },
  component: { secret: SECRET },
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
