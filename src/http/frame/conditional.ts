/** Answers that need not be sent when the caller has them already (RFC 9110 §13). */
import { hash } from 'node:crypto';
import type { HonoRequest } from 'hono';
import type { Answer } from './answer.ts';

/** Of base64url: 132 bits. */
const TAG_CHARACTERS = 22;

/** RFC 9110 §13.1.2: `*` or a list of tags, compared weakly. */
const matches = (header: string, etag: string): boolean =>
  header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);

/**
 * A JSON answer with its ETag, or 304 when the caller has the same. `position` is no part of what the tag stands for:
 * it moves with every fact of every tenant. It is in the body of lists, and always in `X-Position`.
 * @param known a position that was in the read models before the answer was made, for an answer without one
 */
export function conditional(request: HonoRequest, answer: Answer, known: string | null): Answer {
  if (answer.status !== 200 || typeof answer.json !== 'object' || answer.json === null) {
    return answer;
  }
  const { position = known, ...content } = answer.json as { readonly position?: string | null };
  const text = JSON.stringify(content);
  const etag = `"${hash('sha256', text, 'base64url').slice(0, TAG_CHARACTERS)}"`;
  const headers = {
    ...answer.headers,
    'Cache-Control': 'private, no-cache',
    ETag: etag,
    ...(position !== null && { 'X-Position': position }),
  };
  const wanted = request.header('if-none-match');
  if (wanted !== undefined && matches(wanted, etag)) return { status: 304, headers };
  return 'position' in answer.json ? { ...answer, headers } : { status: 200, text, headers };
}
