/** The answers of the old Node server. */

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const HTML = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

export const OK_TEXT: Answer = { status: 200, type: HTML, text: 'ok' };
export const FORBIDDEN: Answer = { status: 403, type: 'text/plain', text: 'Forbidden' };

/** A call that was carried out. @param asText some paths answer with a word, the others with JSON */
export const answered = (asText: boolean): Answer =>
  asText ? OK_TEXT : { status: 200, type: JSON_TYPE, text: '{"error":false,"msg":""}' };

/** @param status LHC does not look at it */
export const refused = (reason: string, status = 200): Answer => ({
  status,
  type: JSON_TYPE,
  text: JSON.stringify({ error: true, msg: reason }),
});

export const NOTHING_HERE = refused('there is nothing at this path', 404);

/** @param close whether the connection ends with it */
export const respond = ({ status, type, text }: Answer, close = false): Response =>
  new Response(text, {
    status,
    headers: {
      'Content-Type': type,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(close && { Connection: 'close' }),
    },
  });
