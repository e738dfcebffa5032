/** What operators see in their clients: the visitor's identity, earlier messages, and the state of their own messages. */
import xml, { type Element } from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: {
        ownerGrace: 1,
        routing: { departments: { everybody: { policy: 'broadcast' } } },
      },
    },
  ],
});
const acme = world.tenant('acme');
await acme.register('olga', { departments: ['sales', 'everybody'] });
await acme.register('pia', { departments: ['support', 'everybody'] });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');

/** The messages that an operator got from a visitor. */
const messagesFrom = (operator: Operator, visitor: string) =>
  operator.messages.filter(
    ({ from }) =>
      from.startsWith(`${acme.visitorJid(visitor)}/`) || from === acme.visitorJid(visitor),
  );
const textsFrom = (operator: Operator, visitor: string) =>
  messagesFrom(operator, visitor).map(({ body }) => body);
const waitForText = (operator: Operator, visitor: string, body: string | RegExp) =>
  operator.waitFor(
    () =>
      messagesFrom(operator, visitor).find((message) =>
        typeof body === 'string' ? message.body === body : body.test(message.body),
      ),
    `${body} of ${visitor}`,
  );
const waitForPresence = (operator: Operator, visitor: string, matches: (text: string) => boolean) =>
  operator.waitFor(() => {
    const seen = operator.presences.get(acme.visitorJid(visitor));
    return seen && matches(`${seen.show}\n${seen.status}`) ? seen : undefined;
  }, `the presence of ${visitor}`);
const start = (visitor: string, department: string, message?: string) =>
  acme.ask('POST', `/visitors/${visitor}/chats`, {
    chatId: `c${visitor}`,
    department,
    ...(message && { message: { id: `first-${visitor}`, body: message } }),
  });
/** Sends a message of the visitor. The id is made from the text. */
const say = (visitor: string, body: string) =>
  acme.ask('POST', `/visitors/${visitor}/messages`, { id: idOf(body), body });
const idOf = (body: string): string => body.replace(/\W/g, '-').toLowerCase();
const end = (visitor: string) =>
  acme.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'visitor' });
/** Writes a message and requests a receipt and markers. */
function write(operator: Operator, visitor: string, id: string): void {
  operator.sendStanza(
    xml(
      'message',
      { type: 'chat', id, to: acme.visitorJid(visitor) },
      xml('body', {}, id),
      xml('request', { xmlns: 'urn:xmpp:receipts' }),
      xml('markable', { xmlns: 'urn:xmpp:chat-markers:0' }),
    ),
  );
}
const acknowledged = (operator: Operator, what: 'received' | 'displayed', id: string) =>
  operator.acknowledgements.filter((each) => each.what === what && each.id === id);
const typing = (operator: Operator, visitor: string) =>
  operator.stanzas.filter(
    (stanza) =>
      stanza.attrs.from?.startsWith(acme.visitorJid(visitor)) &&
      stanza.getChild('composing', 'http://jabber.org/protocol/chatstates'),
  );

