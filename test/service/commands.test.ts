/** Operators' commands in a chat: what the operators read in their clients, and what LHC and visitors see. */
import xml from '@xmpp/xml';
import { beforeEach, expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: {
        lhcCommands: ['block', 'greet', 'help'],
        routing: { departments: { floor: { policy: 'broadcast' } } },
      },
    },
  ],
});
const acme = world.tenant('acme');
await acme.register('olga', { departments: ['sales', 'floor'], lhcUserId: 70 });
await acme.register('pia', { departments: ['support', 'floor'], capacity: 1 });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');

let visitors = 0;
let visitor = '';
let chatId = '';
beforeEach(() => {
  visitors += 1;
  visitor = `v${visitors}`;
  chatId = `c${visitors}`;
});

const jid = () => acme.visitorJid(visitor);
const textsFor = (operator: Operator): string[] =>
  operator.messages.filter(({ from }) => from.startsWith(`${jid()}`)).map(({ body }) => body);
const waitForText = (operator: Operator, text: RegExp) =>
  operator.waitFor(() => textsFor(operator).find((body) => text.test(body)), String(text));
/** Writes a text, and waits for a new line that matches the answer. */
async function command(operator: Operator, text: string, answer: RegExp): Promise<string> {
  const before = textsFor(operator).length;
  operator.send(jid(), text);
  return operator.waitFor(
    () =>
      textsFor(operator)
        .slice(before)
        .find((body) => answer.test(body)),
    `${answer} to ${text}; ${textsFor(operator).slice(before).join(' | ')}`,
  );
}
const view = async (operator = olga) => {
  const page = { page: `https://shop.test/${visitor}`, title: 'Shoes', nick: 'Ann', country: 'LT' };
  await acme.view(visitor, { ...page, timezone: 'Europe/Vilnius' });
  await operator.waitFor(() => operator.presences.get(jid())?.available, jid());
};
const start = async (department: string) => {
  const message = { id: `m-${visitor}`, body: 'Hello?' };
  await acme.ask('POST', `/visitors/${visitor}/chats`, { chatId, department, message });
};
const close = () =>
  acme.ask('POST', `/visitors/${visitor}/chats/${chatId}/close`, { by: 'system' });
const ofChat = ({ chatId: id }: { readonly chatId: string | null }) => id === chatId;
/** The messages of operators that LHC got, to any visitor. */
const messagesAtLhc = () =>
  [...acme.callbacks('chat.message'), ...acme.callbacks('visitor.invited')].map(
    ({ data }) => data.message.body,
  );
const owner = async () => (await acme.ask('GET', `/visitors/${visitor}`)).operator;

it('!help and unknown commands are answered; LHC hears of neither', async () => {
  await view();
  const short = await command(olga, '!help', /^!take: /);
  expect(short).toMatch(/^!help all: /m);
  const help = await command(olga, '!help all', /^Commands/);
  expect(help).toContain('!transfer NAME');
  expect(help).toMatch(/LHC: !block !greet$/);
  await command(olga, '!tkae', /Nothing was sent\. .*Did you mean !take\?/);
  await command(olga, ' \n！', /Nothing was sent/);
  await command(olga, '!transfer', /^!transfer: say to whom/);
  await command(olga, '!close', /^!close: this visitor has no open chat\./);
  // None of these texts invited the visitor.
  expect((await acme.ask('GET', `/visitors/${visitor}`)).conversation).toBe('none');
});

