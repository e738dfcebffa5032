/**
 * Rooms of chats: several operators of a tenant read a visitor's words in a room of mod_muc, and what they say there is
 * reported as said to the visitor. A whisper reaches colleagues only.
 */
import xml, { type Element } from '@xmpp/xml';
import { afterAll, afterEach, expect, it } from 'vitest';
import { createEjabberdRooms } from '../../src/xmpp/admin/rooms.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type Operator, type OperatorOptions } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { rawComponent, rawOperator } from './raw-stream.ts';
import { startReceiver } from './receiver.ts';

const NS = 'urn:xmpp-chat:room:1';
const MUC = 'http://jabber.org/protocol/muc';
const shared = 'shared.test';
/** A host of the same ejabberd without mod_lhc. */
const plain = 'plain.test';
const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', shared, plain],
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: {
    // So long that every ping in these tests is one for messages.
    ping_interval: 3600,
    message_burst: 30,
    // As for private chats of operators. It opens no room of a visitor.
    trusted_hosts: ['conference.xmpp.test', `conference.${shared}`],
  },
  extraConfig: {
    host_config: { [plain]: { modules: { mod_roster: {}, mod_ping: {} } } },
    append_host_config: { [shared]: { modules: { mod_mam: { default: 'always' } } } },
  },
  component: { secret: 'component-secret' },
});
const { host } = ejabberd;
for (const user of ['olga', 'oskar', 'sven', 'tom']) await ejabberd.registerOperator(user, 'pw');
for (const user of ['visitor.7', 'visitor.8', 'stranger']) await ejabberd.register(user, 'pw');
await ejabberd.register('stranger', 'pw', plain);
for (const instance of ['acme', 'beta']) {
  await ejabberd.registerOperator(`amy.${instance}`, 'pw', shared, `operators.${instance}`);
}
const connect = (username: string, options: Partial<OperatorOptions> = {}, domain = host) =>
  connectOperator({
    service: ejabberd.xmpp,
    domain,
    username,
    password: 'pw',
    receipts: false,
    ...options,
  });
const rooms = createEjabberdRooms({ url: ejabberd.apiUrl, ...ejabberd.api });

/** Makes a room as the service does. @returns its address */
async function makeRoom(
  visitor: string,
  members: readonly string[],
  at: string = host,
): Promise<string> {
  const room = { name: visitor, service: `conference.${at}` };
  await rooms.create(room);
  const options = {
    members_only: 'true',
    public: 'false',
    persistent: 'true',
    anonymous: 'false',
    moderated: 'false',
    allow_subscription: 'true',
    allow_user_invites: 'false',
    mam: 'false',
  };
  for (const [option, value] of Object.entries(options)) {
    await rooms.setOption(room, option, value);
  }
  for (const member of members) await rooms.addMember(room, `${member}@${at}`);
  await rooms.subscribe(room, `${visitor}@${at}/xmpp-chat`, 'Anna', '');
  // Subscribing has stored the room as open to everybody (findings/ejabberd-subscribe-opens-room.sh).
  await rooms.setOption(room, 'members_only', 'true');
  return `${visitor}@conference.${at}`;
}
const room = await makeRoom('visitor.7', ['olga', 'oskar']);
const visitorJid = `visitor.7@${host}`;
const visitor = await connect('visitor.7');

const isFrom = (address: string) => (stanza: Element) => stanza.attrs.from === address;
const presence = (to: string, nick: string, type?: string) =>
  xml('presence', { to: `${to}/${nick}`, ...(type && { type }) }, type ? undefined : xml('x', MUC));
async function enter(client: Operator, nick: string, where = room): Promise<void> {
  const seen = client.presenceStanzas.length;
  client.sendStanza(presence(where, nick));
  await client.waitFor(
    ({ presenceStanzas }) => presenceStanzas.slice(seen).some(isFrom(`${where}/${nick}`)),
    `${nick} in the room`,
  );
}
async function leave(client: Operator, nick: string): Promise<void> {
  client.sendStanza(presence(room, nick, 'unavailable'));
  await client.waitFor(({ presenceStanzas }) =>
    presenceStanzas.some((one) => isFrom(`${room}/${nick}`)(one) && one.attrs.type),
  );
}
const shown = () => xml('shown', NS);
/** A text to the room, from a visitor with `shown()`. */
const toRoom = (id: string, ...more: Element[]) =>
  xml('message', { type: 'groupchat', id, to: room }, xml('body', {}, `text of ${id}`), ...more);
