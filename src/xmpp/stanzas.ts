/** The stanzas that visitors send. Text goes through {@link xmlText}: no input can break a stream. */
import xml, { type Element } from '@xmpp/xml';
import type { ChatState, OutgoingMessage, VisitorPresence } from './port.ts';
import { xmlText } from './text.ts';

const CHAT_STATES = 'http://jabber.org/protocol/chatstates'; // XEP-0085
const CHAT_MARKERS = 'urn:xmpp:chat-markers:0'; // XEP-0333
const NICK = 'http://jabber.org/protocol/nick'; // XEP-0172
const PING = 'urn:xmpp:ping'; // XEP-0199
const RECEIPTS = 'urn:xmpp:receipts'; // XEP-0184
const STANZA_IDS = 'urn:xmpp:sid:0'; // XEP-0359

/** A chat message that asks for a receipt and for a marker when it is read. */
export function messageStanza({ id, from, to, body, thread }: OutgoingMessage): Element {
  return xml(
    'message',
    { type: 'chat', id: xmlText(id), from, to },
    xml('body', {}, xmlText(body)),
    thread === undefined ? undefined : xml('thread', {}, xmlText(thread)),
    xml('origin-id', { xmlns: STANZA_IDS, id: xmlText(id) }),
    xml('request', { xmlns: RECEIPTS }),
    xml('markable', { xmlns: CHAT_MARKERS }),
    xml('active', { xmlns: CHAT_STATES }),
  );
}

/** A stand-alone chat state (XEP-0085 §5.5: no body, nothing else). */
export function chatStateStanza(from: string | undefined, to: string, state: ChatState): Element {
  return xml('message', { type: 'chat', from, to }, xml(state, { xmlns: CHAT_STATES }));
}

export function presenceStanza({ show, status, nick }: VisitorPresence): Element {
  return xml(
    'presence',
    {},
    show === undefined ? undefined : xml('show', {}, show),
    status === '' ? undefined : xml('status', {}, xmlText(status)),
    nick === '' ? undefined : xml('nick', { xmlns: NICK }, xmlText(nick)),
  );
}

export function unavailableStanza(): Element {
  return xml('presence', { type: 'unavailable' });
}

/** A ping of the server: its answer comes behind everything that was sent before it. */
export function pingStanza(id: string, domain: string): Element {
  return xml('iq', { type: 'get', id, to: domain }, xml('ping', { xmlns: PING }));
}
