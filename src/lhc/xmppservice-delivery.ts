/** Callbacks on the xmppservice wire, which has no ids: what is sent when nobody knows whether LHC has it (docs/adr/0040). */
import { setTimeout as delay } from 'node:timers/promises';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { Lru } from '../kit/lru.ts';
import type { Callback, Ping } from './callback-types.ts';
import type { CallbackEndpoint, DeliveryOutcome } from './delivery.ts';
import { answered, type Post, type SendPost } from './post.ts';
import {
  pingRequest,
  type WireNames,
  type XmppserviceRequest,
  xmppserviceRequest,
  xmppserviceUrl,
} from './xmppservice-callbacks.ts';

/** On the xmppservice wire LHC answers 503 for a visitor it does not know. So often it is asked before that is believed. */
export const UNKNOWN_VISITOR_TRIES = 2;
/** The wait between these tries. */
export const UNKNOWN_VISITOR_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 1_000 };

/** So many LHCs of the xmppservice wire are remembered as away. One that is forgotten may get a message once more. */
export const AWAY_REMEMBERED = 1_000;

/** The account whose sign of life is a question: LHC takes it for nobody's. No operator can have a name like this. */
const NOBODY = 'visitor-of-xmpp-chat';

/** @returns posts a callback, as often as this wire needs. It never throws */
export function createXmppserviceDelivery(
  post: SendPost,
  { random, unknownVisitorRetry }: { random: () => number; unknownVisitorRetry: RetryPolicy },
): (
  endpoint: CallbackEndpoint,
  names: WireNames,
  callback: Callback | Ping,
) => Promise<DeliveryOutcome> {
  /** The addresses for messages whose LHC was away at the last one. */
  const away = new Lru<true>(AWAY_REMEMBERED);

  /**
   * An LHC that hangs carries out later what it was sent, each try of it, and the visitor reads each of them. So once it was
   * away it gets no message before it has answered the question.
   */
  async function postWhenThere(request: Post, question: Post): Promise<DeliveryOutcome> {
    if (away.get(request.url)) {
      const isThere = await post(question);
      if (isThere.outcome !== 'accepted') return isThere;
      away.delete(request.url);
    }
    const answer = await postMessage(request, question);
    if (answer.outcome === 'retry' && answer.away) away.set(request.url, true);
    return answer;
  }

  /**
   * LHC answers 503 to a message for a visitor whom it does not know, with the page that it has for all its faults. Whether
   * LHC is there at all shows a question that it can always answer, with a look into its database.
   */
  async function postMessage(request: Post, question: Post): Promise<DeliveryOutcome> {
    for (let tried = 1; ; tried++) {
      const answer = await post(request);
      if (answer.outcome !== 'retry' || answer.reason !== answered(503)) return answer;
      const isThere = await post(question);
      if (isThere.outcome !== 'accepted') return answer;
      if (tried >= UNKNOWN_VISITOR_TRIES) return { outcome: 'unknown-visitor' };
      await delay(backoff(tried, unknownVisitorRetry, random));
    }
  }

  return async (endpoint, names, callback) => {
    const question = xmppservicePost(endpoint, pingRequest(names.operator(NOBODY)));
    if (callback.type === 'doctor.ping') return post(question);
    const request = xmppserviceRequest(names, callback);
    if (!request) return { outcome: 'unsupported' };
    const own = xmppservicePost(endpoint, request);
    return request.path === 'processmessage' ? postWhenThere(own, question) : post(own);
  };
}

const xmppservicePost = (
  { url, isDeclared }: CallbackEndpoint,
  { path, contentType, body }: XmppserviceRequest,
): Post => ({
  url: xmppserviceUrl(url, path),
  isDeclared,
  headers: { 'Content-Type': contentType },
  body,
});
