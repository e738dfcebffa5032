/** The stanzas that an operator's client has received: raw, and as a person would see them. */
import type { Element } from '@xmpp/xml';
import { linesIn, wordsIn } from './marked.ts';

interface ReceivedMessage {
  readonly from: string;
  readonly id: string;
  /** The visitor's words; if there are none, the service's lines without their marks. */
  readonly body: string;
  /** The service's lines without their marks; '' if there are none. */
  readonly lines: string;
  /** XEP-0203: the time of the message in ms since 1970, and the entity that delayed it. */
  readonly delay?: { readonly at: number; readonly from: string };
  /** When it came, by `performance.now()`. */
  readonly at: number;
  readonly stanza: Element;
}

/** A receipt (XEP-0184) or a marker (XEP-0333) for an operator's message. */
interface ReceivedAcknowledgement {
  readonly from: string;
  readonly what: 'received' | 'displayed';
  /** The id of the operator's message. */
  readonly id: string;
  readonly stanza: Element;
}

interface ContactPresence {
  readonly available: boolean;
  /** `available`, `away`, …, or `unavailable`. */
  readonly show: string;
  readonly status: string;
  readonly nick: string;
  /** XEP-0153: the SHA-1 of the contact's picture, in hex. */
  readonly photo?: string;
}

export interface RosterItem {
  readonly jid: string;
  readonly name: string;
  readonly subscription: string;
  readonly groups: readonly string[];
}

export interface Inbox {
  /** Every raw stanza, in order. */
  readonly stanzas: readonly Element[];
  /** Every message that has a body and is not an error, in order. */
  readonly messages: readonly ReceivedMessage[];
  /** Receipts and markers for the operator's messages, in order. */
  readonly acknowledgements: readonly ReceivedAcknowledgement[];
  /** Every presence stanza, in order. */
  readonly presenceStanzas: readonly Element[];
  /** The presence of each contact now, by bare JID. Of several sessions an available one counts. */
  readonly presences: ReadonlyMap<string, ContactPresence>;
  /** The items of roster pushes (RFC 6121 §2.1.6), in order. */
  readonly rosterPushes: readonly RosterItem[];
  /** Stanzas of type error. */
  readonly errors: readonly Element[];
}

const DELAY = 'urn:xmpp:delay';
const acknowledging = {
  received: 'urn:xmpp:receipts',
  displayed: 'urn:xmpp:chat-markers:0',
} as const;

const bare = (jid: string): string => jid.split('/', 1)[0] ?? jid;

/** The items of a roster result or push. */
export function rosterItems(stanza: Element): RosterItem[] {
  const query = stanza.getChild('query', 'jabber:iq:roster');
  return (query?.getChildren('item') ?? []).map((item) => ({
    jid: item.attrs.jid ?? '',
    name: item.attrs.name ?? '',
    subscription: item.attrs.subscription ?? 'none',
    groups: item.getChildren('group').map((group) => group.text()),
  }));
}

export function createInbox(): Inbox & { take(stanza: Element): void; summary(): string } {
  const stanzas: Element[] = [];
  const messages: ReceivedMessage[] = [];
  const acknowledgements: ReceivedAcknowledgement[] = [];
  const presenceStanzas: Element[] = [];
  const rosterPushes: RosterItem[] = [];
  const errors: Element[] = [];
  const presences = new Map<string, ContactPresence>();
  const sessions = new Map<string, Map<string, ContactPresence>>();

  function takePresence(stanza: Element, from: string): void {
    presenceStanzas.push(stanza);
    const type = stanza.attrs.type ?? 'available';
    if (type !== 'available' && type !== 'unavailable') return;
    const contact = bare(from);
    const photo = stanza.getChild('x', 'vcard-temp:x:update')?.getChildText('photo');
    const seen: ContactPresence = {
      available: type === 'available',
      show: type === 'unavailable' ? type : (stanza.getChildText('show') ?? 'available'),
      status: stanza.getChildText('status') ?? '',
      nick: stanza.getChildText('nick', 'http://jabber.org/protocol/nick') ?? '',
      ...(photo && { photo }),
    };
    const known = sessions.get(contact) ?? new Map<string, ContactPresence>();
    known.delete(from);
    if (seen.available) known.set(from, seen);
    sessions.set(contact, known);
    presences.set(contact, [...known.values()].at(-1) ?? seen);
  }

  function takeMessage(stanza: Element, from: string): void {
    for (const what of ['received', 'displayed'] as const) {
      const id = stanza.getChild(what, acknowledging[what])?.attrs.id;
      if (id !== undefined) acknowledgements.push({ from, what, id, stanza });
    }
    const text = stanza.getChildText('body');
    if (text === null) return;
    const lines = linesIn(text);
    const body = wordsIn(text) || lines;
    // Several entities may have delayed the message, such as ejabberd's offline storage. The earliest time is the right one.
    const [delay] = stanza
      .getChildren('delay', DELAY)
      .map(({ attrs }) => ({ at: Date.parse(attrs.stamp ?? ''), from: attrs.from ?? '' }))
      .sort((one, other) => one.at - other.at);
    messages.push({
      from,
      id: stanza.attrs.id ?? '',
      at: performance.now(),
      body,
      lines,
      stanza,
      ...(delay && { delay }),
    });
  }

  return {
    stanzas,
    messages,
    acknowledgements,
    presenceStanzas,
    presences,
    rosterPushes,
    errors,
    take(stanza) {
      stanzas.push(stanza);
      const from = stanza.attrs.from ?? '';
      if (stanza.attrs.type === 'error') {
        errors.push(stanza);
      } else if (stanza.name === 'presence') {
        takePresence(stanza, from);
      } else if (stanza.name === 'message') {
        takeMessage(stanza, from);
      } else if (stanza.name === 'iq' && stanza.attrs.type === 'set') {
        rosterPushes.push(...rosterItems(stanza));
      }
    },
    summary: () =>
      `${messages.length} messages, ${errors.length} errors, contacts: ${
        [...presences].map(([jid, { show, status }]) => `${jid} ${show} ${status}`).join('; ') ||
        'none'
      }`,
  };
}
