/** An LHC with the xmppservice extension beside one of ours, both with their Node helpers: a real ejabberd, client and Redis. */
import xml from '@xmpp/xml';
import { afterAll, expect, it } from 'vitest';
import { payloadOf } from '../../src/lhc/node-helper.ts';
import { startRedis } from '../support/redis.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const PASSWORD = 'cAnArY-of-redis';
const redis = await startRedis(PASSWORD);
afterAll(() => redis.close());
const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test' },
    {
      id: 'shop',
      host: 'hosted.test',
      instance: 'acme-shop',
      settings: { callbackFlavour: 'xmppservice', nodeHelper: { instance: '7' } },
    },
  ],
  environment: { REDIS_URL: redis.url },
});
const acme = world.tenant('acme');
const shop = world.tenant('shop');
await acme.register('olga');
await shop.register('amy', { name: 'Amy' });
const olga = await acme.connect('olga');
const amy = await shop.connect('amy');
await acme.operatorIs('olga', 'available');
await shop.operatorIs('amy', 'available');
await waitFor(async () => (await redis.listeners()) === 1, { what: 'the service to listen' });

/** What this LHC got at `processmessage`, as `sender > receiver: body`. */
const written = () =>
  shop.lhc.requests
    .filter(({ path }) => path.endsWith('/xmppservice/processmessage'))
    .map(({ text }) => {
      const fields = new URLSearchParams(text);
      return `${fields.get('sender')} > ${fields.get('receiver')}: ${fields.get('body')}`;
    });
const statuses = () =>
  shop.lhc.requests
    .filter(({ path }) => path.endsWith('/xmppservice/operatorstatus'))
    .map(({ text }) => JSON.parse(text));
const published = async (text: string) => {
  await waitFor(() => redis.published.includes(text), {
    what: () => `${text}; ${redis.published.join('\n')}`,
  });
};
const sees = (operator: typeof olga, from: string, state: string) =>
  operator.waitFor(
    () =>
      operator.stanzas.some(
        (stanza) => stanza.attrs.from?.startsWith(from) && stanza.getChild(state),
      ),
    state,
  );

it('operators are online for an LHC that gets the older form', async () => {
  await waitFor(() => statuses().length > 0);
  const account = { user: 'amy.acme-shop', server: 'hosted.test' };
  expect(statuses()[0]).toEqual({ action: 'connect', ...account });
});

it('an answer, a note and the end reach LHC, and each of them the widget; nothing else is sent', async () => {
  await shop.ask('POST', '/visitors/4.chat/chats', {
    chatId: '4',
    message: { id: 'm4', body: 'Hello?' },
  });
  const jid = shop.visitorJid('4.chat');
  await amy.waitFor(() => amy.messages.some(({ from }) => from.startsWith(jid)), 'the chat');
  amy.chatState(jid, 'composing');
  await published(
    `chat_7_4 ${payloadOf({ op: 'ot', data: { status: true, ttx: 'Amy is typing …', typer: 'Amy' } })}`,
  );
  const request = xml('request', 'urn:xmpp:receipts');
  amy.sendStanza(
    xml('message', { type: 'chat', to: jid, id: 'a1' }, xml('body', {}, 'Hi Ben'), request),
  );
  await sees(amy, jid, 'received');
  amy.send(jid, '!note likes red');
  amy.send(jid, '!close');
  await published(`chat_7_4 ${payloadOf({ op: 'cclose' })}`);
  const own = 'amy.acme-shop > visitor.4.chat.acme-shop:';
  expect(written()).toEqual([`${own} Hi Ben`, `${own} !note likes red`, `${own} !close`]);
  const [, off, message, end] = redis.published.map((each) => each.split(' ')[1]);
  expect([off, message, end]).toEqual([
    payloadOf({ op: 'ot', data: { status: false } }),
    payloadOf({ op: 'cmsg' }),
    payloadOf({ op: 'cclose' }),
  ]);
  await world.idle();
  expect((await shop.ask('GET', '/chats')).items[0].state).toBe('closed');
});

it('who writes to a visitor whom LHC does not know reads so, and the next one is not held up', async () => {
  shop.lhc.behave(({ path, text }) =>
    path.endsWith('processmessage') && text.includes('visitor.9.')
      ? { kind: 'status', status: 503, headers: { 'retry-after': '300' } }
      : { kind: 'status', status: 200 },
  );
  for (const visitor of ['9', '10']) {
    await shop.view(visitor, { page: 'https://a.test/' });
    await amy.waitFor(() => amy.presences.get(shop.visitorJid(visitor))?.available);
  }
  amy.send(shop.visitorJid('9'), 'Anybody there?');
  await amy.waitFor(
    () => amy.messages.some(({ body }) => body.includes('LHC does not know this visitor')),
    'the reason',
  );
  amy.send(shop.visitorJid('10'), 'May I help?');
  await waitFor(() => written().includes('amy.acme-shop > visitor.10.acme-shop: May I help?'));
  const ready = await world.service.call('GET', '/readyz');
  expect(ready.body.checks.lhc.ok).toBe(true);
});

it('a visitor who types is shown to their operator, and to no other tenant’s', async () => {
  await acme.ask('POST', '/visitors/4/chats', { chatId: '4', message: { id: 'm', body: 'Hi' } });
  const jid = acme.visitorJid('4');
  await acme.callback('chat.assigned', ({ chatId }) => chatId === '4');
  await redis.publish('chat_4', 'uuid/o:[1]');
  await redis.publish('chat_4', 'uuid/o:{"op":"vt","msg":"I am looking for"}');
  await sees(olga, jid, 'composing');
  await redis.publish('chat_4', 'uuid/o:{"op":"vts"}');
  await sees(olga, jid, 'paused');
  const typing = amy.stanzas.filter(
    (stanza) => stanza.getChild('composing') || stanza.getChild('paused'),
  );
  expect(typing).toEqual([]);
});

it('Redis away: the chat goes on, /readyz says so and stays ready, and no log has the password', async () => {
  const redisCheck = async () => (await world.service.call('GET', '/readyz')).body.checks.redis;
  expect(await redisCheck()).toMatchObject({ ok: true });
  await redis.kill();
  await waitFor(async () => (await redisCheck()).ok === false);
  olga.send(acme.visitorJid('4'), 'Still here');
  await acme.callback('chat.message', ({ message }) => message.body === 'Still here');
  expect((await world.service.call('GET', '/readyz')).status).toBe(200);
  expect(await world.metric('xmpp_chat_node_helper_dropped_total')).toBeGreaterThan(0);
  await redis.start();
  await waitFor(async () => (await redisCheck()).ok === true);
  olga.send(acme.visitorJid('4'), 'And again');
  await published(`chat_4 ${payloadOf({ op: 'cmsg' })}`);
  expect(world.service.logs()).not.toContain(PASSWORD);
});
