/** What an endpoint answers, and the response that it becomes. */
import type { Problem } from './problem.ts';

export interface Answer {
  readonly status: number;
  /** Sent as JSON … */
  readonly json?: unknown;
  /** … or as it is, with this type … */
  readonly text?: string;
  readonly type?: string;
  /** … or bit by bit, for as long as it lasts. */
  readonly stream?: ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

const COMMON = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

export const isProblem = (result: Answer | Problem): result is Problem => 'code' in result;

/** The response of an answer or a problem. Plain headers, so that the Node server writes them as they are. */
export function respond(result: Answer | Problem, requestId: string): Response {
  if (isProblem(result)) {
    return new Response(JSON.stringify(result), {
      status: result.status,
      headers: {
        'Content-Type': 'application/problem+json',
        ...COMMON,
        'X-Request-Id': requestId,
        // RFC 9110 §11.6.1
        ...(result.status === 401 && { 'WWW-Authenticate': 'Bearer' }),
        ...(result.status === 503 && { 'Retry-After': String(result.retryAfter ?? 1) }),
      },
    });
  }
  const { status, json, text, stream, type = 'application/json', headers } = result;
  const body = json === undefined ? (text ?? stream ?? null) : JSON.stringify(json);
  const all: Record<string, string> = { ...COMMON, 'X-Request-Id': requestId, ...headers };
  if (body !== null) all['Content-Type'] = type;
  return new Response(body, { status, headers: all });
}
