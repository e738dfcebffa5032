/** Every flow between a visitor's widget, LHC, the service and an operator's client, both ways. */
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Visitor } from '../../scripts/lhc/visitor.ts';
import type { Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { testInstallation } from './installation.ts';

const site = await testInstallation();
const { lhc } = site;
const olga = await site.connect('olga');
const paula = await site.connect('paula');
const olgaId = lhc.operator('olga').id;
const paulaId = lhc.operator('paula').id;

/** What an operator got from a visitor: the visitor's words, and otherwise the service's lines. */
const textsFrom = (operator: Operator, jid: string): string[] =>
  operator.messages
    .filter(({ from }) => from.startsWith(`${jid}/`) || from === jid)
    .map(({ body }) => body);
const reads = (operator: Operator, jid: string, text: string | RegExp) =>
  operator.waitFor(
    () =>
      operator.messages
        .filter(({ from }) => from.split('/')[0] === jid)
        .find(({ body, lines }) =>
          typeof text === 'string' ? body === text : text.test(`${body}\n${lines}`),
        ),
    `${text} of ${jid}`,
  );
const sees = (operator: Operator, jid: string, available = true) =>
  operator.waitFor(
    () => (operator.presences.get(jid)?.available ?? false) === available,
    `${jid} to be ${available ? 'there' : 'gone'}`,
  );

async function visitorOnPage(page = 'https://shop.example/shoes', title = 'Shoes') {
  const visitor = site.visitor();
  await visitor.view(page, title);
  const jid = await site.jidOf(visitor);
  await sees(olga, jid);
  return { visitor, jid };
}

/** A chat that the operator has answered. */
async function answeredChat(words = 'Do you have these in 43?', department = 1, operator = olga) {
  const { visitor, jid } = await visitorOnPage();
  const chat = await visitor.start(words, { department });
  await reads(operator, jid, words);
  operator.send(jid, 'Yes, in black.');
  await site.row(
    'SELECT id FROM lh_chat WHERE id = ? AND status = 1',
    [chat.id],
    `the chat ${chat.id} to be accepted`,
  );
  await saidIs(chat.id, words, 'Yes, in black.');
  return { visitor, jid, chat };
}

async function saidIs(chatId: number, ...texts: string[]): Promise<void> {
  let last: readonly string[] = [];
  await waitFor(
    async () => {
      last = (await site.said(chatId)).map(({ text }) => text);
      return JSON.stringify(last) === JSON.stringify(texts);
    },
    { deadlineMs: 60_000, what: () => `${texts} in the chat ${chatId}, which has ${last}` },
  );
}

const widgetShows = (visitor: Visitor, text: string) =>
  waitFor(async () => (await visitor.fetch()).text.includes(text), {
    what: `${text} in the widget`,
  });

it('a visitor on a page is a contact, with the page as its status', async () => {
  const { visitor, jid } = await visitorOnPage('https://shop.example/shoes', 'Shoes');
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('Shoes'), 'the page');
  await visitor.view('https://shop.example/boots', 'Boots');
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('Boots'), 'the next page');
  expect((await visitor.view('https://shop.example/boots', 'Boots')).json.isOnline).toBe(true);
});

it('a chat: start, answer, messages both ways, close by the operator', async () => {
  const { visitor, jid, chat } = await answeredChat();
  const row = await site.chat(chat.id);
  expect(row).toMatchObject({ status: '1', user_id: String(olgaId), nick: 'Anna' });
  await visitor.write('And in 44?');
  await reads(olga, jid, 'And in 44?');
  const sent = 'sent-with-receipt';
  olga.sendStanza(
    xml(
      'message',
      { type: 'chat', to: jid, id: sent },
      xml('body', {}, '44 as well.'),
      xml('request', { xmlns: 'urn:xmpp:receipts' }),
    ),
  );
  await widgetShows(visitor, '44 as well.');
  // The operator's client gets a receipt: LHC has it.
  await olga.waitFor(() => olga.acknowledgements.find(({ id }) => id === sent), 'the receipt');
  // LHC shows that the operator's client has the visitor's words.
  await site.row(
    'SELECT id FROM lh_msg WHERE chat_id = ? AND user_id = 0 AND del_st >= 2 AND msg = ?',
    [chat.id, 'And in 44?'],
    'the tick at the visitor',
  );
  expect(await site.said(chat.id)).toEqual([
    { user: 0, text: 'Do you have these in 43?' },
    { user: olgaId, text: 'Yes, in black.' },
    { user: 0, text: 'And in 44?' },
    { user: olgaId, text: '44 as well.' },
  ]);
  olga.send(jid, '!close');
  await site.row('SELECT id FROM lh_chat WHERE id = ? AND status = 2', [chat.id], 'the end');
  expect((await visitor.fetch()).json).toMatchObject({ closed: true });
  // Nothing came back as an echo.
  await site.drained();
  expect(textsFrom(olga, jid).filter((text) => text === '44 as well.')).toEqual([]);
});

