/** The errors behind an ended stream, a failed login or a returned message. */
import type { Element } from '@xmpp/xml';
import { AppError, messageOf } from '../../errors.ts';
import { StreamFailure } from './login-stream.ts';

/** Bounds the part of ejabberd's text that goes into an error message. */
const TEXT_CHARS = 200;

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

/** The error of a message that ejabberd returned (RFC 6120 §8.3). Only the type `wait` is worth a retry. */
export function returnedError(stanza: Element): AppError {
  const error = stanza.getChild('error');
  const condition = error?.getChildElements()[0]?.name ?? 'undefined-condition';
  const text = error?.getChildText('text') ?? '';
  return new AppError(
    error?.attrs.type === 'wait' ? 'unavailable' : 'refused',
    `ejabberd returned the message to ${stanza.attrs.from ?? 'its receiver'}: ${condition}${text && ` (${text.slice(0, TEXT_CHARS)})`}`,
    { condition, id: stanza.attrs.id },
  );
}
