/** Visitors and operators talk: invitations, routing, messages both ways, and notices about undelivered messages. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const acme = world.tenant('acme');
await acme.register('olga', { departments: ['sales'] });
await acme.register('pia', { departments: ['support'] });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');

/** The messages that an operator got from a visitor. */
const textsFrom = (operator: Operator, visitor: string): string[] =>
  operator.messages
    .filter(({ from }) => from.startsWith(`${acme.visitorJid(visitor)}`))
    .map(({ body }) => body);
const waitForText = (operator: Operator, visitor: string, body: string | RegExp) =>
  operator.waitFor(
    () =>
      textsFrom(operator, visitor).find((text) =>
        typeof body === 'string' ? text === body : body.test(text),
      ),
    `${body} of ${visitor}`,
  );
const online = async (visitor: string, operator = olga) => {
  await acme.view(visitor, { page: `https://shop.test/${visitor}`, nick: `V${visitor}` });
  await operator.waitFor(() => operator.presences.get(acme.visitorJid(visitor))?.available);
};
const chats = async (username: string): Promise<string[]> =>
  (await acme.ask('GET', `/operators/${username}`)).chats.map(
    ({ chatId }: { chatId: string }) => chatId,
  );
const chatMessages = (visitor: string) =>
  acme.callbacks('chat.message').filter(({ data }) => data.visitor === visitor);

it('an operator writes to a visitor who browses: the visitor is invited, and the inviter owns the chat', async () => {
  await online('1');
  const id = await olga.sendAndAck(acme.visitorJid('1'), 'May I help you?');
  const invited = await acme.callback('visitor.invited', ({ visitor }) => visitor === '1');
  expect(invited.data).toEqual({
    visitor: '1',
    operator: { username: 'olga', lhcUserId: 1 },
    message: { id, body: 'May I help you?' },
  });
  // Another operator must not interfere.
  pia.send(acme.visitorJid('1'), 'Me too?');
  await waitForText(pia, '1', /^Not delivered: olga has just invited this visitor/);
  // The department is not olga's. An answered invitation comes before the rules of routing.
  await acme.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    department: 'support',
    message: { id: 'm1', body: 'Yes, please' },
  });
  await waitForText(olga, '1', 'Yes, please');
  await acme.callback(
    'chat.assigned',
    (data) => data.chatId === 'c1' && data.operator?.username === 'olga',
  );
  expect(textsFrom(pia, '1').filter((text) => text === 'Yes, please')).toEqual([]);
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
});

it('the end of a visit says which invitation ended with it', async () => {
  await online('left');
  await olga.sendAndAck(acme.visitorJid('left'), 'May I help you?');
  await acme.callback('visitor.invited', ({ visitor }) => visitor === 'left');
  await acme.ask('POST', '/visitors/left/timeout');
  const isLeft = ({ visitor }: { visitor: string }) => visitor === 'left';
  const { data } = await acme.callback('visitor.invitation_expired', isLeft);
  expect(data).toMatchObject({ operator: { username: 'olga' }, reason: 'visitor-left' });
  await acme.callback('visitor.timed_out', isLeft);
  await waitForText(olga, 'left', /has left without an answer.* you are asked first/);
  // Nobody is asked first for a visitor of whom nothing is known any more.
  await online('forgotten');
  await olga.sendAndAck(acme.visitorJid('forgotten'), 'May I help you?');
  await acme.callback('visitor.invited', ({ visitor }) => visitor === 'forgotten');
  await acme.ask('DELETE', '/visitors/forgotten');
  await waitForText(olga, 'forgotten', /has left without an answer to your invitation\.$/);
});

it('operators see the newest name of a visitor, wherever it came from', async () => {
  const jid = acme.visitorJid('named');
  const shows = (nick: string) =>
    olga.waitFor(() => olga.presences.get(jid)?.nick === nick, `the name ${nick}`);
  await online('named');
  await shows('Vnamed');
  await acme.ask('POST', '/visitors/named/chats', { chatId: 'n1', department: 'x', nick: 'Anna' });
  await shows('Anna');
  await acme.view('named', { page: 'https://shop.test/shoes', nick: 'Anna B.' });
  await shows('Anna B.');
  await acme.view('named', { page: 'https://shop.test/hats' });
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('/hats'), 'the next page');
  expect(olga.presences.get(jid)?.nick).toBe('Anna B.');
  expect((await olga.vcard(jid)).name).toBe('Anna B.');
  await acme.ask('POST', '/visitors/named/chats/n1/close', { by: 'visitor' });
});

