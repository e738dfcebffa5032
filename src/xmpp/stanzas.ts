/** The stanzas that visitors send. All text goes through {@link xmlText}, so no input can break a stream. */
import xml, { type Element } from '@xmpp/xml';
import { AppError } from '../errors.ts';
import { xmlText } from '../kit/xml-text.ts';
import { capsElement, VISITOR_CAPABILITIES, WORDS_CAPABILITIES } from './capabilities.ts';
import { splitJid } from './jid.ts';
import type {
  Acknowledgement,
  ChatState,
  Delay,
  OutgoingMessage,
  ReturnedMessage,
  VisitorPresence,
} from './port.ts';

const CHAT_STATES = 'http://jabber.org/protocol/chatstates'; // XEP-0085
const DELAY = 'urn:xmpp:delay'; // XEP-0203
const HINTS = 'urn:xmpp:hints'; // XEP-0334
const CHAT_MARKERS = 'urn:xmpp:chat-markers:0'; // XEP-0333
const OOB = 'jabber:x:oob'; // XEP-0066
const FALLBACK = 'urn:xmpp:fallback:0'; // XEP-0428
const NICK = 'http://jabber.org/protocol/nick'; // XEP-0172
const PING = 'urn:xmpp:ping'; // XEP-0199
const REACTIONS = 'urn:xmpp:reactions:0'; // XEP-0444
/** Of our own, between the service and mod_lhc. */
const ROOMS = 'urn:xmpp-chat:room:1';
const RECEIPTS = 'urn:xmpp:receipts'; // XEP-0184
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'; // RFC 6120 §8.3.3
const STANZA_IDS = 'urn:xmpp:sid:0'; // XEP-0359
const STYLING = 'urn:xmpp:styling:0'; // XEP-0393
const VCARD = 'vcard-temp'; // XEP-0054

/**
 * The longest body, in bytes of UTF-8. ejabberd ends the stream at a stanza above its `max_stanza_size` (262,144 bytes
 * in the example configuration), and a message of that size would end the next stream too.
 */
export const MAX_BODY_BYTES = 200_000;

/** @throws {AppError} `refused` if the message is too long for a stanza */
export function assertFits({ id, body }: Pick<OutgoingMessage, 'id' | 'body'>): void {
  const size = Buffer.byteLength(body);
  if (size <= MAX_BODY_BYTES) return;
  const text = `The message has ${size} bytes; at most ${MAX_BODY_BYTES} can be sent by XMPP.`;
  throw new AppError('refused', text, { id });
}

/**
 * A chat message. It asks for a marker, and a visitor's words ask for a receipt. If they are sent without delay they also
 * say that the visitor is active (XEP-0085 §5.4). Neither is meant as styled text (XEP-0393 §6): a visitor writes in a web
 * page, and the title of a page may have any characters.
 *
 * In a room nobody acknowledges anything to the visitor: mod_lhc reports who has the message by its mark.
 */
export function messageStanza(message: OutgoingMessage): Element {
  const { id, from, to, body, thread, delay, notice, isFile, reactions, room, inRoom } = message;
  return xml(
    'message',
    { type: room ? 'groupchat' : 'chat', id: xmlText(id), from, to },
    body === '' ? undefined : xml('body', {}, xmlText(body)),
    ...(reactions ? reactionElements(reactions, body !== '') : []),
    thread === undefined ? undefined : xml('thread', {}, xmlText(thread)),
    xml('origin-id', { xmlns: STANZA_IDS, id: xmlText(id) }),
    xml('unstyled', { xmlns: STYLING }),
    isFile ? xml('x', { xmlns: OOB }, xml('url', {}, xmlText(body))) : undefined,
    delay && delayElement(delay, to),
    ...(room
      ? [xml('shown', { xmlns: ROOMS })]
      : [
          notice ? undefined : xml('request', { xmlns: RECEIPTS }),
          // Some clients mark the newest message alone, and that may be a notice.
          xml('markable', { xmlns: CHAT_MARKERS }),
          notice || delay ? undefined : xml('active', { xmlns: CHAT_STATES }),
          inRoom && xml('in-room', { xmlns: ROOMS }),
        ]),
  );
}

/** XEP-0444, which asks for the hint to store it (XEP-0334). All of the text is for others (XEP-0428). */
function reactionElements(
  { to, emojis }: NonNullable<OutgoingMessage['reactions']>,
  hasFallback: boolean,
): (Element | undefined)[] {
  const each = emojis.map((emoji) => xml('reaction', {}, xmlText(emoji)));
  return [
    xml('reactions', { xmlns: REACTIONS, id: xmlText(to) }, ...each),
    hasFallback ? xml('fallback', { xmlns: FALLBACK, for: REACTIONS }, xml('body', {})) : undefined,
    xml('store', { xmlns: HINTS }),
  ];
}

