/** A JID's parts (RFC 7622), of JIDs that we made: no escaping, no normalisation. */
import { AppError } from '../errors.ts';

/** @throws {AppError} `refused` when there is no local part or no host */
export function parts(jid: string): { readonly user: string; readonly host: string } {
  const bare = jid.split('/', 1)[0] ?? '';
  const at = bare.indexOf('@');
  const user = bare.slice(0, at);
  const host = bare.slice(at + 1);
  if (at < 1 || host === '') throw new AppError('refused', `"${jid}" is not the JID of a user.`);
  return { user, host };
}
