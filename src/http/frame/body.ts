/** Request bodies, read up to a limit. */
import type { HonoRequest } from 'hono';
import { AppError } from '../../errors.ts';

/** The body of a command at most. */
export const MAX_COMMAND_BYTES = 256 * 1024;
/** A batch of webhook events at most. */
export const MAX_EVENTS_BYTES = 4 * 1024 * 1024;

/**
 * Reads the body.
 * @throws {AppError} `too-large`; `invalid` when the caller hung up before the end
 */
export async function readBytes(request: HonoRequest, maxBytes: number): Promise<Uint8Array> {
  try {
    return await read(request, maxBytes);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      'invalid',
      'the connection ended before the body did',
      { field: '' },
      { cause: error },
    );
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

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws {AppError} `invalid` if the bytes are not JSON in UTF-8 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new AppError('invalid', 'the body is not JSON in UTF-8', { field: '' }, { cause: error });
  }
}

/** True if a content type means JSON: `application/json` (RFC 8259), or the suffix `+json` (RFC 6839). */
export const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i.test(contentType);
