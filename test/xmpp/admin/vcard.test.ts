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

/** In the order of the service: the card, then the group, then the login. */
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

/** The ids of this contact's pictures that PEP has announced. */
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

test('a visitor has a name and a picture from the first presence on, by vCard, presence and PEP', async () => {
  const name = 'Zoë <&> "Riga"\u0000';
  const cleaned = 'Zoë <&> "Riga"\ufffd';
  const jid = await newVisitor('visitor.1', name);
  await operator.waitFor(() => operator.presences.get(jid)?.available);
  const card = await operator.vcard(jid);
  expect(card).toMatchObject({ name: cleaned, nickname: cleaned, photo: { type: 'image/png' } });
  expect(card.photo?.data.equals(avatarOf(jid))).toBe(true);
  expect(operator.presences.get(jid)?.photo).toBe(card.photo?.sha1);
  const picture = await operator.picture(jid);
  expect(picture).toMatchObject({
    id: card.photo?.sha1,
    type: 'image/png',
    bytes: card.photo?.data.length,
  });
  expect(picture?.data.equals(avatarOf(jid))).toBe(true);
  // The roster shows the name of the vCard.
  expect((await operator.roster()).find((item) => item.jid === jid)?.name).toBe(cleaned);
  // Only one presence, because the vCard was written before the login.
  expect(presencesOf(jid)).toHaveLength(1);
});

test('PEP announces a new picture to a client that asked for it', async () => {
  const jid = at('visitor.6');
  await admin.register(jid, 'secret');
  await admin.joinGroup(jid, 'visitors');
  const visitor = await login('visitor.6');
  // ejabberd looks up the subscribers in the visitor's session, which must already have the operator's presence and
  // client features. So after an operator's login PEP misses some pictures. Presences announce all.
  await visitor.waitFor(() => visitor.presences.get(at('op1'))?.available);
  await admin.setVisitorCard(jid, 'Late');
  await operator.waitFor(() => notified(jid).length > 0);
  const { photo } = await operator.vcard(jid);
  expect(notified(jid)).toEqual([photo?.sha1]);
  await operator.waitFor(() => operator.presences.get(jid)?.photo === photo?.sha1);
  await visitor.disconnect();
});

test('the same card is not written again, and a new name keeps the picture', async () => {
  const jid = await newVisitor('visitor.2', 'Anna');
  await operator.waitFor(() => operator.presences.get(jid)?.available);
  const before = await operator.vcard(jid);
  await admin.setVisitorCard(jid, 'Anna');
  await operator.acknowledged();
  // ejabberd would send the presence again with each write.
  expect(presencesOf(jid)).toHaveLength(1);
  await admin.setVisitorCard(jid, 'Anna #7');
  const card = await operator.vcard(jid);
  expect(card).toEqual({ ...before, name: 'Anna #7', nickname: 'Anna #7' });
  await operator.waitFor(() => presencesOf(jid).length > 1);
  expect(operator.presences.get(jid)?.photo).toBe(card.photo?.sha1);
});

test('a new name reaches the contact list when the visitor joins the group again, with no absence', async () => {
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

test('visitors have different pictures', async () => {
  const jids = await Promise.all(['3', '4'].map((id) => newVisitor(`visitor.${id}`, 'The same')));
  const [one, other] = await Promise.all(jids.map((jid) => operator.vcard(jid)));
  expect(one?.photo?.sha1).not.toBe(other?.photo?.sha1);
});

test('a removed account leaves neither vCard nor picture', async () => {
  const jid = await newVisitor('visitor.5', 'Short');
  expect(await operator.picture(jid)).not.toBeNull();
  await transport.offline(jid);
  await admin.unregister(jid);
  expect(await operator.vcard(jid)).toEqual({ name: '', nickname: '' });
  expect(await operator.picture(jid)).toBeNull();
});

test('the password reset can restore a lost account with its name', async () => {
  const jid = at('visitor.7');
  const resets: string[] = [];
  const restoring = createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf: () => 'secret',
    logger: pino({ level: 'silent' }),
    async resetPassword(lost, nick) {
      resets.push(`${lost} ${nick}`);
      await admin.register(lost, 'secret');
      await admin.setVisitorCard(lost, nick);
    },
  });
  await restoring.online(jid, { status: '', nick: 'Lost' });
  expect(resets).toEqual([`${jid} Lost`]);
  expect((await operator.vcard(jid)).nickname).toBe('Lost');
  await restoring.close(2_000);
});

test("an operator's own picture survives a change of the name", async () => {
  const png = avatarOf('an operator').toString('base64');
  const photo = xml('PHOTO', {}, xml('TYPE', {}, 'image/png'), xml('BINVAL', {}, png));
  const card = xml('vCard', { xmlns: 'vcard-temp' }, xml('NICKNAME', {}, 'old'), photo);
  await operator.request(xml('iq', { type: 'set' }, card));
  await admin.setNickname(at('op1'), 'Ilze\u0007');
  const seen = await operator.vcard(at('op1'));
  expect(seen.nickname).toBe('Ilze\ufffd');
  expect(seen.photo?.data.equals(avatarOf('an operator'))).toBe(true);
  expect((await operator.picture(at('op1')))?.id).toBe(seen.photo?.sha1);
  // An account without a vCard gets one.
  await admin.register(at('op2'), 'secret');
  await admin.setNickname(at('op2'), 'Janis');
  expect((await operator.vcard(at('op2'))).nickname).toBe('Janis');
});
