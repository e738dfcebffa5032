/** The rooms of visitors' chats in a real mod_muc, by both transports, and what becomes of them when ejabberd is killed. */
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { hostOfComponent, visitorJid, visitorRoom } from '../../src/actors/ids.ts';
import { chatRoomsCheck } from '../../src/doctor/room-rights.ts';
import type { OpenRoom } from '../../src/reactors/rooms/room-making.ts';
import { createVisitorRooms } from '../../src/reactors/rooms/visitor-rooms.ts';
import { soleOwner } from '../../src/runtime/leases/ownership.ts';
import { createEjabberdAdmin } from '../../src/xmpp/admin/admin.ts';
import { createHttpApi } from '../../src/xmpp/admin/http-api.ts';
import { createEjabberdRooms } from '../../src/xmpp/admin/rooms.ts';
import { createComponentTransport } from '../../src/xmpp/component/component.ts';
import type { VisitorTransport } from '../../src/xmpp/port.ts';
import { createAccountsTransport } from '../../src/xmpp/sessions/accounts.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { tenantId, username, visitorKey } from '../support/names.ts';
import { connectOperator, type Operator } from '../support/operator.ts';
import { tenantWith } from '../support/tenant.ts';
import { waitFor } from '../support/wait.ts';

const SECRET = 'component-secret';
const PLAIN = 'plain.test';
const host = 'xmpp.test';
const ejabberd = await testEjabberd({
  hosts: [host, PLAIN],
  webhook: { url: 'http://127.0.0.1:9', secret: `whsec_${btoa('nobody listens there')}` },
  component: { secret: SECRET },
  // One host without mod_muc.
  extraConfig: { host_config: { [PLAIN]: { modules: { mod_roster: {} } } } },
});
const api = { url: ejabberd.apiUrl, ...ejabberd.api };
const admin = createEjabberdAdmin(api);
const ejabberdRooms = createEjabberdRooms(api);
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const retry = { firstMs: 50, mostMs: 200 };
const ACCOUNTS = tenantWith({ id: tenantId('acme'), host, apiKey: 'key-of-acme-0123456789' });
const COMPONENT = { ...ACCOUNTS, transport: 'component' } as const;
const OPERATORS = ['olga', 'susi', 'paul'];
await admin.ensureGroups(host, { visitors: 'visitors', operators: 'operators' });
for (const name of OPERATORS) await ejabberd.registerOperator(name, 'secret');

const accounts = createAccountsTransport({
  service: ejabberd.xmpp,
  passwordOf: () => 'secret',
  logger,
  retry,
});
const component = createComponentTransport({
  listener: { host: '127.0.0.1', port: ejabberd.componentPort, secret: SECRET },
  host,
  domain: `visitors.${host}`,
  logger,
  retry,
});
afterAll(async () => {
  await Promise.all([accounts.close(2_000), component.close(2_000)]);
});

const of = (jid: string): VisitorTransport =>
  hostOfComponent(jid.slice(jid.indexOf('@') + 1)) === null ? accounts : component;
const state = { presence: 'online' };

/** As a process of the service has them. */
const newRooms = () =>
  createVisitorRooms({
    rooms: ejabberdRooms,
    transport: {
      isOnline: (jid) => of(jid).isOnline(jid),
      send: (message) => of(message.from).send(message),
      listen(listener) {
        accounts.listen(listener);
        component.listen(listener);
      },
    },
    admin: {
      sendMessage: (message) =>
        of(message.from) === component
          ? component.unshown.sendMessage(message)
          : admin.sendMessage(message),
    },
    // Of a visitor's state only this is read.
    actors: { visitor: () => ({ state: async () => state }) as never },
    ownership: soleOwner,
    logger,
    waitMs: 20_000, // on a busy machine
    rest: { firstMs: 1, mostMs: 1 },
  });

let visitors = 0;
async function newVisitor(tenant: typeof ACCOUNTS) {
  visitors += 1;
  const key = visitorKey(String(visitors));
  const { name, service } = visitorRoom(tenant, key);
  const sender = { tenant, key, mayAct: () => true };
  await show(sender);
  return { sender, key, room: `${name}@${service}` };
}

async function show({
  tenant,
  key,
}: {
  tenant: typeof ACCOUNTS;
  key: ReturnType<typeof visitorKey>;
}) {
  const jid = visitorJid(tenant, key);
  if (of(jid) === accounts) {
    await admin.register(jid, 'secret');
    await admin.joinGroup(jid, 'visitors');
  }
  await of(jid).online(jid, { status: '', nick: 'Anna' });
}