it('a chat goes to an operator of its department, messages arrive in order both ways, and closing frees the place', async () => {
  await online('2');
  await acme.ask('POST', '/visitors/2/chats', { chatId: 'c2', department: 'support' });
  await waitForText(pia, '2', /^New chat #c2 for support/);
  await acme.callback(
    'chat.assigned',
    (data) => data.chatId === 'c2' && data.operator?.username === 'pia',
  );
  expect(await chats('pia')).toEqual(['c2']);

  const texts = Array.from({ length: 20 }, (_, index) => `visitor ${index}`);
  for (const [index, body] of texts.entries()) {
    await acme.ask('POST', '/visitors/2/messages', { id: `v2-${index}`, body });
  }
  const answers = Array.from({ length: 20 }, (_, index) => `operator ${index}`);
  const ids = answers.map((body) => pia.send(acme.visitorJid('2'), body));
  await pia.acknowledged();

  await waitForText(pia, '2', 'visitor 19');
  expect(textsFrom(pia, '2').filter((body) => body.startsWith('visitor'))).toEqual(texts);
  await waitFor(() => chatMessages('2').length === 20, { what: 'LHC' });
  expect(chatMessages('2').map(({ data }) => data.message)).toEqual(
    answers.map((body, index) => ({ id: ids[index], body })),
  );
  await acme.callback('chat.accepted', ({ chatId }) => chatId === 'c2');
  await waitFor(
    () => {
      const delivered = acme
        .callbacks('message.delivered')
        .filter(({ data }) => data.visitor === '2');
      return new Set(delivered.map(({ data }) => data.messageId)).size === 20;
    },
    { what: 'message.delivered of each' },
  );
  const { items } = await acme.ask('GET', '/visitors/2/messages?limit=100');
  const bySide = Map.groupBy(
    items as { direction: string; state: string; body: string }[],
    ({ direction }) => direction,
  );
  expect(bySide.get('visitor')?.map(({ body }) => body)).toEqual(texts);
  expect(new Set(bySide.get('visitor')?.map(({ state }) => state))).toEqual(new Set(['delivered']));
  expect(bySide.get('operator')?.map(({ body }) => body)).toEqual(answers);

  await acme.ask('POST', '/visitors/2/chats/c2/close', { by: 'visitor', reason: 'done' });
  await waitForText(pia, '2', 'Visitor V2 closed chat #c2 (done).');
  await acme.callback('chat.closed', ({ chatId, reason }) => chatId === 'c2' && reason === 'done');
  await waitFor(async () => (await chats('pia')).length === 0, { what: 'a free place' });
});

it('long and unusual texts arrive unchanged', async () => {
  await online('3');
  const long = 'ä<&">'.repeat(10_000); // 60 kB, several times longer when escaped
  const odd = 'line one\n\tline two 😀 \u202e & <b>';
  await acme.ask('POST', '/visitors/3/chats', {
    chatId: 'c3',
    department: 'sales',
    message: { body: long },
  });
  await acme.ask('POST', '/visitors/3/messages', { body: odd });
  await waitForText(olga, '3', long);
  await waitForText(olga, '3', odd);
  olga.send(acme.visitorJid('3'), long);
  olga.send(acme.visitorJid('3'), odd);
  await waitFor(() => chatMessages('3').length === 2, { what: 'LHC' });
  // What reverses letters without a shape does not reach a visitor.
  const seen = odd.replace('\u202e', '');
  expect(chatMessages('3').map(({ data }) => data.message.body)).toEqual([long, seen]);
  await acme.ask('POST', '/visitors/3/chats/c3/close', { by: 'operator' });
});

it('what cannot be carried costs itself alone: visitor, chat and text arrive, and the answer says what was changed', async () => {
  const page = `https://shop.test/${'x'.repeat(5_000)}`;
  const city = 'R\u0000iga\udc00';
  const view = {
    page,
    title: 'Red\u001a shoes\u000b',
    nick: 'V33\uffff',
    city,
    vid: '?',
    visits: 2.5,
  };
  const { changed } = await acme.ask('POST', '/visitors/33/page-views', view);
  expect(changed.map(({ field }: { field: string }) => field).sort()).toEqual(
    Object.keys(view).sort(),
  );
  const presence = await olga.waitFor(() => {
    const seen = olga.presences.get(acme.visitorJid('33'));
    return seen?.available ? seen : undefined;
  });
  expect(presence.status).toContain('https://shop.test/xxx');
  const message = { id: 'm33', body: 'First\u000bsecond\u0007\ud83d' };
  const started = await acme.ask('POST', '/visitors/33/chats', {
    chatId: 'c33',
    department: 'sales\u0000',
    message,
  });
  expect(started.changed).toEqual([
    { field: 'department', reason: expect.any(String) },
    { field: 'message.body', reason: expect.any(String) },
  ]);
  await waitForText(olga, '33', 'First\nsecond\ufffd');
  const { items } = await acme.ask('GET', '/visitors?q=Riga');
  expect(items).toMatchObject([
    { key: '33', title: 'Red shoes', nick: 'V33', city: 'Riga\ufffd', visits: 2 },
  ]);
  await acme.ask('POST', '/visitors/33/chats/c33/close', {
    by: 'visitor',
    reason: `\u0001${'y'.repeat(300)}`,
  });
  await waitForText(olga, '33', / closed chat #c33 \(y{200}\)/);
});

it('a chat waits while no operator is free; the first free operator gets it', async () => {
  await acme.register('quin', { departments: ['legal'], capacity: 1 });
  await online('4');
  await online('5');
  for (const n of ['4', '5']) {
    const message = { id: `first-${n}`, body: `first of ${n}` };
    await acme.ask('POST', `/visitors/${n}/chats`, {
      chatId: `c${n}`,
      department: 'legal',
      message,
    });
  }
  expect((await acme.ask('GET', '/visitors/4')).conversation).toBe('waiting');
  const quin = await acme.connect('quin');
  await waitForText(quin, '4', 'first of 4');
  expect(await chats('quin')).toEqual(['c4']);
  expect((await acme.ask('GET', '/visitors/5')).conversation).toBe('waiting');
  expect(textsFrom(quin, '5')).toEqual([]);
  await acme.ask('POST', '/visitors/4/chats/c4/close', { by: 'visitor' });
  await waitForText(quin, '5', 'first of 5');
  expect(await chats('quin')).toEqual(['c5']);
  await acme.ask('POST', '/visitors/5/chats/c5/close', { by: 'visitor' });
  await quin.disconnect();
});

it('a message into the chat of another operator is refused and does not reach the visitor', async () => {
  await online('6');
  await acme.ask('POST', '/visitors/6/chats', { chatId: 'c6', department: 'sales' });
  await acme.callback('chat.assigned', ({ chatId }) => chatId === 'c6');
  pia.send(acme.visitorJid('6'), 'I know better');
  await waitForText(
    pia,
    '6',
    'Not delivered: this chat is offered to olga; write !take to take it.',
  );
  olga.send(acme.visitorJid('6'), 'Hello');
  await waitFor(() => chatMessages('6').length > 0, { what: 'the owner’s message' });
  expect(chatMessages('6').map(({ data }) => data.message.body)).toEqual(['Hello']);
  const { items } = await acme.ask('GET', '/visitors/6/messages');
  expect(items.map(({ body }: { body: string }) => body)).toEqual(['Hello']);
  await acme.ask('POST', '/visitors/6/chats/c6/close', { by: 'visitor' });
});

it('a message to a visitor who has left or never came is refused', async () => {
  await online('7');
  await acme.ask('POST', '/visitors/7/timeout');
  await olga.waitFor(() => olga.presences.get(acme.visitorJid('7'))?.available === false);
  olga.send(acme.visitorJid('7'), 'Wait!');
  await waitForText(olga, '7', 'Not delivered: this visitor has left.');
  const id = olga.send(acme.visitorJid('never'), 'Hello?');
  await olga.waitFor(({ errors }) => errors.some(({ attrs }) => attrs.id === id));
  const invited = acme.callbacks('visitor.invited').map(({ data }) => data.visitor);
  expect(new Set(invited)).toEqual(new Set(['1', 'left', 'forgotten'])); // by the tests above
});

it('typing is forwarded both ways and leaves no fact', async () => {
  await online('8');
  await acme.ask('POST', '/visitors/8/chats', { chatId: 'c8', department: 'sales' });
  await acme.callback('chat.assigned', ({ chatId }) => chatId === 'c8');
  await world.idle();
  const before = (await acme.ask('GET', '/visitors/8')).revision;
  expect((await acme.call('POST', '/visitors/8/typing', { state: 'composing' })).status).toBe(204);
  await olga.waitFor(
    () =>
      olga.stanzas.some(
        (stanza) =>
          stanza.attrs.from?.startsWith(acme.visitorJid('8')) &&
          stanza.getChild('composing', 'http://jabber.org/protocol/chatstates'),
      ),
    'composing',
  );
  olga.chatState(acme.visitorJid('8'), 'composing');
  const typing = await acme.callback('operator.typing', ({ visitor }) => visitor === '8');
  expect(typing.data).toMatchObject({
    chatId: 'c8',
    state: 'composing',
    operator: { username: 'olga' },
  });
  // What says nothing to the visitor ends typing too.
  const to = acme.visitorJid('8');
  const oob = xml('x', 'jabber:x:oob', xml('url', {}, 'https://shop.test/a.png'));
  const silent = [xml('message', { type: 'chat', to }, oob)];
  silent.push(xml('message', { type: 'headline', to }, xml('body', {}, 'news')));
  const states = () =>
    acme
      .callbacks('operator.typing')
      .flatMap(({ data }) => (data.visitor === '8' ? data.state : []));
  for (const [index, stanza] of silent.entries()) {
    olga.sendStanza(stanza);
    await waitFor(() => states().at(-1) === 'active', { what: `the end of typing; ${states()}` });
    if (index === silent.length - 1) break;
    olga.chatState(to, 'composing');
    await waitFor(() => states().at(-1) === 'composing', { what: `typing; ${states()}` });
  }
  // The typing of an operator who does not own the chat is not passed on.
  pia.chatState(acme.visitorJid('8'), 'composing');
  await pia.acknowledged();
  expect((await acme.ask('GET', '/visitors/8')).revision).toBe(before);
  await acme.ask('POST', '/visitors/8/chats/c8/close', { by: 'visitor' });
});

it('a message of a chat that no operator took fails with a reason', async () => {
  await online('9');
  const message = { id: 'lost-9', body: 'Anybody?' };
  await acme.ask('POST', '/visitors/9/chats', { chatId: 'c9', department: 'nobody', message });
  await acme.ask('POST', '/visitors/9/chats/c9/close', { by: 'visitor' });
  const failed = await acme.callback('message.failed', ({ visitor }) => visitor === '9');
  expect(failed.data).toMatchObject({
    messageId: 'lost-9',
    chatId: 'c9',
    reason: 'no operator took the chat',
  });
});

it('a message fails if its receiver returns it, with the condition alone, and not if anybody else says so', async () => {
  // A client that acknowledges nothing: the message stays open.
  await acme.register('rita', { departments: ['billing'] });
  const rita = await acme.connect('rita', { receipts: false, answerPings: false });
  await acme.operatorIs('rita', 'available');
  await online('11', rita);
  const message = { id: 'm11', body: 'Hello' };
  await acme.ask('POST', '/visitors/11/chats', { chatId: 'c11', department: 'billing', message });
  await waitForText(rita, '11', 'Hello');
  const stateOf = async () =>
    (await acme.ask('GET', '/visitors/11/messages')).items.find(
      ({ id }: { id: string }) => id === 'm11',
    )?.state;
  await waitFor(async () => (await stateOf()) === 'taken', { what: 'ejabberd to take it' });

  const session = rita.messages.at(-1)?.from ?? '';
  const returnTo = (to: string) =>
    xml(
      'message',
      { type: 'error', id: 'm11', to },
      xml(
        'error',
        { type: 'cancel' },
        xml('item-not-found', { xmlns: STANZA_ERRORS }),
        xml('text', { xmlns: STANZA_ERRORS }, 'words of the sender'),
      ),
    );
  // Another operator of the tenant, and an account that is nobody's.
  await world.admin('register', { user: 'mallory', host: acme.host, password: 'pw' });
  const mallory = await acme.connect('mallory');
  for (const forger of [pia, mallory]) {
    forger.sendStanza(returnTo(acme.visitorJid('11')));
    forger.sendStanza(returnTo(session));
    await forger.acknowledged();
  }
  // A later message comes behind the forgeries, in the session and in the log.
  await acme.ask('POST', '/visitors/11/messages', { id: 'm12', body: 'Still there?' });
  await waitForText(rita, '11', 'Still there?');
  expect(await stateOf()).toBe('taken');

  rita.sendStanza(returnTo(session));
  const failed = await acme.callback('message.failed', ({ visitor }) => visitor === '11');
  expect(failed.data).toMatchObject({ messageId: 'm11', reason: 'item-not-found' });
  const { body } = await world.service.call('GET', '/debug/events?limit=500');
  expect(JSON.stringify(body)).not.toContain('words of the sender');
  expect(JSON.stringify(acme.lhc.requests)).not.toContain('words of the sender');
  await mallory.disconnect();
  await rita.disconnect();
  await acme.ask('POST', '/visitors/11/chats/c11/close', { by: 'visitor' });
});

it('a chat without a browsing visitor is a contact of its own', async () => {
  const key = 'c10.chat';
  await acme.ask('POST', `/visitors/${key}/chats`, {
    chatId: 'c10',
    department: 'sales',
    nick: 'Eve',
    message: { id: 'm10', body: 'From a form' },
  });
  await waitForText(olga, key, 'From a form');
  await olga.waitFor(() => olga.presences.get(acme.visitorJid(key))?.nick === 'Eve', 'Eve');
  olga.send(acme.visitorJid(key), 'Hello Eve');
  await waitFor(() => chatMessages(key).length === 1, { what: 'LHC' });
  await acme.ask('POST', `/visitors/${key}/chats/c10/close`, { by: 'visitor' });
});

it.each(['desk', 'other'])(
  'a client that is restarted in mid-chat reads what was written in between (its resource was desk, and is %s)',
  async (resource) => {
    const visitor = resource === 'desk' ? '30' : '31';
    await acme.register('rita', { departments: ['returns'] });
    const options = { streamManagement: 'resume' } as const;
    const rita = await acme.connect('rita', { ...options, resource: 'desk' });
    await acme.operatorIs('rita', 'available');
    await online(visitor, rita);
    const chat = { chatId: `c${visitor}`, department: 'returns' };
    const message = { id: `b${visitor}`, body: 'Before it' };
    await acme.ask('POST', `/visitors/${visitor}/chats`, { ...chat, message });
    await waitForText(rita, visitor, /Before it/);
    await rita.sendAndAck(acme.visitorJid(visitor), 'Hello');
    rita.drop();
    // ejabberd keeps the session for a resumption, so this one goes there.
    await acme.ask('POST', `/visitors/${visitor}/messages`, {
      id: `i${visitor}`,
      body: 'In between',
    });
    await world.idle();
    const again = await acme.connect('rita', { ...options, resource });
    await waitForText(again, visitor, 'In between');
    await acme.callback('message.delivered', ({ messageId }) => messageId === `i${visitor}`);
    expect(textsFrom(again, visitor).filter((body) => body === 'In between')).toHaveLength(1);
    expect(acme.callbacks('message.failed').filter(({ data }) => data.visitor === visitor)).toEqual(
      [],
    );
    await acme.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'visitor' });
    await again.disconnect();
  },
);
