/** What went wrong, in the terms of this project; the HTTP layer maps each code to a status. */
export type ErrorCode =
  | 'invalid' // the input does not fit: `details.field` names the field
  | 'unauthorized'
  | 'not-found'
  | 'refused' // a command that the actor's state does not allow
  | 'conflict' // somebody else changed it; also an account that exists
  | 'reused' // an id of the caller's that belongs to another request
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

/** True if the error is an {@link AppError} with one of these codes. */
export const hasCode = (error: unknown, ...codes: readonly ErrorCode[]): error is AppError =>
  error instanceof AppError && codes.includes(error.code);

/** True if the other side does not allow the request: the same request would be refused again. */
export const isRefused = (error: unknown): error is AppError => hasCode(error, 'refused');

/** True if an actor rejected a command: its state does not allow the command, or something in it does not exist. */
export const isRejected = (error: unknown): error is AppError =>
  hasCode(error, 'refused', 'not-found');

/** True if the same may succeed later. */
export const isTransient = (error: unknown): error is AppError =>
  hasCode(error, 'unavailable', 'overloaded', 'timeout');

/** True if what is missing is on its way (`details.isOnItsWay`), so a first failure is no surprise: a visitor's login, say. */
export const isExpected = (error: unknown): boolean =>
  isTransient(error) && error.details.isOnItsWay === true;

/** True if the same would fail again, however often it is tried. */
export const isPermanent = (error: unknown): error is AppError =>
  hasCode(error, 'refused', 'not-found', 'invalid', 'reused', 'unfit', 'too-large');

/** True if only one actor fails, because its history does not fit its machine or its mailbox is full: others go on. */
export const isActorFailure = (error: unknown): error is AppError =>
  hasCode(error, 'unfit', 'overloaded');

/**
 * What callers may read of an error: an answer of the HTTP API, a fact, a callback. The message of an error of a part of
 * the service (`details.part`), such as ejabberd, is for the administrator: it names commands, codes, hosts and settings.
 * `details.publicMessage` is written for callers.
 */
export function publicMessageOf(error: unknown): string {
  if (!(error instanceof AppError)) return 'a defect of the service';
  const { part, publicMessage } = error.details;
  if (typeof publicMessage === 'string') return publicMessage;
  if (typeof part === 'string') return `${part} ${isPermanent(error) ? 'refused it' : 'is away'}`;
  return error.code === 'unavailable' ? 'a part of the service is away' : error.message;
}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
