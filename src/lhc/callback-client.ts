/**
 * Callbacks to LHC, in the three flavours: signed (here), in the form of the older modules (`xmppservice-delivery.ts`), and by
 * LHC's REST API (`rest-delivery.ts`). `callback-types.ts` has the bodies. The retries belong to the lane that delivers
 * (`reactors/lhc`); the composition root and the doctor build the client.
 */
import { createHmac } from 'node:crypto';
import type { RetryPolicy } from '../kit/backoff.ts';
import { webhookKey } from '../kit/webhook-key.ts';
import { type CallbackGuard, createCallbackGuard, NOTHING_ALLOWED } from './callback-guard.ts';
import type { Callback, Ping } from './callback-types.ts';
import type { CallbackEndpoint, DeliveryOutcome } from './delivery.ts';
import { createPost, type Post } from './post.ts';
import { createRestApi } from './rest-api.ts';
import { createRestChats, type RestChats } from './rest-chats.ts';
import { createRestDelivery } from './rest-delivery.ts';
import { createXmppserviceDelivery, UNKNOWN_VISITOR_RETRY } from './xmppservice-delivery.ts';

/** The default time limit of one delivery, answer included. */
export const CALLBACK_DEADLINE_MS = 10_000;

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

const USER_AGENT = 'xmpp-chat';

export function createCallbackClient(options: CallbackClientOptions = {}): PingingClient {
  const { fetch = globalThis.fetch, timeoutMs = CALLBACK_DEADLINE_MS, now = Date.now } = options;
  const { userAgent = USER_AGENT, guard = createCallbackGuard(NOTHING_ALLOWED) } = options;
  const { random = Math.random } = options;
  const { unknownVisitorRetry = UNKNOWN_VISITOR_RETRY } = options;

  const common = { ...options, fetch, guard, timeoutMs, now, userAgent };
  const post = createPost(common);
  const olderForm = createXmppserviceDelivery(post, { random, unknownVisitorRetry });
  const rest = restOf(common);
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
      if (xmppservice) return olderForm(endpoint, xmppservice, callback);
      return post(nativePost(endpoint, callback, now()));
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