it('a correction takes the place of the words', async () => {
  const { visitor, jid, chat } = await answeredChat();
  const id = await olga.sendAndAck(jid, 'In reb.');
  await widgetShows(visitor, 'In reb.');
  olga.sendStanza(
    xml(
      'message',
      { type: 'chat', to: jid, id: `${id}-2` },
      xml('body', {}, 'In red.'),
      xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id }),
    ),
  );
  await saidIs(chat.id, 'Do you have these in 43?', 'Yes, in black.', 'In red.');
});

it('a message is taken back: LHC has its own sentence there, and who may remove it removes the row', async () => {
  const { jid, chat } = await answeredChat();
  const retract = (id: string) =>
    olga.sendStanza(
      xml(
        'message',
        { type: 'chat', to: jid, id: `${id}-back` },
        xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id }),
      ),
    );
  const first = await olga.sendAndAck(jid, 'My password is 1234.');
  await saidIs(chat.id, 'Do you have these in 43?', 'Yes, in black.', 'My password is 1234.');
  retract(first);
  await saidIs(chat.id, 'Do you have these in 43?', 'Yes, in black.', 'Message was removed!');
  const [{ id: role } = {}] = await lhc.sql(
    'SELECT r.role_id AS id FROM lh_grouprole r JOIN lh_groupuser u ON u.group_id = r.group_id WHERE u.user_id = ?',
    [olgaId],
  );
  await lhc.sql(
    "INSERT INTO lh_rolefunction (role_id, module, `function`, limitation, type) VALUES (?, 'lhchat', 'removemsgop', '', 0)",
    [Number(role)],
  );
  await lhc.sql('UPDATE lh_users SET cache_version = cache_version + 1', []);
  const second = await olga.sendAndAck(jid, 'It is 5678.');
  const said = ['Do you have these in 43?', 'Yes, in black.', 'Message was removed!'];
  await saidIs(chat.id, ...said, 'It is 5678.');
  retract(second);
  await saidIs(chat.id, ...said);
});

it("a visitor's reaction shows at the message, and goes again", async () => {
  const { visitor, jid, chat } = await answeredChat();
  const { id } = await site.row(
    'SELECT id FROM lh_msg WHERE chat_id = ? AND user_id = ?',
    [chat.id, olgaId],
    "the operator's message",
  );
  // As LHC's bots offer reactions. Those of a theme are kept in the same place.
  await lhc.sql(
    "UPDATE lh_msg SET meta_msg = JSON_SET(meta_msg, '$.content.reactions', JSON_OBJECT('content', 'thumb_up|1|thumb')) WHERE id = ?",
    [Number(id)],
  );
  const reactions = () =>
    olga.stanzas.flatMap((stanza) => {
      const found = stanza.getChild('reactions', 'urn:xmpp:reactions:0');
      const isTheirs = found && stanza.attrs.from?.split('/')[0] === jid;
      return isTheirs ? [found.getChildren('reaction').map((each) => each.text())] : [];
    });
  await visitor.react(Number(id), 'thumb', '1');
  await olga.waitFor(() => reactions().length === 1, 'the reaction');
  await visitor.react(Number(id), 'thumb', '1');
  await olga.waitFor(() => reactions().length === 2, 'that it is gone');
  expect(reactions()).toEqual([['👍'], []]);
});

it('an invitation, further words, and the answer', async () => {
  const { visitor, jid } = await visitorOnPage();
  olga.send(jid, 'May I help you?');
  await waitFor(async () => (await visitor.checkInvitation()).json.invitation === true, {
    what: 'the invitation',
  });
  expect((await visitor.invitation()).text).toContain('May I help you?');
  olga.send(jid, 'I am here.');
  await reads(olga, jid, /The visitor reads this when/);
  const chat = await visitor.start('Yes, please', { invitation: true });
  await reads(olga, jid, 'Yes, please');
  // Further words of an invitation are lines of its one text.
  await saidIs(chat.id, 'May I help you?\nI am here.', 'Yes, please');
  expect((await site.chat(chat.id)).user_id).toBe(String(olgaId));
  expect(textsFrom(paula, jid)).toEqual([]);
});

it('typing shows both ways', async () => {
  const { visitor, jid, chat } = await answeredChat();
  olga.chatState(jid, 'composing');
  await site.row(
    'SELECT id FROM lh_chat WHERE id = ? AND operator_typing > 0 AND operator_typing_id = ?',
    [chat.id, olgaId],
    'that the operator types',
  );
  expect((await visitor.fetch()).json.ott).toContain('Olga');
  await olga.sendAndAck(jid, 'Here you are.');
  await widgetShows(visitor, 'Here you are.');
  expect(await site.chat(chat.id)).toMatchObject({ operator_typing: '0' });
  await visitor.type('Tha');
  await olga.waitFor(
    () =>
      olga.stanzas.some(
        (each) =>
          each.attrs.from?.startsWith(jid) &&
          each.getChild('composing', 'http://jabber.org/protocol/chatstates'),
      ),
    'that the visitor types',
  );
});

