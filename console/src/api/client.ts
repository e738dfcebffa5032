/** Requests to the HTTP API with the admin token. */
import { learnClock } from '../clock.ts';
import { session } from './session.ts';

/** How long an answer may take. The service's own deadlines are shorter. */
const ANSWER_DEADLINE_MS = 30_000;

/** A refusal of the service (problem+json), or no answer at all (status 0). */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** `not-found`, `refused` … ; `no-answer` without one. */
  readonly code: string;
  /** For the service's log. */
  readonly requestId: string | null;

  constructor(status: number, code: string, detail: string, requestId: string | null = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Statuses that are no error. */
  readonly alsoOk?: readonly number[];
}

interface Problem {
  readonly code?: unknown;
  readonly detail?: unknown;
}

async function errorOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('x-request-id');
  // A proxy's error page is no JSON.
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const code = typeof problem.code === 'string' ? problem.code : `http-${response.status}`;
  const detail =
    typeof problem.detail === 'string'
      ? problem.detail
      : `the answer was ${response.status} ${response.statusText}`.trim();
  return new ApiError(response.status, code, detail, requestId);
}

/**
 * Asks the service. A 401 ends the session.
 * @param path with query, from `/`
 * @throws {ApiError} @throws {DOMException} `AbortError` if the signal says so
 */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', body, headers, signal, alsoOk = [] } = options;
  const { token } = session.get();
  let response: Response;
  const sentAt = Date.now();
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...headers,
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'no-answer', 'the service did not answer');
  }
  learnClock(response.headers.get('date'), sentAt, Date.now());
  if (response.ok || alsoOk.includes(response.status)) return response;
  if (response.status === 401) session.end('refused', token);
  throw await errorOf(response);
}

/** An answer in JSON. @param options.signal ends it before the deadline */
export async function ask<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  try {
    const response = await request(path, { ...options, signal });
    if (response.status === 204) return undefined as T; // commands without an answer
    return (await response.json()) as T; // what the OpenAPI document promises for this path
  } catch (error) {
    if (deadline.aborted && !options.signal?.aborted) {
      throw new ApiError(0, 'no-answer', `no answer within ${ANSWER_DEADLINE_MS / 1_000} s`);
    }
    throw error;
  }
}

/** Whether the service takes this token. @throws {ApiError} if that cannot be found out */
export async function isAdminToken(token: string): Promise<boolean> {
  let response: Response;
  try {
    response = await fetch('/v1/tenants?limit=1', {
      headers: { authorization: `Bearer ${token}` },
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
  } catch {
    throw new ApiError(0, 'no-answer', 'the service did not answer');
  }
  if (response.ok) return true;
  if (response.status === 401) return false;
  throw await errorOf(response);
}
