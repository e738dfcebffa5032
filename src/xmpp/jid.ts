/** The parts of a JID (RFC 7622). Only for JIDs that this service made: no escaping, no normalisation. */
import { AppError } from '../errors.ts';

/** A JID without its resource. */
export const bareJid = (jid: string): string => jid.split('/', 1)[0] ?? '';

/** @throws {AppError} `refused` if the local part or the host is missing */
export function splitJid(jid: string): { readonly user: string; readonly host: string } {
  const bare = bareJid(jid);
  const at = bare.indexOf('@');
  const user = bare.slice(0, at);
  const host = bare.slice(at + 1);
  if (at < 1 || host === '') throw new AppError('refused', `"${jid}" is not the JID of a user.`);
  return { user, host };
}
