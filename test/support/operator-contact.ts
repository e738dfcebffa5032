/** Lookups of a client about a contact (vCard, picture), and the client's capabilities. */
import { createHash } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';

const VCARD = 'vcard-temp';
const PUBSUB = 'http://jabber.org/protocol/pubsub';
const DISCO = 'http://jabber.org/protocol/disco#info';
const AVATAR_DATA = 'urn:xmpp:avatar:data';
/** The node for the description of a picture. Clients with `…+notify` get it by themselves (XEP-0084). */
export const AVATAR_METADATA = 'urn:xmpp:avatar:metadata';

/** A vCard as a person sees it. Missing fields are empty. */
export interface VCard {
  readonly name: string;
  readonly nickname: string;
  readonly photo?: Photo;
}

interface Photo {
  readonly type: string;
  readonly data: Buffer;
  /** The SHA-1 of the data in hex, as in presences. */
  readonly sha1: string;
}

/** A picture in PEP: its metadata and its data. */
export interface PublishedPicture {
  /** The item id, which is the SHA-1 of the data. */
  readonly id: string;
  readonly type: string;
  readonly bytes: number;
  readonly data: Buffer;
}

type Request = (stanza: Element) => Promise<Element>;

function photoOf(type: string, base64: string): Photo {
  const data = Buffer.from(base64, 'base64');
  return { type, data, sha1: createHash('sha1').update(data).digest('hex') };
}

/** @throws ejabberd's answer if it is not a vCard */
export async function fetchVcard(jid: string, request: Request): Promise<VCard> {
  const answer = await request(xml('iq', { type: 'get', to: jid }, xml('vCard', { xmlns: VCARD })));
  const card = answer.getChild('vCard', VCARD);
  if (answer.attrs.type !== 'result' || !card) throw new Error(answer.toString());
  const photo = card.getChild('PHOTO');
  return {
    name: card.getChildText('FN') ?? '',
    nickname: card.getChildText('NICKNAME') ?? '',
    ...(photo && {
      photo: photoOf(photo.getChildText('TYPE') ?? '', photo.getChildText('BINVAL') ?? ''),
    }),
  };
}

async function lastItem(jid: string, node: string, request: Request): Promise<Element | undefined> {
  const items = xml('items', { node, max_items: '1' });
  const answer = await request(
    xml('iq', { type: 'get', to: jid }, xml('pubsub', { xmlns: PUBSUB }, items)),
  );
  return answer.getChild('pubsub', PUBSUB)?.getChild('items')?.getChild('item');
}

/** @returns null if the contact has no picture */
export async function fetchPicture(
  jid: string,
  request: Request,
): Promise<PublishedPicture | null> {
  const described = await lastItem(jid, AVATAR_METADATA, request);
  const info = described?.getChild('metadata', AVATAR_METADATA)?.getChild('info');
  const published = await lastItem(jid, AVATAR_DATA, request);
  const data = published?.getChildText('data', AVATAR_DATA);
  if (!info || data === undefined || data === null) return null;
  return {
    id: info.attrs.id ?? '',
    type: info.attrs.type ?? '',
    bytes: Number(info.attrs.bytes),
    data: Buffer.from(data, 'base64'),
  };
}

/** The answer to a query for the client's capabilities (XEP-0030). */
export const capabilities = (features: readonly string[]): Element =>
  xml(
    'query',
    { xmlns: DISCO },
    xml('identity', { category: 'client', type: 'pc', name: 'test' }),
    ...features.map((feature) => xml('feature', { var: feature })),
  );

/** The hash of the capabilities for presences (XEP-0115 §5.1), so the server need not query them again. */
export function capabilitiesHash(features: readonly string[]): Element {
  const text = ['client/pc//test', ...features.toSorted()].map((part) => `${part}<`).join('');
  const ver = createHash('sha1').update(text).digest('base64');
  const node = 'https://example.org/test-client';
  return xml('c', { xmlns: 'http://jabber.org/protocol/caps', hash: 'sha-1', node, ver });
}

/** True if this stanza queries the client's capabilities. */
export const asksForCapabilities = (stanza: Element): boolean =>
  stanza.attrs.type === 'get' && stanza.getChild('query', DISCO) !== undefined;
