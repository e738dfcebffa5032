/** Where and in which form a tenant's LHC gets its callbacks. */
import {
  operatorJid,
  type TenantNaming,
  type Username,
  type VisitorKey,
  visitorJid,
} from '../ids.ts';
import type { TenantSettings } from './settings.ts';

/** As a `CallbackEndpoint` of src/lhc/callback-client.ts. */
export interface TenantEndpoint {
  readonly url: string;
  readonly secret?: string | undefined;
  readonly isDeclared: boolean;
  readonly rest?: { readonly user: string; readonly key: string };
  readonly xmppservice?: {
    visitor(key: string): string;
    operator(username: string): string;
  };
}

/**
 * @param url the tenant's `callbackUrl`
 * @param isDeclared true if the administrator wrote it into TENANTS_FILE
 */
export function callbackEndpoint(
  tenant: TenantNaming &
    Pick<TenantSettings, 'callbackSecret' | 'callbackFlavour' | 'restUser' | 'restKey'>,
  url: string,
  isDeclared: boolean,
): TenantEndpoint {
  const { callbackSecret: secret, callbackFlavour } = tenant;
  if (callbackFlavour === 'native') return { url, secret, isDeclared };
  if (callbackFlavour === 'rest') {
    // The settings are not accepted without both.
    const { restUser: user = '', restKey: key = '' } = tenant;
    return { url, isDeclared, rest: { user, key } };
  }
  const xmppservice = {
    // Callbacks have keys and usernames of parsed names; the doctor asks with a name that nobody may have.
    visitor: (key: string) => visitorJid(tenant, key as VisitorKey),
    operator: (username: string) => operatorJid(tenant, username as Username),
  };
  return { url, isDeclared, xmppservice };
}
