/**
 * Contacts as mod_lhc takes them (ejabberd/mod_lhc/README.md): it shows them in operators' rosters, and sends their
 * presences to operators.
 */
import { createHash } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';
import { cut } from '../../kit/cut.ts';
import { xmlText } from '../../kit/xml-text.ts';
import type { Contact, VisitorPresence } from '../port.ts';
import { presenceStanza } from '../stanzas.ts';

export const CONTACTS = 'urn:xmpp-chat:contacts:1';
const VCARD_UPDATE = 'vcard-temp:x:update'; // XEP-0153

/** Characters of a hash: 72 bits of SHA-256. */
const HASH_CHARACTERS = 12;
/** mod_lhc takes names of 1,023 bytes, and presences of 8,192. A character of UTF-16 has 3 bytes at most. */
const NAME_MOST_CHARACTERS = 300;
const STATUS_MOST_CHARACTERS = 2_000;

/**
 * The resource of every visitor, as with accounts. Clients keep what a contact can do, and where a conversation goes, by
 * the full JID, and a contact without a resource is a rare case that few of them were tried with.
 */
export const COMPONENT_RESOURCE = 'xmpp-chat';

/** The address that a visitor's stanzas come from. @param jid bare */
export const visitorAddress = (jid: string): string => `${jid}/${COMPONENT_RESOURCE}`;

/** A visitor as operators see them. */
export interface ShownContact {
  readonly jid: string;
  readonly presence: VisitorPresence;
  /** SHA-1 of the picture, in hex. */
  readonly photo: string;
}

/** The available presence of a contact: that of a session, and what ejabberd adds there, the hash of the picture. */
export function contactPresence({ jid, presence, photo }: ShownContact): Element {
  const status = cut(presence.status, STATUS_MOST_CHARACTERS);
  const stanza = presenceStanza({ ...presence, status, nick: nameOf(presence) });
  stanza.attrs.from = visitorAddress(jid);
  stanza.append(xml('x', { xmlns: VCARD_UPDATE }, xml('photo', {}, photo)));
  return stanza;
}

const nameOf = ({ nick }: VisitorPresence): string => cut(nick, NAME_MOST_CHARACTERS);

function contactElement(contact: ShownContact): Element {
  const { jid, presence } = contact;
  const name = xmlText(nameOf(presence));
  return xml('contact', { jid, name }, contactPresence(contact));
}

/** Of everything that an operator sees, so that a contact of an older release is sent again if it looks different now. */
export const contactHash = (contact: ShownContact): string =>
  createHash('sha256')
    .update(contactElement(contact).toString())
    .digest('base64url')
    .slice(0, HASH_CHARACTERS);

/** An entry of {@link contactsIq}, as text. @param hash of the contact */
export function contactXml(contact: ShownContact, hash: string): string {
  const element = contactElement(contact);
  element.attrs.hash = hash;
  return element.toString();
}

/** An entry of {@link contactsIq}. @param isForGood operators' rosters forget what they have stored of the contact, too */
export const goneXml = (jid: string, isForGood: boolean): string =>
  xml('gone', { jid, ...(isForGood && { forget: 'true' }) }).toString();

/** Changes contacts, all or none. @param entries of {@link contactXml} and {@link goneXml}: at most 100 */
export function contactsIq(
  { id, from, to }: { id: string; from: string; to: string },
  entries: readonly string[],
): string {
  const frame = xml('iq', { type: 'set', id, from, to }, xml('contacts', { xmlns: CONTACTS }, '|'));
  const [head = '', tail = ''] = frame.toString().split('|');
  return head + entries.join('') + tail;
}

/** Asks for a page. @param after the last JID of the page before; `''` for the first one */
export function listIq(
  { id, from, to }: { id: string; from: string; to: string },
  { instance, after, max }: { instance: string; after: string; max: number },
): string {
  const query = xml('contacts', { xmlns: CONTACTS, instance, after, max: String(max) });
  return xml('iq', { type: 'get', id, from, to }, query).toString();
}

export interface ContactPage {
  readonly contacts: readonly Contact[];
  readonly more: boolean;
}

/** @returns null if it is no page */
export function contactPage(answer: Element): ContactPage | null {
  const list = answer.getChild('contacts', CONTACTS);
  if (!list) return null;
  const contacts = list.getChildren('contact').map(({ attrs: { jid = '', hash = '' } }) => ({
    jid,
    hash,
  }));
  return { contacts, more: list.attrs.more === 'true' };
}
