/** Names and pictures of visitors, from LHC's page view to an operator's client. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const acme = world.tenant('acme');
await acme.register('olga');
const olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');

const jid = acme.visitorJid('1');
const contact = () => olga.presences.get(jid);
const cardOf = (nickname: string) =>
  olga.waitFor(async () => {
    const card = await olga.vcard(jid);
    return card.nickname === nickname ? card : null;
  }, `the vCard of ${nickname}`);

it('the picture of a visitor stays when the name changes and when the service restarts', async () => {
  await acme.view('1', { page: 'https://shop.test/' });
  await olga.waitFor(() => contact()?.available, 'the contact');
  const before = await cardOf('Visitor 1');
  expect(before.photo?.type).toBe('image/png');
  expect(contact()?.photo).toBe(before.photo?.sha1);

  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', nick: 'Anna <3' });
  const named = await cardOf('Anna <3');
  expect(named).toEqual({ ...before, name: 'Anna <3', nickname: 'Anna <3' });
  await olga.waitFor(() => contact()?.nick === 'Anna <3', 'the name in the presence');
  expect(contact()?.photo).toBe(before.photo?.sha1);

  await world.service.stop();
  await olga.waitFor(() => contact()?.available === false, 'the contact to be offline');
  await world.service.start();
  await olga.waitFor(() => contact()?.available, 'the contact to be back');
  expect(contact()?.photo).toBe(before.photo?.sha1);
  expect(await olga.vcard(jid)).toEqual(named);
});

it('a cleanup removes the account, the vCard and the picture', async () => {
  await acme.ask('DELETE', '/visitors/1');
  await olga.waitFor(
    async () => !(await world.accounts('xmpp.test')).includes('visitor.1'),
    'the account to be gone',
  );
  // ejabberd removes the account before its data.
  await olga.waitFor(async () => (await olga.vcard(jid)).name === '', 'no vCard');
  expect(await olga.vcard(jid)).toEqual({ name: '', nickname: '' });
  await olga.waitFor(async () => (await olga.picture(jid)) === null, 'no picture');
});
