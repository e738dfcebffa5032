/** Request bodies, read up to a limit. */
import type { HonoRequest } from 'hono';
import { AppError } from '../../errors.ts';
import { ProblemError, problem } from './problem.ts';

/** The body of a command at most. */
export const MAX_COMMAND_BYTES = 256 * 1024;
/**
 * A batch of webhook events at most. mod_lhc posts 256 kB, or one event if that is longer; an older one bounds its texts
 * only by the size of a stanza (1 MiB as text can be 6 MiB as JSON).
 */
export const MAX_EVENTS_BYTES = 8 * 1024 * 1024;
/** How long a body may take from the end of the headers to its last byte, by default. */
export const BODY_DEADLINE_MS = 10_000;

/** The answer to a body that does not come to its end in time. The connection ends with it. */
const tooSlow = (why: string): ProblemError =>
  new ProblemError(problem('request-timeout', `${why}; send the same again`));

/**
 * Reads the body.
 * @param ending aborted when the body must not be waited for any longer
 * @throws {AppError} `too-large`; `invalid` when the caller hung up before the end
 * @throws {ProblemError} `request-timeout`
 */
export async function readBytes(
  request: HonoRequest,
  maxBytes: number,
  { deadlineMs = BODY_DEADLINE_MS, ending }: { deadlineMs?: number; ending?: AbortSignal } = {},
): Promise<Uint8Array> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const limit = `the body was not complete within ${deadlineMs / 1_000} s`;
  const timer = setTimeout(() => reject(tooSlow(limit)), deadlineMs);
  const startedAt = performance.now();
  const end = () => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    reject(
      tooSlow(`the body was not complete within ${seconds} s, and others waited for its place`),
    );
  };
  ending?.addEventListener('abort', end);
  const reading = read(request, maxBytes);
  reading.catch(() => undefined); // it ends with the connection, perhaps after the deadline
  try {
    return await Promise.race([reading, late]);
  } catch (error) {
    if (error instanceof AppError || error instanceof ProblemError) throw error;
    throw new AppError(
      'invalid',
      'the connection ended before the body did',
      { field: '' },
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    ending?.removeEventListener('abort', end);
  }
}

async function read(request: HonoRequest, maxBytes: number): Promise<Uint8Array> {
  const length = request.header('content-length');
  // With a length the server passes on exactly that many bytes. Without one (chunked) they are counted here.
  if (length === undefined) return readChunks(request, maxBytes);
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  // From the raw request: the body is read once, so Hono's cache of bodies would only cost.
  const bytes = new Uint8Array(await request.raw.arrayBuffer());
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

async function readChunks(request: HonoRequest, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.raw.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number) =>
  new AppError('too-large', `the body is larger than ${maxBytes} bytes`);

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });
const lenientUtf8 = new TextDecoder();

/**
 * @param lenient true: U+FFFD stands for bytes that are not UTF-8
 * @throws {AppError} `invalid` if the bytes are not JSON in UTF-8
 */
export function parseJson(bytes: Uint8Array, lenient = false): unknown {
  try {
    return JSON.parse((lenient ? lenientUtf8 : strictUtf8).decode(bytes));
  } catch (error) {
    throw new AppError('invalid', 'the body is not JSON in UTF-8', { field: '' }, { cause: error });
  }
}

/** True if a content type means JSON: `application/json` (RFC 8259), or the suffix `+json` (RFC 6839). */
export const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i.test(contentType);
