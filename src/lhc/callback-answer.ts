/** What LHC's answer to a callback says beside its status (docs/contracts.md). Whatever is no such answer says nothing. */
import { z } from 'zod';
import { cut } from '../kit/cut.ts';
import { onOneLine } from '../kit/lines.ts';
import { legibleText } from '../kit/xml-text.ts';
import type { CallbackAnswer, Done, WordedNotice } from './callback-types.ts';

/** An answer is read up to this size. A longer one says nothing. */
export const ANSWER_MAX_BYTES = 16_384;
/** Why LHC has refused something, in its own words, at most. In UTF-16 units. */
export const REFUSAL_MAX_CHARACTERS = 300;
/** What LHC says to the operator at most, over several lines. In UTF-16 units. */
export const NOTICE_MAX_CHARACTERS = 2_000;

/** In LHC's words; null if there are none. */
export interface InWords {
  /** {@link RefusalCode}, {@link NoticeCode}, or one that a later LHC knows. */
  readonly code: string;
  readonly text: string | null;
}

/** What an answer with a status of 2xx says. */
export type Said =
  | { readonly outcome: 'accepted'; readonly notice?: InWords }
  | { readonly outcome: 'refused'; readonly refusal: InWords };

/** They say something without a text. */
const WORDED: ReadonlySet<string> = new Set<WordedNotice | Done>([
  'not-shown-yet',
  'invited',
  'done',
]);

const ACCEPTED: Said = { outcome: 'accepted' };

const code = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/);
const text = z.string().nullish().catch(null);
const Answer: z.ZodType<CallbackAnswer> = z.union([
  // Whatever the code is, nothing was done.
  z.object({ outcome: z.literal('refused'), code: code.catch('not-possible'), text }),
  z.object({ outcome: z.literal('accepted'), notice: z.object({ code, text }) }),
]);

/** Reads the body of an answer with a status of 2xx. Never throws. @param body null if there is none, or too much of it */
export function saidIn(body: string | null): Said {
  // Most answers have no body, and LHC's own pages begin with `<`.
  if (!body?.trimStart().startsWith('{')) return ACCEPTED;
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return ACCEPTED; // no answer of ours
  }
  const { data: answer } = Answer.safeParse(given);
  if (!answer) return ACCEPTED;
  if (answer.outcome === 'refused') {
    const line = onOneLine(legibleText(answer.text ?? ''));
    const refusal = { code: answer.code, text: words(line, REFUSAL_MAX_CHARACTERS) };
    return { outcome: 'refused', refusal };
  }
  if (!answer.notice) return ACCEPTED;
  const said = words(legibleText(answer.notice.text ?? ''), NOTICE_MAX_CHARACTERS);
  const { code: notice } = answer.notice;
  if (said === null && !WORDED.has(notice)) return ACCEPTED; // there is nothing to show
  return { outcome: 'accepted', notice: { code: notice, text: said } };
}

const words = (given: string, most: number): string | null => {
  const trimmed = given.trim();
  return trimmed === '' ? null : cut(trimmed, most);
};