const connect = (name: string): Promise<Operator> =>
  connectOperator({ service: ejabberd.xmpp, domain: host, username: name, password: 'secret' });

/** @returns the condition of the error; null if they are in the room */
async function enter(operator: Operator, room: string, nick: string): Promise<string | null> {
  const before = operator.stanzas.length;
  operator.sendStanza(
    xml('presence', { to: `${room}/${nick}` }, xml('x', 'http://jabber.org/protocol/muc')),
  );
  const answer = await operator.waitFor(({ stanzas }) =>
    stanzas
      .slice(before)
      .find(({ name, attrs }) => name === 'presence' && attrs.from === `${room}/${nick}`),
  );
  return answer.getChild('error')?.getChildElements()[0]?.name ?? null;
}

const textsIn = (stanzas: readonly Element[], room: string) =>
  stanzas
    .filter(({ attrs }) => attrs.type === 'groupchat' && attrs.from?.startsWith(room))
    .filter((stanza) => stanza.getChild('body'))
    .map(
      (stanza) => `${stanza.attrs.from?.slice(room.length + 1)}: ${stanza.getChildText('body')}`,
    );
/** ejabberd answers before the room has ended, and a message in between is lost with it. */
async function destroy(room: string): Promise<void> {
  const [name = '', service = ''] = room.split('@');
  await ejabberdRooms.destroy({ name, service });
  await waitFor(async () => {
    const names: string[] = [];
    await ejabberdRooms.list(service, (some) => names.push(...some));
    return !names.includes(name);
  });
}
const hasRead = (operator: Operator, room: string, ...texts: string[]) =>
  operator
    .waitFor(({ stanzas }) => textsIn(stanzas, room).length >= texts.length)
    .then(() => {
      expect(textsIn(operator.stanzas, room)).toEqual(texts);
    });
const openTo = (...members: string[]): OpenRoom => ({
  nick: 'Anna',
  members: members.map(username),
});
const text = (body: string) => ({ id: `id of ${body}`, body });

let olga: Operator;
let susi: Operator;
beforeEach(async () => {
  state.presence = 'online';
  [olga, susi] = await Promise.all([connect('olga'), connect('susi')]);
  return async () => {
    await Promise.all([olga.disconnect(), susi.disconnect()]);
  };
});

describe.each([
  ['accounts', ACCOUNTS],
  ['component', COMPONENT],
])('%s', (_, tenant) => {
  it('who was let in is invited, enters, and reads the visitor in the visitor’s name', async () => {
    const rooms = newRooms();
    const { sender, room } = await newVisitor(tenant);
    const open = openTo('olga', 'susi');
    await rooms.ensure(sender, open);
    await rooms.invite(sender, open.members, 'Chat 7');
    for (const operator of [olga, susi]) {
      const invitation = await operator.waitFor(({ stanzas }) =>
        stanzas.find((stanza) => stanza.getChild('x', 'jabber:x:conference')),
      );
      expect(invitation.getChild('x')?.attrs).toMatchObject({ jid: room, reason: 'Chat 7' });
    }
    expect(await enter(olga, room, 'Olga')).toBeNull();
    const paul = await connect('paul');
    expect(await enter(paul, room, 'Paul'), 'who was not let in').toBe('registration-required');
    await rooms.ensure(sender, openTo('olga', 'susi', 'paul'));
    expect(await enter(paul, room, 'Paul')).toBeNull();
    expect(await enter(susi, room, 'Anna'), 'the name is the visitor’s').toBe('conflict');
    await rooms.send(sender, openTo('olga', 'susi', 'paul'), text('one'));
    await rooms.send(sender, openTo('olga', 'susi', 'paul'), text('two'));
    await hasRead(olga, room, 'Anna: one', 'Anna: two');
    await hasRead(paul, room, 'Anna: one', 'Anna: two');
    await paul.disconnect();
  });

  it('a new chat has a room of its own: whoever is in the one before is out', async () => {
    const rooms = newRooms();
    const { sender, room } = await newVisitor(tenant);
    await rooms.open(sender, openTo('olga', 'susi'), 'chat 1');
    expect([await enter(olga, room, 'Olga'), await enter(susi, room, 'Susi')]).toEqual([
      null,
      null,
    ]);
    await rooms.send(sender, openTo('olga', 'susi'), text('one'));
    await hasRead(susi, room, 'Anna: one');
    await rooms.open(sender, openTo('olga'), 'chat 2');
    await susi.waitFor(({ stanzas }) =>
      stanzas.some(({ attrs }) => attrs.from === `${room}/Susi` && attrs.type === 'unavailable'),
    );
    expect(await enter(susi, room, 'Susi')).toBe('registration-required');
    expect(await enter(olga, room, 'Olga')).toBeNull();
    await rooms.send(sender, openTo('olga'), text('two'));
    await hasRead(olga, room, 'Anna: one', 'Anna: two');
    await hasRead(susi, room, 'Anna: one');
  });

  it('a room that somebody has destroyed is there again with the next message', async () => {
    const rooms = newRooms();
    const { sender, room } = await newVisitor(tenant);
    await rooms.send(sender, openTo('olga'), text('one'));
    await destroy(room);
    await rooms.send(sender, openTo('olga'), text('two'));
    expect(await enter(olga, room, 'Olga')).toBeNull();
    await hasRead(olga, room, 'Anna: two');
  });

  it('a visitor who is gone still writes: the end of the chat, say', async () => {
    const rooms = newRooms();
    const { sender, room } = await newVisitor(tenant);
    await rooms.ensure(sender, openTo('olga'));
    expect(await enter(olga, room, 'Olga')).toBeNull();
    const jid = visitorJid(tenant, sender.key);
    await of(jid).offline(jid);
    state.presence = 'timedOut';
    await rooms.send(sender, openTo('olga'), text('one'));
    await destroy(room);
    await rooms.send(sender, openTo('olga'), text('two'));
    expect(await enter(olga, room, 'Olga')).toBeNull();
    await olga.waitFor(({ stanzas }) => textsIn(stanzas, room).includes('Anna: two'));
  });
});