const privately = (to: string, id: string, ...more: Element[]) =>
  xml('message', { type: 'chat', id, to }, xml('body', {}, `text of ${id}`), ...more);
/** Types of the messages with this id that a client has got, in order. */
const types = ({ messages }: Operator, id: string) =>
  messages.filter((one) => one.id === id).map(({ stanza }) => stanza.attrs.type);
const gets = (client: Operator, id: string) =>
  client.waitFor((one) => types(one, id).length > 0, `the message ${id}`);
const reports = (id: string) => receiver.ofType('delivered').filter(({ ids }) => ids.includes(id));
const errorOf = (client: Operator, id: string) => {
  const error = client.errors.find((one) => one.attrs.id === id)?.getChild('error');
  return error?.getChildElements()[0]?.name;
};
/** The error of a presence. */
const refused = (client: Operator) =>
  client.waitFor(({ errors }) => {
    const error = errors.find(({ name }) => name === 'presence')?.getChild('error');
    return error?.getChildElements()[0]?.name;
  });
let sentinels = 0;
/** Waits until what the client has sent before is in the receiver, if it is reported. */
async function settled(client: Operator): Promise<void> {
  sentinels += 1;
  const id = `sentinel-${sentinels}`;
  await client.sendAndAck(visitorJid, 'sentinel', id);
  await receiver.event('message', (event) => event.id === id);
}
const reported = (id: string) =>
  receiver.events.filter((event) => 'id' in event && event.id === id);

afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('the visitor’s words come by the room, are delivered once, and are not repeated in the window', async () => {
  const [olga, oskar, sven] = [
    await connect('olga'),
    await connect('oskar'),
    await connect('sven'),
  ];
  const phone = await connect('olga');
  await enter(olga, 'Olga');
  await enter(oskar, 'Oskar');
  visitor.sendStanza(toRoom('m1', shown()));
  // The ping behind it, as the service sends it: a room answers it with an error.
  const ping = xml('iq', { type: 'get', to: room }, xml('ping', 'urn:xmpp:ping'));
  expect((await visitor.request(ping)).attrs).toMatchObject({ type: 'error', from: room });
  // The phone, which is not in the room, gets the private copy, though the message is delivered.
  await receiver.event('delivered', ({ ids, from }) => from === olga.jid && ids.includes('m1'));
  visitor.sendStanza(privately(`olga@${host}`, 'm1'));
  visitor.sendStanza(privately(`sven@${host}`, 'm1'));
  await gets(phone, 'm1');
  await gets(sven, 'm1');
  expect(olga.messages.find(({ id }) => id === 'm1')?.from).toBe(`${room}/Anna`);
  visitor.sendStanza(privately(`olga@${host}`, 'm2'));
  await gets(olga, 'm2');
  expect([olga, oskar, phone, sven].map((one) => types(one, 'm1'))).toEqual([
    ['groupchat'],
    ['groupchat'],
    ['chat'],
    ['chat'],
  ]);
  const by = (client: Operator) => ({ from: client.jid, to: visitorJid, by: 'ping' });
  await receiver.event('delivered', ({ ids, from }) => from === oskar.jid && ids.includes('m1'));
  await settled(olga);
  await settled(phone);
  expect(reports('m1').filter(({ from }) => from.startsWith('olga@'))).toMatchObject([by(olga)]);
  expect(reports('m1')).toContainEqual(expect.objectContaining(by(oskar)));
  expect(reports('m1')).toContainEqual(expect.objectContaining(by(sven)));

  // What was said goes to whoever enters later, too, and counts as read.
  await rooms.addMember({ name: 'visitor.7', service: `conference.${host}` }, `sven@${host}`);
  visitor.sendStanza(toRoom('m3', shown()));
  await gets(olga, 'm3');
  await enter(sven, 'Sven');
  await gets(sven, 'm3');
  await receiver.event('delivered', ({ ids, from }) => from === sven.jid && ids.includes('m3'));
  // A repeat of the service comes only to who has not got it; the private one to nobody in the room.
  visitor.sendStanza(toRoom('m3', shown()));
  for (const to of ['olga', 'sven']) visitor.sendStanza(privately(`${to}@${host}`, 'm3'));
  visitor.sendStanza(toRoom('m4', shown()));
  for (const client of [olga, sven]) await gets(client, 'm4');
  expect([olga, sven].map((one) => types(one, 'm3'))).toEqual([['groupchat'], ['groupchat']]);
  expect(types(phone, 'm3')).toEqual(['chat']);
  // Coming back, the client asks for the history.
  await leave(olga, 'Olga');
  await enter(olga, 'Olga');
  await olga.waitFor((one) => types(one, 'm3').length > 1, 'the history');
  for (const client of [olga, oskar, phone, sven]) await client.disconnect();
});

