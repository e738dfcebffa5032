/** Requests to the running service, for the commands that need it. */
import type { Command } from 'commander';
import { z } from 'zod';
import { readAccess } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import { retryAfter } from '../lhc/retry-after.ts';

export interface ServiceAccess {
  readonly url: string;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** How long the service asks to wait; undefined without such a wish. */
  readonly retryAfterMs: number | undefined;
  /** `X-Request-Id`: the log of the service has it beside what the answer does not say. */
  readonly requestId: string | null;
}

export interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Longer than the service takes: it answers 503 when ejabberd is too slow. */
export const ANSWER_DEADLINE_MS = 35_000;

/** RFC 9457, as the service answers. */
const Problem = z.object({
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
});

export const withAccessOptions = (command: Command, token: string): Command =>
  command
    .option('--url <url>', 'of the running service (default: LISTEN)')
    .option('--token <token>', `${token} (default: ADMIN_TOKEN)`);

/** @throws {AppError} `invalid` without a token */
export function accessOf(command: Command): ServiceAccess {
  const configured = readAccess();
  const options = command.optsWithGlobals<Partial<ServiceAccess>>();
  const { url = configured.url, token = configured.token } = options;
  if (!token) throw new AppError('invalid', 'ADMIN_TOKEN is not set: set it, or use --token');
  return { url, token };
}

/** @throws {AppError} `unavailable` when nobody answers; `refused` when another program does */
export async function ask(
  { url, token }: ServiceAccess,
  { method, path, body, headers }: ServiceRequest,
): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    text = await response.text();
  } catch (error) {
    // fetch says `fetch failed`, and its cause says why.
    const reason = messageOf(error instanceof Error ? (error.cause ?? error) : error);
    throw new AppError('unavailable', `no service answers at ${url}: ${reason}`);
  }
  const { status } = response;
  try {
    const retryAfterMs = retryAfter(response.headers.get('retry-after'), Date.now());
    const requestId = response.headers.get('x-request-id');
    return { status, body: text === '' ? null : JSON.parse(text), retryAfterMs, requestId };
  } catch {
    throw anotherProgram(url, status);
  }
}

/** Characters of one line of an answer. */
const MOST_LINE_CHARACTERS = 16 * 1024 * 1024;
/** How long nothing may come while lines are expected: the service says how far it is much more often. */
export const LINE_DEADLINE_MS = 60_000;

/**
 * Asks for an answer of one JSON value a line (NDJSON), which may take long as a whole.
 * @throws {AppError} as {@link ask}, and with the answer of the service, if it refuses
 */
export async function* askLines(
  { url, token }: ServiceAccess,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const silence = new AbortController();
  const tooLong = (): void =>
    silence.abort(new AppError('timeout', `${url} says nothing any more`));
  let timer = setTimeout(tooLong, LINE_DEADLINE_MS);
  try {
    const response = await fetch(new URL(path, url), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    const requestId = response.headers.get('x-request-id');
    if (response.status >= 400 || !response.body) {
      const body: unknown = await response.json().catch(() => null);
      throw refusalOf({ status: response.status, body, retryAfterMs: undefined, requestId });
    }
    let rest = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer);
      timer = setTimeout(tooLong, LINE_DEADLINE_MS);
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MOST_LINE_CHARACTERS) throw anotherProgram(url, response.status);
      for (const line of lines) if (line !== '') yield valueIn(line);
    }
    if (rest !== '') yield valueIn(rest);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof AppError) throw error;
    if (error instanceof SyntaxError) throw anotherProgram(url, 200);
    const reason = messageOf(error instanceof Error ? (error.cause ?? error) : error);
    throw new AppError('unavailable', `the answer of ${url} ended: ${reason}`);
  } finally {
    clearTimeout(timer);
  }
}

/** The line with which the service ends an answer that broke off. */
const BrokenOff = z.object({ kind: z.literal('error'), detail: z.string() });

function valueIn(line: string): unknown {
  const value: unknown = JSON.parse(line);
  const { data } = BrokenOff.safeParse(value);
  if (data) throw new AppError('unavailable', `the answer broke off: ${data.detail}`);
  return value;
}

/** For an answer that this service never gives. */
export const anotherProgram = (url: string, status: number): AppError =>
  new AppError(
    'refused',
    `the program at ${url} is not this service (it answered ${status}): set LISTEN as for the service, or use --url`,
  );

/** What the service says in an answer that refuses. */
export function refusalOf({ status, body, requestId }: Answer): AppError {
  const { data } = Problem.safeParse(body);
  const fields = data?.errors?.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
  const reason = fields || data?.detail || 'without a reason';
  const of = requestId === null ? '' : ` (request ${requestId})`;
  const isForNow = status === 503 || status === 429;
  return new AppError(isForNow ? 'unavailable' : 'refused', `${status} ${reason}${of}`);
}
