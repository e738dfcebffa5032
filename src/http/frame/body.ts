/** Request bodies, read up to a bound. */
import type { HonoRequest } from 'hono';
import { AppError } from '../../errors.ts';

/** Of a command, in bytes. */
export const COMMAND_LIMIT = 256 * 1024;
/** Of a batch of webhook events, in bytes. */
export const EVENTS_LIMIT = 4 * 1024 * 1024;

/**
 * The body as bytes.
 * @param limit in bytes
 * @throws {AppError} `too-large`; `invalid` when the caller went away before its end
 */
export async function readBytes(request: HonoRequest, limit: number): Promise<Uint8Array> {
  try {
    return await read(request, limit);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('invalid', 'the body did not arrive whole', { field: '' }, { cause: error });
  }
}

async function read(request: HonoRequest, limit: number): Promise<Uint8Array> {
  const length = request.header('content-length');
  // With a length the server hands over exactly that much; without one (chunked) it has to be counted.
  if (length === undefined) return readCounted(request, limit);
  if (Number(length) > limit) throw tooLarge(limit);
  // Of the raw request: it is read once, so Hono's cache of bodies would be one more layer.
  const bytes = new Uint8Array(await request.raw.arrayBuffer());
  if (bytes.length > limit) throw tooLarge(limit);
  return bytes;
}

async function readCounted(request: HonoRequest, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.raw.body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (limit: number) =>
  new AppError('too-large', `the body is larger than ${limit} bytes`);

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The bytes as JSON.
 * @throws {AppError} `invalid` for what is no JSON in UTF-8
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new AppError('invalid', 'the body is no JSON in UTF-8', { field: '' }, { cause: error });
  }
}

/** Whether a content type says JSON (RFC 8259, or a +json suffix of RFC 6839). */
export const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i.test(contentType);
