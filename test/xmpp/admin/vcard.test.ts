/** Names and pictures of visitors, as operators' clients get them from a real ejabberd. */

import xml from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { avatarOf } from '../../../src/xmpp/admin/avatar.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { AVATAR_METADATA } from '../../support/operator-contact.ts';

const ejabberd = await testEjabberd();
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const at = (user: string): string => `${user}@${ejabberd.host}`;
const transport = createAccountsTransport({
  service: ejabberd.xmpp,
  passwordOf: () => 'secret',
  logger: pino({ level: 'silent' }),
});
let operator: Operator;

const login = (username: string): Promise<Operator> =>
  connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username,
    password: 'secret',
    features: [`${AVATAR_METADATA}+notify`],
  });

/** As the service makes one: its name before its place in the roster, both before its login. */
async function newVisitor(user: string, name: string): Promise<string> {
  const jid = at(user);
  await admin.register(jid, 'secret');
  await admin.setVisitorCard(jid, name);
  await admin.joinGroup(jid, 'visitors');
  await transport.online(jid, { status: '/home', nick: name });
  return jid;
}

const presencesOf = (jid: string) =>
  operator.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(`${jid}/`));

/** What PEP has sent of this contact's picture: ids. */
const notified = (jid: string): (string | undefined)[] =>
  operator.stanzas.flatMap((stanza) => {
    const items = stanza
      .getChild('event', 'http://jabber.org/protocol/pubsub#event')
      ?.getChild('items');
    if (stanza.attrs.from !== jid || items?.attrs.node !== AVATAR_METADATA) return [];
    return items.getChildren('item').map(({ attrs }) => attrs.id);
  });

beforeAll(async () => {
  await admin.ensureGroups(ejabberd.host, { visitors: 'visitors', operators: 'operators' });
  await admin.register(at('op1'), 'secret');
  await admin.joinGroup(at('op1'), 'operators');
  operator = await login('op1');
});

afterAll(async () => {
  await transport.close(2_000);
  await operator.disconnect();
});

test('a visitor has its name and its picture from the first moment, by vCard, presence and PEP', async () => {
  const name = 'Zoë <&> "Riga"\u0000';
  const shown = 'Zoë <&> "Riga"\ufffd';
  const jid = await newVisitor('visitor.1', name);
  await operator.waitFor(() => operator.presences.get(jid)?.available);
  const card = await operator.vcard(jid);
  expect(card).toMatchObject({ name: shown, nickname: shown, photo: { type: 'image/png' } });
  expect(card.photo?.data.equals(avatarOf(jid))).toBe(true);
  expect(operator.presences.get(jid)?.photo).toBe(card.photo?.sha1);
  const picture = await operator.picture(jid);
  expect(picture).toMatchObject({
    id: card.photo?.sha1,
    type: 'image/png',
    bytes: card.photo?.data.length,
  });
  expect(picture?.data.equals(avatarOf(jid))).toBe(true);
  // The roster's name is the vCard's.
  expect((await operator.roster()).find((item) => item.jid === jid)?.name).toBe(shown);
  // One presence: the vCard was there before the login.
  expect(presencesOf(jid)).toHaveLength(1);
});

test('a client that wants to hear of pictures by PEP is told of a new one', async () => {
  const jid = at('visitor.6');
  await admin.register(jid, 'secret');
  await admin.joinGroup(jid, 'visitors');
  const visitor = await login('visitor.6');
  // ejabberd asks the visitor's session who wants to hear: it has to have the operator's presence, and what that says
  // of its client. (At an operator's login some are not told, for that reason; presences tell of all.)
  await visitor.waitFor(() => visitor.presences.get(at('op1'))?.available);
  await admin.setVisitorCard(jid, 'Late');
  await operator.waitFor(() => notified(jid).length > 0);
  const { photo } = await operator.vcard(jid);
  expect(notified(jid)).toEqual([photo?.sha1]);
  await operator.waitFor(() => operator.presences.get(jid)?.photo === photo?.sha1);
  await visitor.disconnect();
});

