/** Files that a browser loads: with an ETag, and compressed where that makes them smaller and the browser takes it. */
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Context } from 'hono';
import { isUnchanged } from './conditional.ts';

export interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer<ArrayBuffer>;
  /** null if it is no smaller: pictures and sounds are compressed already. */
  readonly gzipped: Buffer<ArrayBuffer> | null;
}

/** For files whose address changes with their content: a year (RFC 9111 §5.2.2, RFC 8246). */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/** RFC 9110 §12.5.3: with `q=0` it is refused. */
const TAKES_GZIP = /(?:^|[,\s])gzip\s*(?:$|,|;\s*q=(?!0(?:\.0*)?\s*(?:$|,)))/i;

const etagOf = (bytes: Buffer): string => `"${hash('sha256', bytes, 'base64url').slice(0, 22)}"`;

/** @param type of the content, for `Content-Type` */
export async function staticFileOf(bytes: Buffer<ArrayBuffer>, type: string): Promise<StaticFile> {
  const gzipped = (await promisify(gzip)(bytes)) as Buffer<ArrayBuffer>;
  return {
    type,
    etag: etagOf(bytes),
    bytes,
    gzipped: gzipped.length < bytes.length ? gzipped : null,
  };
}

/** @returns null if there is no such file */
export async function readStaticFile(path: string, type: string): Promise<StaticFile | null> {
  try {
    // A Buffer of readFile has memory of its own.
    return await staticFileOf((await readFile(path)) as Buffer<ArrayBuffer>, type);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** 200 with the file, or 304 if the browser has it. @param others headers of both */
export function answerFile(
  c: Context,
  { type, etag, bytes, gzipped }: StaticFile,
  others: Readonly<Record<string, string>>,
): Response {
  const headers = { ...others, ETag: etag, Vary: 'Accept-Encoding' };
  if (isUnchanged(c.req, etag)) return new Response(null, { status: 304, headers });
  const zipped = TAKES_GZIP.test(c.req.header('accept-encoding') ?? '') ? gzipped : null;
  const body = zipped ?? bytes;
  return new Response(body, {
    headers: {
      ...headers,
      'Content-Type': type,
      'Content-Length': String(body.length),
      ...(zipped && { 'Content-Encoding': 'gzip' }),
    },
  });
}
