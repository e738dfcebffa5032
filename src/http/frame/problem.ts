/** Problem details (RFC 9457): `code` and `errors` are for programs, `detail` is for people. */
import type { z } from 'zod';
import { AppError, type ErrorCode, isTransient, publicMessageOf } from '../../errors.ts';

/** The codes of {@link AppError}, and those that only HTTP has. */
type ProblemCode =
  | ErrorCode
  | 'forbidden'
  | 'method-not-allowed'
  | 'request-timeout'
  | 'expectation-failed'
  | 'headers-too-large'
  | 'not-implemented'
  | 'version-not-supported'
  | 'unsupported-media-type'
  | 'too-many-requests'
  | 'waits'
  | 'internal';

export interface FieldError {
  /** A path within the body, or the name of a parameter or header. */
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
  /** Seconds; only with 429 and 503. The header Retry-After has the same. */
  readonly retryAfter?: number;
}

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Replaces the error's own message, which may name parts and places inside. */
  readonly detail?: string;
}

/** Every problem that this API answers, by code. /docs lists them. */
export const PROBLEM_KINDS: Readonly<Record<ProblemCode, ProblemKind>> = {
  invalid: { status: 400, title: 'Invalid request' },
  unauthorized: { status: 401, title: 'Not authorized' },
  forbidden: { status: 403, title: 'Not allowed from here' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'Request too slow' },
  refused: { status: 409, title: 'Refused in this state' },
  conflict: { status: 409, title: 'Conflict' },
  'too-large': { status: 413, title: 'Too large' },
  reused: { status: 422, title: 'Idempotency-Key of another request' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'expectation-failed': { status: 417, title: 'Unknown expectation' },
  'headers-too-large': { status: 431, title: 'Headers too large' },
  'not-implemented': { status: 501, title: 'Unknown method' },
  'version-not-supported': { status: 505, title: 'Unknown version of HTTP' },
  'too-many-requests': { status: 429, title: 'Too many requests of this tenant' },
  overloaded: { status: 503, title: 'Too busy' },
  unavailable: { status: 503, title: 'A part is away' },
  timeout: { status: 503, title: 'Too late' },
  waits: { status: 503, title: 'Behind an earlier request' },
  unfit: {
    status: 500,
    title: 'Unfit history',
    detail:
      'The recorded facts do not fit this version of the program. /readyz counts such actors.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'This is a defect of the service. Look for the X-Request-Id of this answer in its log.',
  },
};

/** Makes a problem of this kind. */
export function problem(
  code: ProblemCode,
  detail: string,
  errors: readonly FieldError[] = [],
): Problem {
  const { status, title, detail: fixed } = PROBLEM_KINDS[code];
  return {
    type: `/docs#${code}`,
    title,
    status,
    detail: fixed ?? detail,
    code,
    ...(errors.length > 0 && { errors }),
  };
}

/** Thrown where a problem is found that only HTTP has. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Makes a problem of a bound that one tenant has reached. @param retryAfterS at least 1 is answered */
export const tooMany = (detail: string, retryAfterS: number): Problem => ({
  ...problem('too-many-requests', detail),
  retryAfter: Math.max(1, retryAfterS),
});

/** Makes a problem of anything that was thrown: the one place where error codes become HTTP statuses. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (!(error instanceof AppError)) return problem('internal', '');
  const { code, details } = error;
  const reason = publicMessageOf(error);
  const comeAgain = isTransient(error) && details.part !== undefined && !details.publicMessage;
  const field = typeof details.field === 'string' ? details.field : null;
  const errors = field === null ? [] : [{ field, reason }];
  const detail = field ? `${field}: ${reason}` : reason;
  return {
    ...problem(code, comeAgain ? `${detail}; send the same again in a moment` : detail, errors),
    ...(typeof details.retryAfter === 'number' && { retryAfter: details.retryAfter }),
  };
}

/** True if the administrator finds more in the log than the caller in the problem. */
export const hidesReason = (error: unknown): boolean =>
  error instanceof AppError && publicMessageOf(error) !== error.message;

/** Field errors in one problem at most. */
export const MAX_FIELD_ERRORS = 20;
/** The name of a field in a problem at most: callers choose the names of unknown fields. */
export const MAX_FIELD_CHARACTERS = 100;

/** Makes a problem of the issues that a schema found, field by field. */
export function invalid(issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.flatMap(fieldErrors).slice(0, MAX_FIELD_ERRORS);
  const detail = errors.map(({ field, reason }) => `${field || 'the body'}: ${reason}`);
  return problem('invalid', detail.join('; '), errors);
}

const fieldErrors = (issue: z.core.$ZodIssue): FieldError[] => {
  const at = (key?: string): string =>
    [...issue.path, ...(key === undefined ? [] : [key])].join('.').slice(0, MAX_FIELD_CHARACTERS);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: at(key), reason: 'is not known here' }));
  }
  if (issue.code === 'invalid_union') {
    const meant = meantOption(issue.errors);
    if (meant) {
      return meant.flatMap((each) => fieldErrors({ ...each, path: [...issue.path, ...each.path] }));
    }
  }
  return [{ field: at(), reason: issue.message }];
};

/** Of what may stand in a place, the one that the caller has meant: less is wrong with it than with any other. */
function meantOption(options: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const [first, second] = options.toSorted((a, b) => a.length - b.length);
  return first && second && first.length < second.length ? first : undefined;
}
