/** What an operator's client sends again counts once; what it says again is said twice (docs/adr/0030). */
import xml from '@xmpp/xml';
import { beforeEach, expect, it } from 'vitest';
import { type RawStream, rawOperator } from '../ejabberd/raw-stream.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  ejabberd: { streamManagement: { resumeTimeout: 60 } },
});
const acme = world.tenant('acme');
const users = ['olga', 'pia', 'rita', 'sara'];
for (const user of users) await acme.register(user, { departments: [user] });

let visitors = 0;
let visitor = '';
const jid = () => acme.visitorJid(visitor);
beforeEach(async () => {
  visitors += 1;
  visitor = `v${visitors}`;
  await acme.view(visitor, { page: 'https://shop.test/', nick: 'Ann' });
});

const start = async (department: string, chatId: string) => {
  const message = { id: `m-${chatId}`, body: `Hello from ${chatId}` };
  await acme.ask('POST', `/visitors/${visitor}/chats`, { chatId, department, message });
};
const close = (chatId: string) =>
  acme.ask('POST', `/visitors/${visitor}/chats/${chatId}/close`, { by: 'system' });
const saidInChat = (chatId: string) =>
  acme
    .callbacks('chat.message')
    .flatMap(({ data }) => (data.chatId === chatId ? [[data.message.id, data.message.body]] : []));
const textsFor = (operator: Operator) =>
  operator.messages.filter(({ from }) => from.startsWith(jid())).map(({ body }) => body);

/** A client whose ids are 1, 2, 3 … from its start on. It says the same in each chat. */
async function chatOnce(user: string, chatId: string): Promise<string[]> {
  const operator = await acme.connect(user, { resource: 'desk' });
  await acme.operatorIs(user, 'available');
  await start(user, chatId);
  await operator.waitFor(() => textsFor(operator).includes(`Hello from ${chatId}`));
  const before = textsFor(operator).length;
  const request = xml('request', { xmlns: 'urn:xmpp:receipts' });
  const say = (id: string, body: string) =>
    operator.sendStanza(
      xml('message', { type: 'chat', id, to: jid() }, xml('body', {}, body), request),
    );
  say('1', 'Hello');
  say('2', '!take');
  say('3', '!info');
  say('4', ' ');
  operator.sendStanza(
    xml(
      'message',
      { type: 'chat', id: '5', to: jid() },
      xml('encrypted', { xmlns: 'eu.siacs.conversations.axolotl' }, xml('payload', {}, 'AAAA')),
    ),
  );
  const answers = () => textsFor(operator).slice(before);
  await operator.waitFor(
    () => answers().some((body) => /it is encrypted/.test(body)) && answers().length === 4,
    'the answers',
  );
  await operator.waitFor(
    () => operator.acknowledgements.some(({ what, id }) => what === 'received' && id === '1'),
    'the receipt',
  );
  await waitFor(() => saidInChat(chatId).length > 0, { what: 'the callback' });
  await operator.disconnect();
  await acme.operatorIs(user, 'offline');
  return answers();
}

it('a client that starts again and counts its ids from 1 is heard in the next chat: messages, commands, refusals', async () => {
  const first = await chatOnce('olga', 'restart-1');
  await close('restart-1');
  const second = await chatOnce('olga', 'restart-2');
  for (const answers of [first, second]) {
    expect(answers).toEqual([
      expect.stringMatching(/^!take: you have this chat already/),
      expect.stringContaining('olga has it.'),
      expect.stringContaining('nothing to read'),
      expect.stringContaining('it is encrypted'),
    ]);
  }
  for (const chatId of ['restart-1', 'restart-2']) {
    expect(saidInChat(chatId)).toEqual([['1', 'Hello']]);
  }
});

/** Logs in by a raw stream, which can be resumed. */
const login = (user: string, resume?: string) =>
  rawOperator({
    port: world.ejabberd.c2sPort,
    host: acme.host,
    user,
    resource: 'desk',
    ...(resume !== undefined && { resume }),
  });
const say = (stream: RawStream, ...texts: [id: string, body: string][]) => {
  for (const [id, body] of texts) {
    stream.send(`<message type='chat' to='${jid()}' id='${id}'><body>${body}</body></message>`);
  }
};
const notes = (chatId: string) =>
  acme.callbacks('chat.note').filter(({ data }) => data.chatId === chatId).length;

it('a stream that was resumed and sends again is heard once, and once more when it was resumed again', async () => {
  const first = await login('pia');
  await acme.operatorIs('pia', 'available');
  await start('pia', 'resumed');
  await first.sees(/Hello from resumed/);
  const words: [string, string][] = [
    ['1', 'One moment'],
    ['2', '!note Calls back'],
    ['3', '!info'],
    ['4', ' '],
  ];
  say(first, ...words);
  await first.sees(/nothing to read/);
  await acme.callback('chat.note', ({ chatId }) => chatId === 'resumed');
  first.drop();
  const second = await login('pia', first.id);
  say(second, ...words, ['5', 'Here I am']);
  await waitFor(() => saidInChat('resumed').length > 1, { what: 'the next message' });
  second.drop();
  const third = await login('pia', first.id);
  say(third, ...words, ['6', 'Here again'], ['6', 'Here again']);
  await waitFor(() => saidInChat('resumed').length > 3, { what: 'the last messages' });
  await world.idle();
  expect(saidInChat('resumed')).toEqual([
    ['1', 'One moment'],
    ['5', 'Here I am'],
    ['6', 'Here again'],
    ['6', 'Here again'], // twice on one stream
  ]);
  expect(notes('resumed')).toBe(1);
  third.drop();
});

it('a client that logs in anew and sends again is heard once if nobody else could have made its id', async () => {
  const id = crypto.randomUUID();
  const first = await login('rita');
  await acme.operatorIs('rita', 'available');
  await start('rita', 'anew');
  await first.sees(/Hello from anew/);
  say(first, [id, 'One moment']);
  await waitFor(() => saidInChat('anew').length > 0, { what: 'the message' });
  first.drop();
  const second = await login('rita');
  say(second, [id, 'One moment'], ['1', 'Here I am']);
  await waitFor(() => saidInChat('anew').length > 1, { what: 'the next message' });
  expect(saidInChat('anew').map(([, body]) => body)).toEqual(['One moment', 'Here I am']);
  second.drop();
});