it('a note is for operators alone', async () => {
  const { visitor, jid, chat } = await answeredChat();
  olga.send(jid, '!note pays by card');
  await site.row(
    "SELECT id FROM lh_msg WHERE chat_id = ? AND msg LIKE '%pays by card%'",
    [chat.id],
    'the note',
  );
  expect((await visitor.fetch()).text).not.toContain('pays by card');
});

it('a transfer to a department, and the other operator takes it', async () => {
  const { visitor, jid, chat } = await answeredChat();
  olga.send(jid, '!transfer Support');
  await reads(paula, jid, /Support|Do you have these/);
  paula.send(jid, 'Paula here.');
  await site.row(
    'SELECT id FROM lh_chat WHERE id = ? AND user_id = ?',
    [chat.id, paulaId],
    'the new owner',
  );
  expect(await site.chat(chat.id)).toMatchObject({ dep_id: '2', status: '1' });
  await widgetShows(visitor, 'Paula here.');
  await visitor.write('Hello Paula');
  await reads(paula, jid, 'Hello Paula');
  expect(textsFrom(olga, jid)).not.toContain('Hello Paula');
});

it('a visitor closes the chat', async () => {
  const { visitor, jid } = await answeredChat();
  await visitor.leave(true);
  await reads(olga, jid, /over|closed|ended/);
});

it('an operator closes the chat in LHC', async () => {
  const { jid, chat } = await answeredChat();
  const admin = await site.office('admin');
  expect((await admin.close(chat.id)).json).toMatchObject({ error: false });
  await reads(olga, jid, /over|closed|ended/);
});

it("a department changed in LHC's pages moves the chat", async () => {
  const { visitor, jid } = await visitorOnPage();
  const chat = await visitor.start('Which size?');
  await reads(olga, jid, 'Which size?');
  const admin = await site.office('admin');
  await admin.changeDepartment(chat.id, 2);
  await reads(paula, jid, 'Which size?');
});

it("somebody in LHC's own pages accepts and answers: the operators are left alone, and the visitor gets it once", async () => {
  const { visitor, jid } = await visitorOnPage();
  const chat = await visitor.start('Who are you?');
  await reads(olga, jid, 'Who are you?');
  const admin = await site.office('admin');
  await admin.open(chat.id);
  await admin.write(chat.id, 'Ada, in the office.');
  await saidIs(chat.id, 'Who are you?', 'Ada, in the office.');
  await site.drained();
  await visitor.write('Fine.');
  await saidIs(chat.id, 'Who are you?', 'Ada, in the office.', 'Fine.');
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('Ada'), 'who has the chat');
});

it('an operator who has the chat reads what somebody writes in LHC', async () => {
  const { jid, chat } = await answeredChat();
  const admin = await site.office('admin');
  await admin.write(chat.id, 'I add: free shipping.');
  await reads(olga, jid, /free shipping/);
  await saidIs(chat.id, 'Do you have these in 43?', 'Yes, in black.', 'I add: free shipping.');
});

it('words for a chat that the visitor has ended: refused, the operator reads so, and then an invitation', async () => {
  const { visitor, jid, chat } = await answeredChat();
  await visitor.leave(true);
  await reads(olga, jid, /closed chat/);
  const refusals = () => textsFrom(olga, jid).filter((text) => text.startsWith('Not delivered'));
  let written = 0;
  await waitFor(
    async () => {
      // Each refusal asks to write it again.
      if (refusals().length === written) {
        written += 1;
        olga.send(jid, 'One more thing');
      }
      return (await visitor.checkInvitation()).json.invitation === true;
    },
    { deadlineMs: 60_000, what: () => `the invitation: ${textsFrom(olga, jid).join('\n')}` },
  );
  expect((await site.said(chat.id)).map(({ text }) => text)).not.toContain('One more thing');
});

it('an operator who logs out is offline in LHC', async () => {
  const pia = await site.connect('paula', { resource: 'second' });
  await pia.disconnect();
  await paula.disconnect();
  await site.row(
    'SELECT user_id FROM lh_userdep WHERE user_id = ? AND last_activity < UNIX_TIMESTAMP() - 300',
    [paulaId],
    'paula to be offline',
  );
});

it("LHC's own commands: !block", async () => {
  const { jid, chat } = await answeredChat();
  olga.send(jid, '!block');
  await site.row('SELECT id FROM lh_chat_blocked_user WHERE chat_id = ?', [chat.id], 'the block');
});
