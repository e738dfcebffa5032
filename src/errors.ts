/** What went wrong, in the terms of this project; the HTTP layer maps each code to a status. */
export type ErrorCode =
  | 'invalid' // the input does not fit: `details.field` names the field
  | 'unauthorized'
  | 'not-found'
  | 'refused' // a command that the actor's state does not allow
  | 'conflict' // somebody else changed it; also an account that exists
  | 'too-large'
  | 'overloaded' // a bound was reached; the caller may come again
  | 'unavailable' // a part we depend on is away
  | 'unfit' // a stored fact does not fit its machine any more
  | 'timeout';

/**
 * The one error that this project throws on purpose.
 * Its message is for the person who reads it and says what to do; `details` never hold a secret or a message body.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
