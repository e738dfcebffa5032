/** What a client looks up about a contact (its vCard, its picture), and how it says what it wants to hear of. */
import { createHash } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';

const VCARD = 'vcard-temp';
const PUBSUB = 'http://jabber.org/protocol/pubsub';
const DISCO = 'http://jabber.org/protocol/disco#info';
const AVATAR_DATA = 'urn:xmpp:avatar:data';
/** Where a picture's description is published, and what a client with `…+notify` is sent (XEP-0084). */
export const AVATAR_METADATA = 'urn:xmpp:avatar:metadata';

/** A vCard as a person sees it; fields that are missing are empty. */
export interface VCard {
  readonly name: string;
  readonly nickname: string;
  readonly photo?: Photo;
}

interface Photo {
  readonly type: string;
  readonly data: Buffer;
  /** Of the data, in hex, as presences name it. */
  readonly sha1: string;
}

/** A picture in PEP: what its metadata says, and the data. */
export interface Published {
  /** SHA-1 of the data, by which it is published. */
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

/** @throws what ejabberd answered, if that is no vCard */
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

/** null: there is none. */
export async function fetchPicture(jid: string, request: Request): Promise<Published | null> {
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

/** The answer to a question what a client can do (XEP-0030). */
export const capabilities = (features: readonly string[]): Element =>
  xml(
    'query',
    { xmlns: DISCO },
    xml('identity', { category: 'client', type: 'pc', name: 'test' }),
    ...features.map((feature) => xml('feature', { var: feature })),
  );

/** What a presence says of that (XEP-0115 §5.1), so that nobody has to ask twice. */
export function capabilitiesHash(features: readonly string[]): Element {
  const text = ['client/pc//test', ...features.toSorted()].map((part) => `${part}<`).join('');
  const ver = createHash('sha1').update(text).digest('base64');
  const node = 'https://example.org/test-client';
  return xml('c', { xmlns: 'http://jabber.org/protocol/caps', hash: 'sha-1', node, ver });
}

/** Whether this asks what the client can do. */
export const asksForCapabilities = (stanza: Element): boolean =>
  stanza.attrs.type === 'get' && stanza.getChild('query', DISCO) !== undefined;
