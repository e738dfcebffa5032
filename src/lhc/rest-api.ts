/**
 * LHC's own REST API, for a tenant without an extension (docs/lhc-without-extension.md): one request, and what its answer
 * means. LHC says an error with status 400, or with 200 and `error`; its words are in the language of the site.
 */
import { z } from 'zod';
import { reasonOf, timeLimit } from './post.ts';
import { retryAfter } from './retry-after.ts';

/** An answer is read up to this size. One chat with all its messages has to fit. */
export const REST_ANSWER_BYTES = 4 * 1024 * 1024;
/** What LHC says of an error is cut to so many characters. */
const REASON_CHARACTERS = 200;

/** Where a tenant's LHC is, and who asks. */
export interface RestAccess {
  /** LHC's address. Without URL rewriting it ends with `/index.php`. */
  readonly url: string;
  /** True if the administrator wrote the address into TENANTS_FILE: then it may be in the service's own network. */
  readonly isDeclared?: boolean | undefined;
  readonly rest: { readonly user: string; readonly key: string };
}

/** A request to a view of `restapi/`. With a form it is a POST: LHC reads JSON in few of its views. */
export interface RestRequest {
  readonly view: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
}

export type RestAnswer =
  | { readonly kind: 'ok'; readonly body: unknown }
  /** LHC does not do it. `text`: why, in its own words, on one line. */
  | { readonly kind: 'error'; readonly text: string }
  /** No answer of LHC. */
  | {
      readonly kind: 'away';
      readonly reason: string;
      /** True if LHC may have carried it out. */
      readonly sent: boolean;
      readonly afterMs?: number;
    };

export interface RestApiOptions {
  /** For declared addresses. */
  readonly fetch: typeof globalThis.fetch;
  /** For all others. */
  readonly guardedFetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly userAgent: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onAnswer?: ((response: Response) => void) | undefined;
}

/** Asks once. Never throws. */
export type AskRest = (access: RestAccess, request: RestRequest) => Promise<RestAnswer>;

const ErrorBody = z.object({
  error: z.literal(true),
  r: z.unknown().optional(),
  result: z.unknown().optional(),
});

/** Connections that were never opened (Node's and undici's codes): nobody has carried anything out. */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The address of a view. */
export function restUrl(url: string, { view, query = {} }: RestRequest): string {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/restapi/${view}`;
  address.search = new URLSearchParams(query).toString();
  return address.href;
}

export function createRestApi(options: RestApiOptions): AskRest {
  const { timeoutMs, userAgent, now, onAnswer } = options;

  return async (access, request) => {
    const { signal, end } = timeLimit(timeoutMs);
    const { user, key } = access.rest;
    const address = new URL(restUrl(access.url, request));
    // The key of the API proves who asks. LHC has one such header.
    address.username = '';
    address.password = '';
    const send = access.isDeclared ? options.fetch : options.guardedFetch;
    try {
      const response = await send(address, {
        method: request.form ? 'POST' : 'GET',
        headers: {
          'User-Agent': userAgent,
          Authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`,
          ...(request.form && { 'Content-Type': 'application/x-www-form-urlencoded' }),
        },
        ...(request.form && { body: new URLSearchParams(request.form).toString() }),
        redirect: 'manual',
        signal,
      });
      onAnswer?.(response);
      return answerOf(response, await textOf(response), now());
    } catch (error) {
      return { kind: 'away', reason: reasonOf(error), sent: !neverSent(error) };
    } finally {
      end();
    }
  };
}

function answerOf(response: Response, text: string | null, now: number): RestAnswer {
  const { status } = response;
  const away = (reason: string): RestAnswer => {
    const afterMs = retryAfter(response.headers.get('retry-after'), now);
    return { kind: 'away', reason, sent: true, ...(afterMs !== undefined && { afterMs }) };
  };
  if (text === null) return away(`answered more than ${REST_ANSWER_BYTES} bytes`);
  if (status >= 300 && status < 400) {
    return away(
      `answered ${status}: callbackUrl is not LHC's address, or this LHC has no REST API`,
    );
  }
  if (status !== 200 && status !== 400) return away(`answered ${status}`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return away(`answered ${status}, and no JSON`);
  }
  const { data } = ErrorBody.safeParse(body);
  if (data) return { kind: 'error', text: wordsOf(data.r ?? data.result) };
  return status === 200 ? { kind: 'ok', body } : away(`answered ${status}`);
}

/** One line of what LHC says. */
function wordsOf(said: unknown): string {
  const text = typeof said === 'string' ? said : JSON.stringify(said ?? '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replaceAll(/<[^>]*>|[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.slice(0, REASON_CHARACTERS) || 'it does not say why';
}

/** @returns null if it is too long */
async function textOf({ body }: Response): Promise<string | null> {
  if (!body) return '';
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks).toString('utf8');
    size += value.length;
    if (size > REST_ANSWER_BYTES) {
      await reader.cancel(); // this closes the connection
      return null;
    }
    chunks.push(value);
  }
}

function neverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return false;
  if (cause instanceof AggregateError) return cause.errors.every(isNotConnected);
  return isNotConnected(cause);
}

const isNotConnected = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && NOT_CONNECTED.has(String(error.code));
