/** What an ended stream, a failed login or a returned message means to us. */
import type { Element } from '@xmpp/xml';
import { AppError, messageOf } from '../../errors.ts';
import { StreamFailure } from './stream.ts';

/**
 * Conditions after which trying again by ourselves would not help, or harm: `conflict` means that somebody else has
 * this session now (or an administrator ended it), and coming back would throw them out in turn.
 */
const final: Readonly<Record<string, string>> = {
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

/** `refused` when only somebody else can mend it, otherwise `unavailable`. */
export function sessionError(jid: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const condition = error instanceof StreamFailure ? error.condition : undefined;
  const why = condition === undefined ? undefined : final[condition];
  const details = { jid, ...(condition !== undefined && { condition }) };
  return why === undefined
    ? new AppError('unavailable', `${jid} has no session: ${messageOf(error)}`, details)
    : new AppError('refused', `${jid} has no session: ${why} (${condition})`, details);
}

/** The error of a message that ejabberd gave back (RFC 6120 §8.3): `wait` may pass, everything else will not. */
export function returnedError(stanza: Element): AppError {
  const error = stanza.getChild('error');
  const condition = error?.getChildElements()[0]?.name ?? 'undefined-condition';
  const text = error?.getChildText('text') ?? '';
  return new AppError(
    error?.attrs.type === 'wait' ? 'unavailable' : 'refused',
    `ejabberd returned the message to ${stanza.attrs.from ?? 'its receiver'}: ${condition}${text && ` (${text.slice(0, 200)})`}`,
    { condition, id: stanza.attrs.id },
  );
}
