import { expect, test } from 'vitest';
import {
  capsElement,
  VISITOR_CAPABILITIES,
  WORDS_CAPABILITIES,
} from '../../src/xmpp/capabilities.ts';
import {
  acknowledgementStanza,
  chatStateStanza,
  messageStanza,
  pingStanza,
  presenceStanza,
  vcardStanza,
} from '../../src/xmpp/stanzas.ts';

test('a message has its id twice, asks for a receipt and a marker, is not styled, and says active', () => {
  const stanza = messageStanza({
    id: 'm1',
    from: 'visitor.1@xmpp.test',
    to: 'op1@xmpp.test',
    body: 'a < b & "c"',
    thread: 't1',
  });
  expect(stanza.toString()).toBe(
    '<message type="chat" id="m1" from="visitor.1@xmpp.test" to="op1@xmpp.test">' +
      '<body>a &lt; b &amp; "c"</body><thread>t1</thread>' +
      '<origin-id xmlns="urn:xmpp:sid:0" id="m1"/><unstyled xmlns="urn:xmpp:styling:0"/><request xmlns="urn:xmpp:receipts"/>' +
      '<markable xmlns="urn:xmpp:chat-markers:0"/>' +
      '<active xmlns="http://jabber.org/protocol/chatstates"/></message>',
  );
});

test('a delayed message has its time and no chat state, a line of the service asks for a marker alone', () => {
  const message = { id: 'm1', from: 'visitor.1@xmpp.test/web', to: 'op1@xmpp.test', body: 'a' };
  expect(messageStanza({ ...message, delay: { at: 1 } }).toString()).toBe(
    '<message type="chat" id="m1" from="visitor.1@xmpp.test/web" to="op1@xmpp.test"><body>a</body>' +
      '<origin-id xmlns="urn:xmpp:sid:0" id="m1"/><unstyled xmlns="urn:xmpp:styling:0"/>' +
      '<delay xmlns="urn:xmpp:delay" from="xmpp.test" stamp="1970-01-01T00:00:00.001Z"/>' +
      '<request xmlns="urn:xmpp:receipts"/><markable xmlns="urn:xmpp:chat-markers:0"/></message>',
  );
  const from = 'op2@xmpp.test';
  const delayed = messageStanza({ ...message, notice: true, delay: { at: 86_400_000, from } });
  expect(delayed.toString()).toBe(
    '<message type="chat" id="m1" from="visitor.1@xmpp.test/web" to="op1@xmpp.test"><body>a</body>' +
      '<origin-id xmlns="urn:xmpp:sid:0" id="m1"/><unstyled xmlns="urn:xmpp:styling:0"/>' +
      '<delay xmlns="urn:xmpp:delay" from="op2@xmpp.test" stamp="1970-01-02T00:00:00.000Z"/>' +
      '<markable xmlns="urn:xmpp:chat-markers:0"/></message>',
  );
});

test('a message to a room asks for nothing, and mod_lhc knows it by its mark', () => {
  const message = { id: 'm1', from: 'visitor.1@xmpp.test', to: 'visitor.1@conference.xmpp.test' };
  const frame = (content: string) =>
    '<message type="groupchat" id="m1" from="visitor.1@xmpp.test" to="visitor.1@conference.xmpp.test"><body>a</body>' +
    '<origin-id xmlns="urn:xmpp:sid:0" id="m1"/><unstyled xmlns="urn:xmpp:styling:0"/>' +
    `${content}<shown xmlns="urn:xmpp-chat:room:1"/></message>`;
  const said = messageStanza({ ...message, body: 'a', room: true });
  expect(said.toString()).toBe(frame(''));
  const line = messageStanza({ ...message, body: 'a', room: true, notice: true });
  expect(line.toString()).toBe(frame(''));
  const late = messageStanza({ ...message, body: 'a', room: true, delay: { at: 0, from: 'x' } });
  expect(late.toString()).toBe(
    frame('<delay xmlns="urn:xmpp:delay" from="x" stamp="1970-01-01T00:00:00.000Z"/>'),
  );
});

test('a private line says that the room shows it', () => {
  const line = { id: 'l1', from: 'visitor.1@xmpp.test', to: 'op1@xmpp.test', body: ':: a' };
  const inRoom = '<in-room xmlns="urn:xmpp-chat:room:1"/>';
  const withMark = messageStanza({ ...line, notice: true, inRoom: true }).toString();
  expect(withMark).toContain(inRoom);
  expect(withMark).toBe(
    messageStanza({ ...line, notice: true })
      .toString()
      .replace('</message>', `${inRoom}</message>`),
  );
});