/** A message to all in a private chat of operators (XEP-0045 §7.4). */
export function groupchatStanza(from: string, to: string, id: string, body: string): Element {
  return xml('message', { type: 'groupchat', id, from, to }, xml('body', {}, xmlText(body)));
}

/** XEP-0203 §4, with the time of XEP-0082: UTC and milliseconds. */
function delayElement({ at, from }: Delay, to: string): Element {
  const stamp = new Date(at).toISOString();
  return xml('delay', { xmlns: DELAY, from: xmlText(from ?? splitJid(to).host), stamp });
}

/**
 * A receipt (XEP-0184 §5) or a marker (XEP-0333). Its id follows from what it acknowledges, so a repeat has the same.
 *
 * It carries the hint to store it (XEP-0334 §4.4), as receipts of Conversations and Converse do. The archive leaves out
 * messages without a body, so without the hint an operator's client that was away would never learn of the receipt.
 */
export function acknowledgementStanza(
  from: string | undefined,
  to: string,
  what: Acknowledgement,
  id: string,
): Element {
  return xml(
    'message',
    { type: 'chat', id: xmlText(`${what}.${id}`), from, to },
    xml(what, { xmlns: what === 'received' ? RECEIPTS : CHAT_MARKERS, id: xmlText(id) }),
    xml('store', { xmlns: HINTS }),
  );
}

/** What the sender has to do about each condition (RFC 6120 §8.3.3). */
const ERROR_TYPES = {
  'item-not-found': 'cancel',
  forbidden: 'auth',
  'policy-violation': 'wait',
} as const;

/** A message that comes back to its sender with an error (RFC 6120 §8.3). */
export function returnedStanza({ from, to, id, condition, reason }: ReturnedMessage): Element {
  return xml(
    'message',
    { type: 'error', id: xmlText(id), from, to },
    xml(
      'error',
      { type: ERROR_TYPES[condition] },
      xml(condition, { xmlns: STANZA_ERRORS }),
      xml('text', { xmlns: STANZA_ERRORS }, xmlText(reason)),
    ),
  );
}

/** A stand-alone chat state (XEP-0085 §5.5: no body, nothing else). */
export function chatStateStanza(from: string | undefined, to: string, state: ChatState): Element {
  return xml('message', { type: 'chat', from, to }, xml(state, { xmlns: CHAT_STATES }));
}

/**
 * An available presence of a visitor, with what their client can do (XEP-0115). Empty texts are left out.
 * @param to for this address alone (RFC 6121 §4.6); without it, for everybody
 */
export function presenceStanza(presence: VisitorPresence, to?: string): Element {
  const { show, status, nick } = presence;
  return xml(
    'presence',
    to === undefined ? {} : { to },
    show === undefined ? undefined : xml('show', {}, show),
    status === '' ? undefined : xml('status', {}, xmlText(status)),
    nick === '' ? undefined : xml('nick', { xmlns: NICK }, xmlText(nick)),
    capsElement(presence.wordsAlone ? WORDS_CAPABILITIES : VISITOR_CAPABILITIES),
  );
}

export function unavailableStanza(): Element {
  return xml('presence', { type: 'unavailable' });
}

/** A ping of the server. Its answer comes behind everything that was sent before it. */
export function pingStanza(id: string, domain: string): Element {
  return xml('iq', { type: 'get', id, to: domain }, xml('ping', { xmlns: PING }));
}

/** Ends a subscription to a room (MUC/Sub). */
export function unsubscribeStanza(from: string, to: string): Element {
  const unsubscribe = xml('unsubscribe', { xmlns: 'urn:xmpp:mucsub:0' });
  return xml('iq', { type: 'set', id: 'unsubscribe', from, to }, unsubscribe);
}

/** A vCard (XEP-0054) with a PNG as its picture (XEP-0153). */
export function vcardElement({ name, png }: { name: string; png: Buffer }): Element {
  const text = xmlText(name);
  return xml(
    'vCard',
    { xmlns: VCARD },
    xml('FN', {}, text),
    xml('NICKNAME', {}, text),
    xml('PHOTO', {}, xml('TYPE', {}, 'image/png'), xml('BINVAL', {}, png.toString('base64'))),
  );
}

/** Publishes the vCard of `jid` (XEP-0054 §3.2). */
export function vcardStanza(jid: string, card: { name: string; png: Buffer }): Element {
  return xml('iq', { type: 'set', id: 'vcard', from: jid, to: jid }, vcardElement(card));
}
