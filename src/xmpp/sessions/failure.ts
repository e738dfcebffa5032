/** The errors behind an ended stream or a failed login. */
import { AppError, messageOf } from '../../errors.ts';
import { StreamFailure } from './login-stream.ts';

/**
 * Conditions after which another login would not help, or would do harm. After a `conflict` somebody else has the
 * session (or an administrator ended it), and another login would throw them out in turn.
 */
const FINAL_CONDITIONS: Readonly<Record<string, string>> = {
  conflict: 'another login took its place, or an administrator ended it',
  'not-authorized': 'ejabberd does not accept its password, or the account does not exist',
  'account-disabled': 'its account is disabled in ejabberd',
  'credentials-expired': 'its password has expired in ejabberd',
  'encryption-required': 'ejabberd requires TLS on this address',
  'invalid-mechanism': 'ejabberd does not offer SASL PLAIN on this address',
  'mechanism-too-weak': 'ejabberd does not offer SASL PLAIN on this address',
  'host-unknown': 'ejabberd does not serve its host',
  'host-gone': 'ejabberd does not serve its host any more',
};

/** The error of a login or session: `refused` if only a person can repair it, otherwise `unavailable`. */
export function sessionError(jid: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const condition = error instanceof StreamFailure ? error.condition : undefined;
  const cause = condition === undefined ? undefined : FINAL_CONDITIONS[condition];
  const details = { jid, ...(condition !== undefined && { condition }) };
  return cause === undefined
    ? new AppError('unavailable', `${jid} has no session: ${messageOf(error)}`, details)
    : new AppError('refused', `${jid} has no session: ${cause} (${condition})`, details);
}

/**
 * The error of a stanza before the login is done: it follows the visitor's first page view in a moment.
 * @param why the last session ended, or the last login failed
 */
export const noSessionNow = (jid: string, why?: AppError): AppError =>
  new AppError('unavailable', `${why?.message ?? `${jid} has no session now`}: send again later`, {
    isOnItsWay: true,
  });
