/**
 * Answers what clients ask a visitor's session (IQs to the full JID). What they ask the account (vCards, the server's
 * features, pictures) ejabberd answers itself. The capabilities are in `capabilities.ts`.
 */
import xml, { type Element } from '@xmpp/xml';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import { DISCO_INFO, discoInfo } from '../capabilities.ts';

/**
 * Queries that one session answers. Each operator's client asks a contact a few things when it appears, unless it knows
 * the capabilities. What is more gets no answer, so that nobody can fill the session's buffer.
 */
export const QUERY_RATE: Rate = { burst: 200, perSecond: 50 };
/** A longer id gets no answer: it would be as long, and ids of clients have some 40 characters. */
export const MAX_QUERY_ID_CHARACTERS = 1_024;

const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items'; // XEP-0030
const PING = 'urn:xmpp:ping'; // XEP-0199
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'; // RFC 6120 §8.3.3

/**
 * Takes each stanza that comes in.
 * @param at ms, only for intervals
 * @returns the answer to write; null if it is no query, or one too many
 */
export type AnswerQuery = (stanza: Element, at: number) => Element | null;

/** @param domain the server. What it asks is always answered */
export function createAnswerQuery(domain: string): AnswerQuery {
  let budget: TokenBucket | undefined; // most sessions are never asked
  return (stanza, at) => {
    const { type, from, id = '' } = stanza.attrs;
    if (stanza.name !== 'iq' || type === 'result' || type === 'error') return null;
    if (id.length > MAX_QUERY_ID_CHARACTERS) return null;
    budget ??= new TokenBucket(QUERY_RATE);
    const isServer = from === undefined || from === domain;
    if (!isServer && !budget.take(at)) return null;
    const answer = answerTo(stanza);
    const isError = answer?.name === 'error';
    return xml('iq', { type: isError ? 'error' : 'result', id, to: from }, answer ?? undefined);
  };
}

/**
 * The content of the answer; null for an empty result. The question is not repeated in it (RFC 6120 §8.3.1 allows both):
 * with it an answer could be longer than the server takes, which would end the session.
 */
function answerTo(stanza: Element): Element | null {
  const [query, ...others] = stanza.getChildElements();
  const { type } = stanza.attrs;
  if (!query || others.length > 0 || (type !== 'get' && type !== 'set')) {
    return error('modify', 'bad-request'); // RFC 6120 §8.2.3
  }
  // Versions (XEP-0092) and all else: nobody has to know, and a visitor's browser has none of it.
  if (type === 'set') return error('cancel', 'service-unavailable');
  if (query.is('ping', PING)) return null;
  if (query.is('query', DISCO_INFO)) {
    return discoInfo(query.attrs.node) ?? error('cancel', 'item-not-found');
  }
  if (query.is('query', DISCO_ITEMS)) {
    return query.attrs.node === undefined
      ? xml('query', { xmlns: DISCO_ITEMS })
      : error('cancel', 'item-not-found');
  }
  return error('cancel', 'service-unavailable');
}

const error = (type: 'cancel' | 'modify', condition: string): Element =>
  xml('error', { type }, xml(condition, { xmlns: STANZA_ERRORS }));
