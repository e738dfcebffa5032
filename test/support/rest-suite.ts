/** LHC without the extension, beside the whole service and a real ejabberd: the same tests on the double and on a real LHC. */
import { afterAll, expect, it } from 'vitest';
import type { RestLhc } from './lhc-rest.ts';
import { restTenant, startRestProxy } from './lhc-rest.ts';
import type { Operator } from './operator.ts';
import { testWorld } from './test-world.ts';
import { WAIT_DEADLINE_MS, waitFor } from './wait.ts';

/** Lists of LHC's chats come so often in tests. */
const LIST_EVERY_MS = 2_000;

export async function restSuite(start: () => Promise<RestLhc>): Promise<void> {
  const lhc = await start();
  afterAll(() => lhc.close());
  const proxy = await startRestProxy(lhc.url);
  afterAll(() => proxy.close());
  const world = await testWorld({
    tenants: [{ id: 'acme', host: 'xmpp.test', settings: restTenant(proxy.url) }],
    environment: {
      XMPP_CHAT_TIMES: JSON.stringify({ listEveryMs: LIST_EVERY_MS }),
    },
  });
  const acme = world.tenant('acme');
  const { service } = world;
  await lhc.connect(world.url, 'acme');
  await acme.register('olga', {
    lhcUserId: lhc.operators.olga,
    departments: [],
    capacity: 100,
  });
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');

  const from = (key: string) => acme.visitorJid(key);
  /** What the operator's client shows of a visitor, in order. */
  const told = (key: string, operator: Operator = olga) =>
    operator.messages.filter((message) => message.from.startsWith(from(key)));
  const reads = (key: string, text: string, operator: Operator = olga) =>
    waitFor(() => told(key, operator).find(({ body }) => body.includes(text)), {
      what: () =>
        `"${text}"; olga has ${told(key)
          .map(({ body }) => body)
          .join(' | ')}`,
    });
  const rowsOf = async (chatId: number, userId: number) =>
    (await lhc.rows(chatId)).filter((row) => row.userId === userId).map(({ text }) => text);
  const hasRows = (chatId: number, userId: number, ...texts: string[]) =>
    waitFor(async () => (await rowsOf(chatId, userId)).join('|') === texts.join('|'), {
      what: () => `${texts} in LHC's chat ${chatId}`,
    });
  const isClosedHere = (key: string) =>
    waitFor(async () => (await acme.ask('GET', `/visitors/${key}`)).conversation === 'none', {
      what: `the chat of visitor ${key} to be closed`,
    });

  it('a chat goes both ways, each message once and in order', async () => {
    const anna = await lhc.visitor('Do you have these in 43?');
    await reads(anna.key, 'Do you have these in 43?');
    await waitFor(() => lhc.isOnline('olga'), { what: 'olga to be online in LHC' });
    olga.send(from(anna.key), 'Yes, in black.');
    olga.send(from(anna.key), 'Yes, in black.');
    await hasRows(anna.chatId, lhc.operators.olga, 'Yes, in black.', 'Yes, in black.');
    expect(await lhc.chat(anna.chatId)).toEqual({ status: 1, userId: lhc.operators.olga });
    for (const text of ['One', 'Two', 'Three']) await anna.write(text);
    await reads(anna.key, 'Three');
    const words = told(anna.key).flatMap(({ body }) => /^(One|Two|Three)$/.exec(body)?.[0] ?? []);
    expect(words).toEqual(['One', 'Two', 'Three']);
    expect(await anna.screen()).toContain('Yes, in black.');
    const { page } = await acme.ask('GET', `/visitors/${anna.key}`);
    expect(page).toBe('https://shop.example/shoes');
  });

  it('a text that begins with ! is words, a note is for LHC alone, and a command is carried out', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    olga.send(from(anna.key), '!!close is no command');
    await hasRows(anna.chatId, lhc.operators.olga, '\u2060!close is no command');
    olga.send(from(anna.key), 'Write [html]b[/html]');
    await waitFor(async () => (await anna.screen()).includes('Write'), { what: 'the text' });
    olga.send(from(anna.key), '!note a secret of the house');
    await waitFor(
      async () => (await lhc.rows(anna.chatId)).some(({ text }) => text.includes('a secret')),
      { what: 'the note in LHC' },
    );
    expect(await anna.screen()).not.toContain('a secret');
    expect((await lhc.chat(anna.chatId)).status).toBe(1);
    olga.send(from(anna.key), '!close');
    await waitFor(async () => (await lhc.chat(anna.chatId)).status === 2, {
      what: 'the chat to be closed in LHC',
    });
    await isClosedHere(anna.key);
  });

  it('a message whose answer is lost is in LHC once, and those behind it keep their order', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    proxy.lose('addmsgadmin', 2);
    for (const text of ['First', 'Second', 'Second']) olga.send(from(anna.key), text);
    await hasRows(anna.chatId, lhc.operators.olga, 'First', 'Second', 'Second');
  });

  it('a message that LHC has and the log does not is in LHC once after a kill', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    olga.send(from(anna.key), 'Hello Anna');
    await hasRows(anna.chatId, lhc.operators.olga, 'Hello Anna');
    await world.idle();
    await service.stop();
    await service.start({ XMPP_CHAT_FAILPOINTS: 'after-callback=1' });
    olga.send(from(anna.key), 'Once');
    await service.ended(WAIT_DEADLINE_MS);
    await service.start();
    olga.send(from(anna.key), 'Behind it');
    await hasRows(anna.chatId, lhc.operators.olga, 'Hello Anna', 'Once', 'Behind it');
  });

  it('what no webhook says is found, also what was said while the service was away', async () => {
    await lhc.webhooks(false);
    const anna = await lhc.visitor('No webhook');
    await reads(anna.key, 'No webhook');
    await anna.write('Nor for this');
    await reads(anna.key, 'Nor for this');
    await world.idle();
    await service.stop();
    await anna.write('While you were away');
    const short = await lhc.visitor('Began and ended');
    await lhc.closeChat('olga', short.chatId);
    await service.start();
    await reads(anna.key, 'While you were away');
    const bodies = told(anna.key).filter(({ body }) => body.includes('Nor for this'));
    expect(bodies).toHaveLength(1);
    await waitFor(
      async () => {
        const { body } = await acme.call('GET', `/visitors/${short.key}/messages`);
        return JSON.stringify(body).includes('Began and ended');
      },
      { what: 'the chat that ended meanwhile' },
    );
    await isClosedHere(short.key);
    await lhc.webhooks(true);
  });

  it('a chat that ends in LHC ends here, by its visitor and by LHC', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    olga.send(from(anna.key), 'Hello Anna');
    await hasRows(anna.chatId, lhc.operators.olga, 'Hello Anna');
    await anna.end();
    await isClosedHere(anna.key);
    const ben = await lhc.visitor('Hi');
    await reads(ben.key, 'Hi');
    olga.send(from(ben.key), 'Hi Ben');
    await hasRows(ben.chatId, lhc.operators.olga, 'Hi Ben');
    await lhc.closeChat('olga', ben.chatId);
    await isClosedHere(ben.key);
  });

  it('an operator reads at once what LHC without its extension cannot do', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    olga.send(from(anna.key), 'Hello Anna');
    await hasRows(anna.chatId, lhc.operators.olga, 'Hello Anna');
    await lhc.webhooks(false);
    await anna.end();
    olga.send(from(anna.key), 'Too late');
    await reads(anna.key, 'Not delivered');
    expect(await rowsOf(anna.chatId, lhc.operators.olga)).toEqual(['Hello Anna']);
    await isClosedHere(anna.key);
    await lhc.webhooks(true);
  });

  it('who works in the pages of LHC is seen here', async () => {
    const anna = await lhc.visitor('Hello');
    await reads(anna.key, 'Hello');
    olga.send(from(anna.key), 'Hello Anna');
    await hasRows(anna.chatId, lhc.operators.olga, 'Hello Anna');
    await lhc.write('bob', anna.chatId, 'I know her');
    await reads(anna.key, 'I know her');
    await anna.write('Thanks');
    await reads(anna.key, 'Thanks');
    expect(told(anna.key).filter(({ body }) => body.includes('I know her'))).toHaveLength(1);
    expect(told(anna.key).filter(({ body }) => body.includes('Hello Anna'))).toHaveLength(0);
    const ben = await lhc.visitor('Hi');
    await reads(ben.key, 'Hi');
    await lhc.write('bob', ben.chatId, 'Mine');
    await waitFor(
      async () => (await acme.ask('GET', `/visitors/${ben.key}`)).conversation === 'chatting',
      { what: 'bob to have the chat in LHC' },
    );
    olga.send(from(ben.key), 'Mine too');
    await reads(ben.key, 'has this chat');
    expect(await rowsOf(ben.chatId, lhc.operators.olga)).toEqual([]);
  });

  it('webhooks need their key, and say nothing else', async () => {
    const post = (key: string, body: unknown, tenant = 'acme') =>
      service.call('POST', `/lhc/webhooks/${tenant}`, body, { key });
    const { webhookKey } = restTenant('');
    expect((await post(webhookKey, { chat: -1 })).status).toBe(204);
    expect((await post(webhookKey, { chat: '7' })).status).toBe(204);
    expect((await post(acme.apiKey, { chat: 7 })).status).toBe(401);
    expect((await post(webhookKey, { chat: 7 }, 'nobody')).status).toBe(401);
    const wrong = await post(webhookKey, { chat: 'x', text: 'words' });
    expect(wrong.status).toBe(400);
    expect((await acme.call('POST', '/visitors/1/chats', {}, {})).status).not.toBe(401);
    expect(
      (await service.call('GET', '/v1/acme/visitors', undefined, { key: webhookKey })).status,
    ).toBe(401);
  });
}
