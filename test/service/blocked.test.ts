/** An operator whose client blocks a visitor gives the chat up: it goes on to somebody else, its messages with it. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const acme = world.tenant('acme');
for (const name of ['olga', 'pia']) await acme.register(name, { departments: ['sales'] });
const olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');

const textsFrom = (operator: Operator, visitor: string): string[] =>
  operator.messages
    .filter(({ from }) => from.startsWith(`${acme.visitorJid(visitor)}`))
    .map(({ body }) => body);
const reads = (operator: Operator, visitor: string, text: string) =>
  operator.waitFor(() => textsFrom(operator, visitor).includes(text), `${text} of ${visitor}`);
const say = (visitor: string, id: string, body: string) =>
  acme.ask('POST', `/visitors/${visitor}/messages`, { id, body });
const isAbout = (visitor: string) => (data: { visitor: string }) => data.visitor === visitor;
/** XEP-0191 */
const blocking = (operator: Operator, what: 'block' | 'unblock', visitor: string) =>
  operator.request(
    xml(
      'iq',
      { type: 'set' },
      xml(what, { xmlns: 'urn:xmpp:blocking' }, xml('item', { jid: acme.visitorJid(visitor) })),
    ),
  );

it('a chat goes on to somebody else with everything that its operator blocked, in order', async () => {
  await acme.view('1', { page: 'https://shop.test/', nick: 'Eve' });
  const message = { id: 'm1', body: 'Hello' };
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales', message });
  await reads(olga, '1', 'Hello');
  await olga.sendAndAck(acme.visitorJid('1'), 'Hi Eve');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm1');
  const pia = await acme.connect('pia');
  await acme.operatorIs('pia', 'available');

  expect((await blocking(olga, 'block', '1')).attrs.type).toBe('result');
  const words = ['one', 'two', 'three'];
  for (const word of words) await say('1', `m-${word}`, word);
  const { data } = await acme.callback(
    'chat.transferred',
    ({ chatId, reason }) => chatId === 'c1' && reason === 'refused',
  );
  expect(data.operator).toBeNull();
  await acme.callback(
    'chat.assigned',
    ({ chatId, operator }) => chatId === 'c1' && operator?.username === 'pia',
  );
  await say('1', 'm-four', 'four');
  await reads(pia, '1', 'four');
  const said = textsFrom(pia, '1').filter((text) => [...words, 'four'].includes(text));
  expect(said).toEqual([...words, 'four']);
  expect(textsFrom(pia, '1')[0]).toMatch(/Eve: Hello[\s\S]*olga: Hi Eve/); // what was said before
  for (const word of [...words, 'four']) {
    await acme.callback('message.delivered', ({ messageId }) => messageId === `m-${word}`);
  }
  expect(acme.callbacks('message.failed').filter(({ data }) => isAbout('1')(data))).toEqual([]);
  expect(textsFrom(olga, '1')).not.toContain('one');

  // The next chat of this visitor is not offered to olga first either, and olga still gets other chats.
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  pia.setPresence('dnd');
  await acme.operatorIs('pia', 'busy');
  await acme.view('2', { page: 'https://shop.test/', nick: 'Ann' });
  await acme.ask('POST', '/visitors/2/chats', { chatId: 'c2', department: 'sales' });
  await acme.callback(
    'chat.assigned',
    ({ chatId, operator }) => chatId === 'c2' && operator?.username === 'olga',
  );
  await acme.ask('POST', '/visitors/2/chats/c2/close', { by: 'visitor' });
  pia.setPresence();
  await acme.operatorIs('pia', 'available');
});

it('what an operator writes to a visitor whom they block reaches nobody, as their client shows it', async () => {
  await acme.register('quinn', { departments: ['legal'] });
  const owner = await acme.connect('quinn');
  await acme.operatorIs('quinn', 'available');
  await acme.view('9', { page: 'https://shop.test/', nick: 'Max' });
  await acme.ask('POST', '/visitors/9/chats', {
    chatId: 'c9',
    department: 'legal',
    message: { id: 'm9', body: 'Hi' },
  });
  await acme.callback('chat.assigned', ({ chatId }) => chatId === 'c9');
  await owner.sendAndAck(acme.visitorJid('9'), 'Hello Max');
  await acme.callback('chat.message', ({ message }) => message.body === 'Hello Max');
  owner.chatState(acme.visitorJid('9'), 'composing');
  await acme.callback(
    'operator.typing',
    ({ visitor, state }) => visitor === '9' && state === 'composing',
  );

  await blocking(owner, 'block', '9');
  const blocked = ['Are you there?', '!close'].map((body) =>
    owner.send(acme.visitorJid('9'), body),
  );
  await owner.waitFor(() =>
    blocked.every((id) => owner.errors.some(({ attrs }) => attrs.id === id)),
  );
  await acme.callback(
    'operator.typing',
    ({ visitor, state }) => visitor === '9' && state !== 'composing',
  );
  await blocking(owner, 'unblock', '9');
  await owner.sendAndAck(acme.visitorJid('9'), 'Here I am');
  await acme.callback('chat.message', ({ message }) => message.body === 'Here I am');
  const said = acme.callbacks('chat.message').filter(({ data }) => isAbout('9')(data));
  expect(said.map(({ data }) => data.message.body)).toEqual(['Hello Max', 'Here I am']);
});
