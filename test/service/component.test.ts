/** Tenants with the transport `component`: a visitor's day, restarts and kills, and a change of the transport in a chat. */
import xml from '@xmpp/xml';
import { afterAll, expect, it } from 'vitest';
import { PNG, startFileServer } from '../files/servers.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const lhcFiles = await startFileServer((_request, response) => {
  response.writeHead(200).end(PNG);
});
afterAll(() => lhcFiles[Symbol.asyncDispose]());
const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: {
        transport: 'component',
        hardTimeout: 600,
        cleanupAfter: 1,
        typingPreview: true,
        files: { lhc: [lhcFiles.url] },
      },
    },
  ],
  ejabberd: { hosts: ['xmpp.test', 'shop.test'] },
  environment: { CALLBACK_ALLOW: '127.0.0.1' },
});
const { service, ejabberd } = world;
const acme = world.tenant('acme');
await acme.register('olga');
await acme.register('pia');
let olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');

const contact = (jid: string, operator = olga) => operator.presences.get(jid);
const onRoster = async (jid: string, operator = olga) =>
  (await operator.roster()).find((item) => item.jid === jid);
const textsFrom = (operator: Operator, jid: string): string[] =>
  operator.messages.filter(({ from }) => from.startsWith(jid)).map(({ body }) => body);
const reads = (operator: Operator, jid: string, text: string | RegExp) =>
  operator.waitFor(
    () => textsFrom(operator, jid).find((body) => body.match(text)),
    `${text} from ${jid}`,
  );

it('a visitor’s day: seen, invited, in a chat, handed over, closed, and gone', async () => {
  const jid = acme.visitorJid('1');
  expect(jid).toBe('visitor.1@visitors.xmpp.test');
  // The front desk and the comparison may ask before the component is connected.
  expect(service.logs()).not.toMatch(/could not be shown|the comparison of ejabberd/);
  await acme.view('1', { page: 'https://shop.test/shoes', title: 'Shoes', nick: 'Anna' });
  await olga.waitFor(() => contact(jid)?.available, 'the contact');
  expect(contact(jid)).toMatchObject({ nick: 'Anna', status: expect.stringContaining('Shoes') });
  expect(await onRoster(jid)).toMatchObject({
    name: 'Anna',
    subscription: 'both',
    groups: ['visitors'],
  });
  const card = await olga.vcard(jid);
  expect(card).toMatchObject({ name: 'Anna' });
  expect(contact(jid)?.photo).toBe(card.photo?.sha1);
  expect((await world.accounts('xmpp.test')).filter((name) => name.startsWith('visitor'))).toEqual(
    [],
  );

  const invitation = await olga.sendAndAck(jid, 'May I help?');
  await acme.callback('visitor.invited', ({ message }) => message.id === invitation);
  await acme.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    department: 'sales',
    message: { id: 'm1', body: 'Yes, please' },
  });
  await reads(olga, jid, 'Yes, please');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm1');
  olga.chatState(jid, 'composing');
  await acme.callback('operator.typing', ({ visitor }) => visitor === '1');
  await acme.ask('POST', '/visitors/1/typing', { state: 'composing' });
  await olga.waitFor(
    () =>
      olga.stanzas.some(
        (stanza) =>
          stanza.attrs.from?.startsWith(jid) &&
          stanza.getChild('composing', 'http://jabber.org/protocol/chatstates'),
      ),
    'typing',
  );
  olga.sendStanza(
    xml(
      'message',
      { type: 'chat', id: 'o1', to: jid },
      xml('body', {}, 'Which size?'),
      xml('request', 'urn:xmpp:receipts'),
    ),
  );
  await acme.callback('chat.message', ({ message }) => message.id === 'o1');
  await olga.waitFor(() => olga.acknowledgements.some(({ id }) => id === 'o1'), 'the receipt');

  const pia = await acme.connect('pia');
  await acme.operatorIs('pia', 'available');
  await pia.waitFor(() => contact(jid, pia)?.available, 'the contact, at a login');
  await olga.sendAndAck(jid, '!transfer pia');
  await acme.callback('chat.transferred', ({ operator }) => operator?.username === 'pia');
  await acme.ask('POST', '/visitors/1/messages', { id: 'm2', body: 'Size 40' });
  await reads(pia, jid, 'Size 40');
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await pia.disconnect();

  // A name of the operator's own is stored in their roster, and goes with the visitor.
  const item = xml('item', { jid, name: 'Shoes' });
  const stored = await olga.request(
    xml('iq', { type: 'set' }, xml('query', 'jabber:iq:roster', item)),
  );
  expect(stored.attrs.type).toBe('result');
  await acme.ask('POST', '/visitors/1/timeout');
  await olga.waitFor(() => contact(jid)?.available === false, 'the contact to be offline');
  await waitFor(async () => !(await onRoster(jid)), { what: 'the contact to be off the roster' });
  await acme.callback('visitor.cleaned_up', ({ visitor }) => visitor === '1');
  await world.idle();
  expect(await acme.ask('GET', '/visitors/1')).toMatchObject({ loggedIn: false });
});

