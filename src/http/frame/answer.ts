/** What an endpoint answers, and the HTTP response made of it. */
import type { Problem } from './problem.ts';

/** At most one of `json`, `text` and `stream`. */
export interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  /** Sent as it comes, until the stream ends. */
  readonly stream?: ReadableStream<Uint8Array>;
  /** The content type of `text` or `stream`. Default `application/json`. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A position that the read models had before the answer was made, for an answer without `position` in its JSON. */
  readonly position?: string | null;
}

/** Retry-After of a 429 or 503 whose problem names no other. */
export const DEFAULT_RETRY_AFTER_S = 1;

const COMMON = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

export const isProblem = (result: object): result is Problem => 'code' in result;

/**
 * Makes the response. Headers are a plain object: the Node server writes those without a copy.
 * @param close whether the connection ends with it
 */
export function respond(result: Answer | Problem, requestId: string, close = false): Response {
  if (isProblem(result)) {
    const { status, retryAfter = DEFAULT_RETRY_AFTER_S } = result;
    return new Response(JSON.stringify(result), {
      status,
      headers: {
        'Content-Type': 'application/problem+json',
        ...COMMON,
        'X-Request-Id': requestId,
        // RFC 9110 §11.6.1
        ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
        ...(close && { Connection: 'close' }),
        ...((status === 429 || status === 503) && { 'Retry-After': String(retryAfter) }),
      },
    });
  }
  const { status, json, text, stream, type = 'application/json', headers } = result;
  const body = json === undefined ? (text ?? stream ?? null) : JSON.stringify(json);
  const all: Record<string, string> = { ...COMMON, 'X-Request-Id': requestId, ...headers };
  if (close) all.Connection = 'close';
  if (body !== null) all['Content-Type'] = type;
  return new Response(body, { status, headers: all });
}