it('what an operator says in the room is reported as said to the visitor, and goes on to the room', async () => {
  const [olga, oskar] = [await connect('olga'), await connect('oskar')];
  await enter(olga, 'Olga');
  await enter(oskar, 'Oskar');
  // A client's own receipt request means nothing in a room. 23.01 gives no ids to messages of a room, and lets one of a
  // client stand.
  const isOld = ejabberd.version === '23.01';
  const sid = xml('stanza-id', { xmlns: 'urn:xmpp:sid:0', by: room, id: 'room-o1' });
  const asks = [xml('request', 'urn:xmpp:receipts'), xml('markable', 'urn:xmpp:chat-markers:0')];
  olga.sendStanza(toRoom('o1', ...asks, ...(isOld ? [sid] : [])));
  const event = await receiver.event('message', ({ id }) => id === 'o1');
  const { body, session, receipt, markable } = event;
  expect(event).toMatchObject({ from: olga.jid, to: visitorJid, room: true, resumptions: 0 });
  expect([body, receipt, markable]).toEqual([{ '': 'text of o1' }, undefined, undefined]);
  for (const client of [olga, oskar]) await gets(client, 'o1');
  expect(types(oskar, 'o1')).toEqual(['groupchat']);

  const mention = (name: string, ns: string, id: string) => xml(name, { xmlns: ns, id });
  // A client names a message of a room by the room's id.
  const ids = ({ messages }: Operator, id: string) =>
    messages.find((one) => one.id === id)?.stanza.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs.id;
  expect(ids(olga, 'o1')).toMatch(isOld ? /^room-o1$/ : /^\d+$/);
  const named = (id: string) => ids(olga, id) ?? id;
  olga.sendStanza(toRoom('o2', mention('replace', 'urn:xmpp:message-correct:0', 'o1')));
  olga.sendStanza(toRoom('o3', mention('retract', 'urn:xmpp:message-retract:1', named('o1'))));
  const reactions = mention('reactions', 'urn:xmpp:reactions:0', named('o1'));
  reactions.append(xml('reaction', {}, '👍'));
  olga.sendStanza(xml('message', { type: 'groupchat', id: 'o4', to: room }, reactions));
  olga.sendStanza(toRoom('o5', xml('encryption', { xmlns: 'urn:xmpp:eme:0' })));
  olga.sendStanza(toRoom('o9', mention('reply', 'urn:xmpp:reply:0', named('m1'))));
  const all = await waitFor(() => {
    const some = ['o2', 'o3', 'o4', 'o5', 'o9'].flatMap(reported);
    return some.length === 5 && some;
  });
  const common = { from: olga.jid, to: visitorJid, room: true, session, resumptions: 0 };
  expect(all).toMatchObject([
    { type: 'message', replaces: 'o1', ...common },
    { type: 'retraction', retracts: 'o1', ...common },
    { type: 'reaction', reactsTo: 'o1', reactions: ['👍'], ...common },
    { type: 'unsupported', what: 'encrypted', ...common },
    { type: 'message', replyTo: 'm1', ...common },
  ]);
  await gets(oskar, 'o2');

  // A message without an id gets one, and the room shows it with that.
  olga.sendStanza(xml('message', { type: 'groupchat', to: room }, xml('body', {}, 'no id')));
  const made = await receiver.event('message', ({ body: texts }) => texts[''] === 'no id');
  await gets(oskar, made.id);

  // A private one of the same session says nothing of a room.
  olga.sendStanza(privately(visitorJid, 'o6'));
  expect(await receiver.event('message', ({ id }) => id === 'o6')).not.toHaveProperty('room');

  // Typing, receipts and markers in a room are not the visitor's business.
  const before = receiver.events.length;
  for (const signal of [
    xml('composing', 'http://jabber.org/protocol/chatstates'),
    xml('received', { xmlns: 'urn:xmpp:receipts', id: 'm1' }),
    xml('displayed', { xmlns: 'urn:xmpp:chat-markers:0', id: 'm1' }),
  ]) {
    olga.sendStanza(xml('message', { type: 'groupchat', to: room, id: signal.name }, signal));
  }
  await oskar.waitFor(({ stanzas }) => stanzas.some(({ attrs }) => attrs.id === 'displayed'));
  await settled(olga);
  expect(receiver.events.slice(before).map(({ type }) => type)).toEqual(['message']);

  // Who blocks the room is refused by ejabberd, and nothing is reported.
  const block = (name: string) =>
    xml('iq', { type: 'set' }, xml(name, 'urn:xmpp:blocking', xml('item', { jid: room })));
  await olga.request(block('block'));
  olga.sendStanza(toRoom('o10'));
  await olga.waitFor((one) => errorOf(one, 'o10'));
  await olga.request(block('unblock'));

  // Refused: nothing of it is in the room either.
  const long = xml('body', {}, 'x'.repeat(66_000));
  olga.sendStanza(xml('message', { type: 'groupchat', id: 'o7', to: room }, long));
  await olga.waitFor((one) => errorOf(one, 'o7') === 'policy-violation');
  olga.sendStanza(toRoom('o8'));
  await gets(oskar, 'o8');
  for (const id of ['o7', 'o10']) expect([types(oskar, id), reported(id)]).toEqual([[], []]);
  // The same budget as for private messages.
  for (let n = 0; n < 40; n += 1) olga.sendStanza(toRoom(`flood-${n}`));
  await olga.waitFor((one) => errorOf(one, 'flood-39') === 'resource-constraint');
  expect([types(oskar, 'flood-39'), reported('flood-39')]).toEqual([[], []]);
  const typing = () => xml('composing', 'http://jabber.org/protocol/chatstates');
  const isTyping = (one: Element) => one.attrs.id === 'typing';
  for (let n = 0; n < 400; n += 1) {
    oskar.sendStanza(xml('message', { type: 'groupchat', to: room, id: 'typing' }, typing()));
  }
  oskar.sendStanza(toRoom('typed'));
  await gets(olga, 'typed');
  expect(olga.stanzas.filter(isTyping).length).toBeLessThan(300);
  for (const client of [olga, oskar]) await client.disconnect();
});