it('what is about a message, files and previews go as they do with accounts', async () => {
  const jid = acme.visitorJid('r');
  const visitor = (what: string, body: object) => acme.ask('POST', `/visitors/r/${what}`, body);
  const send = (id: string, ...children: Parameters<typeof xml>[2][]) =>
    olga.sendStanza(xml('message', { type: 'chat', id, to: jid }, ...children));
  const body = (text: string) => xml('body', {}, text);
  const done = { outcome: 'accepted', notice: { code: 'done' } };
  acme.lhc.behave({ kind: 'status', status: 200, body: done });
  await acme.view('r', { page: 'https://shop.test/', title: 'Hats', nick: 'Rita' });
  await visitor('chats', { chatId: 'cr', department: 'sales', message: { id: 'r1', body: 'Hm?' } });
  await reads(olga, jid, 'Hm?');

  send('a1', body('> Hm?\nYes'), xml('reply', { xmlns: 'urn:xmpp:reply:0', id: 'r1' }));
  send('a2', body('In blak'));
  send('a3', body('In black'), xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: 'a2' }));
  const reaction = xml('reaction', {}, '👍');
  send('a4', xml('reactions', { xmlns: 'urn:xmpp:reactions:0', id: 'r1' }, reaction));
  send('a5', xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'a2' }));
  await acme.callback('message.retracted', ({ messageId }) => messageId === 'a2');
  const said = acme.callbacks('chat.message').map(({ data }) => data.message);
  expect(said.find(({ id }) => id === 'a1')?.replyTo?.messageId).toBe('r1');
  expect(said.find(({ id }) => id === 'a3')?.replaces).toBe('a2');
  await acme.callback('message.reaction', ({ reactions }) => reactions.join() === '👍');

  await visitor('reactions', { messageId: 'a1', reactions: ['🐢'] });
  await olga.waitFor(
    () =>
      olga.stanzas.some(
        (stanza) =>
          stanza.attrs.from?.startsWith(jid) &&
          stanza.getChild('reactions', 'urn:xmpp:reactions:0')?.attrs.id === 'a1',
      ),
    'the reaction',
  );
  const status = () => contact(jid)?.status;
  // A status that changes takes the preview away.
  await olga.waitFor(() => status()?.startsWith('In chat'), 'who has the chat');
  await world.idle();
  await visitor('typing', { state: 'composing', preview: 'And wh' });
  await olga.waitFor(() => status() === 'Writes: And wh', 'the preview');
  const file = { url: `${lhcFiles.url}/a.png`, name: 'a.png', type: 'image/png' };
  await visitor('messages', { id: 'r2', body: 'And when?', files: [file] });
  await olga.waitFor(() => status()?.startsWith('In chat'), 'the end of the preview');
  const shown = await olga.waitFor(
    () => olga.messages.find(({ id, from }) => id === 'r2.1' && from.startsWith(jid)),
    'the file',
  );
  expect(shown.stanza.getChild('x', 'jabber:x:oob')?.getChildText('url')).toBe(file.url);
  await visitor('chats/cr/close', { by: 'visitor' });
  await visitor('timeout', {});
  acme.lhc.behave({ kind: 'status', status: 200 });
});

/** Visitors who browse, and one in a chat with olga. */
const BROWSERS = Array.from({ length: 20 }, (_, index) => `b${index}`);
const isEverybodyThere = (operator: Operator): boolean =>
  ['chatty', ...BROWSERS].every((key) => contact(acme.visitorJid(key), operator)?.available);

it('a restart of the service shows operators nothing', async () => {
  await Promise.all(
    ['chatty', ...BROWSERS].map((key) => acme.view(key, { page: `https://shop.test/${key}` })),
  );
  await acme.ask('POST', '/visitors/chatty/chats', {
    chatId: 'c2',
    department: 'sales',
    message: { id: 'm3', body: 'Are you there?' },
  });
  const jid = acme.visitorJid('chatty');
  await reads(olga, jid, 'Are you there?');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm3');
  await olga.sendAndAck(jid, 'Yes, I am');
  await acme.callback('chat.accepted', ({ chatId }) => chatId === 'c2');
  await olga.waitFor(() => contact(jid)?.status.startsWith('In chat'), 'the chat in the status');
  await olga.waitFor(() => isEverybodyThere(olga), 'everybody');
  await world.idle();
  // What the front desk says of the queue comes a few seconds later.
  const seen = () =>
    olga.presenceStanzas.filter(({ attrs }) => !attrs.from?.startsWith('visitors@')).length +
    olga.rosterPushes.length +
    olga.messages.length;
  const before = seen();
  await service.stop();
  // Whoever logs in meanwhile sees everybody.
  const pia = await acme.connect('pia');
  await pia.waitFor(() => isEverybodyThere(pia), 'everybody, without the service');
  await pia.disconnect();
  await service.start();
  await waitFor(
    async () => (await world.metric('xmpp_chat_visitor_sessions')) === BROWSERS.length + 1,
    { what: 'the visitors of the restarted service' },
  );
  await world.idle();
  // It comes behind whatever the restart could have caused.
  await acme.ask('POST', '/visitors/chatty/messages', { id: 'm4', body: 'Hello again' });
  await reads(olga, jid, 'Hello again');
  expect(seen() - before).toBe(1);
});

