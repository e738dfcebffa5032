/** The front desk: a contact of each tenant with commands, as messages and as forms (XEP-0050). */
import xml, { type Element } from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const COMMANDS = 'http://jabber.org/protocol/commands';
const FORM = 'jabber:x:data';

const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test' },
    { id: 'one', host: 'hosting.test', instance: 'one' },
    { id: 'two', host: 'hosting.test', instance: 'two' },
    { id: 'many', host: 'many.test', settings: { transport: 'component' } },
  ],
});
const acme = world.tenant('acme');
const one = world.tenant('one');
const two = world.tenant('two');
await acme.register('olga', { name: 'Olga', departments: ['sales'] });
await acme.register('pia', { name: 'Pia', departments: ['support'] });
await one.register('oscar', { name: 'Oscar' });
const many = world.tenant('many');
await many.register('mia', { name: 'Mia' });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
const oscar = await one.connect('oscar');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');
await one.operatorIs('oscar', 'available');

/** Visitors and desks are at the host, or at the host's component. */
const domainOf = (tenant: typeof acme) => tenant.visitorJid('1').split('@')[1] ?? '';
const DESK = `visitors@${domainOf(acme)}`;
const byAccounts = domainOf(acme) === 'xmpp.test';
const bare = (jid: string) => jid.split('/', 1)[0];
const textsFrom = (operator: Operator, jid: string): string[] =>
  operator.messages.filter(({ from }) => bare(from) === jid).map(({ body }) => body);

/** Writes a text, and waits for a new line that matches. */
async function ask(operator: Operator, text: string, answer: RegExp, to = DESK): Promise<string> {
  const before = textsFrom(operator, to).length;
  operator.send(to, text);
  return operator.waitFor(
    () =>
      textsFrom(operator, to)
        .slice(before)
        .find((body) => answer.test(body)),
    `${answer} to ${text}; ${textsFrom(operator, to).slice(before).join(' | ')}`,
  );
}

const status = (operator: Operator, jid = DESK) => operator.presences.get(jid)?.status ?? '';
const deskOf = (operator: Operator, jid = DESK): Promise<string> =>
  operator.waitFor(
    () =>
      operator.presenceStanzas.findLast(
        ({ attrs }) => bare(attrs.from ?? '') === jid && attrs.type === undefined,
      )?.attrs.from,
    `a session of ${jid}`,
  );

it('is a contact with a name, a picture and the state of the queue', async () => {
  await olga.waitFor(() => olga.presences.get(DESK)?.available, 'the desk');
  const items = await olga.roster();
  expect(items.find(({ jid }) => jid === DESK)).toMatchObject({
    name: 'Front desk',
    subscription: 'both',
  });
  expect((await olga.vcard(DESK)).photo).toBeTruthy();
  await acme.view('7', { page: 'https://shop.test/', title: 'Shoes', nick: 'Anna' });
  await olga.waitFor(() => status(olga) === '1 on the site', 'one visitor');
  await acme.view('8', { page: 'https://shop.test/', title: 'Hats', nick: 'Annette' });
  await acme.ask('POST', '/visitors/8/chats', {
    chatId: 'c8',
    department: 'none',
    message: { id: 'm8', body: 'Anybody?' },
  });
  await olga.waitFor(() => status(olga) === '1 waiting, 2 on the site', 'one who waits');
});