it('after a change of the transport the visitor writes in the same room with the same name', async () => {
  const rooms = newRooms();
  const { sender, key, room } = await newVisitor(ACCOUNTS);
  await rooms.send(sender, openTo('olga'), text('one'));
  expect(await enter(olga, room, 'Olga')).toBeNull();
  const moved = { ...sender, tenant: COMPONENT };
  await show(moved);
  await rooms.send(moved, openTo('olga'), text('two'));
  await accounts.offline(visitorJid(ACCOUNTS, key));
  await rooms.send(sender, openTo('olga'), text('three')).catch(() => undefined); // an older view of the settings
  await show(sender);
  await rooms.send(sender, openTo('olga'), text('four'));
  await hasRead(olga, room, 'Anna: one', 'Anna: two', 'Anna: four');
});

it('a host without mod_muc: the doctor says so, and it is refused', async () => {
  const doctor = (at: string) =>
    chatRoomsCheck(createHttpApi(api), api.user, at).run(AbortSignal.timeout(60_000));
  expect(await doctor(PLAIN)).toMatchObject([
    {
      status: 'ok',
      message: expect.stringContaining(`ejabberd has no mod_muc at conference.${PLAIN}`),
    },
  ]);
  expect(await doctor(host)).toEqual([
    { status: 'ok', message: `operators can open rooms for chats at conference.${host}` },
  ]);
  const rooms = newRooms();
  const tenant = tenantWith({
    id: tenantId('plain'),
    host: PLAIN,
    apiKey: 'key-of-acme-0123456789',
  });
  const sender = { tenant, key: visitorKey('1'), mayAct: () => true };
  await expect(rooms.ensure(sender, openTo('olga'))).rejects.toMatchObject({ code: 'refused' });
});

it('ejabberd is restarted, and killed: nobody else can enter, and the next messages find the rooms', async () => {
  const rooms = newRooms();
  const both = [await newVisitor(ACCOUNTS), await newVisitor(COMPONENT)];
  for (const { sender } of both) await rooms.send(sender, openTo('olga'), text('first'));
  for (const end of [ejabberd.stop, ejabberd.kill]) {
    await end();
    await ejabberd.start();
    await Promise.all([olga.disconnect(), susi.disconnect()]);
    [olga, susi] = await Promise.all([connect('olga'), connect('susi')]);
    for (const { sender, room } of both) {
      // As it was stored: nothing has touched the room yet.
      expect(await enter(susi, room, 'Susi')).toBe('registration-required');
      await waitFor(() => {
        const jid = visitorJid(sender.tenant, sender.key);
        return of(jid).isOnline(jid);
      });
      await rooms.send(sender, openTo('olga'), text(end.name));
      expect(await enter(olga, room, 'Olga')).toBeNull();
      await olga.waitFor(({ stanzas }) => textsIn(stanzas, room).includes(`Anna: ${end.name}`));
    }
  }
});
