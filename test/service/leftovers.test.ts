/** What operators' clients store about visitors, and what is left of it when the visitors are gone. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  environment: { XMPP_CHAT_TIMES: JSON.stringify({ leftoversMs: 2_000 }) },
});
const acme = world.tenant('acme');
await acme.register('olga');
await acme.register('pia');
const olga = await acme.connect('olga');
let pia = await acme.connect('pia');
const FRIEND = 'friend@elsewhere.test';
const jids = ['1', '2', '3'].map(acme.visitorJid);
const [first = '', second = '', third = ''] = jids;

/** Changes a contact as a client does when the operator renames it or puts it into a group. */
async function store(operator: Operator, jid: string, name: string, ...groups: string[]) {
  const item = xml('item', { jid, name }, ...groups.map((group) => xml('group', {}, group)));
  const answer = await operator.request(
    xml('iq', { type: 'set' }, xml('query', 'jabber:iq:roster', item)),
  );
  expect(answer.attrs.type).toBe('result');
}
const contacts = async (operator: Operator) =>
  (await operator.roster()).map(({ jid }) => jid).toSorted();
const becomes = (operator: Operator, expected: readonly string[]) =>
  waitFor(
    async () => JSON.stringify(await contacts(operator)) === JSON.stringify(expected.toSorted()),
    {
      what: () => `the contacts ${expected}`,
    },
  );

it('a contact that an operator has renamed or grouped goes with its visitor, and no other contact does', async () => {
  for (const key of ['1', '2', '3']) await acme.view(key, { page: 'https://shop.test/' });
  for (const operator of [olga, pia]) await becomes(operator, jids);
  await store(olga, first, 'The one with the shoes', 'Important');
  await store(olga, second, 'Somebody else', 'visitors', 'Important');
  await store(olga, FRIEND, 'A friend', 'Friends');
  await store(pia, first, 'Shoes');
  await pia.disconnect(); // the rosters of operators who are offline count too

  await acme.ask('DELETE', '/visitors/1');
  await acme.callback('visitor.cleaned_up', ({ visitor }) => visitor === '1');
  await becomes(olga, [second, third, FRIEND]);
  const kept = (await olga.roster()).find(({ jid }) => jid === second);
  expect(kept).toMatchObject({ name: 'Somebody else', subscription: 'both' });
  expect(kept?.groups).toContain('Important');
  pia = await acme.connect('pia');
  await becomes(pia, [second, third]);
});

it('so does one whose visitor was cleaned up right before a kill of the service', async () => {
  await store(olga, third, 'Third', 'Important');
  await acme.ask('DELETE', '/visitors/3');
  await world.service.kill();
  await world.service.start();
  await becomes(olga, [second, FRIEND]);
});

it('a visitor who comes back has the name of the visitor, not that of the operator', async () => {
  await acme.view('1', { page: 'https://shop.test/', nick: 'Eve' });
  await waitFor(async () => (await olga.roster()).find(({ jid }) => jid === first)?.name === 'Eve');
});
