/** What the console shows in its tests and on its pictures: a small shop with three visitors and two operators. */
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { waitFor } from '../support/wait.ts';
import type { World } from '../support/world.ts';

/** A name that would do harm on a page that takes text for HTML, and one that turns the text around it. */
export const HOSTILE_NICK = '<img src=x onerror=alert(1)>';
export const RTL_NICK = 'شهرزاد\u202e';

/** The request that starts Ann's chat. */
export const REQUEST = 'ann-asks';

export const TENANTS = [
  { id: 'acme', host: 'xmpp.test' },
  { id: 'beta', host: 'beta.test' },
];

/** Ann talks with Olga, Ben waits, two others look around, and one event of ejabberd was set aside. */
export async function playScene(world: World): Promise<void> {
  const acme = world.tenant('acme');
  await acme.register('olga', { name: 'Olga', capacity: 1 });
  await acme.register('pavel', { name: 'Pavel', capacity: 3, lhcUserId: 2 });
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await acme.view('7', {
    page: 'https://shop.test/boots',
    title: 'Boots',
    nick: 'Ann',
    country: 'Latvia',
  });
  const question = { id: 'm1', body: 'Do you have red boots?' };
  await acme.call(
    'POST',
    '/visitors/7/chats',
    { chatId: 'c7', message: question },
    { 'x-request-id': REQUEST },
  );
  const jid = acme.visitorJid('7');
  await olga.waitFor(
    () => olga.messages.find(({ body }) => body === 'Do you have red boots?'),
    'the question',
  );
  await olga.sendAndAck(jid, 'Yes, in size 38 to 43.');
  await acme.callback('chat.message');
  await acme.view('8', { page: 'https://shop.test/hats', title: 'Hats', nick: 'Ben' });
  await acme.ask('POST', '/visitors/8/chats', {
    chatId: 'c8',
    message: { id: 'm1', body: 'Is anybody there?' },
  });
  await acme.view('9', { page: 'https://shop.test/', title: 'Shop', nick: HOSTILE_NICK });
  await acme.view('10', { page: 'https://shop.test/', title: 'Shop', nick: RTL_NICK });
  await setAside(world);
}

/** An event that no version can use becomes a dead letter. */
async function setAside(world: World): Promise<void> {
  const at = new Date();
  const body = JSON.stringify([
    {
      queueId: randomUUID(),
      seq: 1,
      at: at.toISOString(),
      host: 'xmpp.test',
      type: 'message',
      from: 'olga@xmpp.test/desk',
      to: world.tenant('acme').visitorJid('7'),
      id: 'unusable',
      body: 'a text where an object should be',
    },
  ]);
  const id = randomUUID();
  await world.service.call('POST', '/ejabberd/events', body, {
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(world.webhookSecret).sign(id, at, body),
    },
  });
  await waitFor(
    async () => (await world.service.call('GET', '/debug/dead-letters')).body.items.length === 1,
    { what: 'the dead letter' },
  );
}
