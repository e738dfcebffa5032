/** The web client in a real browser, with a real service and a real ejabberd: an operator's day. */
import xml from '@xmpp/xml';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { type OperatorPage, openOperatorPage } from './page.ts';

const SALES = 'sales';
const SUPPORT = 'support';
/** Names and words that would do harm on a page that takes text for HTML, or links for harmless. */
const HOSTILE_NICK = '<img src=x onerror=alert(1)>';
const HOSTILE_WORDS = [
  '<script>alert(1)</script><img src="https://evil.test/a.png" onerror="alert(1)">',
  'https://evil.test/picture.png',
  'https://evil.test/video.mp4 https://evil.test/sound.mp3',
  'javascript:alert(1) data:text/html,<script>alert(1)</script> vbscript:x',
  'https://www.youtube.com/watch?v=dQw4w9WgXcQ',
  '&lt;img src=x onerror=alert(1)&gt; [x](javascript:alert(1))',
];

const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test' },
    { id: 'shop', host: 'hosting.test', instance: 'shop1' },
  ],
  running: false,
});
const websocket = `ws://127.0.0.1:${world.ejabberd.httpPort}/ws`;
const uploads = `http://127.0.0.1:${world.ejabberd.httpPort}`;
for (const id of ['acme', 'shop']) {
  await world.configure(id, {
    webClient: { enabled: true, websocket, uploads, title: `Shop ${id}` },
    files: { uploads: [`${uploads}/upload`] },
  });
}
await world.service.start();
const acme = world.tenant('acme');

let page: OperatorPage;
let paula: Operator;
beforeAll(async () => {
  await acme.register('olga', { name: 'Olga', departments: [SALES] });
  await acme.register('paula', { name: 'Paula', departments: [SUPPORT] });
  paula = await acme.connect('paula');
  page = await openOperatorPage(`${world.service.url}/operator/acme`);
});
afterAll(() => page?.close());

const starts = (key: string, body: string, department = SALES) =>
  acme.ask('POST', `/visitors/${key}/chats`, {
    chatId: `c${key}`,
    department,
    message: { id: `${key}-1`, body },
  });
const lhcHas = (body: string) =>
  acme.callback('chat.message', ({ message }) => message.body === body);
const stored = () => page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })');

it('asks for a username and a password, and says that a password is wrong', async () => {
  await page.sees('Shop acme');
  await page.logIn('olga', 'wrong');
  await page.sees('password is incorrect');
  // The form is there again, with what was typed.
  expect(await page.evaluate("document.querySelector('[name=jid]').value")).toBe('olga');
});

it('logs an operator in, and shows who waits', async () => {
  await page.logIn('Olga', 'pw');
  await acme.operatorIs('olga', 'available');
  await acme.view('1', {
    page: 'https://shop.test/boots',
    title: 'Boots',
    nick: 'Anna',
    city: 'Riga',
  });
  await acme.view('2', { page: 'https://shop.test/hats', title: 'Hats', nick: 'Ben' });
  await starts('1', 'Do you have red boots?');
  await page.sees(/New messages\s+1 Anna\s+Waiting · Boots · Riga/);
  await page.sees(/Ben\s+Hats/);
  await waitFor(() => page.evaluate("document.title === '(1) Shop acme'"), { what: 'the title' });
});

it('answers a visitor', async () => {
  await page.openChat('Anna');
  await page.sees('Do you have red boots?');
  await page.write('Yes, in size 38 to 43.');
  await lhcHas('Yes, in size 38 to 43.');
  await acme.ask('POST', '/visitors/1/messages', { id: '1-2', body: 'Size 40 then.' });
  await page.sees('Size 40 then.');
  await page.sees('In chat · Olga');
  expect(await page.evaluate('document.title')).toBe('Shop acme');
  // A tick is behind what LHC has of the operator, and not behind the visitor's words.
  await page.has('.chat-msg__content--me .chat-msg__receipt');
  expect(
    await page.evaluate(
      "[...document.querySelectorAll('.chat-msg__content--them .chat-msg__receipt')].some((tick) => tick.checkVisibility())",
    ),
  ).toBe(false);
});

