/** Who calls: the first parameter is a struct with user, server and password, as ejabberd_xmlrpc wants it. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { FAULT, Fault, type RpcValue } from './codec.ts';

/** An argument struct. */
export type Struct = Readonly<Record<string, RpcValue>>;

/** @throws {Fault} unless it is a struct */
export function structOf(value: RpcValue | undefined, what: string): Struct {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Fault(FAULT.unknownCall, `The ${what} of the call has to be a struct.`);
  }
  return value as Struct; // neither null nor an array
}

/**
 * A text of a struct. LHC writes numbers and empty values in several ways.
 * @throws {Fault} if it is absent, or a list or a struct
 */
export function textIn(struct: Struct, name: string): string {
  const value = Object.hasOwn(struct, name) ? struct[name] : undefined;
  if (value === undefined)
    throw new Fault(FAULT.missing, `Required attribute '${name}' not found.`);
  if (value === null) return '';
  if (typeof value === 'object') {
    throw new Fault(FAULT.wrongType, `Parameter '${name}' has to be a string.`);
  }
  return String(value);
}

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/**
 * Makes the check of the credentials.
 * @param password XMLRPC_PASSWORD. Without it every call is answered with a fault that says so
 * @returns gives the caller's host, which is the host of a tenant. It throws a {@link Fault} for everybody else
 */
export function createCallerCheck(
  { ofHost, hasHost }: { ofHost: TenantDirectory['ofHost']; hasHost: (host: string) => boolean },
  password: string | undefined,
): (credentials: RpcValue | undefined) => string {
  const expected = password === undefined ? null : digest(password);
  return (credentials) => {
    if (!expected) {
      throw new Fault(
        FAULT.failed,
        'XMLRPC_PASSWORD is not set in xmpp-chat: set it to the rpc_password of LHC.',
      );
    }
    const struct = structOf(credentials, 'first parameter');
    if (!timingSafeEqual(digest(textIn(struct, 'password')), expected)) {
      throw new Fault(
        FAULT.failed,
        'Invalid authentication data: the rpc_password of LHC is not the XMLRPC_PASSWORD of xmpp-chat.',
      );
    }
    const host = textIn(struct, 'server').toLowerCase();
    if (ofHost(host).length === 0 && !hasHost(host)) {
      throw new Fault(
        FAULT.failed,
        'Invalid authentication data: the rpc_account_host of LHC is the host of no tenant of xmpp-chat.',
      );
    }
    return host;
  };
}
