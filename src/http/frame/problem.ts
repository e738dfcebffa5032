/** RFC 9457: what went wrong, for a program (`code`, `errors`) and for a person (`detail`). */
import type { z } from 'zod';
import { AppError, type ErrorCode } from '../../errors.ts';

/** Codes that only HTTP has, beside those of {@link AppError}. */
type ProblemCode = ErrorCode | 'method-not-allowed' | 'unsupported-media-type' | 'internal';

export interface FieldError {
  /** The path within the body, or the name of a parameter or header. */
  readonly field: string;
  readonly reason: string;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly errors?: readonly FieldError[];
  /** Seconds, of a 503: also in the header Retry-After, which is 1 without it. */
  readonly retryAfter?: number;
}

interface Kind {
  readonly status: number;
  readonly title: string;
  /** Said instead of the error's own message, which may name parts and places inside. */
  readonly detail?: string;
}

/** Every problem that this API answers with; /docs lists them under their code. */
export const KINDS: Readonly<Record<ProblemCode, Kind>> = {
  invalid: { status: 400, title: 'The request does not fit' },
  unauthorized: { status: 401, title: 'Not authorized', detail: 'Send a key that is valid here.' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  refused: { status: 409, title: 'Refused in this state' },
  conflict: { status: 409, title: 'Conflict' },
  'too-large': { status: 413, title: 'Too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  overloaded: { status: 503, title: 'Too busy' },
  unavailable: { status: 503, title: 'A part is away' },
  timeout: { status: 503, title: 'Not in time' },
  unfit: {
    status: 500,
    title: 'Unfit history',
    detail: 'What is recorded here does not fit the program that runs. /readyz counts such actors.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'This is a defect of the service. Its log names it by the X-Request-Id of this answer.',
  },
};

/** A problem of this kind. */
export function problem(
  code: ProblemCode,
  detail: string,
  errors: readonly FieldError[] = [],
): Problem {
  const { status, title, detail: fixed } = KINDS[code];
  return {
    type: `/docs#${code}`,
    title,
    status,
    detail: fixed ?? detail,
    code,
    ...(errors.length > 0 && { errors }),
  };
}

/** Whatever was thrown, as a problem: the one place where codes become statuses. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof AppError)) return problem('internal', '');
  const { code, message, details } = error;
  const retryAfter = typeof details.retryAfter === 'number' && { retryAfter: details.retryAfter };
  if (code === 'unavailable') {
    const part = typeof details.part === 'string' ? details.part : 'a part that this needs';
    const away = `${part} is away; send the same again in a moment`;
    // `said` is made for callers; messages may name places inside.
    const text = typeof details.said === 'string' ? details.said : away;
    return { ...problem(code, text), ...retryAfter };
  }
  const errors =
    typeof details.field === 'string' ? [{ field: details.field, reason: message }] : [];
  return { ...problem(code, message, errors), ...retryAfter };
}

const ERRORS_AT_MOST = 20;
const FIELD_AT_MOST = 100;

/** What a schema found, field by field. */
export function invalid(issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.flatMap(fieldErrors).slice(0, ERRORS_AT_MOST);
  const detail = errors.map(({ field, reason }) => (field ? `${field}: ${reason}` : reason));
  return problem('invalid', detail.join('; '), errors);
}

const fieldErrors = (issue: z.core.$ZodIssue): FieldError[] => {
  const at = (key?: string): string =>
    [...issue.path, ...(key === undefined ? [] : [key])].join('.').slice(0, FIELD_AT_MOST);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: at(key), reason: 'is not known here' }));
  }
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return [{ field: at(), reason: missing ? 'is required' : issue.message }];
};
