/**
 * Callbacks to LHC: one POST, and what its answer means. It is signed, or has the form of the older modules
 * (`xmppservice-callbacks.ts`). `callback-types.ts` has the bodies. The retries belong to the lane that delivers
 * (`reactors/lhc`); the composition root and the doctor build the client.
 */
import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { withoutCredentials } from '../kit/fetch-url.ts';
import { Lru } from '../kit/lru.ts';
import { webhookKey } from '../kit/webhook-key.ts';
import { ANSWER_MAX_BYTES, type Said, saidIn } from './callback-answer.ts';
import { type CallbackGuard, createCallbackGuard, NOTHING_ALLOWED } from './callback-guard.ts';
import type { Callback, Ping } from './callback-types.ts';
import { createRestApi } from './rest-api.ts';
import { createRestChats, type RestChats } from './rest-chats.ts';
import { createRestDelivery } from './rest-delivery.ts';
import { retryAfter } from './retry-after.ts';
import {
  pingRequest,
  type WireNames,
  type XmppserviceRequest,
  xmppserviceRequest,
  xmppserviceUrl,
} from './xmppservice-callbacks.ts';

/** The default time limit of one delivery, answer included. */
export const CALLBACK_DEADLINE_MS = 10_000;
/** An answer is received up to this size, so that its connection can be used again. */
const RECEIVED_MAX_BYTES = 65_536;

/** On the xmppservice wire LHC answers 503 for a visitor it does not know. So often it is asked before that is believed. */
export const UNKNOWN_VISITOR_TRIES = 2;
/** The wait between these tries. */
export const UNKNOWN_VISITOR_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 1_000 };

/** So many LHCs of the xmppservice wire are remembered as away. One that is forgotten may get a message once more. */
export const AWAY_REMEMBERED = 1_000;

/** Where a tenant's LHC listens. */
export interface CallbackEndpoint {
  readonly url: string;
  /** `whsec_…`. Without one the callback is not signed. */
  readonly secret?: string | undefined;
  /** True if the administrator wrote the address into TENANTS_FILE: then it may be in the service's own network. */
  readonly isDeclared?: boolean | undefined;
  /** LHC wants the form of the older modules, with these names. */
  readonly xmppservice?: WireNames | undefined;
  /** LHC has no extension, and is told by its REST API. */
  readonly rest?: { readonly user: string; readonly key: string } | undefined;
}

export type DeliveryOutcome =
  | Said
  /** The form of the endpoint cannot say this. Nothing was sent. */
  | { readonly outcome: 'unsupported' }
  /** HTTP 410: the endpoint wants no more callbacks. */
  | { readonly outcome: 'gone' }
  /** LHC takes callbacks, and does not know the visitor of this one. */
  | { readonly outcome: 'unknown-visitor' }
  | {
      readonly outcome: 'retry';
      readonly reason: string;
      /** The endpoint asked to wait this long. */
      readonly afterMs?: number;
      /** No answer, or one that is not about this callback: the endpoint is away for all callbacks. */
      readonly away?: true;
    };

/** Answers of an overloaded endpoint, or of a proxy without one: the same callback, or another, works later. */
const AWAY: readonly number[] = [429, 502, 503, 504];

export interface CallbackClient {
  /** Posts once; on the xmppservice wire a few times (docs/adr/0040). Never throws: every failure on the way is a `retry` with its reason. */
  deliver(endpoint: CallbackEndpoint, callback: Callback): Promise<DeliveryOutcome>;
}

/** A client that can also send what the doctor sends. */
export interface PingingClient extends CallbackClient {
  deliver(endpoint: CallbackEndpoint, callback: Callback | Ping): Promise<DeliveryOutcome>;
}

export interface CallbackClientOptions {
  /** For declared addresses. */
  readonly fetch?: typeof globalThis.fetch;
  /** For all others. Default: it allows the public Internet alone. */
  readonly guard?: CallbackGuard;
  readonly onAnswer?: (response: Response) => void;
  /** Time limit of one delivery, answer included. Default {@link CALLBACK_DEADLINE_MS}. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly userAgent?: string;
  /** The LHC at this host, which has no extension, has stored a message without its mark. */
  readonly onUnmarked?: (host: string) => void;
  /** Default {@link UNKNOWN_VISITOR_RETRY}. */
  readonly unknownVisitorRetry?: RetryPolicy;
}

interface Post {
  readonly url: string;
  readonly isDeclared?: boolean | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** True if the body of the answer may say something ({@link saidIn}). */
  readonly isAnswered?: boolean;
}

const USER_AGENT = 'xmpp-chat';

/** The account whose sign of life is a question: LHC takes it for nobody's. No operator can have a name like this. */
const NOBODY = 'visitor-of-xmpp-chat';

