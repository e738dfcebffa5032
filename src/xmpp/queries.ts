/**
 * Answers what clients ask a visitor (IQs). With an account, the session answers for its full JID, and ejabberd itself
 * for the bare one. With the component, the service answers both. The capabilities are in `capabilities.ts`.
 */
import xml, { type Element } from '@xmpp/xml';
import { within } from '../kit/deadline.ts';
import { type Rate, TokenBucket } from '../kit/token-bucket.ts';
import { DISCO_INFO, discoInfo } from './capabilities.ts';

/**
 * Queries that one session answers. Each operator's client asks a contact a few things when it appears, unless it knows
 * the capabilities. What is more gets no answer, so that nobody can fill the session's buffer.
 */
export const QUERY_RATE: Rate = { burst: 200, perSecond: 50 };
/** A longer id gets no answer: it would be as long, and ids of clients have some 40 characters. */
export const MAX_QUERY_ID_CHARACTERS = 1_024;

/** For a handler. Clients wait for some 30 s. */
const QUERY_DEADLINE_MS = 20_000;

const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items'; // XEP-0030
const PING = 'urn:xmpp:ping'; // XEP-0199
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'; // RFC 6120 §8.3.3

/**
 * Answers what a visitor's client does not know of itself, such as ad-hoc commands (XEP-0050).
 * @param to the visitor's JID, bare or full
 * @param from the full JID of who asks. With an account anybody may ask whom mod_lhc lets pass; by the component, only
 * accounts of the visitor's host
 * @returns the content of the answer (an `error` for an error, see {@link queryError}); null: it is no query of this kind
 */
export type QueryHandler = (to: string, from: string, iq: Element) => Promise<Element | null>;

/** True for an IQ that has to be answered. */
export const isQuery = ({ name, attrs: { type, id = '' } }: Element): boolean =>
  name === 'iq' && type !== 'result' && type !== 'error' && id.length <= MAX_QUERY_ID_CHARACTERS;

/** What one session does with the queries that it gets. */
export interface SessionQueries {
  /**
   * Takes each stanza that comes in. The answer, if there is one, comes in the same turn, but for what the handler answers.
   * @param at ms, only for intervals
   */
  heard(stanza: Element, at: number): void;
}

/**
 * @param domain the server. What it asks is always answered
 * @param reply sends the answer
 */
export function createSessionQueries(
  domain: string,
  reply: (answer: Element) => void,
  handler?: QueryHandler,
): SessionQueries {
  let budget: TokenBucket | undefined; // most sessions are never asked
  return {
    heard(stanza, at) {
      if (!isQuery(stanza)) return;
      const { from } = stanza.attrs;
      budget ??= new TokenBucket(QUERY_RATE);
      const isServer = from === undefined || from === domain;
      if (!isServer && !budget.take(at)) return;
      const answer = (content: Element | null) => reply(answerStanza(stanza, content));
      if (isServer || !handler || !isWellFormed(stanza)) {
        answer(answerTo(stanza));
        return;
      }
      handled(handler, stanza).then(
        (content) => answer(content ?? answerTo(stanza)),
        () => answer(queryError('wait', 'internal-server-error')),
      );
    },
  };
}

/** What the handler answers. @throws what it throws, at once or later, and when {@link QUERY_DEADLINE_MS} is over */
export async function handled(handler: QueryHandler, stanza: Element): Promise<Element | null> {
  const { to = '', from = '' } = stanza.attrs;
  return within(QUERY_DEADLINE_MS, handler(to, from, stanza), () => new Error('no answer in time'));
}

/**
 * The answer to a query. The question is not repeated in it (RFC 6120 §8.3.1 allows both): with it an answer could be
 * longer than the server takes, which would end the session.
 * @param content null: an empty result
 */
export function answerStanza({ attrs }: Element, content: Element | null): Element {
  const { id, from } = attrs;
  const type = content?.name === 'error' ? 'error' : 'result';
  return xml('iq', { type, id, to: from }, content ?? undefined);
}

/** RFC 6120 §8.2.3 */
export function isWellFormed(stanza: Element): boolean {
  const { type } = stanza.attrs;
  return (type === 'get' || type === 'set') && stanza.getChildElements().length === 1;
}

/** The content of the answer of a visitor's client; null for an empty result. */
export function answerTo(stanza: Element): Element | null {
  const [query] = stanza.getChildElements();
  if (!query || !isWellFormed(stanza)) return queryError('modify', 'bad-request');
  // Versions (XEP-0092) and all else: nobody has to know, and a visitor's browser has none of it.
  if (stanza.attrs.type === 'set') return queryError('cancel', 'service-unavailable');
  if (query.is('ping', PING)) return null;
  if (query.is('query', DISCO_INFO)) {
    return discoInfo(query.attrs.node) ?? queryError('cancel', 'item-not-found');
  }
  if (query.is('query', DISCO_ITEMS)) {
    return query.attrs.node === undefined
      ? xml('query', { xmlns: DISCO_ITEMS })
      : queryError('cancel', 'item-not-found');
  }
  return queryError('cancel', 'service-unavailable');
}

/** The content of an error (RFC 6120 §8.3). */
export const queryError = (type: 'cancel' | 'modify' | 'wait', condition: string): Element =>
  xml('error', { type }, xml(condition, { xmlns: STANZA_ERRORS }));