it('an operator who is not in the room says nothing there, not even as a subscriber', async () => {
  const [olga, oskar, sven] = [
    await connect('olga'),
    await connect('oskar'),
    await connect('sven'),
  ];
  await enter(oskar, 'Oskar');
  sven.sendStanza(toRoom('outside-1'));
  await sven.waitFor((one) => errorOf(one, 'outside-1') === 'not-acceptable');
  const subscribe = xml(
    'subscribe',
    { xmlns: 'urn:xmpp:mucsub:0', nick: 'Olga' },
    xml('event', { node: 'urn:xmpp:mucsub:nodes:messages' }),
  );
  const answer = await olga.request(xml('iq', { type: 'set', to: room }, subscribe));
  expect(answer.attrs.type).toBe('result');
  olga.sendStanza(toRoom('outside-2'));
  await olga.waitFor((one) => errorOf(one, 'outside-2') === 'not-acceptable');
  await enter(olga, 'Olga');
  olga.sendStanza(presence(room, 'Olga.'));
  await olga.waitFor(({ presenceStanzas }) => presenceStanzas.some(isFrom(`${room}/Olga.`)));
  olga.sendStanza(toRoom('inside'));
  await receiver.event('message', ({ id }) => id === 'inside');
  await leave(olga, 'Olga.');
  olga.sendStanza(toRoom('outside-3'));
  await olga.waitFor((one) => errorOf(one, 'outside-3') === 'not-acceptable');
  // mod_muc would drop it without a word.
  oskar.sendStanza(xml('message', { to: room, id: 'normal' }, xml('body', {}, 'is this read?')));
  await oskar.waitFor((one) => errorOf(one, 'normal') === 'not-acceptable');
  await settled(olga);
  expect([1, 2, 3].flatMap((n) => reported(`outside-${n}`))).toEqual([]);
  expect(reported('normal')).toEqual([]);
  await gets(oskar, 'inside');
  expect(oskar.messages.filter(({ id }) => /^(outside|normal)/.test(id))).toEqual([]);
  const unsubscribe = xml('unsubscribe', 'urn:xmpp:mucsub:0');
  await olga.request(xml('iq', { type: 'set', to: room }, unsubscribe));
  for (const client of [olga, oskar, sven]) await client.disconnect();
});

