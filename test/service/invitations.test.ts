/** An invitation has an end that everybody hears of, and a late answer still belongs to it. */
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';

const INVITATION_S = 3;
const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: { invitationTimeout: INVITATION_S, hardTimeout: 120 },
    },
  ],
});
const acme = world.tenant('acme');
await acme.register('olga', { departments: ['sales'] });
await acme.register('pia', { departments: ['support'] });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');

const textsFrom = (operator: Operator, visitor: string): string[] =>
  operator.messages
    .filter(({ from }) => from.startsWith(`${acme.visitorJid(visitor)}`))
    .map(({ body }) => body);
const reads = (operator: Operator, visitor: string, text: RegExp) =>
  operator.waitFor(
    () => textsFrom(operator, visitor).find((each) => text.test(each)),
    `${text} of ${visitor}`,
  );
const online = async (visitor: string) => {
  await acme.view(visitor, { page: `https://shop.test/${visitor}`, nick: `V${visitor}` });
  await olga.waitFor(() => olga.presences.get(acme.visitorJid(visitor))?.available);
};
const ended = (visitor: string) =>
  acme.callback('visitor.invitation_expired', (data) => data.visitor === visitor);
const assigned = (chat: string) =>
  acme.callback('chat.assigned', ({ chatId, operator }) => chatId === chat && operator !== null);

it('the inviter and LHC hear how long it stands and that it lapsed; a late answer comes to the inviter', async () => {
  await online('1');
  await olga.sendAndAck(acme.visitorJid('1'), 'May I help you?');
  await reads(olga, '1', /invited this visitor.* lapses after 3 s/);
  const { data } = await ended('1');
  expect(data).toEqual({
    visitor: '1',
    operator: { username: 'olga', lhcUserId: 1 },
    reason: 'not-answered',
  });
  await reads(olga, '1', /has lapsed/);
  // LHC still shows it. The visitor answers, and chooses a department that is not the inviter's.
  await acme.ask('POST', '/visitors/1/chats', {
    chatId: 'late1',
    department: 'support',
    message: { id: 'late1-1', body: 'Yes please, the shoes' },
  });
  expect((await assigned('late1')).data).toMatchObject({
    operator: { username: 'olga' },
    reason: 'invited',
  });
  await reads(olga, '1', /^Yes please, the shoes$/);
  expect(textsFrom(pia, '1')).toEqual([]);
});

it('a late answer reaches another operator with the invitation, if the inviter is not there', async () => {
  await online('2');
  await olga.sendAndAck(acme.visitorJid('2'), 'These shoes are 20 % off.');
  await ended('2');
  olga.setPresence('dnd');
  await acme.operatorIs('olga', 'busy');
  await acme.ask('POST', '/visitors/2/chats', {
    chatId: 'late2',
    department: 'support',
    message: { id: 'late2-1', body: 'Yes please, the shoes' },
  });
  expect((await assigned('late2')).data.operator?.username).toBe('pia');
  await reads(pia, '2', /^Yes please, the shoes$/);
  const opening = pia.messages.find(({ body }) => body === 'Yes please, the shoes');
  expect(opening?.lines).toMatch(/olga: These shoes are 20 % off\.$/);
  olga.setPresence();
  await acme.operatorIs('olga', 'available');
});

it('after the end another operator may invite, and then the answer is theirs', async () => {
  await online('3');
  await olga.sendAndAck(acme.visitorJid('3'), 'May I help you?');
  await ended('3');
  await pia.sendAndAck(acme.visitorJid('3'), 'Or may I?');
  await reads(pia, '3', /invited this visitor/);
  await acme.ask('POST', '/visitors/3/chats', { chatId: 'c3', department: 'sales' });
  expect((await assigned('c3')).data).toMatchObject({
    operator: { username: 'pia' },
    reason: 'invited',
  });
});
