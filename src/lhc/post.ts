/** One POST to LHC, and what the answer means. */
import { messageOf } from '../errors.ts';
import { withoutCredentials } from '../kit/fetch-url.ts';
import { ANSWER_MAX_BYTES, saidIn } from './callback-answer.ts';
import type { CallbackGuard } from './callback-guard.ts';
import type { DeliveryOutcome } from './delivery.ts';
import { retryAfter } from './retry-after.ts';

/** An answer is received up to this size, so that its connection can be used again. */
const RECEIVED_MAX_BYTES = 65_536;

/** Answers of an overloaded endpoint, or of a proxy without one: the same callback, or another, works later. */
const AWAY: readonly number[] = [429, 502, 503, 504];

export interface Post {
  readonly url: string;
  readonly isDeclared?: boolean | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** True if the body of the answer may say something ({@link saidIn}). */
  readonly isAnswered?: boolean;
}

/** Never throws: every failure on the way is a `retry` with its reason. */
export type SendPost = (post: Post) => Promise<DeliveryOutcome>;

export function createPost(options: {
  /** For declared addresses. */
  readonly fetch: typeof globalThis.fetch;
  /** For all others. */
  readonly guard: CallbackGuard;
  readonly onAnswer?: ((response: Response) => void) | undefined;
  /** Of one POST, answer included. */
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly userAgent: string;
}): SendPost {
  const { fetch, guard, timeoutMs, now, userAgent } = options;
  return async ({ url, isDeclared, headers, body, isAnswered }) => {
    const { signal, end } = timeLimit(timeoutMs);
    try {
      const { address, authorization } = withoutCredentials(url);
      const send = isDeclared ? fetch : guard.fetch;
      const response = await send(address, {
        method: 'POST',
        headers: { 'User-Agent': userAgent, ...authorization, ...headers },
        body,
        redirect: 'manual',
        signal,
      });
      options.onAnswer?.(response);
      const text = await receive(response.body, isAnswered && response.ok ? ANSWER_MAX_BYTES : 0);
      return outcomeOf(response, text, now());
    } catch (error) {
      return { outcome: 'retry', reason: reasonOf(error), away: true };
    } finally {
      end();
    }
  };
}

/** A signal for fetch. AbortSignal.timeout would keep its timer, and fire it, after the answer has come. */
export function timeLimit(ms: number): { readonly signal: AbortSignal; end(): void } {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException('timed out', 'TimeoutError')), ms);
  return { signal: late.signal, end: () => clearTimeout(timer) };
}

/** The reason of a retry after this status. */
export const answered = (status: number): string => `answered ${status}`;

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

/** Why fetch has failed. Its own message is `fetch failed`; its cause has the reason. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? messageOf(error.cause) || error.message : error.message;
}
