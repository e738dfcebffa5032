/** The end of rooms: a while after the chat, after a kill in between, after other comings and goings, with the tenant. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import { createEjabberdRooms } from '../../src/xmpp/admin/rooms.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

/** A while, here. */
const STAYS_MS = 1_500;
const host = 'xmpp.test';
const world = await testWorld({
  tenants: [],
  ejabberd: { hosts: [host] },
  environment: {
    CALLBACK_ALLOW: '127.0.0.1',
    XMPP_CHAT_TIMES: JSON.stringify({ roomStaysMs: STAYS_MS, roomsLookEveryMs: 100 }),
  },
});
const shop = await world.make({ id: 'shop', host, settings: { transport: 'accounts' } });
const rooms = createEjabberdRooms({ url: world.ejabberd.apiUrl, ...world.ejabberd.api });
const service = `conference.${host}`;
await shop.register('olga');
let olga: Operator = await shop.connect('olga');
await shop.operatorIs('olga', 'available');

const names = async (): Promise<readonly string[]> => {
  const all: string[] = [];
  await rooms.list(service, (some) => all.push(...some));
  return all.toSorted();
};
const roomsBecome = (...expected: string[]) =>
  waitFor(async () => JSON.stringify(await names()) === JSON.stringify(expected), {
    what: () => `the rooms ${expected}`,
  });
const jidOf = (key: string): string => `visitor.${key}@${service}`;
const textsIn = (room: string): string[] =>
  olga.stanzas
    .filter(({ attrs }) => attrs.type === 'groupchat' && attrs.from?.startsWith(`${room}/`))
    .flatMap((stanza) => stanza.getChildText('body') ?? []);
const say = (key: string, id: string) =>
  shop.ask('POST', `/visitors/${key}/messages`, { id, body: `text ${id}` });
const close = (key: string) =>
  shop.ask('POST', `/visitors/${key}/chats/c${key}/close`, { by: 'visitor' });

async function enter(key: string): Promise<void> {
  const room = jidOf(key);
  olga.sendStanza(
    xml('presence', { to: `${room}/Olga` }, xml('x', 'http://jabber.org/protocol/muc')),
  );
  await olga.waitFor(({ stanzas }) =>
    stanzas.some(
      ({ name, attrs }) => name === 'presence' && attrs.from === `${room}/Olga` && !attrs.type,
    ),
  );
}

/** The room may be in the making. */
const entersInTheEnd = (key: string) =>
  waitFor(async () => {
    const room = `${jidOf(key)}/Olga`;
    const before = olga.stanzas.length;
    olga.sendStanza(xml('presence', { to: room }, xml('x', 'http://jabber.org/protocol/muc')));
    const answer = await olga.waitFor(({ stanzas }) =>
      stanzas.slice(before).find(({ name, attrs }) => name === 'presence' && attrs.from === room),
    );
    return answer.attrs.type === undefined;
  });

/** A chat of this visitor with a room, and Olga in it. */
async function openRoom(key: string): Promise<void> {
  await shop.view(key, { page: 'https://shop.test/', nick: `Anna ${key}` });
  const message = { id: `m${key}`, body: 'Hello' };
  await shop.ask('POST', `/visitors/${key}/chats`, { chatId: `c${key}`, message });
  const visitor = shop.visitorJid(key);
  await olga.waitFor(({ messages }) => messages.some(({ from }) => from?.startsWith(visitor)));
  olga.send(visitor, 'Hi');
  await shop.callback('chat.accepted', ({ chatId }) => chatId === `c${key}`);
  olga.send(visitor, '!room');
  await olga.waitFor(({ stanzas }) =>
    stanzas.some((each) => each.getChild('x', 'jabber:x:conference')?.attrs.jid === jidOf(key)),
  );
  await enter(key);
}

it('a room goes a while after its chat; one whose chat goes on stays', async () => {
  await openRoom('1');
  await openRoom('2');
  await close('1');
  await olga.waitFor(() => textsIn(jidOf('1')).some((text) => /closed|over|end/i.test(text)));
  expect(await names()).toEqual(['visitor.1', 'visitor.2']);
  await roomsBecome('visitor.2');
  await say('2', 'still');
  await olga.waitFor(() => textsIn(jidOf('2')).includes('text still'));
});

it('the service is killed between the end of a chat and that of its room: the next start ends it', async () => {
  await openRoom('3');
  await close('3');
  await world.service.kill();
  // What nothing in the log speaks of any more: the lane was done with it, or the visitor is erased.
  for (const name of ['visitor.1', 'visitor.unknown']) await rooms.create({ name, service });
  expect(await names()).toEqual(['visitor.1', 'visitor.2', 'visitor.3', 'visitor.unknown']);
  await world.service.start();
  await roomsBecome('visitor.2');
  // The chat that goes on has its room, though this process did not make it.
  await say('2', 'after-the-kill');
  await olga.waitFor(() => textsIn(jidOf('2')).includes('text after-the-kill'));
});

it('a room that is lost in an open chat is there again with the next message', async () => {
  await rooms.destroy({ name: 'visitor.2', service });
  await roomsBecome();
  await say('2', 'again');
  await olga.waitFor(async () => (await names()).includes('visitor.2'));
  await entersInTheEnd('2');
  await olga.waitFor(() => textsIn(jidOf('2')).includes('text again'));
});

it('ejabberd is killed in an open chat: the room is as before', async () => {
  await world.ejabberd.kill();
  await world.ejabberd.start();
  await olga.disconnect();
  olga = await shop.connect('olga');
  await olga.waitFor(({ presences }) => presences.get(shop.visitorJid('2'))?.available);
  await say('2', 'after-ejabberd');
  await entersInTheEnd('2');
  await olga.waitFor(() => textsIn(jidOf('2')).includes('text after-ejabberd'));
});

it('a change of the transport in an open chat: the room goes on, and the visitor keeps their name', async () => {
  const nickOf = (id: string) =>
    olga.stanzas.find(
      (stanza) => stanza.attrs.type === 'groupchat' && stanza.getChildText('body') === `text ${id}`,
    )?.attrs.from;
  await say('2', 'by-the-account');
  await olga.waitFor(() => nickOf('by-the-account'));
  for (const transport of ['component', 'accounts']) {
    expect((await shop.change({ transport })).status).toBe(202);
    const at = transport === 'component' ? `visitors.${host}` : host;
    await olga.waitFor(({ presences }) => presences.get(`visitor.2@${at}`)?.available);
    await say('2', `by-${transport}`);
    await olga.waitFor(() => nickOf(`by-${transport}`));
    expect(nickOf(`by-${transport}`)).toBe(nickOf('by-the-account'));
  }
});

it('with a tenant that is removed its rooms go, and private chats of operators stay', async () => {
  await rooms.create({ name: 'oo,aa', service });
  const removed = await world.service.call('DELETE', '/v1/tenants/shop');
  expect(removed.status).toBe(202);
  await roomsBecome('oo,aa');
});