it('a whisper reaches a colleague, is not reported, and never reaches the visitor', async () => {
  const [olga, oskar] = [await connect('olga'), await connect('oskar')];
  await enter(olga, 'Olga');
  await enter(oskar, 'Oskar');
  for (const type of ['chat', 'normal']) {
    const attrs = { type, id: `w-${type}` };
    const body = xml('body', {}, 'never mind');
    olga.sendStanza(xml('message', { ...attrs, to: `${room}/Oskar` }, body));
    await gets(oskar, `w-${type}`);
    const toVisitor = { ...attrs, id: `v-${type}`, to: `${room}/Anna` };
    olga.sendStanza(xml('message', toVisitor, xml('body', {}, 'to nobody')));
    await olga.waitFor((one) => errorOf(one, `v-${type}`) === 'policy-violation');
  }
  const error = olga.errors.find(({ attrs }) => attrs.id === 'v-chat')?.getChild('error');
  expect(error?.getChildText('text')).toMatch(/never reaches the visitor: write to all/);
  const typing = xml('composing', 'http://jabber.org/protocol/chatstates');
  olga.sendStanza(xml('message', { type: 'chat', to: `${room}/Anna`, id: 'v-typing' }, typing));
  olga.sendStanza(toRoom('w-end'));
  await receiver.event('message', ({ id }) => id === 'w-end');
  await gets(oskar, 'w-end');
  await visitor.acknowledged();
  const ofRoom = visitor.stanzas.filter(
    ({ name, attrs }) => name !== 'iq' && attrs.from?.startsWith(room),
  );
  expect(ofRoom).toEqual([]);
  expect(
    receiver.events.filter((event) => 'id' in event && /^[wv]-/.test(String(event.id))),
  ).toHaveLength(1);
  for (const client of [olga, oskar]) await client.disconnect();
});

it('nobody forges what the service says', async () => {
  const [olga, oskar] = [await connect('olga'), await connect('oskar')];
  await enter(olga, 'Olga');
  await enter(oskar, 'Oskar');
  oskar.sendStanza(toRoom('f1', shown(), xml('other', 'urn:example')));
  await gets(olga, 'f1');
  const stanza = olga.messages.find(({ id }) => id === 'f1')?.stanza;
  expect(stanza?.getChild('shown')).toBeUndefined();
  expect(stanza?.getChild('other')).toBeDefined();
  oskar.sendStanza(privately(`olga@${host}`, 'f2', xml('in-room', NS)));
  await gets(olga, 'f2');
  visitor.sendStanza(toRoom('f3', shown()));
  await receiver.event('delivered', ({ ids, from }) => ids.includes('f3') && from === olga.jid);
  expect(reports('f1')).toEqual([]);
  for (const client of [olga, oskar]) await client.disconnect();
});

it('a line that the room has too comes only to clients that are not in the room', async () => {
  const carbons = xml('enable', 'urn:xmpp:carbons:2');
  const phone = await connect('olga', { presence: { priority: -1 } });
  await phone.request(xml('iq', { type: 'set' }, carbons));
  const olga = await connect('olga');
  await olga.request(xml('iq', { type: 'set' }, carbons));
  await enter(olga, 'Olga');
  const carried =
    (id: string) =>
    ({ stanzas }: Operator) =>
      stanzas.some(
        (one) =>
          one.name === 'message' && one.getChild('received') && `${one}`.includes(`id="${id}"`),
      );
  visitor.sendStanza(privately(`olga@${host}`, 'l1', xml('in-room', NS)));
  await phone.waitFor(carried('l1'), 'the carbon');
  // What the room had first is the same.
  visitor.sendStanza(toRoom('l2', shown()));
  await gets(olga, 'l2');
  visitor.sendStanza(privately(`olga@${host}`, 'l2'));
  await phone.waitFor(carried('l2'), 'the carbon');
  // A repeat is none for the phone either.
  visitor.sendStanza(privately(`olga@${host}`, 'l2'));
  // Both clients in the room: no carbon either.
  await enter(phone, 'Olga');
  visitor.sendStanza(privately(`olga@${host}`, 'l3', xml('in-room', NS)));
  visitor.sendStanza(toRoom('l4', shown()));
  await gets(phone, 'l4');
  visitor.sendStanza(privately(`olga@${host}`, 'l4'));
  visitor.sendStanza(privately(`olga@${host}`, 'l5'));
  await phone.waitFor(carried('l5'), 'the carbon');
  for (const id of ['l3', 'l4']) expect(carried(id)(phone), id).toBe(false);
  // Of a client only its stanzas are read.
  expect(phone.stanzas.filter((one) => carried('l2')({ stanzas: [one] } as never))).toHaveLength(1);
  expect(olga.messages.filter(({ id }) => /^l/.test(id)).map(({ id }) => id)).toEqual([
    'l2',
    'l4',
    'l5',
  ]);
  await leave(olga, 'Olga');
  visitor.sendStanza(privately(`olga@${host}`, 'l6', xml('in-room', NS)));
  await gets(olga, 'l6');
  for (const client of [olga, phone]) await client.disconnect();
});