it('sends a file', async () => {
  await page.evaluate(`(() => {
    const chosen = new DataTransfer();
    chosen.items.add(new File(['Sizes and colours'], 'sizes.txt', { type: 'text/plain' }));
    const input = document.querySelector('converse-chat input[type=file]');
    input.files = chosen.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  })()`);
  const { data } = await acme.callback('chat.message', ({ message }) =>
    message.body.endsWith('/sizes.txt'),
  );
  expect(data.message.body.startsWith(`${uploads}/upload/`)).toBe(true);
});

it('stays within its policy, and has nothing to complain about', () => {
  expect(page.complaints()).toEqual([]);
});

it('replies to a message, reacts to it, and takes one back', async () => {
  const act = (message: string, action: string) =>
    page.evaluate(`[...[...document.querySelectorAll('converse-chat-message')]
      .find((each) => each.textContent.includes('${message}')).querySelectorAll('.chat-msg__action')]
      .find((each) => each.textContent.includes('${action}')).click()`);
  await act('Size 40 then.', 'Reply');
  await page.has('converse-chat .chat-message-reply, converse-chat [class*=reply]');
  await page.write('It is on the table.');
  const { data } = await acme.callback('chat.message', ({ message }) => Boolean(message.replyTo));
  expect(data.message.replyTo).toEqual({ messageId: '1-2', body: 'It is on the table.' });
  await act('Size 40 then.', 'Add Reaction');
  await page.has('.reaction-picker .reaction-item', '❤️');
  await page.evaluate(
    "[...document.querySelectorAll('.reaction-picker .reaction-item')].find((each) => each.textContent === '❤️').click()",
  );
  await acme.callback('message.reaction', ({ reactions }) => reactions.join() === '❤️');
  await act('It is on the table.', 'Retract');
  await page.click('.modal.show .btn-primary');
  await waitFor(() => page.evaluate("!document.querySelector('.modal.show')"), {
    what: 'the end of the question',
  });
  await acme.callback('message.retracted', ({ messageId }) => messageId === data.message.id);
});