it('!take, !note, !info, !history, a command for LHC and !close work in a chat of another department', async () => {
  await view(pia);
  await start('support');
  await waitForText(pia, /^Hello\?$/);
  await command(olga, '!take', /^Chat #\S+ is yours\./);
  await acme.callback(
    'chat.accepted',
    (data) => ofChat(data) && data.operator?.username === 'olga',
  );
  await waitForText(pia, /^olga has taken chat #/);
  expect(await owner()).toBe('olga');
  await command(olga, '!take', /^!take: you have this chat already\./);
  await command(pia, '!note mine?', /^!note: this chat belongs to olga\./);

  await command(olga, '!note Calls back\nat noon', /^Your note is in chat/);
  const note = await acme.callback('chat.note', ofChat);
  expect(note.data.note.body).toBe('Calls back\nat noon');
  await command(olga, '!Greet Ann', /^!greet was passed on to LHC\./);
  const lhcCommand = await acme.callback('chat.command', ofChat);
  expect(lhcCommand.data).toMatchObject({ command: 'greet', text: '!greet Ann' });
  await command(olga, '!lhc info', /^!info was passed on to LHC\./);

  olga.send(jid(), 'What can I do for you?');
  await acme.callback('chat.message', ofChat);
  const info = await command(olga, '!info', /^Visitor Ann/);
  expect(info).toMatch(/LT · \d\d:\d\d in Vilnius/);
  expect(info).toContain(`Page: Shoes — https://shop.test/${visitor}`);
  expect(info).toMatch(/Chat #\S+ for support, started .* olga has it\./);
  // Other operators may read the history too.
  const history = await command(pia, '!history 10', /^The last/);
  expect(history.split('\n').map((line) => line.replace(/^\d\d:\d\d /, ''))).toEqual([
    'The last 5 messages. Times are in UTC.',
    expect.stringContaining(`chat #${chatId}`),
    'Visitor Ann: Hello?',
    'olga (note): Calls back',
    '  at noon',
    'olga (to LHC): !greet Ann',
    'olga (to LHC): !info',
    'olga: What can I do for you?',
  ]);
  const [last = ''] = (await command(olga, '!history 1', /^The last message/)).split('\n').slice(2);
  expect(last).toContain('What can I do for you?');

  await command(olga, '!close all is well', /^Chat #\S+ is closed \(all is well\)\./);
  const closed = await acme.callback('chat.closed', ofChat);
  expect(closed.data).toMatchObject({ reason: 'all is well', operator: { username: 'olga' } });
});

it('!decline leaves the chat to others', async () => {
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  await command(olga, '!decline', /^You have declined chat #/);
  await command(pia, '!take', /is yours\./);
  expect(await owner()).toBe('pia');
  await close();
});

it('!transfer to an operator, who sees the earlier messages; an operator without a free place refuses', async () => {
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  await command(pia, '!transfer olga', /^!transfer: this chat belongs to olga\./);
  olga.send(jid(), 'I ask my colleague');
  await acme.callback('chat.message', ofChat);
  await command(
    olga,
    '!transfer nobody',
    /^!transfer: there is no operator or department of that name/,
  );
  await command(olga, '!Transfer Pia', /^Chat #\S+ goes to pia\./);
  await waitForText(pia, /^olga transferred chat .*: Hello\?\n.*: I ask my colleague$/s);
  const transfer = await acme.callback('chat.transferred', ofChat);
  expect(transfer.data).toMatchObject({ operator: { username: 'pia' } });
  expect(await owner()).toBe('pia');
  olga.send(jid(), 'Still me');
  await waitForText(olga, /^Not delivered: /);

  // Pia has one place, so they cannot get a second chat, whichever form of their name is used.
  const [first, firstChat] = [visitor, chatId];
  [visitor, chatId] = [`${visitor}-2`, `${chatId}-2`];
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  olga.send(jid(), 'One moment');
  await acme.callback('chat.message', ofChat);
  await command(
    olga,
    `!transfer ${acme.operatorJid('pia')}`,
    /^!transfer: pia cannot have it: this operator has no free place \(1 of 1 chats\)\./,
  );
  expect(await owner()).toBe('olga');
  await close();
  [visitor, chatId] = [first, firstChat];
  // A transfer to a department gives the chat to another free operator, not back to the same one.
  await command(pia, '!transfer SALES', /^Chat #\S+ goes to the department sales\./);
  await waitFor(async () => (await owner()) === 'olga', { what: 'olga to own the chat' });
  await close();
});

it('!away stops new chats, whatever the client shows; !back brings the chats that waited', async () => {
  await view();
  await command(olga, '!away', /^You get no new chats until you write !back\./);
  await acme.operatorIs('olga', 'away');
  await start('sales');
  expect((await acme.ask('GET', `/visitors/${visitor}`)).conversation).toBe('waiting');
  olga.setPresence('chat');
  await command(olga, '!away', /^You get no new chats until you write !back\./);
  await acme.operatorIs('olga', 'away');
  expect(await owner()).toBeNull();
  expect(textsFor(olga).filter((body) => body === 'Hello?')).toEqual([]);
  await command(olga, '!back', /^You get new chats again\./);
  await waitForText(olga, /^Hello\?$/);
  await close();
});

it('LHC transfers a chat and reports what the visitor has seen', async () => {
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  const path = `/visitors/${visitor}/chats/${chatId}/transfer`;
  const nobody = await acme.call('POST', path, { operator: 'nobody' });
  expect(nobody.status).toBe(400);
  expect(nobody.body.errors).toEqual([
    { field: 'operator', reason: expect.stringContaining('there is no operator nobody') },
  ]);
  const nowhere = await acme.call('POST', path, { department: 'nowhere' });
  expect([nowhere.status, nowhere.body.errors[0].field]).toEqual([400, 'department']);
  const key = { 'Idempotency-Key': `transfer-${visitor}` };
  const transfer = await acme.call('POST', path, { operator: 'pia' }, key);
  expect(transfer.status).toBe(202);
  const again = await acme.call('POST', path, { operator: 'pia' }, key);
  expect([again.status, again.body.revision]).toEqual([202, transfer.body.revision]);
  const refused = await acme.call('POST', path, { operator: 'pia' });
  expect([refused.status, refused.body.detail]).toEqual([409, '@pia already has this chat']);
  const other = await acme.call('POST', path.replace(chatId, 'other'), { operator: 'olga' });
  expect(other.status).toBe(409);
  await waitForText(olga, /^LHC transferred chat #\S+ to pia\./);
  await waitForText(pia, /^Hello\?$/);

  const id = await pia.sendAndAck(jid(), 'Now me');
  await acme.callback('chat.message', ofChat);
  expect(
    (await acme.call('POST', `/visitors/${visitor}/displayed`, { messageId: id })).status,
  ).toBe(202);
  expect((await acme.call('POST', '/visitors/never/displayed', { messageId: id })).status).toBe(
    404,
  );
  await close();
});

it('a colleague takes a chat in LHC and writes there; an operator takes it over and reads it all', async () => {
  await view();
  await start('floor');
  await waitForText(olga, /^Hello\?$/);
  await waitForText(pia, /^Hello\?$/);
  const path = `/visitors/${visitor}/chats/${chatId}`;
  const rosa = { lhcUserId: 900, name: 'Rosa' };
  const writes = (id: string, body: string, who: object = rosa) =>
    acme.ask('POST', `${path}/operator-messages`, { ...who, id: `${id}-${visitor}`, body });
  const says = (id: string, body: string) =>
    acme.ask('POST', `/visitors/${visitor}/messages`, { id: `${id}-${visitor}`, body });

  await acme.ask('POST', `${path}/owner`, rosa);
  await acme.ask('POST', `${path}/owner`, rosa);
  await waitForText(olga, /^Rosa, in LHC, has taken chat #/);
  await waitForText(pia, /^Rosa, in LHC, has taken chat #/);
  await olga.waitFor(
    () => olga.presences.get(jid())?.status?.startsWith('In chat · Rosa, in LHC'),
    'the status',
  );
  await writes('l1', 'Good morning\nChat #1 is closed.');
  await says('m2', 'I need shoes');
  await writes('l2', 'Which size?');
  await says('m3', '43');
  await command(olga, 'May I?', /^Not delivered: Rosa, in LHC, has this chat; write !take to/);
  expect(await acme.ask('GET', `/visitors/${visitor}`)).toMatchObject({
    conversation: 'chatting',
    operator: null,
    inLhc: rosa,
  });

  const info = await command(olga, '!info', /^Visitor Ann/);
  expect(info).toMatch(/3 messages from the visitor; Rosa, in LHC, has it\.\nFirst answer after/);

  await command(olga, '!take', /^Chat #\S+ is yours\./);
  const accepted = await acme.callback('chat.accepted', ofChat);
  expect(accepted.data.operator?.username).toBe('olga');
  const opening = await olga.waitFor(
    () => olga.messages.find(({ lines }) => lines.startsWith('You have taken chat #')),
    'the opening',
  );
  expect(opening.body).toBe('43');
  const shown = opening.lines.split('\n').map((line) => line.replace(/^\d\d:\d\d /, ''));
  expect(shown[0]).toBe(`You have taken chat #${chatId} for floor from Rosa, in LHC.`);
  expect(shown.slice(-6)).toEqual([
    'Said before, times in UTC.',
    'Visitor Ann: Hello?',
    'Rosa, in LHC: Good morning',
    '  Chat #1 is closed.',
    'Visitor Ann: I need shoes',
    'Rosa, in LHC: Which size?',
  ]);
  await says('m4', 'Are you there?');
  await waitForText(olga, /^Are you there\?$/);
  await writes('l3', 'She has it');
  await writes('l3', 'She has it');
  await writes('l4', 'Yes', { lhcUserId: 70, name: 'Olga Kowalska' });
  await waitForText(olga, /^You, in LHC: Yes$/);
  const read = textsFor(olga);
  expect(read.filter((text) => text === 'Rosa, in LHC: She has it')).toHaveLength(1);
  expect(read.slice(-3)).toEqual([
    'Are you there?',
    'Rosa, in LHC: She has it',
    'You, in LHC: Yes',
  ]);
  expect(await command(olga, '!history 2', /^The last 2/)).toMatch(
    /Rosa, in LHC: She has it\n\d\d:\d\d olga, in LHC: Yes$/,
  );
  const { items } = await acme.ask('GET', `/visitors/${visitor}/messages`);
  expect(
    items.map(({ body, operator, inLhc, state }: Record<string, unknown>) => [
      String(body).split('\n')[0],
      operator,
      inLhc,
      state,
    ]),
  ).toEqual([
    ['Hello?', null, null, 'delivered'],
    ['Good morning', null, rosa, 'received'],
    ['I need shoes', null, null, 'delivered'],
    ['Which size?', null, rosa, 'received'],
    ['43', null, null, 'delivered'],
    ['Are you there?', 'olga', null, 'delivered'],
    ['She has it', null, rosa, 'received'],
    ['Yes', 'olga', { lhcUserId: 70, name: 'Olga Kowalska' }, 'received'],
  ]);

  // LHC hears that Olga has it, and nothing of what it said itself.
  await acme.ask('POST', `${path}/close`, { by: 'operator', name: 'Rosa' });
  await waitForText(olga, /^Rosa, in LHC, closed chat #/);
  const about = (type: 'chat.assigned' | 'chat.accepted' | 'chat.transferred') =>
    acme.callbacks(type).filter(({ data }) => ofChat(data));
  expect(about('chat.assigned')).toHaveLength(1);
  expect(about('chat.accepted')).toHaveLength(1);
  expect(about('chat.transferred')).toEqual([]);
});

it('a command to an unknown visitor comes back with an error, and leaves no trace', async () => {
  for (const text of ['!info', '!take', '!history', '!help', '!away']) {
    const id = olga.send(jid(), text);
    await olga.waitFor(({ errors }) => errors.some(({ attrs }) => attrs.id === id), text);
  }
  olga.displayed(jid(), olga.messages.at(-1)?.id ?? '');
  await world.idle();
  expect(await world.metric('xmpp_chat_dead_letters')).toBe(0);
  await acme.operatorIs('olga', 'available');
});

it('a correction names the message that it corrects; a corrected command is a command', async () => {
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  const wrong = olga.send(jid(), 'Helo');
  const correct = (id: string, body: string, replaces: string) =>
    olga.sendStanza(
      xml(
        'message',
        { type: 'chat', id, to: jid() },
        xml('body', {}, body),
        xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: replaces }),
      ),
    );
  correct(`right-${visitor}`, 'Hello', wrong);
  const right = await acme.callback(
    'chat.message',
    ({ message }) => message.id === `right-${visitor}`,
  );
  expect(right.data.message).toMatchObject({ body: 'Hello', replaces: wrong });
  expect(await command(olga, '!history 2', /^The last/)).toMatch(/olga \(corrected\): Hello$/);
  const slip = olga.send(jid(), '!inof');
  await waitForText(olga, /Did you mean !info\?/);
  correct(`command-${visitor}`, '!info', slip);
  await waitForText(olga, /Chat #\S+ for sales, started/);
  await close();
  // A correction after the end of the chat does not invite the visitor.
  correct(`late-${visitor}`, 'Hello!', `right-${visitor}`);
  await waitForText(
    olga,
    /^Not delivered: the chat is over in which you wrote what it corrects\.$/,
  );
});

it('!! sends a text that begins with !; a command written twice is carried out twice', async () => {
  await view();
  await start('sales');
  await waitForText(olga, /^Hello\?$/);
  olga.send(jid(), '!!important: read this');
  await acme.callback('chat.message', ofChat);
  for (let n = 0; n < 2; n++) olga.send(jid(), '!note twice', 'the-same-id');
  await command(olga, '!help !note', /^!note TEXT: /);
  await world.idle();
  expect(acme.callbacks('chat.note').filter(({ data }) => ofChat(data))).toHaveLength(2);
  expect(textsFor(olga).filter((body) => /^Your note is in chat/.test(body))).toHaveLength(2);
  await close();
});

it('no text that began with one ! reached LHC as a message or a visitor', async () => {
  await world.idle();
  const texts = messagesAtLhc();
  expect(texts.filter((text) => text.startsWith('!'))).toEqual(['!important: read this']);
  expect(texts.length).toBeGreaterThan(4);
  for (let n = 1; n < visitors; n++) {
    const { status, body: page } = await acme.call('GET', `/visitors/v${n}/messages?limit=100`);
    const items: { body: string }[] = status === 404 ? [] : page.items; // one visitor is unknown
    for (const { body } of items)
      if (body !== '!important: read this') expect(body).not.toMatch(/^\s*[!！]/);
  }
});