test('the same card again is not written, another name is, and the picture stays', async () => {
  const jid = await newVisitor('visitor.2', 'Anna');
  await operator.waitFor(() => operator.presences.get(jid)?.available);
  const before = await operator.vcard(jid);
  await admin.setVisitorCard(jid, 'Anna');
  await operator.acknowledged();
  // ejabberd sends the presence again at each write.
  expect(presencesOf(jid)).toHaveLength(1);
  await admin.setVisitorCard(jid, 'Anna #7');
  const card = await operator.vcard(jid);
  expect(card).toEqual({ ...before, name: 'Anna #7', nickname: 'Anna #7' });
  await operator.waitFor(() => presencesOf(jid).length > 1);
  expect(operator.presences.get(jid)?.photo).toBe(card.photo?.sha1);
});

test('who joins its group again with another name has it in the contact list, and is not gone meanwhile', async () => {
  const jid = await newVisitor('visitor.renamed', 'Visitor 5');
  await operator.waitFor(() => operator.presences.get(jid)?.available);
  const names = () =>
    operator.rosterPushes.filter((item) => item.jid === jid).map(({ name }) => name);
  expect(await admin.setVisitorCard(jid, 'Ann')).toBe(true);
  expect(await admin.setVisitorCard(jid, 'Ann')).toBe(false);
  await admin.joinGroup(jid, 'visitors');
  await operator.waitFor(() => names().at(-1) === 'Ann');
  expect(operator.rosterPushes.filter((item) => item.jid === jid).at(-1)?.subscription).toBe(
    'both',
  );
  expect(presencesOf(jid).filter(({ attrs }) => attrs.type === 'unavailable')).toEqual([]);
});

test('pictures of visitors differ', async () => {
  const jids = await Promise.all(['3', '4'].map((id) => newVisitor(`visitor.${id}`, 'The same')));
  const [one, other] = await Promise.all(jids.map((jid) => operator.vcard(jid)));
  expect(one?.photo?.sha1).not.toBe(other?.photo?.sha1);
});

test('an account that is removed leaves neither vCard nor picture', async () => {
  const jid = await newVisitor('visitor.5', 'Short');
  expect(await operator.picture(jid)).not.toBeNull();
  await transport.offline(jid);
  await admin.unregister(jid);
  expect(await operator.vcard(jid)).toEqual({ name: '', nickname: '' });
  expect(await operator.picture(jid)).toBeNull();
});

test('whoever is logged in again after its account was lost can be given its name too', async () => {
  const jid = at('visitor.7');
  const mended: string[] = [];
  const mending = createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf: () => 'secret',
    logger: pino({ level: 'silent' }),
    async resetPassword(lost, nick) {
      mended.push(`${lost} ${nick}`);
      await admin.register(lost, 'secret');
      await admin.setVisitorCard(lost, nick);
    },
  });
  await mending.online(jid, { status: '', nick: 'Lost' });
  expect(mended).toEqual([`${jid} Lost`]);
  expect((await operator.vcard(jid)).nickname).toBe('Lost');
  await mending.close(2_000);
});

test("an operator's own picture survives a change of its name", async () => {
  const png = avatarOf('an operator').toString('base64');
  const photo = xml('PHOTO', {}, xml('TYPE', {}, 'image/png'), xml('BINVAL', {}, png));
  const card = xml('vCard', { xmlns: 'vcard-temp' }, xml('NICKNAME', {}, 'old'), photo);
  await operator.request(xml('iq', { type: 'set' }, card));
  await admin.setNickname(at('op1'), 'Ilze\u0007');
  const seen = await operator.vcard(at('op1'));
  expect(seen.nickname).toBe('Ilze\ufffd');
  expect(seen.photo?.data.equals(avatarOf('an operator'))).toBe(true);
  expect((await operator.picture(at('op1')))?.id).toBe(seen.photo?.sha1);
  // Somebody with no vCard gets one.
  await admin.register(at('op2'), 'secret');
  await admin.setNickname(at('op2'), 'Janis');
  expect((await operator.vcard(at('op2'))).nickname).toBe('Janis');
});