it('after a kill of ejabberd everybody is back, and what was said meanwhile arrives', async () => {
  const jid = acme.visitorJid('chatty');
  await ejabberd.kill();
  await acme.ask('POST', '/visitors/chatty/messages', { id: 'm5', body: 'Still there?' });
  await waitFor(async () => (await service.call('GET', '/readyz')).status === 503, {
    what: 'an unready service',
  });
  const { checks } = (await service.call('GET', '/readyz')).body;
  expect(checks).toMatchObject({ component: { ok: false }, componentHosts: { ok: false } });
  expect(checks.component.reason).toContain('xmpp.test: visitors.xmpp.test is not connected');
  expect(await world.metric('xmpp_chat_components_away')).toBe(1);
  await ejabberd.start();
  olga = await acme.connect('olga');
  await olga.waitFor(() => isEverybodyThere(olga), 'everybody');
  // What the queue looks like is as before.
  await olga.waitFor(() => contact('visitors@visitors.xmpp.test')?.available, 'the front desk');
  await reads(olga, jid, 'Still there?');
  const id = await olga.sendAndAck(jid, 'Now I am');
  await acme.callback('chat.message', ({ message }) => message.id === id);
  expect(textsFrom(olga, jid).filter((text) => text === 'Still there?')).toHaveLength(1);
  await acme.ask('POST', '/visitors/chatty/chats/c2/close', { by: 'visitor' });
});

it('a change of the transport and back, in an open chat, loses nothing and shows nothing twice', async () => {
  const shop = await world.make({
    id: 'shop',
    host: 'shop.test',
    settings: { transport: 'accounts' },
  });
  await shop.register('rosa');
  const rosa = await shop.connect('rosa');
  await shop.operatorIs('rosa', 'available');
  const inAccount = (key: string): string => `visitor.${key}@shop.test`;
  const asContact = (key: string): string => `visitor.${key}@visitors.shop.test`;
  const visitors = ['1', '2', '3'];
  const accountsOfVisitors = async () =>
    (await world.accounts('shop.test')).filter((name) => name.startsWith('visitor.')).sort();
  const members = async () =>
    (await world.admin('srg_get_members', { group: 'visitors', host: 'shop.test' })) as string[];
  const isThere = (
    key: string,
    there: (key: string) => string,
    notThere: (key: string) => string,
  ) => contact(there(key), rosa)?.available === true && !contact(notThere(key), rosa)?.available;
  let said = 0;
  /** A message each way. @param window where the operator writes */
  async function talk(window: string, from: string): Promise<void> {
    said += 1;
    const body = `words ${said}`;
    await shop.ask('POST', '/visitors/1/messages', { id: `s${said}`, chatId: 'c1', body });
    await reads(rosa, from, body);
    const id = await rosa.sendAndAck(window, `answer ${said}`);
    await shop.callback('chat.message', ({ message }) => message.id === id);
  }

  for (const key of visitors) await shop.view(key, { page: 'https://shop.test/', nick: `V${key}` });
  await shop.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    message: { id: 's0', body: 'words 0' },
  });
  await reads(rosa, inAccount('1'), 'words 0');
  await talk(inAccount('1'), inAccount('1'));
  await rosa.waitFor(() => visitors.every((key) => isThere(key, inAccount, asContact)), 'accounts');

  expect((await shop.change({ transport: 'component' })).status).toBe(202);
  await rosa.waitFor(() => visitors.every((key) => isThere(key, asContact, inAccount)), 'contacts');
  await reads(rosa, inAccount('1'), /goes on at visitor\.1@visitors\.shop\.test/);
  await talk(asContact('1'), asContact('1'));
  // The window from before still reaches the visitor.
  await talk(inAccount('1'), asContact('1'));
  await waitFor(async () => (await accountsOfVisitors()).length === 0, { what: 'no account left' });
  await waitFor(async () => (await members()).length === 0, { what: 'no member left' });
  expect(await shop.ask('GET', '/visitors/1')).toMatchObject({ jid: asContact('1') });

  expect((await shop.change({ transport: 'accounts' })).status).toBe(202);
  await rosa.waitFor(() => visitors.every((key) => isThere(key, inAccount, asContact)), 'accounts');
  await reads(rosa, asContact('1'), /goes on at visitor\.1@shop\.test/);
  await talk(asContact('1'), inAccount('1'));
  await talk(inAccount('1'), inAccount('1'));
  expect(await accountsOfVisitors()).toEqual(visitors.map((key) => `visitor.${key}`));
  await waitFor(
    async () => !(await rosa.roster()).some(({ jid }) => jid.endsWith('@visitors.shop.test')),
    { what: 'no contact left' },
  );
  const words = rosa.messages.map(({ body }) => body).filter((body) => /^words \d+$/.test(body));
  expect(words).toEqual(Array.from({ length: said + 1 }, (_, index) => `words ${index}`));
  await world.idle();
});