export function createCallbackClient(options: CallbackClientOptions = {}): PingingClient {
  const { fetch = globalThis.fetch, timeoutMs = CALLBACK_DEADLINE_MS, now = Date.now } = options;
  const { userAgent = USER_AGENT, guard = createCallbackGuard(NOTHING_ALLOWED) } = options;
  const { random = Math.random } = options;
  const { unknownVisitorRetry = UNKNOWN_VISITOR_RETRY } = options;

  async function post({
    url,
    isDeclared,
    headers,
    body,
    isAnswered,
  }: Post): Promise<DeliveryOutcome> {
    // AbortSignal.timeout would keep its timer, and fire it, after the answer has come.
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new DOMException('timed out', 'TimeoutError')),
      timeoutMs,
    );
    try {
      const { address, authorization } = withoutCredentials(url);
      const send = isDeclared ? fetch : guard.fetch;
      const response = await send(address, {
        method: 'POST',
        headers: { 'User-Agent': userAgent, ...authorization, ...headers },
        body,
        redirect: 'manual',
        signal: late.signal,
      });
      options.onAnswer?.(response);
      const text = await receive(response.body, isAnswered && response.ok ? ANSWER_MAX_BYTES : 0);
      return outcomeOf(response, text, now());
    } catch (error) {
      return { outcome: 'retry', reason: reasonOf(error), away: true };
    } finally {
      clearTimeout(timer);
    }
  }

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

  const rest = restOf({ ...options, fetch, guard, timeoutMs, now, userAgent });
  const restDelivery = createRestDelivery(rest.ask, rest.chats, options.onUnmarked);

  return {
    deliver: async (endpoint, callback) => {
      const { xmppservice } = endpoint;
      if (endpoint.rest) {
        const access = { ...endpoint, rest: endpoint.rest };
        if (callback.type !== 'doctor.ping') {
          return restDelivery.deliver(access, callback);
        }
        const answer = await rest.chats.probe(access);
        if (answer.kind === 'ok') return { outcome: 'accepted' };
        const reason = answer.kind === 'away' ? answer.reason : `it says: ${answer.text}`;
        return { outcome: 'retry', reason, away: true };
      }
      if (!xmppservice) return post(nativePost(endpoint, callback, now()));
      const question = xmppservicePost(endpoint, pingRequest(xmppservice.operator(NOBODY)));
      if (callback.type === 'doctor.ping') return post(question);
      const request = xmppserviceRequest(xmppservice, callback);
      if (!request) return { outcome: 'unsupported' };
      const own = xmppservicePost(endpoint, request);
      return request.path === 'processmessage' ? postWhenThere(own, question) : post(own);
    },
  };
}

/** Both ways to use LHC's REST API. */
function restOf(
  options: Pick<
    Required<CallbackClientOptions>,
    'fetch' | 'guard' | 'timeoutMs' | 'now' | 'userAgent'
  > &
    Pick<CallbackClientOptions, 'onAnswer'>,
) {
  const ask = createRestApi({ ...options, guardedFetch: options.guard.fetch });
  return { ask, chats: createRestChats(ask) };
}

/** What is read from LHC's REST API. */
export const createRestReading = (guard: CallbackGuard): RestChats =>
  restOf({
    fetch: globalThis.fetch,
    guard,
    timeoutMs: CALLBACK_DEADLINE_MS,
    now: Date.now,
    userAgent: USER_AGENT,
  }).chats;

function nativePost(
  { url, secret, isDeclared }: CallbackEndpoint,
  callback: Callback | Ping,
  now: number,
): Post {
  const body = JSON.stringify(callback);
  const signature = signatureHeaders(callback.id, Math.floor(now / 1000), body, secret);
  const headers = { 'Content-Type': 'application/json', ...signature };
  return { url, isDeclared, headers, body, isAnswered: callback.type !== 'doctor.ping' };
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

const answered = (status: number): string => `answered ${status}`;

function outcomeOf(response: Response, text: string | null, now: number): DeliveryOutcome {
  const { status } = response;
  if (response.ok) return saidIn(text);
  if (status === 410) return { outcome: 'gone' };
  const afterMs = retryAfter(response.headers.get('retry-after'), now);
  const redirected = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return {
    outcome: 'retry',
    reason: `${answered(status)}${redirected}`,
    ...(afterMs !== undefined && { afterMs }),
    ...(AWAY.includes(status) && { away: true }),
  };
}

/** The headers of Standard Webhooks 1.0, which signs `id.timestamp.body`. */
function signatureHeaders(
  id: string,
  timestamp: number,
  body: string,
  secret: string | undefined,
): Record<string, string> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) };
  if (secret === undefined) return headers;
  const mac = createHmac('sha256', webhookKey(secret))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64');
  return { ...headers, 'webhook-signature': `v1,${mac}` };
}

/** Receives a body. @param mostBytes that are kept @returns its text; null if it has none, or more than is kept */
async function receive(
  body: ReadableStream<Uint8Array> | null,
  mostBytes: number,
): Promise<string | null> {
  if (!body) return null;
  const kept: Uint8Array[] = [];
  const reader = body.getReader();
  for (let size = 0; size <= RECEIVED_MAX_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) return size > mostBytes ? null : Buffer.concat(kept).toString();
    size += value.length;
    if (size <= mostBytes) kept.push(value);
  }
  await reader.cancel(); // this closes the connection
  return null;
}

/** fetch's own message is `fetch failed`; its cause has the reason. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? messageOf(error.cause) || error.message : error.message;
}