it("an introduction follows the visitor's first words in one stanza; the contact shows page, waiting state and picture", async () => {
  const jid = acme.visitorJid('1');
  const page = { page: 'https://shop.test/shoes', title: 'Shoes', country: 'Italy' };
  await acme.view('1', { ...page, nick: 'Eve', city: 'Rome', timezone: 'Europe/Rome' });
  const browsing = await waitForPresence(olga, '1', (text) => text.includes('Shoes'));
  expect(browsing).toMatchObject({ show: 'available', nick: 'Eve' });
  expect(browsing.status).toMatch(
    /^Shoes · Rome, Italy\nhttps:\/\/shop\.test\/shoes\n\d\d:\d\d in Rome$/,
  );
  const card = await olga.vcard(jid);
  expect([card.name, card.photo?.type]).toEqual(['Eve', 'image/png']);
  expect(browsing.photo).toBe(card.photo?.sha1);

  await start('1', 'sales', 'Do you have 43?');
  await waitForPresence(olga, '1', (text) =>
    text.startsWith('chat\nWaiting · Shoes · Rome, Italy\nChat #c1 (sales)'),
  );
  const first = await waitForText(olga, '1', 'Do you have 43?');
  const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Rome', hour: '2-digit' });
  expect(textsFrom(olga, '1')).toEqual(['Do you have 43?']);
  expect(first.lines).toMatch(
    new RegExp(
      `^New chat #c1 for sales\\. Reply to accept it, or !decline\\.\nVisitor Eve · Rome, Italy · (${local.format()}|${local.format(Date.now() - 60_000)}):\\d\\d in Rome\nPage: Shoes — https://shop\\.test/shoes$`,
    ),
  );
  // Each line of the service has its mark.
  expect(first.stanza.getChildText('body')).toBe(
    `Do you have 43?\n\n${first.lines.replace(/^/gm, ':: ')}`,
  );
  expect(messagesFrom(pia, '1')).toEqual([]);
  expect([first.id, first.stanza.getChild('request')]).toEqual(['first-1', expect.anything()]);
  olga.send(acme.visitorJid('1'), 'We do');
  await waitForPresence(olga, '1', (text) => text.startsWith('available\nIn chat · olga · Shoes'));
  await end('1');
  await waitForPresence(olga, '1', (text) => text.startsWith('available\nShoes'));

  // A chat of another department goes there, and the next one of sales comes back to olga.
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1b', department: 'support' });
  const elsewhere = await waitForText(pia, '1', /^New chat #c1b for support/);
  expect(elsewhere.body).toContain(' · 2nd chat · last with olga\n');
  await acme.ask('POST', '/visitors/1/chats/c1b/close', { by: 'visitor' });
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1c', department: 'everybody' });
  const again = await waitForText(olga, '1', /^New chat #c1c for everybody/);
  expect(again.body).toContain(' · 3rd chat · last with you\n');
  await acme.ask('POST', '/visitors/1/chats/c1c/close', { by: 'visitor' });
});

it('a transferred chat comes with the earlier messages and their times; transferred back, with the missed ones', async () => {
  await acme.view('2', { page: 'https://shop.test/' });
  await start('2', 'sales', 'Hello');
  await waitForText(olga, '2', 'Hello');
  olga.send(acme.visitorJid('2'), 'Hello too');
  await acme.callback('chat.message', ({ visitor }) => visitor === '2');
  await say('2', 'I have a question');
  await waitForText(olga, '2', 'I have a question');
  await acme.callback(
    'message.delivered',
    ({ messageId }) => messageId === idOf('I have a question'),
  );
  olga.send(acme.visitorJid('2'), '!transfer pia');
  await waitForText(olga, '2', 'Chat #c2 goes to pia.');
  const { lines } = await waitForText(pia, '2', 'I have a question');
  expect(textsFrom(pia, '2')).toEqual(['I have a question']);
  const [headline, ...others] = lines.split('\n');
  expect(headline).toMatch(/^olga transferred chat #c2 from sales to you\. Reply to accept it/);
  expect(others.slice(-3)).toEqual([
    'Said before, times in UTC.',
    expect.stringMatching(/^\d\d:\d\d Visitor 2: Hello$/),
    expect.stringMatching(/^\d\d:\d\d olga: Hello too$/),
  ]);
  await waitForPresence(pia, '2', (text) => text.startsWith('chat\n')); // the chat waits again
  await say('2', 'Anybody?');
  await waitForText(pia, '2', 'Anybody?');
  pia.send(acme.visitorJid('2'), '!transfer olga');
  // pia had it, so it is part of the opening. Whoever had the chat before knows the visitor.
  expect((await waitForText(olga, '2', 'Anybody?')).lines).toBe(
    'pia transferred chat #c2 from sales to you. Reply to accept it, or !decline.',
  );
  await end('2');
  await waitForText(olga, '2', 'The visitor closed chat #c2.');
});

it('an owner who stays away loses the chat; undelivered messages reach the next owner, once', async () => {
  await acme.register('rosa', { departments: ['legal'] });
  await acme.register('sara', { departments: ['legal'] });
  // This client hangs: it answers nothing.
  const rosa = await acme.connect('rosa', { receipts: false, answerPings: false });
  await acme.operatorIs('rosa', 'available');
  await acme.view('3', { page: 'https://shop.test/' });
  await start('3', 'legal');
  rosa.send(acme.visitorJid('3'), 'How can I help?');
  await acme.callback('chat.accepted', ({ chatId }) => chatId === 'c3');
  await say('3', 'a letter');
  await waitForText(rosa, '3', 'a letter');
  rosa.drop();
  await acme.callback(
    'chat.transferred',
    (data) => data.chatId === 'c3' && data.reason === 'owner-gone',
  );
  await say('3', 'still here');
  const sara = await acme.connect('sara');
  await waitForText(sara, '3', 'still here');
  expect(textsFrom(sara, '3')).toEqual([
    expect.stringMatching(
      /^Chat #c3 for legal needs an operator: rosa went offline\. Reply.* rosa: How can I help\?$/s,
    ),
    'a letter',
    'still here',
  ]);
  expect(messagesFrom(sara, '3').map(({ id, delay }) => [id, delay !== undefined])).toEqual([
    [expect.stringMatching(/^line-\d+-open-c3$/), false],
    [idOf('a letter'), true],
    [idOf('still here'), false],
  ]);
  for (const id of ['a letter', 'still here']) {
    await acme.callback('message.delivered', ({ messageId }) => messageId === idOf(id));
  }
  const back = await acme.connect('rosa');
  await waitForText(back, '3', 'Chat #c3 went back to the queue while you were away.');
  await end('3');
  await back.disconnect();
  await sara.disconnect();
});

it('in a broadcast all see the chat, the first answer owns it, and no operator reads a message twice', async () => {
  await acme.view('4', { page: 'https://shop.test/' });
  await start('4', 'everybody', 'Who is there?');
  await say('4', 'Anybody at all?');
  for (const each of [olga, pia]) {
    await waitForText(each, '4', 'Anybody at all?');
    expect(textsFrom(each, '4')).toEqual(['Who is there?', 'Anybody at all?']);
    expect(messagesFrom(each, '4')[0]?.lines).toMatch(
      /^New chat #c4 for everybody, offered to 2 operators\. The first to reply/,
    );
  }
  // The chat has no owner, so nobody sees the typing.
  await acme.call('POST', '/visitors/4/typing', { state: 'composing' });
  pia.send(acme.visitorJid('4'), 'I am');
  await waitForText(olga, '4', 'pia has taken chat #c4.');
  await say('4', 'Good');
  await waitForText(pia, '4', 'Good');
  await acme.callback('message.delivered', ({ messageId }) => messageId === idOf('Good'));
  await world.idle();
  expect(textsFrom(pia, '4').slice(2)).toEqual(['Good']);
  expect(textsFrom(olga, '4').slice(2)).toEqual(['pia has taken chat #c4.']);
  expect([typing(olga, '4'), typing(pia, '4')]).toEqual([[], []]);
  const delivered = acme.callbacks('message.delivered').filter(({ data }) => data.visitor === '4');
  expect(delivered.map(({ data }) => data.messageId).sort()).toEqual(
    [idOf('Anybody at all?'), idOf('Good'), 'first-4'].sort(),
  );
  await end('4');
});

it('typing is shown both ways, to the operator before the first answer too', async () => {
  await acme.view('5', { page: 'https://shop.test/' });
  await start('5', 'sales');
  await waitForText(olga, '5', /^New chat #c5/);
  await acme.call('POST', '/visitors/5/typing', { state: 'composing' });
  await olga.waitFor(() => typing(olga, '5').length > 0, 'composing');
  pia.chatState(acme.visitorJid('5'), 'composing'); // pia does not own the chat
  await pia.acknowledged();
  olga.chatState(acme.visitorJid('5'), 'composing');
  await acme.callback(
    'operator.typing',
    (data) => data.visitor === '5' && data.operator.username === 'olga',
  );
  const callbacks = acme.callbacks('operator.typing').filter(({ data }) => data.visitor === '5');
  expect(new Set(callbacks.map(({ data }) => data.operator.username))).toEqual(new Set(['olga']));
  await end('5');
});

it('typing ends with whatever the operator writes, also if LHC does not get it as a message, and with their chat', async () => {
  await acme.view('10', { page: 'https://shop.test/' });
  await start('10', 'sales');
  await waitForText(olga, '10', /^New chat #c10/);
  const heard = () =>
    acme
      .callbacks('operator.typing')
      .flatMap(({ data }) => (data.visitor === '10' ? [data.state] : []));
  const composing = async () => {
    const before = heard().length;
    olga.chatState(acme.visitorJid('10'), 'composing');
    await waitFor(() => heard().length > before && heard().at(-1) === 'composing', {
      what: 'composing',
    });
  };
  const active = xml('active', { xmlns: 'http://jabber.org/protocol/chatstates' });
  const texts: (Element | string)[] = [
    '!help',
    '!note Calls back',
    ' ',
    '',
    'x'.repeat(70_000), // mod_lhc refuses it
    xml('encrypted', { xmlns: 'eu.siacs.conversations.axolotl' }, xml('payload', {}, 'AAAA')),
  ];
  for (const text of texts) {
    await composing();
    const content = typeof text === 'string' ? xml('body', {}, text) : text;
    const id = crypto.randomUUID();
    olga.sendStanza(
      xml('message', { type: 'chat', id, to: acme.visitorJid('10') }, content, active),
    );
    await waitFor(() => heard().at(-1) !== 'composing', {
      what: `the end of typing after ${content.toString().slice(0, 80)}`,
    });
  }
  await composing();
  await end('10');
  await waitFor(() => heard().at(-1) === 'paused', { what: 'the end of typing with the chat' });
});

it('a receipt means that LHC has the message: it waits while LHC is away or fails', async () => {
  const { lhc } = acme;
  await acme.view('6', { page: 'https://shop.test/' });
  await start('6', 'sales');
  await waitForText(olga, '6', /^New chat #c6/);
  await world.idle();
  await lhc.stop();
  write(olga, '6', 'r1');
  write(olga, '6', 'r2');
  const logHas = async (count: number) =>
    (await acme.ask('GET', '/visitors/6/messages')).items.length === count;
  await waitFor(() => logHas(2), { what: 'the messages to be in the log' });
  lhc.behave({ kind: 'status', status: 500 });
  await lhc.start();
  await lhc.waitFor(() =>
    lhc.requests.some(({ text, answered }) => text.includes('"c6"') && answered === 500),
  );
  await olga.acknowledged();
  expect(olga.acknowledgements.filter(({ id }) => /^r[12]$/.test(id))).toEqual([]);
  lhc.behave({ kind: 'status', status: 200 });
  for (const id of ['r1', 'r2']) {
    await olga.waitFor(() => acknowledged(olga, 'received', id).length > 0, `receipt ${id}`);
    const ids = acme.callbacks('chat.message').map(({ data }) => data.message.id);
    expect(ids).toContain(id);
    expect(acknowledged(olga, 'received', id)[0]?.from).toMatch(acme.visitorJid('6'));
  }
  // A message without a request gets no receipt.
  const plain = await olga.sendAndAck(acme.visitorJid('6'), 'no receipt please');
  await acme.callback('chat.message', ({ message }) => message.id === plain);
  await world.idle();
  expect(acknowledged(olga, 'received', plain)).toEqual([]);
  expect(acknowledged(olga, 'received', 'r1')).toHaveLength(1);

  // What LHC refuses has no receipt, and what it says stands in the conversation.
  lhc.behave(({ text }) => {
    const answers = [
      ['"refuse"', { outcome: 'refused', code: 'chat-ended' }],
      ['"tell"', { outcome: 'accepted', notice: { code: 'answer', text: 'Told' } }],
    ] as const;
    const [, body] = answers.find(([id]) => text.includes(id)) ?? [];
    return { kind: 'status', status: 200, ...(body && { body }) };
  });
  write(olga, '6', 'refuse');
  write(olga, '6', 'tell');
  await waitForText(olga, '6', 'Not delivered: the visitor has ended this chat.');
  await waitForText(olga, '6', 'LHC: Told');
  await olga.waitFor(() => acknowledged(olga, 'received', 'tell').length > 0, 'receipt tell');
  expect(acknowledged(olga, 'received', 'refuse')).toEqual([]);
  const { items } = await acme.ask('GET', '/visitors/6/messages');
  expect(items.slice(-2).map(({ state }: { state: string }) => state)).toEqual([
    ...['failed', 'received'],
  ]);
  lhc.behave({ kind: 'status', status: 200 });
  await end('6');
});

it('displayed markers are forwarded both ways', async () => {
  await acme.view('7', { page: 'https://shop.test/' });
  await start('7', 'sales', 'Read me');
  await waitForText(olga, '7', 'Read me');
  write(olga, '7', 's1');
  await acme.callback('chat.message', ({ message }) => message.id === 's1');
  await acme.ask('POST', '/visitors/7/displayed', { messageId: 's1' });
  await olga.waitFor(() => acknowledged(olga, 'displayed', 's1').length > 0, 'displayed');
  await acme.ask('POST', '/visitors/7/displayed', { messageId: 's1' });
  olga.displayed(acme.visitorJid('7'), 'first-7');
  const displayed = await acme.callback('message.displayed', ({ visitor }) => visitor === '7');
  expect(displayed.data).toMatchObject({
    chatId: 'c7',
    messageId: 'first-7',
    operator: { username: 'olga' },
  });
  await world.idle();
  expect(acknowledged(olga, 'displayed', 's1')).toHaveLength(1);
  await end('7');
});

it('a client that marks the newest line alone marks the messages before it', async () => {
  await acme.view('9', { page: 'https://shop.test/' });
  await start('9', 'sales', 'One');
  await say('9', 'Two');
  await waitForText(olga, '9', 'Two');
  await acme.callback('message.delivered', ({ messageId }) => messageId === idOf('Two'));
  olga.send(acme.visitorJid('9'), '!help');
  const help = await waitForText(olga, '9', /^!take: /);
  expect(help.stanza.getChild('markable', 'urn:xmpp:chat-markers:0')).toBeDefined();
  olga.displayed(acme.visitorJid('9'), 'line-999999-x');
  olga.displayed(acme.visitorJid('9'), help.id);
  const displayed = await acme.callback('message.displayed', ({ visitor }) => visitor === '9');
  expect(displayed.data).toMatchObject({ chatId: 'c9', messageId: idOf('Two') });
  await end('9');
});

it('a message right behind the opening comes a second later', async () => {
  await acme.view('12', { page: 'https://shop.test/' });
  await acme.ask('POST', '/visitors/12/chats', { chatId: 'c12', department: 'sales' });
  await say('12', 'First');
  await say('12', 'Second');
  await waitForText(olga, '12', 'Second');
  // The opening, alone or with the first message, and everything else behind it.
  const [opening = 0, next = 0] = messagesFrom(olga, '12').map(({ at }) => at);
  expect(next - opening).toBeGreaterThan(900);
  await end('12');
});

it('content that a visitor cannot read does not reach LHC; the operator reads why', async () => {
  await acme.view('8', { page: 'https://shop.test/' });
  await start('8', 'sales', 'Hello?');
  await waitForText(olga, '8', 'Hello?');
  const to = acme.visitorJid('8');
  const say = (id: string, ...children: Element[]) =>
    olga.sendStanza(xml('message', { type: 'chat', id, to }, ...children));
  const encrypted = { xmlns: 'eu.siacs.conversations.axolotl' };
  const fallback = xml('body', {}, 'I sent you an OMEMO encrypted message');
  say('e1', fallback, xml('encrypted', encrypted, xml('payload', {}, 'AAAA')));
  await waitForText(olga, '8', /^Not delivered: it is encrypted, .* switch encryption off/);
  say('e3', xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'e0' }));
  await waitForText(olga, '8', 'Not taken back: the visitor has no such message of yours.');
  olga.send(to, 'aesgcm://upload.test/a.jpg#00');
  await waitForText(olga, '8', /^Not delivered: it is an encrypted file, .* and send it again\.$/);
  olga.send(to, '/me looks');
  // OTR's offer in white space.
  olga.send(to, 'In plain then \t  \t\t\t\t \t \t \t    \t\t  \t ');
  await acme.callback('chat.message', ({ message }) => message.body === 'In plain then');
  const callbacks = acme.callbacks('chat.message').filter(({ data }) => data.visitor === '8');
  expect(callbacks.map(({ data }) => data.message.body)).toEqual(['* looks', 'In plain then']);
  await end('8');
});

it('messages are corrected, taken back, answered and reacted to; nobody finds what was taken back', async () => {
  const ABOUT = ['message.retracted', 'message.reaction'];
  const done = { outcome: 'accepted', notice: { code: 'done' } };
  acme.lhc.behave(({ callback }) => ({
    kind: 'status',
    status: 200,
    ...(ABOUT.includes(callback?.type ?? '') && { body: done }),
  }));
  await acme.view('13', { page: 'https://shop.test/' });
  await start('13', 'sales', 'Hello?');
  await waitForText(olga, '13', 'Hello?');
  const to = acme.visitorJid('13');
  const sendStanza = (id: string, ...children: Element[]) =>
    olga.sendStanza(xml('message', { type: 'chat', id, to }, ...children));
  const correct = (id: string, replaces: string, body: string) =>
    sendStanza(
      id,
      xml('body', {}, body),
      xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: replaces }),
    );
  const react = (...emojis: string[]) =>
    sendStanza(
      `react-${emojis.length}`,
      xml(
        'reactions',
        { xmlns: 'urn:xmpp:reactions:0', id: 'first-13' },
        ...emojis.map((emoji) => xml('reaction', {}, emoji)),
      ),
    );

  // A reply: its quotation is known, so a command behind it is one.
  const reply = xml('reply', { xmlns: 'urn:xmpp:reply:0', id: 'first-13' });
  const quotes = (end: string) =>
    xml(
      'fallback',
      { xmlns: 'urn:xmpp:fallback:0', for: 'urn:xmpp:reply:0' },
      xml('body', { start: '0', end }),
    );
  sendStanza('o1', xml('body', {}, '👋 wrote: Hello?\nGood day'), reply, quotes('16'));
  const answer = await acme.callback('chat.message', ({ visitor }) => visitor === '13');
  expect(answer.data.message).toEqual({
    id: 'o1',
    body: '👋 wrote: Hello?\nGood day',
    replyTo: { messageId: 'first-13', body: 'Good day' },
  });
  sendStanza('o2', xml('body', {}, '👋 wrote: Hello?\n!hlep'), reply, quotes('16'));
  await waitForText(olga, '13', /^Nothing was sent\. .* Did you mean !help\?/);

  olga.send(to, 'My pasword is jabberwocky', 'o3');
  olga.send(to, 'And a second one', 'o4');
  correct('o5', 'o3', 'My password is jabberwocky');
  correct('o6', 'o5', 'My password is bandersnatch');
  correct('o7', 'o2', 'help yourself'); // what was no message is one now
  const last = await acme.callback('chat.message', ({ message }) => message.id === 'o7');
  expect(last.data.message).toEqual({ id: 'o7', body: 'help yourself' });
  const corrections = acme
    .callbacks('chat.message')
    .filter(({ data }) => data.visitor === '13' && data.message.replaces !== undefined);
  expect(corrections.map(({ data }) => data.message.replaces)).toEqual(['o3', 'o5']);
  correct('o8', 'o4', '!close');
  await waitForText(olga, '13', /^!close: the visitor has the message that you have corrected/);

  const messages = async (): Promise<[string, string | null][]> => {
    const { items } = await acme.ask('GET', '/visitors/13/messages');
    return items.map((item: { id: string; body: string | null }) => [item.id, item.body]);
  };
  const found = async (word: string) =>
    (await acme.ask('GET', `/search?in=messages&q=${word}`)).items.length;
  await waitFor(async () => (await found('bandersnatch')) === 1, { what: 'the newest text' });
  expect(await found('jabberwocky')).toBe(0);
  sendStanza('o9', xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'o3' }));
  const taken = await acme.callback('message.retracted', ({ visitor }) => visitor === '13');
  expect(taken.data).toMatchObject({ chatId: 'c13', messageId: 'o3' });
  await waitFor(async () => (await found('bandersnatch')) === 0, { what: 'the search to forget' });
  expect(await messages()).toContainEqual(['o3', null]);
  olga.send(to, '!history', 'o10');
  const history = await waitForText(olga, '13', /^The last/);
  expect(history.body).toMatch(/olga \(taken back\): …$/m);
  expect(history.body).not.toMatch(/jabberwocky|bandersnatch/);

  react('👍', '🐢');
  react();
  await acme.callback('message.reaction', ({ reactions }) => reactions.length === 0);
  expect(acme.callbacks('message.reaction').map(({ data }) => data.reactions)).toEqual([
    ['👍', '🐢'],
    [],
  ]);
  // LHC says that it has done it: nothing is said of it here.
  expect(textsFrom(olga, '13').filter((text) => /Not taken back|reaction/.test(text))).toEqual([]);

  const reactions = () =>
    olga.stanzas.flatMap((stanza) => {
      const found = stanza.getChild('reactions', 'urn:xmpp:reactions:0');
      return found && stanza.attrs.from?.startsWith(to)
        ? [
            {
              of: found.attrs.id,
              emojis: found.getChildren('reaction').map((each) => each.text()),
              text: stanza.getChildText('body'),
            },
          ]
        : [];
    });
  for (const emojis of [['❤️'], ['🐢'], []]) {
    await acme.ask('POST', '/visitors/13/reactions', { messageId: 'o4', reactions: emojis });
  }
  await olga.waitFor(() => reactions().length === 3, 'three states of the reactions');
  expect(reactions()).toEqual([
    { of: 'o4', emojis: ['❤️'], text: ':: The visitor has reacted with ❤️' },
    { of: 'o4', emojis: ['🐢'], text: null },
    { of: 'o4', emojis: [], text: null },
  ]);

  // A receiver that does not know these callbacks accepts them, and nothing was done.
  acme.lhc.behave({ kind: 'status', status: 200 });
  sendStanza('o11', xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id: 'o4' }));
  await waitForText(olga, '13', /^Not taken back: LHC cannot do this\.$/);
  await waitFor(async () => (await messages()).some(([id, body]) => id === 'o4' && body), {
    what: 'the message that the visitor still has',
  });
  await end('13');
});
