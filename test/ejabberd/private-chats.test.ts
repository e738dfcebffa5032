/** Private chats of operators: LHC's recorded calls of XML-RPC, a real mod_muc, and the clients of two operators. */
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import { roomRightsCheck } from '../../src/doctor/room-rights.ts';
import { createXmlRpc } from '../../src/http/xmlrpc/app.ts';
import { newId } from '../../src/kit/id.ts';
import { createOperatorRooms } from '../../src/reactors/operators/private-chats.ts';
import { createHttpApi } from '../../src/xmpp/admin/http-api.ts';
import { createEjabberdRooms } from '../../src/xmpp/admin/rooms.ts';
import { day, rpcCalls } from '../lhc-wire/recordings.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { tenantWith } from '../support/tenant.ts';
import { waitFor } from '../support/wait.ts';

const shared = 'shared.test';
const alone = 'xmpp.test';
const ejabberd = await testEjabberd({
  hosts: [alone, shared],
  webhook: { url: 'http://127.0.0.1:9', secret: `whsec_${btoa('nobody listens there')}` },
  // As in ejabberd.example.yml.
  modLhc: { trusted_hosts: [alone, shared].map((host) => `conference.${host}`) },
});
for (const user of ['oskar', 'olga']) await ejabberd.registerOperator(user, 'pw', alone);
for (const instance of ['acme-shop', 'zeta']) {
  await ejabberd.registerOperator(`amy.${instance}`, 'pw', shared, `operators.${instance}`);
}
const apiKey = 'key-of-a-tenant-';
const tenants = createTenantDirectory([
  tenantWith({ id: 'alone', host: alone, apiKey: `${apiKey}1` }),
  tenantWith({ id: 'acme', host: shared, instance: 'acme-shop', apiKey: `${apiKey}2` }),
  tenantWith({ id: 'zeta', host: shared, instance: 'zeta', apiKey: `${apiKey}3` }),
]);
const OPERATORS = new Set(['alone.oskar', 'alone.olga', 'acme.amy', 'zeta.amy']);
const logger = pino({ level: 'silent' });
const rooms = createEjabberdRooms({ url: ejabberd.apiUrl, ...ejabberd.api });
const { request } = createXmlRpc({
  tenants,
  logger,
  password: 'rpc-pass',
  isTemplateHost: () => false,
  visitors: { isOnline: async () => false, show: async () => {} },
  rooms: createOperatorRooms({
    tenants,
    rooms,
    newId,
    logger,
    waitMs: 60_000, // on a busy machine
    actors: {
      // Of an operator's state only this is read.
      operator: (tenant, name) =>
        ({
          // Of an operator's state only this is read.
          state: async () => ({ context: { registered: OPERATORS.has(`${tenant}.${name}`) } }),
          latest: async () => null,
        }) as never,
    },
  }),
  deadlineMs: 60_000,
});

const RECORDED = rpcCalls(day);

/** Sends a recorded call as LHC would have sent it to this ejabberd. */
async function call(
  rpc: string,
  { host = alone, path = '/', edit = (body: string) => body, at = 0 } = {},
): Promise<string> {
  const recorded = RECORDED.filter((one) => one.rpc === rpc)[at];
  const body = edit(String(recorded?.body).replaceAll('xmpp.acme.example', host));
  const response = await request(path, { method: 'POST', body });
  return await response.text();
}
const DONE =
  '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>res</name><value><int>0</int></value></member></struct></value></param></params></methodResponse>';

const connect = (username: string, domain: string) =>
  connectOperator({ service: ejabberd.xmpp, domain, username, password: 'pw' });
const messages = (stanzas: readonly Element[]) => stanzas.filter(({ name }) => name === 'message');
const invitations = (stanzas: readonly Element[]) =>
  messages(stanzas).flatMap((stanza) => {
    const jid = stanza.getChild('x', 'jabber:x:conference')?.attrs.jid;
    return jid === undefined ? [] : [jid];
  });
const textsIn = (stanzas: readonly Element[]) =>
  messages(stanzas)
    .filter(({ attrs }) => attrs.type === 'groupchat')
    .map((stanza) => [stanza.attrs.from, stanza.getChildText('body')])
    .filter(([, body]) => body);
const enter = (room: string, nick: string) =>
  xml('presence', { to: `${room}/${nick}` }, xml('x', 'http://jabber.org/protocol/muc'));

