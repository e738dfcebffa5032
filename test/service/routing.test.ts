/** Each rule of choosing an operator for a chat, on the real ejabberd, from the visitor to the operator's client. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { sceneOf } from './routing-scene.ts';

const departments = {
  robin: { policy: 'round-robin' },
  chance: { policy: 'random' },
  everybody: { policy: 'broadcast' },
  narrow: { capacity: 1 },
};
const world = await testWorld({
  tenants: [
    { id: 'calm', host: 'calm.test', settings: { routing: { departments } } },
    { id: 'quick', host: 'quick.test', settings: { offerTimeout: 2, ownerGrace: 2 } },
  ],
  // A client that does not answer in time counts as away. This is long enough for a busy machine.
  modLhc: { ping_interval: 1, ping_timeout: 5, ping_grace: 1 },
});
const calm = world.tenant('calm');
const quick = world.tenant('quick');
const at = sceneOf(world, calm);
const soon = sceneOf(world, quick);

it('the inviter comes first, then the last operator, if they are free', async () => {
  const [ida, jan] = await at.staff('own', ['ida', 'jan']);
  if (!ida || !jan) throw new Error('the scene has both operators');
  await at.start('own0', 'own');
  await at.pick('own0');
  // ida gets the first chat, so that ida is not the least loaded operator.
  if ((await at.pick('own0')).operator === 'jan') {
    await jan.sendAndAck(calm.visitorJid('own0'), '!transfer ida');
    await at.waitForChats('ida', ['own0']);
  }
  await calm.view('own1', { page: 'https://shop.test/' });
  await ida.waitFor(() => ida.presences.get(calm.visitorJid('own1'))?.available);
  await ida.sendAndAck(calm.visitorJid('own1'), 'May I help you?');
  await calm.callback('visitor.invited', ({ visitor }) => visitor === 'own1');
  await at.start('own1', 'another department', 'Yes');
  expect(await at.pick('own1')).toMatchObject({ operator: 'ida', reason: 'invited' });
  await at.answer(ida, 'own1');
  await at.close('own1');
  await at.waitForChats('ida', ['own0']);
  await calm.ask('POST', '/visitors/own1/chats', { chatId: 'c-own2', department: 'own' });
  expect(await at.pick('own1', 2)).toMatchObject({
    operator: 'ida',
    reason: 'last-served',
    considered: { free: 2, first: [{ operator: 'ida', chats: 1 }, { operator: 'jan' }] },
  });
  await at.answer(ida, 'own1', 'You again');
  await calm.ask('POST', '/visitors/own1/chats/c-own2/close', { by: 'visitor' });
  await at.waitForChats('ida', ['own0']);
  ida.setPresence('dnd');
  await calm.operatorIs('ida', 'busy');
  await calm.ask('POST', '/visitors/own1/chats', { chatId: 'c-own3', department: 'own' });
  expect(await at.pick('own1', 3)).toMatchObject({
    operator: 'jan',
    reason: 'least-loaded',
    considered: { free: 1 },
  });
});

it('least-loaded picks the fewest chats, then the longest idle; the fact names the considered operators', async () => {
  const names = ['lea', 'leo', 'liv'];
  await at.staff('least', names);
  const owners: string[] = [];
  for (const visitor of ['l0', 'l1', 'l2', 'l3']) {
    await at.start(visitor, 'least');
    const { operator, reason, considered } = await at.pick(visitor);
    expect({ reason, free: considered?.free }).toEqual({ reason: 'least-loaded', free: 3 });
    expect(considered?.first.map((each) => each.operator).toSorted()).toEqual(names);
    owners.push(operator);
  }
  expect(owners.slice(0, 3).toSorted()).toEqual(names);
  expect(owners[3]).toBe(owners[0]);
});

it('round-robin takes turns; random picks one of the free operators', async () => {
  await at.staff('robin', ['rae', 'ria', 'ron']);
  const round: string[] = [];
  for (const visitor of ['r0', 'r1', 'r2', 'r3']) {
    await at.start(visitor, 'robin');
    const { operator, reason } = await at.pick(visitor);
    expect(reason).toBe('round-robin');
    round.push(operator);
  }
  expect(round).toEqual(['rae', 'ria', 'ron', 'rae']);
  await at.staff('chance', ['cas', 'che']);
  await at.start('chance0', 'chance');
  const { operator, reason } = await at.pick('chance0');
  expect({ reason, free: ['cas', 'che'].includes(operator) }).toEqual({
    reason: 'random',
    free: true,
  });
});

it('broadcast offers to all free operators, later ones too; the first answer owns the chat', async () => {
  const [eda, eli, eva] = await at.staff('everybody', ['eda', 'eli', 'eva']);
  if (!eda || !eli || !eva) throw new Error('the scene has three operators');
  eva.setPresence('dnd');
  await calm.operatorIs('eva', 'busy');
  await at.start('e0', 'everybody', 'Anybody there?');
  await Promise.all([at.waitForText(eda, 'e0', 'e0'), at.waitForText(eli, 'e0', 'e0')]);
  expect(at.textsFrom(eva, 'e0')).toEqual([]);
  eva.setPresence();
  await at.waitForText(eva, 'e0', 'e0');
  await at.answer(eli, 'e0');
  expect(await at.picks('e0')).toMatchObject([{ operator: 'eli', reason: 'answered' }]);
  await Promise.all([
    at.waitForText(eda, 'e0', /eli has taken/),
    at.waitForText(eva, 'e0', /eli has taken/),
    at.waitForText(eli, 'e0', 'Anybody there?'),
  ]);
  // When two operators answer at once, one owns the chat and the other gets a notice.
  await at.start('e1', 'everybody');
  await Promise.all([at.waitForText(eda, 'e1', 'e1'), at.waitForText(eli, 'e1', 'e1')]);
  await Promise.all([eda, eli].map((each) => each.sendAndAck(calm.visitorJid('e1'), 'Hello')));
  const { operator } = await at.pick('e1');
  const [loser] = operator === 'eda' ? [eli] : [eda];
  await at.waitForText(loser, 'e1', /Not delivered: this chat belongs to/);
  expect(await at.picks('e1')).toHaveLength(1);
  await at.waitForChats(operator, operator === 'eli' ? ['e0', 'e1'] : ['e1']);
});

it('operators who are busy, away, full or silent to pings are not asked', async () => {
  const [dee, dov] = await at.staff('picky', ['dee', 'dov', 'duo'], { capacity: 1 });
  if (!dee || !dov) throw new Error('the scene has both operators');
  await calm.register('don', { departments: ['picky'] });
  await calm.register('dan', { departments: ['picky'] });
  await calm.connect('don', { answerPings: false });
  await calm.connect('dan', { presence: { show: 'xa' } });
  dee.setPresence('dnd');
  dov.setPresence('away');
  await calm.operatorIs('dee', 'busy');
  await calm.operatorIs('dov', 'away');
  await calm.operatorIs('don', 'away');
  await at.start('p0', 'picky');
  expect(await at.pick('p0')).toMatchObject({ operator: 'duo', considered: { free: 1 } });
  await at.waitForChats('duo', ['p0']);
  await at.start('p1', 'picky');
  await at.start('p2', 'picky');
  // Nobody is free, so both chats wait. The oldest goes to an operator who frees a place, returns or is registered.
  await at.close('p0');
  expect(await at.pick('p1')).toMatchObject({ operator: 'duo' });
  expect(await at.picks('p2')).toEqual([]);
  dov.setPresence();
  expect(await at.pick('p2')).toMatchObject({ operator: 'dov' });
  await at.start('p3', 'picky');
  await at.start('p4', 'picky');
  await calm.register('dot', { departments: ['other'] });
  await calm.connect('dot');
  await calm.operatorIs('dot', 'available');
  await calm.register('dot', { departments: ['picky'], capacity: 1 });
  expect(await at.pick('p3')).toMatchObject({ operator: 'dot' });
  expect(await at.picks('p4')).toEqual([]);
});

it('no operator has more chats of a department than its bound, however many places they have', async () => {
  await calm.register('nat', { departments: ['narrow', 'wide'], capacity: 3 });
  await calm.connect('nat');
  await calm.operatorIs('nat', 'available');
  for (const visitor of ['n0', 'n1']) await at.start(visitor, 'narrow');
  await at.start('n2', 'wide');
  await at.waitForChats('nat', ['n0', 'n2']);
  expect(await at.picks('n1')).toEqual([]);
  await at.close('n0');
  expect(await at.pick('n1')).toMatchObject({ operator: 'nat' });
  await at.waitForChats('nat', ['n1', 'n2']);
});

it('a missed or declined offer goes to the next operator, and back only if no other is free', async () => {
  const [mia, moe] = await soon.staff('miss', ['mia', 'moe']);
  if (!mia || !moe) throw new Error('the scene has both operators');
  await soon.start('m0', 'miss');
  const first = (await soon.pick('m0')).operator;
  const second = (await soon.pick('m0', 2)).operator;
  expect([first, second].toSorted()).toEqual(['mia', 'moe']);
  // Both operators missed the offer. After a pause the chat is offered again.
  const third = await soon.pick('m0', 3);
  const [owner, other] = third.operator === 'mia' ? [mia, moe] : [moe, mia];
  await soon.answer(owner, 'm0');
  const reasons = (await soon.facts('m0')).flatMap(({ type, data }) =>
    type === 'ChatUnassigned' ? [data.reason] : [],
  );
  expect(reasons.slice(0, 2)).toEqual(['missed', 'missed']);
  await soon.start('m1', 'miss');
  const firstOffer = await soon.pick('m1');
  // The other operator has no chat, so they get the offer. After they decline, the one with a chat gets it.
  expect(firstOffer.operator).not.toBe(third.operator);
  await soon.waitForText(other, 'm1', 'm1');
  await other.sendAndAck(quick.visitorJid('m1'), '!decline');
  expect((await soon.pick('m1', 2)).operator).toBe(third.operator);
  await soon.close('m1');
});

it('an owner who leaves has time to come back; then the next operator gets the chat with its history', async () => {
  const [gus] = await soon.staff('grace', ['gus']);
  if (!gus) throw new Error('the scene has the operator');
  await soon.start('g0', 'grace', 'My parcel is lost');
  await soon.waitForText(gus, 'g0', 'My parcel is lost');
  await soon.answer(gus, 'g0', 'Let me look');
  await gus.disconnect();
  await quick.operatorIs('gus', 'offline');
  const back = await quick.connect('gus');
  await quick.operatorIs('gus', 'available');
  await soon.waitForChats('gus', ['g0']);
  const [gil] = await soon.staff('grace', ['gil']);
  if (!gil) throw new Error('the scene has the operator');
  expect(await soon.picks('g0')).toHaveLength(1);
  await back.disconnect();
  const next = await soon.pick('g0', 2);
  expect(next.operator).toBe('gil');
  await soon.waitForText(gil, 'g0', 'My parcel is lost');
  await soon.answer(gil, 'g0', 'I go on');
  await soon.waitForChats('gus', []);
  await soon.waitForChats('gil', ['g0']);
});

it('chats of a removed operator go to others', async () => {
  const [rex, roy] = await at.staff('leaving', ['rex', 'roy']);
  if (!rex || !roy) throw new Error('the scene has both operators');
  await at.start('x0', 'leaving', 'Hello');
  const { operator } = await at.pick('x0');
  const [leaver, stayer, other] = operator === 'rex' ? [rex, roy, 'roy'] : [roy, rex, 'rex'];
  await at.waitForText(leaver, 'x0', 'Hello');
  await at.answer(leaver, 'x0');
  await calm.ask('DELETE', `/operators/${operator}`);
  expect((await at.pick('x0', 2)).operator).toBe(other);
  await at.waitForText(stayer, 'x0', 'Hello');
  await at.waitForChats(other, ['x0']);
  const unassigned = (await at.facts('x0')).find(({ type }) => type === 'ChatUnassigned');
  expect(unassigned?.data).toMatchObject({ reason: 'operator-removed', operators: [operator] });
});

it('no chat waits that an operator could take', async () => {
  const waiting = async () => (await world.service.call('GET', '/metrics')).body;
  await waitFor(async () => /^xmpp_chat_chats_waiting 1$/m.test(String(await waiting())), {
    what: 'p4 to be the only waiting chat',
  });
});
