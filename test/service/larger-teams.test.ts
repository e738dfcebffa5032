/** Tiers, languages, opening hours and overflow on the real ejabberd, from the visitor to operators' clients and LHC. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { sceneOf } from './routing-scene.ts';

const world = await testWorld({
  tenants: [
    {
      id: 'day',
      host: 'shops.test',
      instance: 'day',
      settings: {
        routing: {
          departments: {
            sales: { overflow: { to: 'support', after: 1 } },
            night: { hours: { timezone: 'UTC', week: {}, message: 'We are back at nine.' } },
          },
        },
      },
    },
  ],
  environment: { CALLBACK_ALLOW: '127.0.0.1' },
});
const day = world.tenant('day');
const at = sceneOf(world, day);

it('an operator of the first tier who speaks the visitor’s language is asked, and reads the language', async () => {
  const [, bob] = await at.staff('shop', ['ada', 'bob'], { capacity: 1 });
  await day.ask('PUT', '/operators/bob', { languages: ['de'] });
  await at.staff('shop', ['cid']);
  await day.ask('PUT', '/operators/cid', { tier: 2, languages: ['de'] });
  expect(await day.ask('GET', '/operators/cid')).toMatchObject({ tier: 2, languages: ['de'] });
  await day.view('v1', { page: 'https://shop.test/', language: 'de-AT' });
  await at.start('v1', 'shop', 'Guten Tag');
  expect(await at.pick('v1')).toMatchObject({
    operator: 'bob',
    considered: {
      language: 'de-AT',
      first: [{ operator: 'bob', speaks: true }, { operator: 'ada' }, { operator: 'cid', tier: 2 }],
    },
  });
  if (!bob) throw new Error('the scene has bob');
  await at.waitForText(bob, 'v1', /speaks Austrian German/);
  await at.start('v2', 'shop');
  expect(await at.pick('v2')).toMatchObject({ operator: 'ada' });
  await at.start('v3', 'shop');
  expect(await at.pick('v3')).toMatchObject({ operator: 'cid' });
});

it('a chat that waits too long goes to the next department; the operator, LHC and the figures say so', async () => {
  await day.register('sam', { departments: ['sales'] });
  await at.start('o1', 'sales', 'Anybody there?');
  const [sue] = await at.staff('support', ['sue']);
  if (!sue) throw new Error('the scene has sue');
  await at.waitForText(sue, 'o1', /New chat #c-o1 for support, from sales/);
  const { data } = await day.callback('chat.transferred', ({ visitor }) => visitor === 'o1');
  expect(data).toMatchObject({ operator: null, department: 'support', reason: 'overflow' });
  await at.answer(sue, 'o1');
  const { position } = await day.ask('POST', '/visitors/o1/messages', { body: 'Thanks' });
  expect(await day.ask('GET', `/chats/c-o1?minPosition=${position}`)).toMatchObject({
    department: 'support',
    overflowedFrom: ['sales'],
    operator: 'sue',
    transfers: 0,
  });
  const { departments } = await day.ask('GET', '/stats');
  const figures = (name: string) =>
    departments.find(({ department }: { department: string }) => department === name);
  expect(figures('support')).toMatchObject({ chats: 1, served: 1, overflowed: 0 });
  expect(figures('sales')).toMatchObject({ chats: 0, overflowed: 1 });
});

it('while it is closed the visitor gets the away message once, and the chat is offered when it opens', async () => {
  const hours = { timezone: 'UTC', week: {}, message: 'We are back at nine.' };
  const wish = { host: 'shops.test', instance: 'late' };
  const late = await world.make({ id: 'late', ...wish, settings: { routing: { hours } } });
  expect(late.made.status).toBe(202);
  const scene = sceneOf(world, late);
  const [eve] = await scene.staff('shop', ['eve']);
  if (!eve) throw new Error('the scene has eve');
  await scene.start('n1', 'shop', 'Hello?');
  const { data } = await late.callback('chat.notice');
  expect(data).toEqual({
    visitor: 'n1',
    chatId: 'c-n1',
    operator: null,
    reason: 'closed',
    message: { id: expect.any(String), body: 'We are back at nine.' },
  });
  expect((await late.ask('GET', '/departments')).items).toMatchObject([
    { department: 'shop', open: false, until: null, full: false, waiting: 1 },
  ]);
  expect(scene.textsFrom(eve, 'n1')).toEqual([]);
  // The settings change while the service runs.
  expect((await late.change({ routing: {} })).body).toMatchObject({ state: expect.anything() });
  await scene.waitForText(eve, 'n1', 'Hello?');
  await scene.waitForText(eve, 'n1', /was told that nobody answers at this time/);
  await eve.sendAndAck(late.visitorJid('n1'), 'Good morning');
  await waitFor(async () => (await late.ask('GET', '/chats/c-n1')).state === 'active');
  const told = (await scene.facts('n1')).filter(({ type }) => type === 'VisitorNotified');
  expect(told).toHaveLength(1);
});

it('!take takes a chat of a closed department', async () => {
  const [nia] = await at.staff('night', ['nia']);
  if (!nia) throw new Error('the scene has nia');
  await at.start('t1', 'night', 'Late');
  await day.callback('chat.notice', ({ visitor }) => visitor === 't1');
  await nia.waitFor(() => nia.presences.get(day.visitorJid('t1'))?.available);
  await nia.sendAndAck(day.visitorJid('t1'), '!take');
  await day.callback('chat.accepted', ({ visitor }) => visitor === 't1');
  await waitFor(async () => (await at.picks('t1')).some(({ reason }) => reason === 'taken'));
});