it('a private chat: two operators are invited, enter the room, and read what is written in LHC', async () => {
  const [oskar, olga] = [await connect('oskar', alone), await connect('olga', alone)];
  const room = `oo,aa@conference.${alone}`;
  expect(await call('muc_online_rooms')).toContain('<name>rooms</name><value><array><data></data>');
  expect(await call('create_room')).toBe(DONE);
  expect(await call('create_room'), 'again').toBe(DONE);
  expect(await call('muc_online_rooms')).toContain(`<string>${room}</string>`);
  expect(await call('change_room_option')).toBe(DONE);
  const forOlga = (body: string) => body.replaceAll('oskar', 'olga');
  expect(await call('subscribe_room')).toContain('<name>nodes</name>');
  expect(await call('send_direct_invitation')).toBe(DONE);
  expect(await call('send_direct_invitation', { edit: forOlga })).toBe(DONE);
  expect(await call('subscribe_room', { at: 1 })).toContain('<name>nodes</name>');
  expect(await call('subscribe_room', { at: 1, edit: forOlga })).toContain('<name>nodes</name>');
  for (const client of [oskar, olga]) {
    await client.waitFor(({ stanzas }) => invitations(stanzas).includes(room), 'the invitation');
    client.sendStanza(enter(room, client === oskar ? 'Oskar' : 'Olga'));
    await client.waitFor(({ stanzas }) =>
      stanzas.some(({ name, attrs }) => name === 'presence' && attrs.from?.startsWith(room)),
    );
  }
  expect(await call('send_message')).toBe(DONE);
  for (const client of [oskar, olga]) {
    await client.waitFor(({ stanzas }) =>
      textsIn(stanzas).some(
        ([from, body]) => from === `${room}/ada.admin.operator` && body === 'psst',
      ),
    );
  }
  const destroy = (body: string) => body.replaceAll('create_room', 'destroy_room');
  const withoutHost = (body: string) =>
    destroy(body).replace(/<member>\s*<name>host<\/name>[\s\S]*?<\/member>/, '');
  for (const _ of [1, 2]) expect(await call('create_room', { edit: withoutHost })).toBe(DONE);
  // ejabberd answers before the room has ended.
  await waitFor(async () => !(await call('muc_online_rooms')).includes('oo,aa'));
  await oskar.disconnect();
  await olga.disconnect();
});

it('the doctor tries the rights, and makes no room', async () => {
  const api = createHttpApi({ url: ejabberd.apiUrl, ...ejabberd.api });
  const signal = AbortSignal.timeout(60_000);
  expect(await roomRightsCheck(api, ejabberd.api.user, alone).run(signal)).toMatchObject([
    { status: 'ok' },
  ]);
  const names: string[] = [];
  await rooms.list(`conference.${alone}`, (some) => names.push(...some));
  expect(names.filter((name) => name.includes('doctor'))).toEqual([]);
});

it('LHC finds a room whose name has characters that no JID may have', async () => {
  const edit = (body: string) => body.replaceAll('oo,aa', 'sales @ &#60;acme&#62;');
  expect(await call('create_room', { edit })).toBe(DONE);
  expect(await call('muc_online_rooms')).toContain(
    `<string>sales @ &lt;acme&gt;@conference.${alone}</string>`,
  );
});

it('instances on one host: rooms of the same name are two rooms, and none can enter the other', async () => {
  const acme = { host: shared, path: '/acme-shop' };
  const zeta = { host: shared, path: '/zeta' };
  const amyOf = (instance: string) => (body: string) =>
    body.replaceAll('oskar@', `amy.${instance}@`);
  for (const [of, instance] of [
    [acme, 'acme-shop'],
    [zeta, 'zeta'],
  ] as const) {
    expect(await call('create_room', of)).toBe(DONE);
    expect(await call('change_room_option', of)).toBe(DONE);
    expect(await call('subscribe_room', of)).toContain('<name>nodes</name>');
    expect(await call('send_direct_invitation', { ...of, edit: amyOf(instance) })).toBe(DONE);
  }
  expect(await call('muc_online_rooms', acme)).toContain(`<string>oo,aa@conference.${shared}<`);
  const foreign = await call('send_direct_invitation', { ...acme, edit: amyOf('zeta') });
  expect(foreign).toContain('is no operator of this tenant');

  const [ours, theirs] = [
    await connect('amy.acme-shop', shared),
    await connect('amy.zeta', shared),
  ];
  const [room, other] = ['acme-shop', 'zeta'].map((one) => `oo,aa.${one}@conference.${shared}`);
  await ours.waitFor(({ stanzas }) => invitations(stanzas).includes(String(room)));
  await theirs.waitFor(({ stanzas }) => invitations(stanzas).includes(String(other)));
  ours.sendStanza(enter(String(room), 'Amy'));
  await ours.waitFor(({ stanzas }) =>
    stanzas.some(({ attrs }) => attrs.from === `${room}/Amy` && attrs.type === undefined),
  );
  theirs.sendStanza(enter(String(room), 'Spy'));
  await theirs.waitFor(({ stanzas }) =>
    stanzas.some(({ attrs }) => attrs.from === `${room}/Spy` && attrs.type === 'error'),
  );
  expect(await call('send_message', zeta)).toBe(DONE);
  expect(await call('send_message', acme)).toBe(DONE);
  await ours.waitFor(({ stanzas }) => textsIn(stanzas).length > 0);
  expect(textsIn(ours.stanzas)).toEqual([[`${room}/ada.admin.operator`, 'psst']]);
  await ours.disconnect();
  await theirs.disconnect();

  // A request that names no instance reaches nobody's rooms, and LHC goes on.
  expect(await call('muc_online_rooms', { host: shared })).toContain('<data></data>');
  expect(
    await call('create_room', { host: shared, edit: (body) => body.replaceAll('oo,aa', 'new') }),
  ).toBe(DONE);
  const names: string[] = [];
  await rooms.list(`conference.${shared}`, (some) => names.push(...some));
  expect(names.toSorted()).toEqual(['oo,aa.acme-shop', 'oo,aa.zeta']);
});
