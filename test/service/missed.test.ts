/** A missed chat is offered again with one line and then without, and not again for a visitor who has left. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: { offerTimeout: 1, hardTimeout: 15, retention: 60 },
    },
  ],
});
const acme = world.tenant('acme');
await acme.register('olga', { departments: ['sales'] });
const olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');
const texts = (visitor: string): string[] =>
  olga.messages
    .filter(({ from }) => from.startsWith(acme.visitorJid(visitor)))
    .map(({ body }) => body);
const assigned = (chat: string) =>
  acme.callbacks('chat.assigned').filter(({ data }) => data.chatId === chat).length;
const offered = (chat: string, times: number) =>
  olga.waitFor(() => assigned(chat) >= times, `${times} offers of ${chat}`);

it('the second offer has one line, later ones none; they end when the visitor has left, and LHC hears of it', async () => {
  await acme.view('1', { page: 'https://shop.test/', nick: 'Eve' });
  const message = { id: 'm1', body: 'Hello?' };
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales', message });
  await offered('c1', 3);
  const { data } = await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '1');
  expect(data).toMatchObject({ visitor: '1', chatId: 'c1' });
  // The opening with the message, the line that it was missed, and the line of the second offer.
  expect(texts('1')).toEqual([
    'Hello?',
    expect.stringMatching(/Chat #c1 was not answered in time/),
    expect.stringMatching(/^[^\n]*Chat #c1 for sales needs an operator[^\n]*$/),
  ]);

  // Another operator is asked once, and reads that the visitor has left. olga is not asked again.
  const before = assigned('c1');
  await acme.register('pia', { departments: ['sales'] });
  const pia = await acme.connect('pia');
  await acme.operatorIs('pia', 'available');
  await pia.waitFor(
    () => pia.messages.find(({ lines }) => /c1 .*has left meanwhile/.test(lines)),
    'the offer to pia',
  );
  await acme.callback(
    'chat.transferred',
    ({ chatId, reason }) => chatId === 'c1' && reason === 'missed' && assigned('c1') === before + 1,
  );
  pia.setPresence('dnd');
  await acme.operatorIs('pia', 'busy');
  // The chat stays open, and the queue of those who are there is empty.
  expect((await acme.ask('GET', '/chats/c1')).state).toMatch(/waiting|offered/);
  expect((await acme.ask('GET', '/queue')).items).toEqual([]);

  // The visitor comes back, and the chat is offered again.
  const offersBefore = assigned('c1');
  await acme.view('1', { page: 'https://shop.test/again', nick: 'Eve' });
  await offered('c1', offersBefore + 1);
  await olga.sendAndAck(acme.visitorJid('1'), '!take');
  await acme.callback(
    'chat.accepted',
    ({ chatId, operator }) => chatId === 'c1' && operator?.username === 'olga',
  );
  expect(acme.callbacks('message.failed')).toEqual([]);
});
