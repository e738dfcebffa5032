/** Visitors arrive, browse, leave and return: what operators see, and which callbacks LHC gets. */
import { setTimeout as pace } from 'node:timers/promises';
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test' },
    // A tenant with short time-outs.
    { id: 'quick', host: 'quick.test', settings: { hardTimeout: 2, cleanupAfter: 2 } },
  ],
});
const acme = world.tenant('acme');
await acme.register('olga');
const olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');

/** Who of these visitors has an account: nobody by the component. */
const withAccount = (...names: string[]): string[] =>
  acme.visitorJid('1').endsWith('@xmpp.test') ? names : [];
const accountsOfVisitors = async (): Promise<string[]> =>
  (await world.accounts('xmpp.test')).filter((name) => name.startsWith('visitor.'));

const contact = (jid: string) => olga.presences.get(jid);
const onRoster = async (jid: string) => (await olga.roster()).find((item) => item.jid === jid);

it('a page view makes a contact with a name and a status, and its account if visitors have one', async () => {
  const jid = acme.visitorJid('1');
  await acme.view('1', {
    page: 'https://shop.test/shoes',
    title: 'Shoes',
    nick: 'Anna',
    visits: 3,
    country: 'Germany',
    city: 'Berlin',
    timezone: 'Europe/Berlin',
  });
  await olga.waitFor(() => contact(jid)?.available, 'the contact');
  expect(await accountsOfVisitors()).toEqual(withAccount('visitor.1'));
  expect(await onRoster(jid)).toMatchObject({ name: 'Anna', groups: ['visitors'] });
  expect(contact(jid)).toMatchObject({ show: 'available', nick: 'Anna' });
  expect(contact(jid)?.status).toMatch(
    /^Shoes · Berlin, Germany\nhttps:\/\/shop\.test\/shoes\n\d\d:\d\d in Berlin\nvisit 3$/,
  );
  await world.idle();
  expect(await acme.ask('GET', '/visitors/1')).toMatchObject({
    presence: 'online',
    conversation: 'none',
    nick: 'Anna',
    page: 'https://shop.test/shoes',
    loggedIn: true,
  });
});

it('a client that knows the contact list does not get it again, and one that knows an older one does', async () => {
  const ask = async (ver: string) => {
    const query = xml('query', { xmlns: 'jabber:iq:roster', ver });
    return (await olga.request(xml('iq', { type: 'get' }, query))).getChild('query');
  };
  const before = (await ask(''))?.attrs.ver ?? '';
  expect(before).not.toBe('');
  expect(await ask(before)).toBeUndefined();
  await acme.view('versions', { page: 'https://shop.test/', nick: 'Vera' });
  await olga.waitFor(() => contact(acme.visitorJid('versions'))?.available, 'the contact');
  const items = (await ask(before))?.getChildren('item').map(({ attrs }) => attrs.name);
  expect(items).toContain('Vera');
});

it('another page changes the status and extends the time; the same page does not', async () => {
  const jid = acme.visitorJid('2');
  await acme.view('2', { page: 'https://shop.test/a', nick: 'Ben' });
  await olga.waitFor(() => contact(jid)?.status === '/a\nhttps://shop.test/a', 'the first page');
  const lastSeen = (await acme.ask('GET', '/visitors/2')).lastSeen;
  const { position } = await acme.view('2', { page: 'https://shop.test/b', nick: 'Ben' });
  await olga.waitFor(() => contact(jid)?.status === '/b\nhttps://shop.test/b', 'the second page');
  await world.idle();
  const after = await acme.ask('GET', `/visitors/2?minPosition=${position}`);
  expect(after).toMatchObject({ page: 'https://shop.test/b' });
  expect(after.lastSeen).toBeGreaterThan(lastSeen);

  const presences = () =>
    olga.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(jid)).length;
  const before = presences();
  const { revision } = await acme.view('2', { page: 'https://shop.test/b', nick: 'Ben' });
  expect(revision).toBe(after.revision);
  // The first presence of a later visitor comes after any new presence of this visitor.
  await acme.view('2b', { page: 'https://shop.test/b' });
  await olga.waitFor(() => contact(acme.visitorJid('2b'))?.available, 'another contact');
  expect(presences()).toBe(before);
});

it('quick page views change the status at most every two seconds, and end with the last page', async () => {
  const jid = acme.visitorJid('hurry');
  const presences = () =>
    olga.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(jid)).length;
  await acme.view('hurry', { page: 'https://shop.test/0' });
  await olga.waitFor(() => contact(jid)?.available, 'the contact');
  const before = presences();
  const began = performance.now();
  let page = '';
  for (let n = 1; performance.now() - began < 4_000; n++) {
    page = `https://shop.test/${n}`;
    await acme.view('hurry', { page });
    await pace(50);
  }
  await olga.waitFor(
    () => contact(jid)?.status === `${URL.parse(page)?.pathname}\n${page}`,
    'the last page',
  );
  const passed = performance.now() - began;
  expect(presences() - before).toBeLessThanOrEqual(1 + Math.ceil(passed / 2_000));
});

