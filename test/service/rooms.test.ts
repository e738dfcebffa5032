/** Several operators in one chat: a room, whispers and a takeover, by both transports, with clients in the room. */
import { randomUUID } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';
import { describe, expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test', settings: { transport: 'accounts' } },
    { id: 'many', host: 'many.test', instance: 'shop', settings: { transport: 'component' } },
  ],
});

const MUC = 'http://jabber.org/protocol/muc';
const bare = (jid = '') => jid.split('/', 1)[0];
const nickIn = (jid = '') => jid.slice(jid.indexOf('/') + 1);
/** It stands in whispers, and nowhere else. */
const SECRET = 'secret of the house';

describe.each([
  ['accounts', 'acme', 'visitor.7@conference.xmpp.test'],
  ['component', 'many', 'visitor.7.shop@conference.many.test'],
])('by %s', (_transport, id, room) => {
  const tenant = world.tenant(id);
  const visitor = tenant.visitorJid('7');
  const clients = new Map<string, Operator>();
  const client = (name: string): Operator =>
    clients.get(name) ?? expect.unreachable(`${name} is not there`);

  /** Bodies of this type from this address, each with the nick in a room. */
  const texts = (operator: Operator, type: string, from: string): string[] =>
    operator.stanzas.flatMap((stanza: Element) => {
      const body = stanza.name === 'message' ? stanza.getChildText('body') : null;
      if (body == null || stanza.attrs.type !== type || bare(stanza.attrs.from) !== from) return [];
      return from === room ? `${nickIn(stanza.attrs.from)}: ${body}` : body;
    });
  const inRoom = (name: string) => texts(client(name), 'groupchat', room);
  const privately = (name: string) => texts(client(name), 'chat', visitor);
  /** Waits for a text that matches, and comes once. */
  async function reads(list: () => string[], text: string | RegExp): Promise<void> {
    const matching = () =>
      list().filter((each) => (typeof text === 'string' ? each === text : text.test(each)));
    await waitFor(() => matching().length > 0, {
      what: () => `${text} among ${JSON.stringify(list())}`,
    });
    expect(matching()).toHaveLength(1);
  }
  const say = (messageId: string, body: string) =>
    tenant.ask('POST', '/visitors/7/messages', { id: messageId, body });
  const write = (name: string, body: string, more: readonly Element[] = []): string => {
    const messageId = randomUUID();
    const content = [xml('body', {}, body), ...more];
    client(name).sendStanza(
      xml('message', { type: 'groupchat', id: messageId, to: room }, ...content),
    );
    return messageId;
  };
  async function enter(name: string, nick: string): Promise<void> {
    const operator = client(name);
    operator.sendStanza(xml('presence', { to: `${room}/${nick}` }, xml('x', MUC)));
    await operator.waitFor(
      ({ stanzas }) =>
        stanzas.some(
          (each) =>
            each.name === 'presence' &&
            each.attrs.from === `${room}/${nick}` &&
            each
              .getChild('x', `${MUC}#user`)
              ?.getChildren('status')
              .some(({ attrs }) => attrs.code === '110'),
        ),
      `${nick} in the room`,
    );
  }
  const invited = (name: string) =>
    client(name).waitFor(
      ({ stanzas }) =>
        stanzas.some((each) => each.getChild('x', 'jabber:x:conference')?.attrs.jid === room),
      'an invitation',
    );
  const owner = async () => (await tenant.ask('GET', '/visitors/7')).operator;

  it('!room asks in whoever has the chat, and colleagues, and shows them what was said', async () => {
    for (const [name, full] of [
      ['olga', 'Olga'],
      ['sam', 'Sam'],
      ['tom', 'Tom Jones'],
    ] as const) {
      await tenant.register(name, {
        name: full,
        departments: [name === 'olga' ? 'sales' : 'other'],
      });
      clients.set(name, await tenant.connect(name));
      await tenant.operatorIs(name, 'available');
    }
    await tenant.view('7', { page: 'https://shop.test/', title: 'Shoes', nick: 'Anna' });
    await tenant.ask('POST', '/visitors/7/chats', {
      chatId: 'c7',
      department: 'sales',
      message: { id: 'm1', body: 'Do you have these?' },
    });
    await reads(() => privately('olga'), /^Do you have these\?/);
    client('olga').send(visitor, 'Which size?');
    await tenant.callback('chat.message', ({ message }) => message.body === 'Which size?');
    client('sam').send(visitor, '!room Jones');
    for (const name of ['olga', 'sam', 'tom']) await invited(name);
    const link = `xmpp:${room}?join`;
    await reads(
      () => privately('sam'),
      `:: The room of chat #c7, for you, Olga and Tom Jones: ${link}`,
    );
    await reads(() => privately('olga'), `:: Sam asks you into the room of chat #c7: ${link}`);
    await enter('olga', 'Olga');
    await enter('sam', 'Sam');
    for (const name of ['olga', 'sam']) {
      await reads(
        () => inRoom(name),
        /^Visitor Anna: :: The room of chat #c7 with Visitor Anna\. Olga has/,
      );
      await reads(() => inRoom(name), /Visitor Anna: Do you have these\?\n.* Olga: Which size\?$/);
    }
  });

  it('the visitor is read once: there, or in the private window', async () => {
    await say('m2', 'Size 40');
    for (const name of ['olga', 'sam']) await reads(() => inRoom(name), 'Visitor Anna: Size 40');
    await tenant.callback('message.delivered', ({ messageId }) => messageId === 'm2');
    client('olga').send(visitor, 'We have them');
    await reads(() => inRoom('sam'), 'Visitor Anna: :: Olga: We have them');
    await world.idle();
    expect(privately('olga').filter((body) => body.includes('Size 40'))).toEqual([]);
  });

  it('whoever writes there writes to the visitor, and the chat stays where it is', async () => {
    const said = write('sam', 'In balck, too');
    const first = await tenant.callback('chat.message', ({ message }) => message.id === said);
    expect(first.data).toMatchObject({ operator: { username: 'sam' }, chatId: 'c7' });
    expect(await owner()).toBe('olga');
    await reads(() => inRoom('olga'), 'Sam: In balck, too');
    const corrected = write('sam', 'In black, too', [
      xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: said }),
    ]);
    const second = await tenant.callback('chat.message', ({ message }) => message.id === corrected);
    expect(second.data.message).toMatchObject({ body: 'In black, too', replaces: said });
    // The list of messages has one, with the new text.
    const { items } = await tenant.ask('GET', '/visitors/7/messages');
    const black = items.filter(({ body }: { body: string }) => /black|balck/.test(body));
    expect(black).toMatchObject([{ id: said, body: 'In black, too', operator: 'sam' }]);
    // Olga has a client in the room, so no line stands in her conversation.
    await world.idle();
    expect(privately('olga').filter((body) => /in the room: In/.test(body))).toEqual([]);
  });

  it('a whisper is read by colleagues, and reaches neither LHC nor the visitor', async () => {
    client('sam').sendStanza(
      xml(
        'message',
        { type: 'chat', id: randomUUID(), to: `${room}/Olga` },
        xml('body', {}, SECRET),
      ),
    );
    await reads(() => texts(client('olga'), 'chat', room), `Sam: ${SECRET}`);
    write('sam', `!whisper ${SECRET} 2`);
    await reads(() => inRoom('olga'), `Sam: !whisper ${SECRET} 2`);
    // Tom is not in the room.
    client('tom').send(visitor, `!whisper ${SECRET} 3`);
    await reads(() => inRoom('sam'), `Visitor Anna: :: Tom Jones whispers: ${SECRET} 3`);
    await reads(
      () => privately('tom'),
      ':: Your whisper is in the room and with Olga. The visitor does not see it.',
    );
    // One to the visitor's own name comes back.
    const refused = randomUUID();
    client('sam').sendStanza(
      xml(
        'message',
        { type: 'chat', id: refused, to: `${room}/Visitor Anna` },
        xml('body', {}, SECRET),
      ),
    );
    await client('sam').waitFor(
      ({ errors }) => errors.some(({ attrs }) => attrs.id === refused),
      'the whisper to come back',
    );
    write('sam', `wisper ${SECRET}`);
    await reads(() => privately('sam'), /^:: Not delivered: it may be a misspelt whisper\./);
    const whispered = write('sam', `!whisper ${SECRET} 4`);
    write('sam', `${SECRET} 5`, [
      xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id: whispered }),
    ]);
    await reads(() => privately('sam'), /^:: Not delivered: what you have corrected was a whisper/);
    client('tom').send(visitor, '!history 5');
    await reads(() => privately('tom'), new RegExp(`Sam \\(whisper\\): ${SECRET} 4`));
    expect(privately('olga').join()).not.toContain(SECRET);
  });

  it('commands there are answered in the private window; !take takes the chat over', async () => {
    write('sam', '!info');
    await reads(() => privately('sam'), /^:: Visitor Anna/);
    client('sam').send(visitor, '!take');
    await reads(() => privately('sam'), ':: !take: this chat belongs to Olga.');
    write('sam', '!take');
    await tenant.callback('chat.accepted', ({ operator }) => operator?.username === 'sam');
    await reads(() => inRoom('olga'), 'Visitor Anna: :: Sam has the chat now.');
    await reads(() => privately('olga'), ':: Sam has taken chat #c7.');
    expect(await owner()).toBe('sam');
    // The place of who had it is free again.
    const load = async (name: string) =>
      (await tenant.ask('GET', `/operators/${name}`)).chats.length;
    await waitFor(async () => (await load('olga')) === 0 && (await load('sam')) === 1, {
      what: 'the chat to be on the side of Sam alone',
    });
    await say('m3', 'Thank you both');
    for (const name of ['olga', 'sam']) {
      await reads(() => inRoom(name), 'Visitor Anna: Thank you both');
    }
  });

  it('who has the chat and has left the room reads all in the private window', async () => {
    client('sam').sendStanza(xml('presence', { to: `${room}/Sam`, type: 'unavailable' }));
    await client('olga').waitFor(
      ({ stanzas }) =>
        stanzas.some(({ attrs }) => attrs.from === `${room}/Sam` && attrs.type === 'unavailable'),
      'Sam to leave',
    );
    await say('m4', 'How much are they?');
    await reads(() => privately('sam'), 'How much are they?');
    await reads(() => inRoom('olga'), 'Visitor Anna: How much are they?');
    write('olga', 'They are 50 EUR');
    await reads(() => privately('sam'), ':: Olga, in the room: They are 50 EUR');
    client('sam').send(visitor, 'And 45 EUR online');
    await reads(() => inRoom('olga'), 'Visitor Anna: :: Sam: And 45 EUR online');
  });

  it('a service that was killed goes on with the room', async () => {
    await world.service.kill();
    const said = write('olga', 'Shall I keep a pair?');
    await client('olga').acknowledged();
    await world.service.start();
    await tenant.callback('chat.message', ({ message }) => message.id === said);
    await say('m5', 'Yes, please');
    await reads(() => inRoom('olga'), 'Visitor Anna: Yes, please');
    await reads(() => privately('sam'), 'Yes, please');
  });

  it('ends with the chat, and says so', async () => {
    client('sam').send(visitor, '!close');
    await tenant.callback('chat.closed');
    await reads(() => inRoom('olga'), /^Visitor Anna: :: Chat #c7 is over\./);
    write('olga', 'Bye');
    await reads(() => privately('olga'), ':: Not delivered: the chat of this room is over.');
    // Another chat has no room.
    await tenant.ask('POST', '/visitors/7/chats', {
      chatId: 'c8',
      department: 'sales',
      message: { id: 'm8', body: 'One more question' },
    });
    await reads(() => privately('olga'), /^One more question/);
    await world.idle();
    expect(inRoom('olga').join()).not.toContain('One more question');
  });

  it('no whisper is in anything that LHC was told or can read', async () => {
    const { items } = await tenant.ask('GET', '/visitors/7/messages?limit=100');
    const found = await tenant.ask('GET', '/search?q=secret');
    const known = [items, found, tenant.lhc.requests.map(({ callback }) => callback)];
    expect(JSON.stringify(known)).toContain('In black, too');
    expect(JSON.stringify(known)).not.toContain(SECRET);
    expect(JSON.stringify(known)).not.toMatch(/whisper/i);
  });
});