it('answers who, queue and stats, there and in a conversation', async () => {
  const who = await ask(olga, '!who', /available/);
  expect(who).toMatch(/^2 operators are available, with 10 free places\./);
  expect(who).toContain('Olga (you): available, 0 of 5 chats · sales');
  expect(who).toContain('Pia: available, 0 of 5 chats · support');
  const queue = await ask(olga, '!Queue.', /waits/);
  expect(queue).toMatch(/^1 visitor waits:\n#c8 Visitor Annette · none · \d+ s · Page: Hats$/);
  expect(await ask(olga, '!stats', /^Today/)).toMatch(/1 chat, 0 answered, 0 missed, 1 open\./);
  await olga.waitFor(() => olga.presences.get(acme.visitorJid('7'))?.available, 'Anna');
  await ask(olga, '!queue', /^1 visitor waits/, acme.visitorJid('7'));
  // Nobody was invited by that.
  expect((await acme.ask('GET', '/visitors/7')).conversation).toBe('none');
});

it('explains itself, and knows no commands of conversations', async () => {
  await ask(olga, 'Hello?', /^This is the front desk/);
  expect(await ask(olga, '!help', /^Commands of the front desk/)).toContain('!invite VISITOR TEXT');
  await ask(olga, '!take', /^!take: it is about one visitor/);
  await ask(olga, '!wo', /^This command is unknown\. Did you mean !who\?/);
  await ask(olga, '!invite x y', /^!invite: write it to the front desk/, acme.visitorJid('7'));
});

it('!away and !back count, and are answered where they were written', async () => {
  await ask(olga, '!away', /^You get no new chats until you write !back/);
  await acme.operatorIs('olga', 'away');
  expect(await ask(pia, '!who', /Olga/)).toContain('Olga: away (!away), 0 of 5 chats');
  await ask(olga, '!back', /^You get new chats again/);
  await acme.operatorIs('olga', 'available');
});

it('keeps canned texts for the team, and sends one to a visitor', async () => {
  const words = 'Hello {visitor}, this is {operator}.';
  await ask(olga, `!canned add greeting ${words}`, /greeting is saved/);
  expect(await acme.ask('GET', '/canned-texts')).toEqual({
    items: [{ name: 'greeting', text: words }],
  });
  await acme.ask('PUT', '/canned-texts/prices', { text: 'From 5 EUR' });
  expect(await ask(pia, '!canned', /greeting/)).toContain('prices: From 5 EUR');
  await ask(pia, '!canned nothing', /^!canned: write it in the conversation/);
  await ask(pia, '!canned nothing', /^!canned: there is no canned text/, acme.visitorJid('7'));
  await ask(pia, '!canned greeting', /greeting was sent/, acme.visitorJid('7'));
  const invited = await acme.callback('visitor.invited');
  expect(invited.data.message.body).toBe('Hello Anna, this is Pia.');
  await ask(olga, '!canned remove prices', /prices is removed/);
  expect((await acme.call('GET', '/canned-texts/prices')).status).toBe(404);
  // The other tenant has none of them.
  expect(await one.ask('GET', '/canned-texts')).toEqual({ items: [] });
});

it('!invite asks who is meant, and invites one visitor', async () => {
  await acme.view('9', { page: 'https://shop.test/', title: 'Shoes', nick: 'Ann Smith' });
  await olga.waitFor(() => olga.presences.get(acme.visitorJid('9'))?.available, 'Ann');
  const choices = await ask(olga, '!invite ann Can I help?', /^Several visitors fit/);
  expect(choices).toContain('!invite 9 TEXT: Visitor Ann Smith');
  await ask(olga, '!invite nobody Can I help?', /^!invite: nobody on the site/);
  await ask(olga, '!invite 8 Can I help?', /^!invite: this visitor has a chat already/);
  await ask(olga, '!invite “Ann Smith” Can I help?', /^Visitor Ann Smith has your invitation/);
  const invited = await acme.callback('visitor.invited', ({ visitor }) => visitor === '9');
  expect(invited.data.message.body).toBe('Can I help?');
  expect(invited.data.operator?.username).toBe('olga');
  await olga.waitFor(
    () => textsFrom(olga, acme.visitorJid('9')).some((body) => /^You have invited/.test(body)),
    'the line in the conversation',
  );
});

const command = (node: string, more: object = {}, ...children: (Element | undefined)[]): Element =>
  xml('command', { xmlns: COMMANDS, node, action: 'execute', ...more }, ...children);
const submit = (values: Readonly<Record<string, string>>): Element =>
  xml(
    'x',
    { xmlns: FORM, type: 'submit' },
    ...Object.entries(values).map(([name, value]) =>
      xml('field', { var: name }, ...value.split('\n').map((line) => xml('value', {}, line))),
    ),
  );
const run = (operator: Operator, to: string, content: Element): Promise<Element> =>
  operator.request(xml('iq', { type: 'set', to }, content));
const items = (operator: Operator, to: string): Promise<Element> =>
  operator.request(
    xml(
      'iq',
      { type: 'get', to },
      xml('query', { xmlns: 'http://jabber.org/protocol/disco#items', node: COMMANDS }),
    ),
  );
const nodesIn = (answer: Element): (string | undefined)[] =>
  answer
    .getChild('query')
    ?.getChildren('item')
    .map(({ attrs }) => attrs.node) ?? [];
const noteIn = (answer: Element): string =>
  answer.getChild('command')?.getChild('note')?.text() ?? answer.toString();
const conditionIn = (answer: Element): string | undefined =>
  answer.getChild('error')?.getChildElements()[0]?.name;

it('offers the same commands by menus and forms', async () => {
  const desk = await deskOf(olga);
  expect(nodesIn(await items(olga, desk))).toEqual([
    'who',
    'queue',
    'stats',
    'invite',
    'canned',
    'away',
    'back',
  ]);
  const who = await run(olga, desk, command('who'));
  expect(noteIn(who)).toContain('Olga (you): available');
  expect(noteIn(who)).toContain('Pia');
  expect(who.getChild('command')?.getChild('x', FORM)).toBeUndefined();
  const form = (await run(olga, desk, command('canned'))).getChild('command');
  expect(form?.attrs.status).toBe('executing');
  const { sessionid } = form?.attrs ?? {};
  const faulty = await run(
    olga,
    desk,
    command('canned', { sessionid, action: 'complete' }, submit({ do: 'add', name: 'Ä' })),
  );
  expect(faulty.getChild('command')?.attrs.status).toBe('executing');
  expect(noteIn(faulty)).toMatch(/^name: the name of a canned/);
  const added = await run(
    olga,
    desk,
    command('canned', { sessionid }, submit({ do: 'add', name: 'bye', text: 'Bye\n{visitor}' })),
  );
  expect(noteIn(added)).toBe('The canned text bye is saved.');
  expect((await acme.ask('GET', '/canned-texts/bye')).text).toBe('Bye\n{visitor}');
  await acme.view('10', { page: 'https://shop.test/', title: 'Socks', nick: 'Zoe' });
  await olga.waitFor(() => olga.presences.get(acme.visitorJid('10'))?.available, 'Zoe');
  const choices = (await run(olga, desk, command('invite'))).toString();
  expect(choices).toContain('Zoe · Socks');
  expect(choices).not.toContain('Annette'); // she has a chat
  const invited = await run(
    olga,
    desk,
    command('invite', {}, submit({ visitor: '10', text: 'May I help?' })),
  );
  expect(noteIn(invited)).toBe('The visitor has your invitation.');
  await acme.callback('visitor.invited', ({ visitor }) => visitor === '10');
});

it('offers the commands of a conversation at the visitor', async () => {
  const visitor = await deskOf(pia, acme.visitorJid('8'));
  expect(nodesIn(await items(pia, visitor))).toEqual([
    'take',
    'decline',
    'transfer',
    'close',
    'info',
    'history',
    'note',
    'canned',
    'room',
    'room-close',
    'whisper',
  ]);
  expect(noteIn(await run(pia, visitor, command('take')))).toBe('The chat is yours.');
  await acme.callback('chat.accepted', ({ chatId }) => chatId === 'c8');
  expect(noteIn(await run(pia, visitor, command('info')))).toContain('Visitor Annette');
  expect(noteIn(await run(pia, visitor, command('history')))).toContain('Anybody?');
  expect((await run(pia, visitor, command('transfer'))).toString()).toContain('Olga');
  const moved = await run(pia, visitor, command('transfer', {}, submit({ to: 'olga' })));
  expect(noteIn(moved)).toBe('The chat is transferred.');
  await waitFor(async () => (await acme.ask('GET', '/visitors/8')).operator === 'olga', {
    what: 'the chat to be Olga’s',
  });
  const refused = await run(pia, visitor, command('note', {}, submit({ note: 'mine' })));
  expect(noteIn(refused)).toMatch(/^this chat is offered to Olga/);
  const canceled = await run(pia, visitor, command('close', { action: 'cancel' }));
  expect(canceled.getChild('command')?.attrs.status).toBe('canceled');
  expect((await acme.ask('GET', '/visitors/8')).chatId).toBe('c8');
});

it("shows nobody another tenant's desk or commands", async () => {
  const own = `visitors.one@${domainOf(one)}`;
  const others = `visitors.two@${domainOf(two)}`;
  const desk = await deskOf(oscar, own);
  expect(await ask(oscar, '!who', /Oscar/, own)).not.toContain('Olga');
  const contacts = (await oscar.roster()).map(({ jid }) => jid);
  expect(contacts).toContain(own);
  expect(contacts).not.toContain(others);
  const foreign = desk.replace('visitors.one', 'visitors.two');
  for (const answer of [await items(oscar, foreign), await run(oscar, foreign, command('who'))]) {
    expect(conditionIn(answer)).toMatch(/item-not-found|service-unavailable/);
  }
  oscar.send(others, '!who');
  await oscar.waitFor(
    () => oscar.errors.some(({ attrs }) => bare(attrs.from ?? '') === others),
    'the message to come back',
  );
  expect((await two.ask('GET', '/operators')).items).toEqual([]);
});

it('by the component is a contact without an account, with the same commands', async () => {
  const mia = await many.connect('mia');
  await many.operatorIs('mia', 'available');
  const desk = 'visitors@visitors.many.test';
  await mia.waitFor(() => mia.presences.get(desk)?.available, 'the desk');
  expect((await mia.roster()).find(({ jid }) => jid === desk)?.name).toBe('Front desk');
  expect(await world.accounts('many.test')).not.toContain('visitors');
  expect(await ask(mia, '!who', /available/, desk)).toContain('Mia (you): available');
  // Both addresses answer.
  for (const to of [desk, await deskOf(mia, desk)]) {
    expect(nodesIn(await items(mia, to))).toContain('who');
    expect(noteIn(await run(mia, to, command('who')))).toContain('Mia (you)');
  }
  await many.view('1', { page: 'https://shop.test/', title: 'Shoes', nick: 'Anna' });
  await mia.waitFor(() => mia.presences.get(many.visitorJid('1'))?.available, 'Anna');
  await mia.waitFor(() => status(mia, desk) === '1 on the site', 'the status');
  await ask(mia, '!invite Anna Hello', /^Visitor Anna has your invitation/, desk);
  await many.callback('visitor.invited');
  expect(conditionIn(await items(olga, desk))).toMatch(
    /item-not-found|forbidden|not-allowed|service-/,
  );
});

it('answers after a restart what was asked before it, once', async () => {
  const before = textsFrom(olga, DESK).length;
  await world.service.kill();
  await olga.sendAndAck(DESK, '!stats');
  await world.service.start();
  const answers = () => textsFrom(olga, DESK).slice(before);
  await olga.waitFor(() => answers().some((body) => /^Today/.test(body)), 'the answer');
  await world.idle();
  await ask(olga, '!who', /available/);
  expect(answers().filter((body) => /^Today/.test(body))).toHaveLength(1);
});

it.runIf(byAccounts)('is made with its tenant, and is gone with it', async () => {
  const made = await world.service.call('PUT', '/v1/tenants/shop', {
    host: 'hosting.test',
    instance: 'shop',
  });
  expect(made.status).toBe(202);
  const has = async () => (await world.accounts('hosting.test')).includes('visitors.shop');
  await waitFor(has, { what: 'the desk of the new tenant' });
  await world.service.call('DELETE', '/v1/tenants/shop');
  await waitFor(async () => !(await has()), { what: 'its end' });
  expect(await world.accounts('hosting.test')).toContain('visitors.two');
});

it.runIf(byAccounts)('is there again after a crash of ejabberd', async () => {
  // As after a crash that has lost the last writes.
  await world.admin('unregister', { user: 'visitors.one', host: 'hosting.test' });
  await world.admin('srg_user_del', {
    user: 'visitors.one',
    host: 'hosting.test',
    group: 'visitors.one',
    grouphost: 'hosting.test',
  });
  await waitFor(async () => (await world.accounts('hosting.test')).includes('visitors.one'), {
    what: 'the account to be made again',
  });
  await oscar.waitFor(
    () => oscar.presences.get('visitors.one@hosting.test')?.available,
    'the desk to be back',
  );
});
