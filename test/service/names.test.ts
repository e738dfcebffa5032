/** Operators' names: in lines, in contacts' states, and behind !transfer. */
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const acme = world.tenant('acme');
const people = { tom: 'Tom', 'p.meier': 'Paula Meier', 'p.schmidt': 'Paula Schmidt' };
for (const [username, name] of Object.entries(people)) {
  await acme.register(username, { name, departments: [username === 'tom' ? 'sales' : 'support'] });
}
const [tom, meier, schmidt] = [
  await acme.connect('tom'),
  await acme.connect('p.meier'),
  await acme.connect('p.schmidt'),
];
for (const username of Object.keys(people)) await acme.operatorIs(username, 'available');
const jid = acme.visitorJid('1');

const hears = (operator: Operator, text: RegExp) =>
  operator.waitFor(
    () => operator.messages.find(({ from, body }) => from.startsWith(jid) && text.test(body)),
    `${text}; ${operator.messages.map(({ body }) => body).join(' | ')}`,
  );
const status = (operator: Operator, begins: string) =>
  operator.waitFor(
    () => operator.presences.get(jid)?.status.startsWith(begins),
    `the status ${begins}`,
  );

it('a chat goes to the operator who is named, and everybody reads names', async () => {
  const page = { page: 'https://shop.test/shoes', title: 'Blue shoes', nick: 'Ann' };
  await acme.view('1', page);
  const message = { id: 'm1', body: 'Hello?' };
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales', message });
  await hears(tom, /Hello\?/);
  await status(meier, 'Waiting · Blue shoes');
  tom.send(jid, 'One moment');
  await status(meier, 'In chat · Tom · Blue shoes');

  tom.send(jid, '!transfer Nobody');
  await hears(
    tom,
    /!transfer: there is no operator or department of that name; free now: Paula Meier \(!transfer p\.meier\), Paula Schmidt \(!transfer p\.schmidt\); departments: sales, support\./,
  );
  tom.send(jid, '!transfer paula');
  await hears(
    tom,
    /!transfer: several operators have this name: Paula Meier \(!transfer p\.meier\), Paula Schmidt \(!transfer p\.schmidt\)\./,
  );
  tom.send(jid, '!transfer MEIER');
  await hears(tom, /Chat #c1 goes to Paula Meier\./);
  await hears(meier, /Tom transferred/);
  schmidt.send(jid, 'Is that mine?');
  await hears(
    schmidt,
    /Not delivered: this chat is offered to Paula Meier; write !take to take it\./,
  );
  meier.send(jid, 'I am here now');
  await status(schmidt, 'In chat · Paula Meier · Blue shoes');
  meier.send(jid, '!history');
  await hears(meier, /Tom: One moment/);
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await hears(meier, /Visitor Ann closed chat #c1/);
});

it('a new name counts from then on', async () => {
  await acme.ask('PUT', '/operators/tom', { name: 'Thomas Kraus' });
  await acme.view('1', { page: 'https://shop.test/', nick: 'Ann' });
  await acme.ask('POST', '/visitors/1/chats', { chatId: 'c2', department: 'support' });
  const [first = meier] = await Promise.any([
    hears(meier, /chat #c2/).then(() => [meier]),
    hears(schmidt, /chat #c2/).then(() => [schmidt]),
  ]);
  first.send(jid, 'Hello');
  await acme.callback('chat.message', ({ chatId }) => chatId === 'c2');
  first.send(jid, '!transfer kraus');
  await hears(first, /Chat #c2 goes to Thomas Kraus\./);
  expect((await acme.ask('GET', '/visitors/1')).operator).toBe('tom');
});