it('what an operator has read in the room is not stored for their next login', async () => {
  const olga = await connect('olga', { presence: { priority: -1 } });
  await enter(olga, 'Olga');
  visitor.sendStanza(toRoom('s1', shown()));
  await receiver.event('delivered', ({ ids }) => ids.includes('s1'));
  for (const id of ['s1', 's2']) visitor.sendStanza(privately(`olga@${host}`, id));
  await visitor.acknowledged();
  const next = await connect('olga');
  await gets(next, 's2');
  expect(types(next, 's1')).toEqual([]);
  for (const client of [olga, next]) await client.disconnect();
});

it('a room belongs to its visitor’s tenant, and to no other visitor', async () => {
  const acme = await makeRoom('visitor.7.acme', ['amy.acme', 'amy.beta'], shared);
  const [ours, theirs] = [
    await connect('amy.acme', {}, shared),
    await connect('amy.beta', {}, shared),
  ];
  await enter(ours, 'Amy', acme);
  theirs.sendStanza(presence(acme, 'Spy'));
  expect(await refused(theirs)).toBe('item-not-found');
  const stranger = await connect('stranger');
  const outsider = await connect('stranger', {}, plain);
  const other = await connect('visitor.8');
  const foreign = { type: 'groupchat', to: acme };
  for (const [client, attrs] of [
    [theirs, foreign],
    [await connect('olga'), foreign],
    [outsider, foreign],
    [stranger, { ...foreign, to: room }],
    [other, { ...foreign, to: room }],
  ] as const) {
    client.sendStanza(xml('message', { ...attrs, id: 'b1' }, xml('body', {}, 'spam'), shown()));
    await client.waitFor((one) => errorOf(one, 'b1') === 'item-not-found');
  }
  const members = [`stranger@${plain}`, `amy.beta@${shared}`, `amy.acme@${shared}`];
  await ours.disconnect();
  const back = await connect('amy.acme', {}, shared);
  await rooms.invite({ name: 'visitor.7.acme', service: `conference.${shared}` }, members, 'come');
  const isInvited = ({ stanzas }: Operator) =>
    stanzas.some((one) => one.getChild('x', 'jabber:x:conference'));
  await back.waitFor(isInvited);
  for (const client of [outsider, theirs]) await client.acknowledged();
  expect([outsider, theirs].map(isInvited)).toEqual([false, false]);
  await enter(back, 'Amy', acme);

  // A visitor may only say something, and only in their own room.
  visitor.sendStanza(presence(room, 'Anna'));
  expect(await refused(visitor)).toBe('item-not-found');

  // The same by the component, of an account as of another visitor.
  const component = await rawComponent(
    ejabberd.componentPort,
    `visitors.${shared}`,
    'component-secret',
  );
  await rooms.subscribe(
    { name: 'visitor.7.acme', service: `conference.${shared}` },
    `visitor.7.acme@visitors.${shared}/xmpp-chat`,
    'Anna by component',
    '',
  );
  const from = `visitor.7.acme@visitors.${shared}`;
  const text = (id: string, sender: string) =>
    `<message type='groupchat' id='${id}' from='${sender}' to='${acme}'><body>hi</body><shown xmlns='${NS}'/></message>`;
  component.send(text('c1', from));
  await gets(back, 'c1');
  await receiver.event(
    'delivered',
    ({ ids, to }) => ids.includes('c1') && to === `visitor.7.acme@${shared}`,
  );
  back.sendStanza(
    xml(
      'message',
      { to: `${acme}/Anna by component`, type: 'chat', id: 'c2' },
      xml('body', {}, 'psst'),
    ),
  );
  await back.waitFor((one) => errorOf(one, 'c2') === 'policy-violation');
  component.send(text('c3', `visitor.8.acme@visitors.${shared}`));
  await component.sees(/<message[^>]*id='c3'[\s\S]*item-not-found/);
  // The archive has the private copies that a client in the room does not get, each once.
  const copy = (id: string, more = '') =>
    component.send(
      `<message type='chat' id='${id}' from='${from}' to='amy.acme@${shared}'><body>hi</body>${more}</message>`,
    );
  for (const _ of [1, 2]) copy('c1');
  copy('c6', `<in-room xmlns='${NS}'/>`);
  copy('c7');
  await gets(back, 'c7');
  await back.request(xml('iq', { type: 'set' }, xml('query', 'urn:xmpp:mam:2')));
  const archive = back.stanzas.map((one) => one.getChild('result', 'urn:xmpp:mam:2')).join('');
  const archived = (id: string) => archive.split(` id="${id}"`).length - 1;
  expect(['c1', 'c6', 'c7'].map(archived)).toEqual([1, 1, 1]);

  // The component itself, and the visitor, get the room's answers.
  const asks = (id: string, sender: string, type: string, payload: string) =>
    component.send(`<iq type='${type}' id='${id}' from='${sender}' to='${acme}'>${payload}</iq>`);
  asks('c4', `visitors.${shared}`, 'get', "<ping xmlns='urn:xmpp:ping'/>");
  await component.sees(/<iq[^>]*id='c4'[\s\S]*service-unavailable/);
  asks('c5', from, 'set', "<unsubscribe xmlns='urn:xmpp:mucsub:0'/>");
  await component.sees(/<iq[^>]*type='result'[^>]*id='c5'/);
  expect(component.count(/psst/)).toBe(0);
  expect(back.messages.map(({ id }) => id)).toEqual(['c1', 'c7']);
  for (const client of [back, theirs, stranger, outsider, other]) await client.disconnect();
});

