/** Operators with several clients, and clients that are busy or hang, on the real ejabberd. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import { FAST_OPERATORS } from '../support/ejabberd.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { sceneOf } from './routing-scene.ts';

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'acme.test', settings: { ownerGrace: 1 } }],
  modLhc: { ...FAST_OPERATORS, ping_interval: 1, ping_timeout: 3, ping_grace: 1 },
});
const acme = world.tenant('acme');
const at = sceneOf(world, acme);
/** A client that hangs: it sends nothing. */
const HANGS = { answerPings: false, receipts: false } as const;
const operator = (username: string) => acme.ask('GET', `/operators/${username}`);
const isSilent = (username: string) =>
  waitFor(async () => (await operator(username)).unresponsive, {
    what: `${username} to be silent`,
  });

it('of several clients the one that gets the messages says whether the operator is available', async () => {
  await acme.register('olga', { departments: ['olga'] });
  const bot = await acme.connect('olga', { resource: 'bot', presence: { priority: -1 } });
  const desk = await acme.connect('olga', { resource: 'desk', presence: { show: 'dnd' } });
  await acme.operatorIs('olga', 'busy');
  const phone = await acme.connect('olga', { resource: 'phone', presence: { priority: 7 } });
  await acme.operatorIs('olga', 'available');
  expect((await operator('olga')).sessions).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ resource: 'bot', show: 'available', priority: -1 }),
      expect.objectContaining({ resource: 'desk', show: 'dnd', priority: 0 }),
      expect.objectContaining({ resource: 'phone', show: 'available', priority: 7 }),
    ]),
  );
  await at.start('1', 'olga', 'Hello phone');
  await at.waitForText(phone, '1', 'Hello phone');
  await desk.acknowledged();
  expect([...at.textsFrom(desk, '1'), ...at.textsFrom(bot, '1')]).toEqual([]);
  // The priority alone changes, and with it the client that is chosen.
  phone.setPresence(undefined, undefined, -3);
  await acme.operatorIs('olga', 'busy');
  desk.setPresence();
  await acme.operatorIs('olga', 'available');
  await acme.call('POST', '/visitors/1/messages', { id: 'm2', body: 'Hello desk' });
  await at.waitForText(desk, '1', 'Hello desk');
  await bot.acknowledged();
  await phone.acknowledged();
  for (const client of [bot, phone]) expect(at.textsFrom(client, '1')).not.toContain('Hello desk');
  // Nobody is there who could get a message.
  await desk.disconnect();
  await acme.operatorIs('olga', 'offline');
  await at.close('1');
  await Promise.all([bot, phone].map((client) => client.disconnect()));
});

it('the comparison with ejabberd knows priorities too', async () => {
  await acme.register('pia');
  const clients = [await acme.connect('pia', { presence: { priority: -1 } })];
  await acme.operatorIs('pia', 'offline');
  await world.service.kill();
  const desk = await acme.connect('pia', {
    resource: 'desk',
    presence: { show: 'away', priority: 3 },
  });
  clients.push(desk, await acme.connect('pia', { resource: 'phone' }));
  await world.service.start();
  await acme.operatorIs('pia', 'away');
  await Promise.all(clients.map((client) => client.disconnect()));
});

it('a client that hangs gets no new chats and keeps its open one, until its session ends', async () => {
  await acme.register('rosa', { departments: ['rosa'] });
  const rosa = await acme.connect('rosa', HANGS);
  await acme.operatorIs('rosa', 'available');
  await at.start('3', 'rosa', 'Hello');
  await at.answer(rosa, '3');
  await acme.operatorIs('rosa', 'away');
  await isSilent('rosa');
  // ownerGrace is over long before the service has looked after another chat.
  await at.start('4', 'rosa');
  await acme.ask('POST', '/visitors/3/messages', { id: 'm3', body: 'Are you there?' });
  await at.waitForText(rosa, '3', 'Are you there?');
  await expect(at.pick('4', 1, 3_000)).rejects.toThrow(/assignment/);
  await at.waitForChats('rosa', ['3']);
  expect(
    acme.callbacks('operator.offline').filter(({ data }) => data.operator.username === 'rosa'),
  ).toEqual([]);
  rosa.drop();
  await acme.callback('operator.offline', (data) => data.operator.username === 'rosa');
  await acme.callback(
    'chat.transferred',
    ({ visitor, reason }) => visitor === '3' && reason === 'owner-gone',
  );
  const back = await acme.connect('rosa');
  await at.waitForText(back, '3', 'Are you there?');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm3');
  await at.close('3');
  await at.close('4');
  await back.disconnect();
});

it('a client that is silent for a while and comes back goes on with its chat', async () => {
  await acme.register('sara', { departments: ['sara'] });
  const sara = await acme.connect('sara', HANGS);
  await acme.operatorIs('sara', 'available');
  await at.start('5', 'sara', 'Hello');
  await at.answer(sara, '5');
  await isSilent('sara');
  await at.answer(sara, '5', 'I was away for a moment');
  await acme.operatorIs('sara', 'available');
  await acme.callback('chat.message', (data) => data.message.body === 'I was away for a moment');
  await at.waitForChats('sara', ['5']);
  await at.close('5');
  await sara.disconnect();
});

it('a busy client, which answers no pings and sends other things, stays available', async () => {
  await acme.register('tina');
  await acme.register('ulla');
  const tina = await acme.connect('tina', HANGS);
  const ulla = await acme.connect('ulla', HANGS);
  await Promise.all(['tina', 'ulla'].map((name) => acme.operatorIs(name, 'available')));
  const vcard = () =>
    xml('iq', { type: 'get', to: acme.visitorJid('none') }, xml('vCard', 'vcard-temp'));
  const busy = setInterval(() => void tina.request(vcard()), 200);
  try {
    await isSilent('ulla');
    await acme.callback('operator.alive', (data) => data.operator.username === 'tina');
    expect(await operator('tina')).toMatchObject({
      availability: 'available',
      unresponsive: false,
    });
  } finally {
    clearInterval(busy);
  }
  // The first thing that a silent client sends brings it back.
  await ulla.request(vcard());
  await acme.operatorIs('ulla', 'available');
  await Promise.all([tina, ulla].map((client) => client.disconnect()));
});