it('a visitor who timed out is offline and off the roster, and LHC hears of it; later it is the same contact', async () => {
  const jid = acme.visitorJid('3');
  await acme.view('3', { page: 'https://shop.test/', nick: 'Carl' });
  await olga.waitFor(() => contact(jid)?.available, 'the contact');
  await acme.ask('POST', '/visitors/3/timeout');
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '3');
  await olga.waitFor(() => contact(jid)?.available === false, 'the contact to be offline');
  await waitFor(async () => !(await onRoster(jid)), { what: 'the contact to be off the roster' });
  const accounts = async () =>
    (await accountsOfVisitors()).filter((name) => name.startsWith('visitor.3'));
  expect(await accounts()).toEqual(withAccount('visitor.3'));

  await acme.view('3', { page: 'https://shop.test/again', nick: 'Carl' });
  await olga.waitFor(
    () => contact(jid)?.status === '/again\nhttps://shop.test/again',
    'the contact to return',
  );
  await waitFor(async () => (await onRoster(jid))?.name === 'Carl', { what: 'the roster' });
  expect(await accounts()).toEqual(withAccount('visitor.3'));
});

it('cleanup closes the chat and removes the account', async () => {
  await acme.view('4', { page: 'https://shop.test/', nick: 'Dora' });
  await acme.ask('POST', '/visitors/4/chats', { chatId: 'c4', department: 'sales' });
  await acme.callback('chat.assigned', ({ chatId }) => chatId === 'c4');
  await acme.ask('DELETE', '/visitors/4');
  await acme.callback('chat.closed', ({ chatId }) => chatId === 'c4');
  await acme.callback('visitor.cleaned_up', ({ visitor }) => visitor === '4');
  await waitFor(async () => !(await world.accounts('xmpp.test')).includes('visitor.4'), {
    what: 'the account to go',
  });
  expect(await acme.ask('GET', '/visitors/4')).toMatchObject({
    presence: 'cleanedUp',
    chatId: null,
  });
});

it('visitors time out and are cleaned up after the times of their tenant', async () => {
  const quick = world.tenant('quick');
  const before = Date.now();
  await quick.view('1', { page: 'https://quick.test/' });
  const viewed = Date.now();
  const timeout = await quick.callback('visitor.timed_out', ({ visitor }) => visitor === '1');
  expect(Date.now() - before).toBeGreaterThan(1_900);
  expect(Date.parse(timeout.data.lastSeen)).toBeLessThanOrEqual(viewed);
  await quick.callback('visitor.cleaned_up', ({ visitor }) => visitor === '1');
  await waitFor(async () => !(await world.accounts('quick.test')).includes('visitor.1'), {
    what: 'the account to go',
  });
});

it('accounts that no fact calls for are removed, and no others', async () => {
  await world.ejabberd.register('visitor.orphan', 'pw', 'xmpp.test');
  await world.ejabberd.register('somebody', 'pw', 'xmpp.test');
  await world.admin('srg_user_add', {
    user: 'visitor.orphan',
    host: 'xmpp.test',
    group: 'visitors',
    grouphost: 'xmpp.test',
  });
  // The service compares the accounts at its start.
  await world.service.stop();
  await world.service.start();
  await waitFor(async () => !(await world.accounts('xmpp.test')).includes('visitor.orphan'), {
    what: 'the orphan to go',
  });
  const members = await world.admin('srg_get_members', { group: 'visitors', host: 'xmpp.test' });
  expect(members).not.toContain('visitor.orphan@xmpp.test');
  const accounts = await world.accounts('xmpp.test');
  expect(accounts).toEqual(
    expect.arrayContaining(['somebody', 'olga', ...withAccount('visitor.1', 'visitor.2')]),
  );
  await olga.waitFor(
    () => contact(acme.visitorJid('1'))?.available,
    'the other visitors to return',
  );
});

it('a name that comes with the chat is in the contact list at once', async () => {
  await acme.view('named', { page: 'https://shop.test/' });
  const jid = acme.visitorJid('named');
  const names = () => olga.rosterPushes.filter((item) => item.jid === jid).map(({ name }) => name);
  await olga.waitFor(() => names().at(-1) === 'Visitor named', jid);
  await acme.ask('POST', '/visitors/named/chats', { chatId: 'cnamed', nick: 'Ann' });
  await olga.waitFor(() => names().at(-1) === 'Ann', 'the new name');
});