it('a resumed session is still in the room, and one in twenty rooms enters no other', async () => {
  const login = { port: ejabberd.c2sPort, host, user: 'oskar', resource: 'r' };
  const first = await rawOperator(login);
  first.send(`<presence to='${room}/Oskar'><x xmlns='${MUC}'/></presence>`);
  await first.sees(/<subject/);
  first.drop();
  const again = await rawOperator({ ...login, resume: first.id });
  again.send(`<message type='groupchat' id='r1' to='${room}'><body>back</body></message>`);
  expect(await receiver.event('message', ({ id }) => id === 'r1')).toMatchObject({
    room: true,
    resumptions: 1,
  });
  for (let n = 1; n <= 20; n += 1) {
    const made = { name: `visitor.many-${n}`, service: `conference.${host}` };
    await rooms.create(made);
    again.send(`<presence to='${made.name}@${made.service}/Oskar'><x xmlns='${MUC}'/></presence>`);
    await again.sees(new RegExp(`<presence[^>]*from='visitor.many-${n}@[^>]*/Oskar'`));
  }
  await again.sees(/from='visitor.many-20@[^>]*type='error'[\s\S]*resource-constraint/);
  again.send(`<presence type='unavailable' to='${room}/Oskar'/>`);
  await again.sees(/type='unavailable'/);
  again.send(
    `<presence to='visitor.many-20@conference.${host}/Oskar'><x xmlns='${MUC}'/></presence>`,
  );
  await again.sees(/from='visitor.many-20@[^>]*\/Oskar'>/);
  again.send('</stream:stream>');
});

it('a kill of ejabberd loses nothing that was acknowledged, and the room stays closed', async () => {
  const olga = await connect('olga');
  await enter(olga, 'Olga');
  receiver.answer(503);
  olga.sendStanza(toRoom('k1'));
  await olga.acknowledged();
  await ejabberd.kill();
  receiver.answer(204);
  await ejabberd.start();
  expect(await receiver.event('message', ({ id }) => id === 'k1', 20_000)).toMatchObject({
    room: true,
  });
  const [again, tom] = [await connect('olga'), await connect('tom')];
  await enter(again, 'Olga');
  tom.sendStanza(presence(room, 'Tom'));
  expect(await refused(tom)).toBe('registration-required');
  for (const client of [again, tom]) await client.disconnect();
}, 40_000);
