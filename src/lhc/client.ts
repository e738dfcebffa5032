/** Tells LHC what happened: one signed POST at a time, its answer judged (CONTRACTS.md §3). Retrying is for lanes. */
import { createHmac } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { retryAfter } from './retry-after.ts';
import type { Callback, Ping } from './types.ts';

/** Where a tenant's LHC listens. */
export interface CallbackEndpoint {
  readonly url: string;
  /** `whsec_…`; without one nothing is signed. */
  readonly secret?: string | undefined;
}

export type DeliveryOutcome =
  | { readonly outcome: 'accepted' }
  /** HTTP 410: it wants no more. */
  | { readonly outcome: 'gone' }
  /** `afterMs`: not before; it asked so. */
  | { readonly outcome: 'retry'; readonly reason: string; readonly afterMs?: number };

export interface CallbackClient {
  /** Posts once. Never throws: what goes wrong on the way is a `retry` with its reason. */
  deliver(endpoint: CallbackEndpoint, callback: Callback): Promise<DeliveryOutcome>;
}

/** The same for the doctor, too. */
export interface PingingClient extends CallbackClient {
  deliver(endpoint: CallbackEndpoint, callback: Callback | Ping): Promise<DeliveryOutcome>;
}

const TIMEOUT_MS = 10_000;
/** Answers are read so far, so that the connection can be used again, and not kept. */
const ANSWER_BYTES = 65_536;

/**
 * @param options.timeoutMs for the whole of a delivery, answer included; default 10,000
 * @param options.now ms since 1970
 */
export function createCallbackClient(
  options: {
    readonly fetch?: typeof globalThis.fetch;
    readonly timeoutMs?: number;
    readonly now?: () => number;
    readonly userAgent?: string;
  } = {},
): PingingClient {
  const { fetch = globalThis.fetch, timeoutMs = TIMEOUT_MS, now = Date.now } = options;
  const { userAgent = 'xmpp-chat' } = options;

  return {
    deliver: async ({ url, secret }, callback) => {
      const body = JSON.stringify(callback);
      // Not AbortSignal.timeout: its timer stays, and fires, also when the answer came long ago.
      const late = new AbortController();
      const timer = setTimeout(
        () => late.abort(new DOMException('timed out', 'TimeoutError')),
        timeoutMs,
      );
      try {
        const { address, authorization } = withoutCredentials(url);
        const response = await fetch(address, {
          method: 'POST',
          headers: {
            'Content-Type': 'application/json',
            'User-Agent': userAgent,
            ...authorization,
            ...signature(callback.id, Math.floor(now() / 1000), body, secret),
          },
          body,
          redirect: 'manual',
          signal: late.signal,
        });
        await discard(response.body);
        return judge(response, now());
      } catch (error) {
        return { outcome: 'retry', reason: failure(error) };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function judge(response: Response, now: number): DeliveryOutcome {
  const { status } = response;
  if (response.ok) return { outcome: 'accepted' };
  if (status === 410) return { outcome: 'gone' };
  const afterMs = retryAfter(response.headers.get('retry-after'), now);
  const redirected = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return {
    outcome: 'retry',
    reason: `answered ${status}${redirected}`,
    ...(afterMs !== undefined && { afterMs }),
  };
}

/** Standard Webhooks 1.0: the content that is signed is `id.timestamp.body`. */
function signature(
  id: string,
  timestamp: number,
  body: string,
  secret: string | undefined,
): Record<string, string> {
  const named = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) };
  if (secret === undefined) return named;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...named, 'webhook-signature': `v1,${mac}` };
}

/** fetch refuses an address with a user and password, and says both in its error. */
function withoutCredentials(url: string): {
  address: URL;
  authorization: Record<string, string>;
} {
  const address = new URL(url);
  const { username, password } = address;
  if (!username && !password) return { address, authorization: {} };
  address.username = '';
  address.password = '';
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const basic = Buffer.from(credentials).toString('base64');
  return { address, authorization: { Authorization: `Basic ${basic}` } };
}

async function discard(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (!body) return;
  const reader = body.getReader();
  for (let size = 0; size <= ANSWER_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) return;
    size += value.length;
  }
  await reader.cancel(); // this closes the connection
}

/** fetch says `fetch failed` and puts what failed into the cause. */
function failure(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? messageOf(error.cause) || error.message : error.message;
}
