/** What an operator's client has received: raw, and as a person would see it. */
import type { Element } from '@xmpp/xml';

interface ReceivedMessage {
  readonly from: string;
  readonly id: string;
  readonly body: string;
  readonly stanza: Element;
}

interface SeenPresence {
  readonly available: boolean;
  /** `available`, `away`, …, or `unavailable`. */
  readonly show: string;
  readonly status: string;
  readonly nick: string;
}

export interface RosterItem {
  readonly jid: string;
  readonly name: string;
  readonly subscription: string;
  readonly groups: readonly string[];
}

export interface Inbox {
  /** Every stanza, raw, in order. */
  readonly stanzas: readonly Element[];
  /** Those with a body that are no errors, in order. */
  readonly messages: readonly ReceivedMessage[];
  /** Every presence stanza, in order: to count what was really sent. */
  readonly presenceStanzas: readonly Element[];
  /** How each contact looks now, by bare JID: of several sessions, one that is available. */
  readonly presences: ReadonlyMap<string, SeenPresence>;
  /** Items of roster pushes (RFC 6121 §2.1.6), in order. */
  readonly rosterPushes: readonly RosterItem[];
  /** Stanzas of type error. */
  readonly errors: readonly Element[];
}

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
  const presenceStanzas: Element[] = [];
  const rosterPushes: RosterItem[] = [];
  const errors: Element[] = [];
  const presences = new Map<string, SeenPresence>();
  const sessions = new Map<string, Map<string, SeenPresence>>();

  function takePresence(stanza: Element, from: string): void {
    presenceStanzas.push(stanza);
    const type = stanza.attrs.type ?? 'available';
    if (type !== 'available' && type !== 'unavailable') return;
    const contact = bare(from);
    const seen: SeenPresence = {
      available: type === 'available',
      show: type === 'unavailable' ? type : (stanza.getChildText('show') ?? 'available'),
      status: stanza.getChildText('status') ?? '',
      nick: stanza.getChildText('nick', 'http://jabber.org/protocol/nick') ?? '',
    };
    const known = sessions.get(contact) ?? new Map<string, SeenPresence>();
    known.delete(from);
    if (seen.available) known.set(from, seen);
    sessions.set(contact, known);
    presences.set(contact, [...known.values()].at(-1) ?? seen);
  }

  return {
    ...{ stanzas, messages, presenceStanzas, presences, rosterPushes, errors },
    take(stanza) {
      stanzas.push(stanza);
      const from = stanza.attrs.from ?? '';
      if (stanza.attrs.type === 'error') {
        errors.push(stanza);
      } else if (stanza.name === 'presence') {
        takePresence(stanza, from);
      } else if (stanza.name === 'message') {
        const body = stanza.getChildText('body');
        if (body !== null) messages.push({ from, id: stanza.attrs.id ?? '', body, stanza });
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
