/** Answers that need not be sent again: ETag and If-None-Match (RFC 9110 §13). */
import { hash } from 'node:crypto';
import type { HonoRequest } from 'hono';
import type { Answer } from './answer.ts';

/** Characters of base64url in an ETag: 132 bits. */
const ETAG_CHARACTERS = 22;

/** RFC 9110 §13.1.2: `*`, or a list of tags. The comparison is weak. */
const matches = (header: string, etag: string): boolean =>
  header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);

/** Whether the caller has the content of this tag already. */
export function isUnchanged(request: HonoRequest, etag: string): boolean {
  const header = request.header('if-none-match');
  return header !== undefined && matches(header, etag);
}

/**
 * Adds an ETag to a JSON answer, or answers 304 if the caller has the same content. The tag does not cover `position`,
 * which moves with every fact of every tenant. Lists have the position in their body; `X-Position` always has it.
 */
export function conditional(request: HonoRequest, answer: Answer): Answer {
  if (answer.status !== 200 || typeof answer.json !== 'object' || answer.json === null) {
    return answer;
  }
  // An object of ours; a list has the position as text or null.
  const { position = answer.position ?? null, ...content } = answer.json as {
    readonly position?: string | null;
  };
  const text = JSON.stringify(content);
  const etag = `"${hash('sha256', text, 'base64url').slice(0, ETAG_CHARACTERS)}"`;
  const headers = {
    ...answer.headers,
    'Cache-Control': 'private, no-cache',
    ETag: etag,
    ...(position !== null && { 'X-Position': position }),
  };
  if (isUnchanged(request, etag)) return { status: 304, headers };
  return 'position' in answer.json ? { ...answer, headers } : { status: 200, text, headers };
}
