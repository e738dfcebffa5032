/** Fetches one file for a look at it: with bounds, and from nowhere but where it may come from. */
import { messageOf } from '../errors.ts';

/** Of one file, all redirections included. */
export const FETCH_DEADLINE_MS = 20_000;
/** LHC leads from one of its addresses to another. */
export const FETCH_MAX_REDIRECTS = 3;

/** The same request may be answered otherwise later. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

/** `away`: it may work later. `refused`: it will not. Reasons end a sentence, and have no part of the URL. */
export type Fetched =
  | { readonly outcome: 'fetched'; readonly bytes: Buffer }
  | { readonly outcome: 'away'; readonly reason: string }
  | { readonly outcome: 'refused'; readonly reason: string };

export interface FetchFile {
  /** That of the guard (src/lhc/callback-guard.ts), unless the administrator has declared where the file may be. */
  readonly fetch: typeof globalThis.fetch;
  /** Whether the file may be at this address; asked again for each redirection. */
  readonly mayBeAt: (url: string) => boolean;
  readonly maxBytes: number;
  /** Of the service's stop. */
  readonly signal: AbortSignal;
  /** Default {@link FETCH_DEADLINE_MS}. */
  readonly deadlineMs?: number | undefined;
}

const NOT_THERE = 'its address is not where files may come from';
export const tooLarge = (maxBytes: number): string => `it is larger than ${sizeText(maxBytes)}`;

const sizeText = (bytes: number): string =>
  bytes >= 1_048_576
    ? `${Math.floor(bytes / 104_857.6) / 10} MB`
    : `${Math.floor(bytes / 102.4) / 10} kB`;

/** The bytes of an answer; null if they are more than so many. */
async function receive(response: Response, maxBytes: number): Promise<Buffer | null> {
  const declared = Number(response.headers.get('content-length') ?? 0);
  if (declared > maxBytes) {
    await response.body?.cancel();
    return null;
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > maxBytes) return null; // leaving the loop closes the connection
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function refusedBy(status: number): Fetched {
  const isLater = status >= 500 || LATER.has(status);
  const reason = `the server that has it answered ${status}`;
  return { outcome: isLater ? 'away' : 'refused', reason };
}

/** Never throws. */
export async function fetchFile(
  url: string,
  { fetch, mayBeAt, maxBytes, signal, deadlineMs = FETCH_DEADLINE_MS }: FetchFile,
): Promise<Fetched> {
  const late = AbortSignal.timeout(deadlineMs);
  let at = url;
  try {
    for (let redirects = 0; redirects <= FETCH_MAX_REDIRECTS; redirects++) {
      if (!mayBeAt(at)) return { outcome: 'refused', reason: NOT_THERE };
      const response = await fetch(at, {
        redirect: 'manual',
        headers: { accept: '*/*', 'accept-encoding': 'identity' },
        signal: AbortSignal.any([signal, late]),
      });
      const { status, headers } = response;
      const location = headers.get('location');
      if (status >= 300 && status < 400 && location !== null && URL.canParse(location, at)) {
        await response.body?.cancel();
        at = new URL(location, at).href;
        continue;
      }
      if (status !== 200) {
        await response.body?.cancel();
        return refusedBy(status);
      }
      const bytes = await receive(response, maxBytes);
      if (bytes === null) return { outcome: 'refused', reason: tooLarge(maxBytes) };
      return bytes.length === 0
        ? { outcome: 'refused', reason: 'it is empty' }
        : { outcome: 'fetched', bytes };
    }
    return {
      outcome: 'refused',
      reason: `it is behind more than ${FETCH_MAX_REDIRECTS} redirections`,
    };
  } catch (error) {
    return {
      outcome: 'away',
      reason: late.aborted ? 'it did not come in time' : awayReason(error),
    };
  }
}

/** A message of fetch may have the address in it. */
function awayReason(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  const code = (cause as { code?: unknown } | undefined)?.code; // Node's errors of sockets and of TLS
  if (typeof code === 'string' && /^[A-Z_]{2,40}$/.test(code)) {
    return `the server that has it does not answer (${code})`;
  }
  return /CALLBACK_ALLOW/.test(messageOf(cause) + messageOf(error))
    ? 'the server that has it is in a network that the service must not reach (CALLBACK_ALLOW)'
    : 'the server that has it does not answer';
}