test('receipts and markers name their message and ask to be stored', () => {
  const to = 'op1@xmpp.test/desk';
  expect(acknowledgementStanza('visitor.1@xmpp.test', to, 'received', 'm"1').toString()).toBe(
    '<message type="chat" id="received.m&quot;1" from="visitor.1@xmpp.test" to="op1@xmpp.test/desk">' +
      '<received xmlns="urn:xmpp:receipts" id="m&quot;1"/><store xmlns="urn:xmpp:hints"/></message>',
  );
  expect(acknowledgementStanza(undefined, to, 'displayed', 'm1').toString()).toBe(
    '<message type="chat" id="displayed.m1" to="op1@xmpp.test/desk">' +
      '<displayed xmlns="urn:xmpp:chat-markers:0" id="m1"/><store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('reactions name the message; a text beside them is for clients that know none', () => {
  const to = 'op1@xmpp.test';
  const reacts = (body: string, emojis: string[]) =>
    messageStanza({
      id: 'line-1-x',
      from: 'visitor.1@xmpp.test',
      to,
      body,
      notice: true,
      reactions: { to: 'o"1', emojis },
    }).toString();
  const end =
    '<store xmlns="urn:xmpp:hints"/><origin-id xmlns="urn:xmpp:sid:0" id="line-1-x"/>' +
    '<unstyled xmlns="urn:xmpp:styling:0"/><markable xmlns="urn:xmpp:chat-markers:0"/></message>';
  const begin = `<message type="chat" id="line-1-x" from="visitor.1@xmpp.test" to="${to}">`;
  expect(reacts(':: 👍', ['👍', '🐢'])).toBe(
    `${begin}<body>:: 👍</body><reactions xmlns="urn:xmpp:reactions:0" id="o&quot;1">` +
      '<reaction>👍</reaction><reaction>🐢</reaction></reactions>' +
      `<fallback xmlns="urn:xmpp:fallback:0" for="urn:xmpp:reactions:0"><body/></fallback>${end}`,
  );
  expect(reacts('', [])).toBe(
    `${begin}<reactions xmlns="urn:xmpp:reactions:0" id="o&quot;1"/>${end}`,
  );
});

test('a vCard has any name and a picture', () => {
  const jid = 'visitor.1@xmpp.test';
  expect(vcardStanza(jid, { name: '<Zoë>\u0000', png: Buffer.from('png') }).toString()).toBe(
    `<iq type="set" id="vcard" from="${jid}" to="${jid}"><vCard xmlns="vcard-temp">` +
      '<FN>&lt;Zoë&gt;\ufffd</FN><NICKNAME>&lt;Zoë&gt;\ufffd</NICKNAME>' +
      '<PHOTO><TYPE>image/png</TYPE><BINVAL>cG5n</BINVAL></PHOTO></vCard></iq>',
  );
});

test('a presence leaves out empty texts', () => {
  expect(presenceStanza({ show: 'away', status: '/a | LV', nick: 'Zoë' }).toString()).toBe(
    '<presence><show>away</show><status>/a | LV</status>' +
      `<nick xmlns="http://jabber.org/protocol/nick">Zoë</nick>${capsElement(VISITOR_CAPABILITIES)}</presence>`,
  );
  expect(presenceStanza({ status: '', nick: '' }).toString()).toBe(
    `<presence>${capsElement(VISITOR_CAPABILITIES)}</presence>`,
  );
  expect(presenceStanza({ status: '', nick: '', wordsAlone: true }).toString()).toBe(
    `<presence>${capsElement(WORDS_CAPABILITIES)}</presence>`,
  );
});

test('a chat state stands alone, and a ping goes to the server', () => {
  expect(chatStateStanza(undefined, 'op1@xmpp.test', 'composing').toString()).toBe(
    '<message type="chat" to="op1@xmpp.test"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>',
  );
  expect(pingStanza('p1', 'xmpp.test').toString()).toBe(
    '<iq type="get" id="p1" to="xmpp.test"><ping xmlns="urn:xmpp:ping"/></iq>',
  );
});

test('a file is its address alone, in the text and out of band (XEP-0066)', () => {
  const message = {
    id: 'm1',
    from: 'v@xmpp.test',
    to: 'op@xmpp.test',
    body: 'https://lhc.test/a.png?b&c',
  };
  const url = 'https://lhc.test/a.png?b&amp;c';
  const text = messageStanza({ ...message, isFile: true }).toString();
  expect(text).toContain(`<body>${url}</body>`);
  expect(text).toContain(`<x xmlns="jabber:x:oob"><url>${url}</url></x>`);
  expect(messageStanza(message).toString()).not.toContain('oob');
});