it('shares a chat with a colleague in a room, and whispers there', async () => {
  const room = 'visitor.4@conference.xmpp.test';
  const secret = 'secret of the house';
  await acme.view('4', { page: 'https://shop.test/bags', nick: 'Cleo' });
  await starts('4', 'Is the bag of leather?');
  await page.openChat('Cleo');
  await page.write('Let me ask.');
  await lhcHas('Let me ask.');
  await page.write('!room paula');
  await page.sees('The room of chat #c4 with Visitor Cleo');
  await page.click('.modal.show .btn-primary', 'Confirm');
  // What was said before.
  await page.sees(/:: The room of chat #c4.* Olga has the chat\.[\s\S]*Is the bag of leather\?/);
  paula.sendStanza(
    xml('presence', { to: `${room}/Paula` }, xml('x', 'http://jabber.org/protocol/muc')),
  );
  await page.has('converse-muc-occupant-list-item', 'Paula');
  await acme.ask('POST', '/visitors/4/messages', { id: '4-2', body: 'I mean the red one.' });
  await page.sees('I mean the red one.');
  const said =
    "document.querySelector('converse-muc').innerText.split('I mean the red one.').length";
  expect(await page.evaluate(said)).toBe(2);
  // The visitor's address is nobody who is there.
  await page.sees(/^(?!.*visitor\.4@)/s);
  await page.write('It is of leather.', 'converse-muc-bottom-panel');
  await lhcHas('It is of leather.');
  await page.click('converse-muc-occupant-list-item a', 'Paula');
  await page.write(`${secret} 1`, 'converse-occupant-bottom-panel');
  await paula.waitFor(
    () =>
      paula.messages.find(({ from, body }) => from === `${room}/Olga` && body === `${secret} 1`),
    'the whisper',
  );
  paula.send(`${room}/Olga`, `${secret} 2`);
  await page.has('converse-muc-occupant converse-chat-message', `${secret} 2`);
  // They would lead into the field of the room.
  const actions = `[...document.querySelectorAll('converse-muc-occupant .chat-msg__action')].map((each) => each.textContent.trim()).join()`;
  await waitFor(async () => String(await page.evaluate(actions)).includes('Copy'), {
    what: 'the menu of a message',
  });
  expect(await page.evaluate(actions)).not.toMatch(/Reply|Quote/);
  await page.write('!room close', 'converse-muc-bottom-panel');
  await page.sees('Olga has closed this room.');
  await page.openChat('Cleo');
  await page.write('!close');
  await acme.callback('chat.closed', ({ visitor }) => visitor === '4');
  expect(JSON.stringify(acme.lhc.requests.map(({ callback }) => callback))).not.toContain(secret);
  await page.openChat('Anna');
});

it('has the commands of the front desk in a menu', async () => {
  const desk = acme.visitorJid('1').replace('visitor.1@', 'visitors@');
  await page.click('converse-user-profile .show-client-info');
  await page.click('.modal.show .nav-link', 'Commands');
  await page.has('converse-adhoc-commands input[name=jid]');
  await page.evaluate(
    `(document.querySelector('converse-adhoc-commands input[name=jid]').value = '${desk}/xmpp-chat')`,
  );
  await page.click('converse-adhoc-commands input[type=submit]');
  await page.click('converse-adhoc-commands a', 'Who is there');
  await page.sees('2 operators are available, with 9 free places.\nOlga (you): available');
  await page.click('.modal.show button', 'Close');
  await page.has('converse-chat .chat-textarea');
  await waitFor(() => page.evaluate("!document.querySelector('.modal.show')"), {
    what: 'the end of the menu',
  });
});

it('loses nothing when the service is killed in mid-chat', async () => {
  await world.service.kill();
  await page.write('While it was away.');
  await world.service.start();
  await lhcHas('While it was away.');
  await acme.ask('POST', '/visitors/1/messages', { id: '1-3', body: 'And after it.' });
  await page.sees('And after it.');
});

it('comes back by itself when ejabberd was restarted', async () => {
  await world.ejabberd.stop();
  await world.ejabberd.start();
  await acme.operatorIs('olga', 'available');
  await acme.ask('POST', '/visitors/1/messages', { id: '1-4', body: 'Still there?' });
  // The page is back within seconds. The visitor's session waits for its turn (backoff), and the busier the longer.
  await page.sees('Still there?', 90_000);
  await page.write('Here I am.');
  await lhcHas('Here I am.');
  paula = await acme.connect('paula');
  await acme.operatorIs('paula', 'available');
});

it('transfers a chat', async () => {
  await page.write('!transfer paula');
  const jid = acme.visitorJid('1');
  await paula.waitFor(
    () =>
      paula.messages.find(({ from, body }) => from.startsWith(jid) && body.includes('Here I am.')),
    'what was said',
  );
  paula.send(jid, 'Paula here.');
  await lhcHas('Paula here.');
});

it('takes a chat and closes it', async () => {
  await starts('2', 'My hat is late.', SUPPORT);
  await page.openChat('Ben');
  await page.write('!take');
  await page.sees('My hat is late.');
  await page.write('It comes today.');
  await lhcHas('It comes today.');
  await page.write('!close');
  await acme.callback('chat.closed', ({ visitor }) => visitor === '2');
});

it('shows what visitors write as text, and fetches nothing of it', async () => {
  await acme.view('3', { page: 'https://shop.test/<b>', title: HOSTILE_NICK, nick: HOSTILE_NICK });
  await starts('3', HOSTILE_WORDS[0] ?? '');
  await page.sees(HOSTILE_NICK);
  await page.openChat(HOSTILE_NICK);
  await page.write('One moment.');
  await lhcHas('One moment.');
  for (const [index, body] of HOSTILE_WORDS.slice(1).entries()) {
    await acme.ask('POST', '/visitors/3/messages', { id: `3-${index + 2}`, body });
    await page.sees(body);
  }
  await page.sees(HOSTILE_WORDS[0] ?? '');
  const found = await page.evaluate(`JSON.stringify({
    scripts: document.querySelectorAll('body script').length,
    media: document.querySelectorAll('converse-chat :is(video, audio, iframe, object, embed, img:not([src^="data:image/"]))').length,
    hrefs: [...document.querySelectorAll('converse-chat-message a[href]')].map(({ href }) => new URL(href).protocol)
      .filter((protocol) => !['https:', 'http:'].includes(protocol)),
    openers: [...document.querySelectorAll('converse-chat-message a[href^=http]')].filter(({ rel }) => !rel.includes('noopener')).length,
    links: document.querySelectorAll('converse-chat-message a[href="https://evil.test/picture.png"]').length,
  })`);
  expect(JSON.parse(String(found))).toEqual({
    scripts: 0,
    media: 0,
    hrefs: [],
    openers: 0,
    links: 1,
  });
});

it('fits on a phone', async () => {
  await page.look({ width: 390, height: 844 });
  await page.has('converse-chat .chat-textarea');
  const over = () =>
    page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  expect(await over()).toBe(0);
  await page.click('converse-controlbox-navback *');
  await page.has('converse-roster-contact', 'Ben');
  expect(await over()).toBe(0);
  await page.look({ width: 1280, height: 800 });
});

it('draws its list seldom, and fetches the pictures of visitors who are seen', async () => {
  await page.evaluate(`(() => {
    const list = document.querySelector('converse-roster');
    const { performUpdate } = list;
    window.draws = 0;
    window.began = performance.now();
    list.performUpdate = function () {
      window.draws += 1;
      return performUpdate.call(this);
    };
  })()`);
  const keys = Array.from({ length: 40 }, (_, n) => `crowd${n + 1}`);
  for (const key of keys) {
    await acme.view(key, { page: 'https://shop.test/', nick: `Visitor ${key}` });
  }
  await waitFor(
    () => page.evaluate('document.querySelectorAll(\'[data-jid^="visitor.crowd"]\').length >= 40'),
    { what: 'the crowd in the list' },
  );
  const ms = Number(await page.evaluate('performance.now() - window.began'));
  // Each visitor is a roster push and two presences or more.
  expect(Number(await page.evaluate('window.draws'))).toBeLessThanOrEqual(ms / 400 + 2);
  const fetched = page
    .frames()
    .sent.filter((frame) => /to=.visitor\.crowd.*vcard-temp/.test(frame));
  expect(fetched.length).toBeLessThan(keys.length / 2);
  // Who is seen has one.
  await page.has(
    'converse-roster-contact:has([data-jid^="visitor.2@"]) converse-avatar image, converse-roster-contact:has([data-jid^="visitor.2@"]) converse-avatar img',
  );
});

it('leaves nothing in the browser after the logout', async () => {
  await page.evaluate('(window.isOld = true)');
  await page.click('button', 'Log out');
  await page.click('.modal.show button[type=submit], .modal.show .btn-primary', '');
  await waitFor(() => page.evaluate('!window.isOld'), { what: 'the page to begin anew' });
  await page.has('#converse-login-password');
  await acme.operatorIs('olga', 'offline');
  expect(await stored()).not.toMatch(/olga|Anna|boots|pw/i);
  expect(await page.evaluate("document.querySelector('[name=jid]').value")).toBe('');
});

it('adds what the addresses of another tenant have', async () => {
  const shop = world.tenant('shop');
  await shop.register('olga', { name: 'Olga of the shop', lhcUserId: 1 });
  await page.navigate(`${world.service.url}/operator/shop`);
  await page.sees('Shop shop');
  await page.logIn('olga', 'pw');
  await shop.operatorIs('olga', 'available');
  await shop.view('7', { page: 'https://shop.test/', nick: 'Of the shop' });
  await page.sees('Of the shop');
  await page.sees(/^(?!.*Anna)/s);
});

it('has asked this service, its WebSocket and its uploads alone, and has stayed within its policy', () => {
  const others = page
    .requests()
    .filter((url) => !url.startsWith(`${world.service.url}/operator/`))
    .filter((url) => url !== websocket && !url.startsWith(`${uploads}/upload/`))
    .filter((url) => !url.startsWith('data:image/'));
  expect(others).toEqual([]);
  expect(page.requests()).toContain(websocket);
  // Besides, Converse.js says what it thinks of an ejabberd that is away, and of a logout.
  expect(page.complaints().filter((each) => each.startsWith('security'))).toEqual([]);
});
